# SPDX-License-Identifier: Apache-2.0
"""One line that says how far the videos of a run are."""

from __future__ import annotations

import sys
import threading
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
_ORDER = ("waiting to start", "at work", "in the queue", "rendering", "to be tried again", "saved")


def stages(instances: Iterable[Mapping[str, Any]], triggers: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """How many task instances are where: a deferred one waits in the queue or for the end of its rendering."""
    in_queue = {
        (row["task_id"], row["map_index"])
        for row in triggers
        if str(row["classpath"]).endswith("KlingConcurrencyTrigger")
    }
    found: Counter[str] = Counter()
    for one in instances:
        if one["state"] == "deferred":
            queued = (one["task_id"], one["map_index"]) in in_queue
            found["in the queue" if queued else "rendering"] += 1
        else:
            found[_WORDS.get(one["state"] or "", "waiting to start")] += 1
    return found


def sentence(found: Counter[str]) -> str:
    """``2 rendering, 3 saved``."""
    words = sorted(found, key=lambda word: _ORDER.index(word) if word in _ORDER else len(_ORDER))
    return ", ".join(f"{found[word]} {word}" for word in words)


class Progress:
    """On a terminal one line that changes in place; elsewhere a line whenever something changed, or after a silence.

    :param silence: seconds after which the line is written again where it cannot change in place.
    """

    def __init__(self, out: TextIO = sys.stdout, *, silence: float = 20.0) -> None:
        self._out = out
        self._silence = silence
        self._began = self._written = time.monotonic()
        self._last = ""
        self._open = False
        self._lock = threading.RLock()
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._tick, name="progress", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        with self._lock:
            self._end_line()

    def show(self, text: str) -> None:
        """Show where things stand now."""
        with self._lock:
            if text != self._last:
                self._last = text
                self._write()

    def repeat(self) -> None:
        """Show the same again with the time that has passed; done every second between ``with`` and its end."""
        with self._lock:
            silent = time.monotonic() - self._written
            if self._last and (self._out.isatty() or silent >= self._silence):
                self._write()

    def say(self, text: str) -> None:
        """Write a line that stays; what was shown before is over."""
        with self._lock:
            self._end_line()
            self._last = ""
            print(text, file=self._out, flush=True)

    def _tick(self) -> None:
        while not self._ended.wait(1):
            self.repeat()

    def _write(self) -> None:
        self._written = time.monotonic()
        line = f"{self._written - self._began:4.0f} s: {self._last}"
        self._open = self._out.isatty()
        self._out.write(f"\r\x1b[K{line}" if self._open else f"{line}\n")
        self._out.flush()

    def _end_line(self) -> None:
        if self._open:
            self._out.write("\n")
            self._open = False
