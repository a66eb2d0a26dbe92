# SPDX-License-Identifier: Apache-2.0
"""What commands there are. Airflow reads this at every start of ``airflow``, so nothing is imported that it does not need."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from kling_provider.compat import read_database


@dataclass(frozen=True)
class Argument:
    """One argument, in argparse's words."""

    flags: tuple[str, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Command:
    """``airflow kling {group} {name}``.

    :param run: ``module:function``; the function takes the parsed arguments and returns the exit code.
    """

    group: str
    name: str
    help: str
    arguments: tuple[Argument, ...]
    run: str


GROUPS = {
    "claims": "Places that are kept for videos that are not saved yet",
    "memory": "What was paid, as far as Airflow Variables remember it",
}
_CONN_ID = Argument(
    ("--conn-id",), {"help": "the connection of the storage, where the URL names none", "metavar": "ID"}
)
_YES = Argument(("--yes", "-y"), {"action": "store_true", "help": "do not ask"})
COMMANDS = (
    Command(
        "claims",
        "list",
        "List the claims below a folder: for whom a place is kept, and since when",
        (
            Argument(
                ("folder",), {"help": "an absolute path, or the URL of an object store: s3://bucket/videos"}
            ),
            _CONN_ID,
        ),
        "kling_provider.cli.claims:list_claims",
    ),
    Command(
        "claims",
        "release",
        "Release claims whose tasks are not going to save there any more; what is paid all the same is saved beside",
        (
            Argument(
                ("target",),
                {
                    "metavar": "FILE|FOLDER",
                    "help": "the video's file of an error message, or all below a folder",
                },
            ),
            _CONN_ID,
            _YES,
        ),
        "kling_provider.cli.claims:release_claims",
    ),
    Command(
        "memory",
        "list",
        "List what is remembered, the oldest first",
        (),
        "kling_provider.cli.memory:list_command",
    ),
    Command(
        "memory",
        "prune",
        "Remove what was paid long ago; the same request may then be paid again",
        (
            Argument(
                ("--older-than",),
                {
                    "type": int,
                    "required": True,
                    "metavar": "DAYS",
                    "help": "since the paid call; Kling keeps 30",
                },
            ),
            _YES,
        ),
        "kling_provider.cli.memory:prune_command",
    ),
)


def run(command: Command, arguments: argparse.Namespace) -> int:
    """Carry one command out; what goes wrong is one line on stderr, and exit code 1."""
    from kling_provider.exceptions import KlingError

    read_database()
    module, _, function = command.run.partition(":")
    try:
        return int(getattr(import_module(module), function)(arguments))
    except KlingError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m kling_provider``; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m kling_provider", description="Commands of the Kling AI provider."
    )
    groups = parser.add_subparsers(title="groups", metavar="GROUP", required=True)
    for group, words in GROUPS.items():
        below = groups.add_parser(group, help=words, description=words).add_subparsers(
            title="commands", metavar="COMMAND", required=True
        )
        for command in COMMANDS:
            if command.group == group:
                one = below.add_parser(command.name, help=command.help, description=command.help)
                for argument in command.arguments:
                    one.add_argument(*argument.flags, **argument.options)
                one.set_defaults(command=command)
    arguments = parser.parse_args(argv)
    return run(arguments.command, arguments)


def get_airflow_commands() -> list[Any]:
    """The same for ``airflow kling …``: the provider key ``cli`` names this."""
    from airflow.cli import cli_config
    from airflow.cli.cli_config import ActionCommand, GroupCommand

    arg: Any = cli_config.Arg

    def action(command: Command) -> ActionCommand:
        def carry_out(arguments: argparse.Namespace) -> None:
            if code := run(command, arguments):
                raise SystemExit(code)

        return ActionCommand(
            name=command.name,
            help=command.help,
            func=carry_out,
            args=[arg(argument.flags, **argument.options) for argument in command.arguments],
        )

    groups = [
        GroupCommand(
            name=group,
            help=words,
            subcommands=[action(command) for command in COMMANDS if command.group == group],
        )
        for group, words in GROUPS.items()
    ]
    return [
        GroupCommand(
            name="kling", help="Kling AI: claims of places, memory of what was paid", subcommands=groups
        )
    ]
