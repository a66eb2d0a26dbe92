# SPDX-License-Identifier: Apache-2.0
"""Every way to stop a command leads through its ``with`` statements, so that nothing keeps running."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import psutil


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP leave through the ``with`` statements, as Ctrl-C does, instead of past them.

    SIGINT is set as well: a process that a script starts in the background inherits it as ignored.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {which: signal.signal(which, leave) for which in (signal.SIGTERM, signal.SIGHUP)}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_watch_make, daemon=True, name="watch make").start()
    try:
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)


def _watch_make() -> None:
    """Stop when the ``make`` that started this process was stopped.

    A terminal's Ctrl-C reaches both. But a make that gets SIGINT alone does not pass it on: it waits for its child, for
    ever. All it does is to drop its handler, which Linux shows; a make that was killed is no longer the parent.
    """
    make = os.getppid()
    with contextlib.suppress(psutil.Error, OSError):
        if psutil.Process(make).name() not in ("make", "gmake"):
            return
        had_a_handler = _handles_sigint(make)
        while os.getppid() == make and _handles_sigint(make) == had_a_handler:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)


def _handles_sigint(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():  # not Linux
        return False
    caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGINT - 1) & 1)
