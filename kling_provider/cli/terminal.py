# SPDX-License-Identifier: Apache-2.0
"""Output to the terminal, and questions at it."""

from __future__ import annotations

import sys


def print_lines(*lines: str) -> None:
    """Print lines to stdout."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def ask_to_confirm(question: str, *, yes: bool) -> bool:
    """Ask a question at the terminal; return whether the answer is yes, and ``False`` if there is no terminal.

    :param question: the question, without the choices.
    :param yes: whether ``--yes`` was given: then nothing is asked.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        sys.stderr.write(f"{question} There is no terminal to ask at: add --yes.\n")
        return False
    sys.stdout.write(f"{question} [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
