# SPDX-License-Identifier: Apache-2.0
"""Words to and from the person at the terminal."""

from __future__ import annotations

import sys


def say(*lines: str) -> None:
    """Write lines to stdout."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def agrees(question: str, *, yes: bool) -> bool:
    """Whether to go on: ``yes`` was written, or the person at the terminal says so. Nobody there means no."""
    if yes:
        return True
    if not sys.stdin.isatty():
        sys.stderr.write(f"{question} Nobody is here to ask: add --yes.\n")
        return False
    sys.stdout.write(f"{question} [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
