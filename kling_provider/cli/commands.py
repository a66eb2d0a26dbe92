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
    "voices": "Voices that the account keeps at Kling, and those that Kling offers to all",
    "elements": "Characters and things that the account keeps at Kling, and those that Kling offers to all",
    "ledger": "What Kling took from the account, task by task",
}
_CONN_ID = CommandArgument(
    ("--conn-id",), {"help": "the connection of the storage, where the URL names none", "metavar": "ID"}
)
_KLING_CONN_ID = CommandArgument(
    ("--conn-id",),
    {
        "help": "the connection of Kling; by default kling_default",
        "metavar": "ID",
        "default": "kling_default",
    },
)
_PRESETS = CommandArgument(("--presets",), {"action": "store_true", "help": "those that Kling offers to all"})
_SINCE = CommandArgument(
    ("--days",),
    {"type": int, "default": 30, "metavar": "DAYS", "help": "how many days back from now; by default 30"},
)
_KEY_NAMES = CommandArgument(
    ("--api-key-name",),
    {
        "action": "append",
        "default": [],
        "metavar": "NAME",
        "help": "only what this API key asked for, by its name in Kling's console; may be written several times",
    },
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
    Command(
        "voices",
        "list",
        "List the voices: the id that requests take as voice_id, and the name",
        (_PRESETS, _KLING_CONN_ID),
        "kling_provider.cli.library:list_voices",
    ),
    Command(
        "voices",
        "delete",
        "Delete one of the account's own voices; requests that name it fail from then on",
        (CommandArgument(("voice_id",), {"help": "the id of the voice"}), _KLING_CONN_ID, _YES),
        "kling_provider.cli.library:delete_voice",
    ),
    Command(
        "elements",
        "list",
        "List the elements: the id that requests take as element_id, and the name",
        (
            _PRESETS,
            CommandArgument(("--old",), {"action": "store_true", "help": "those of the older library"}),
            _KLING_CONN_ID,
        ),
        "kling_provider.cli.library:list_elements",
    ),
    Command(
        "elements",
        "delete",
        "Delete one of the account's own elements; requests that name it fail from then on",
        (CommandArgument(("element_id",), {"help": "the id of the element"}), _KLING_CONN_ID, _YES),
        "kling_provider.cli.library:delete_element",
    ),
    Command(
        "ledger",
        "units",
        "List the units that were taken from the account's packs, and their sum",
        (
            _SINCE,
            _KEY_NAMES,
            CommandArgument(
                ("--product-type",),
                {
                    "action": "append",
                    "default": [],
                    "choices": ("video", "image", "try_on"),
                    "help": "only from packs of this type; may be written several times",
                },
            ),
            _KLING_CONN_ID,
        ),
        "kling_provider.cli.ledger:list_units",
    ),
    Command(
        "ledger",
        "balance",
        "List the money that was taken from the account's balance, and its sum",
        (_SINCE, _KEY_NAMES, _KLING_CONN_ID),
        "kling_provider.cli.ledger:list_balance",
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


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of ``python -m kling_provider``; what it parses has the ``command``."""
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
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``python -m kling_provider``; return the exit code.

    :param argv: the arguments; by default those of the process.
    """
    arguments = build_parser().parse_args(argv)
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
            name="kling",
            help="Kling AI: claims of places, memory of what was paid, voices, elements, ledgers",
            subcommands=groups,
        )
    ]
