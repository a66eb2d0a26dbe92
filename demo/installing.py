# SPDX-License-Identifier: Apache-2.0
"""``pip install`` with a word now and then: quiet, it says nothing for minutes, and otherwise hundreds of lines.

Run by the Makefile with the Python of a new environment, so it needs nothing that is not in Python itself.
"""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from collections.abc import Sequence

from demo.progress import Progress

STEP = 25
KEPT = 25


class Reader:
    """What pip is at, by its lines."""

    def __init__(self) -> None:
        self.last: deque[str] = deque(maxlen=KEPT)
        self._found = 0

    def read(self, line: str) -> str | None:
        """Words for people, where this line brings something new."""
        self.last.append(line)
        if line.startswith("Collecting "):
            self._found += 1
            if self._found % STEP == 0:
                return f"{self._found} packages found"
        if line.lstrip().startswith(
            ("Obtaining ", "Installing build dependencies", "Preparing editable metadata")
        ):
            return "reading what this package needs"
        if line.startswith("Installing collected packages: "):
            number = line.count(",") + 1
            return f"installing {number} package{'' if number == 1 else 's'}"
        return None


def install(arguments: Sequence[str], progress: Progress) -> int:
    """Run pip; what it said last is printed where it failed. Returns its exit status."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--progress-bar", "off"]
    reader = Reader()
    progress.show("asking for packages")
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        assert pip.stdout
        for line in pip.stdout:
            if words := reader.read(line.rstrip()):
                progress.show(words)
    if pip.returncode:
        progress.say("\n".join(reader.last))
    return pip.returncode


if __name__ == "__main__":
    with Progress() as on_terminal:
        sys.exit(install(sys.argv[1:], on_terminal))
