# SPDX-License-Identifier: Apache-2.0
"""The commands. Airflow imports this module at every start of ``airflow``, so it imports nothing heavy."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from kling_provider.compat import enable_database_connections


@dataclass(frozen=True)
class CommandArgument:
    """One argument of a command: flags and options of ``argparse``."""

    flags: tuple[str, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Command:
    """The command ``airflow kling {group} {name}``.

    :param group: the first word after ``kling``.
    :param name: the second word.
    :param help: what the command does, for ``--help``.
    :param arguments: its arguments.
    :param run: ``module:function``; the function takes the parsed arguments and returns the exit code.
    """

    group: str
    name: str
    help: str
    arguments: tuple[CommandArgument, ...]
    run: str


_GROUPS = {
    "claims": "Places that are kept for results that are not saved yet",
    "memory": "What was paid, as far as Airflow Variables remember it",
}
_CONN_ID = CommandArgument(
    ("--conn-id",), {"help": "the connection of the storage, where the URL names none", "metavar": "ID"}
)
_YES = CommandArgument(("--yes", "-y"), {"action": "store_true", "help": "do not ask"})
COMMANDS = (
    Command(
        "claims",
        "list",
        "List the claims below a folder: for whom a place is kept, and since when",
        (
            CommandArgument(
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
            CommandArgument(
                ("target",),
                {
                    "metavar": "FILE|FOLDER",
                    "help": "the result's file of an error message, or all below a folder",
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
            CommandArgument(
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


def _run_command(command: Command, arguments: argparse.Namespace) -> int:
    """Run one command and return its exit code; an error of this provider is one line on stderr, and exit code 1."""
    from kling_provider.exceptions import KlingError

    enable_database_connections()
    module, _, function = command.run.partition(":")
    try:
        return int(getattr(import_module(module), function)(arguments))
    except KlingError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``python -m kling_provider``; return the exit code.

    :param argv: the arguments; by default those of the process.
    """
    parser = argparse.ArgumentParser(
        prog="python -m kling_provider", description="Commands of the Kling AI provider."
    )
    groups = parser.add_subparsers(title="groups", metavar="GROUP", required=True)
    for group, words in _GROUPS.items():
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
    return _run_command(arguments.command, arguments)


def get_airflow_commands() -> list[Any]:
    """Return the commands as ``airflow kling …``; Airflow calls this by the key ``cli`` of the provider info."""
    from airflow.cli import cli_config
    from airflow.cli.cli_config import ActionCommand, GroupCommand

    arg: Any = cli_config.Arg

    def make_action(command: Command) -> ActionCommand:
        def carry_out(arguments: argparse.Namespace) -> None:
            if code := _run_command(command, arguments):
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
            subcommands=[make_action(command) for command in COMMANDS if command.group == group],
        )
        for group, words in _GROUPS.items()
    ]
    return [
        GroupCommand(
            name="kling", help="Kling AI: claims of places, memory of what was paid", subcommands=groups
        )
    ]
