# SPDX-License-Identifier: Apache-2.0
"""One line that says how far the videos of a run are."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self, TextIO

_WORDS = {
    "success": "saved",
    "failed": "failed",
    "upstream_failed": "failed",
    "skipped": "skipped",
    "running": "at work",
    "up_for_retry": "to be tried again",
}
_ORDER = ("waiting to start", "at work", "waiting for a slot", "rendering", "to be tried again", "saved")


def stages(instances: Iterable[Mapping[str, Any]], triggers: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """How many task instances are where: a deferred one waits for a free slot or for the end of its rendering."""
    for_a_slot = {
        (row["task_id"], row["map_index"])
        for row in triggers
        if str(row["classpath"]).endswith("KlingSlotTrigger")
    }
    found: Counter[str] = Counter()
    for one in instances:
        if one["state"] == "deferred":
            queued = (one["task_id"], one["map_index"]) in for_a_slot
            found["waiting for a slot" if queued else "rendering"] += 1
        else:
            found[_WORDS.get(one["state"] or "", "waiting to start")] += 1
    return found


def sentence(found: Counter[str]) -> str:
    """``2 rendering, 3 saved``."""
    words = sorted(found, key=lambda word: _ORDER.index(word) if word in _ORDER else len(_ORDER))
    return ", ".join(f"{found[word]} {word}" for word in words)


class Progress:
    """On a terminal one line that changes in place; elsewhere a line whenever something changed."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._began = time.monotonic()
        self._last = ""
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_line()

    def show(self, text: str) -> None:
        """Show where things stand now."""
        line = f"{time.monotonic() - self._began:4.0f} s: {text}"
        if self._out.isatty():
            self._out.write(f"\r\x1b[K{line}")
            self._open = True
        elif text != self._last:
            self._out.write(f"{line}\n")
        self._last = text
        self._out.flush()

    def say(self, text: str) -> None:
        """A line that stays."""
        self._end_line()
        print(text, file=self._out, flush=True)

    def _end_line(self) -> None:
        if self._open:
            self._out.write("\n")
            self._open = False
