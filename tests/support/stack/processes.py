# SPDX-License-Identifier: Apache-2.0
"""Processes that start together and end together, whatever happens to the one that started them.

Everything a family starts carries its marker in the environment, children of children too. The marker, not the
process group, decides what is left to end: LocalExecutor's workers outlive a killed scheduler, and a running task has
a group of its own. A guard process waits for the death of the starter (SIGKILL included) and then does the same.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

MARKER = "KLING_DEMO_FAMILY"
#: How long the polite signal has before the rude one.
GRACE = 2.0

T = TypeVar("T")


class StackError(RuntimeError):
    """A process died, would not start, or would not end. The text carries the tail of its log."""


@dataclass(frozen=True)
class TaskProcesses:
    """The two processes of a running task instance: Airflow's supervisor, and its child that runs the user's code."""

    supervisor: int
    task: int | None


def wait_for(
    probe: Callable[[], T], *, timeout: float, what: str | Callable[[], str], interval: float = 0.25
) -> T:
    """Call ``probe`` until it returns something true, and return that; else raise ``TimeoutError`` naming ``what``."""
    deadline = time.monotonic() + timeout
    while True:
        if found := probe():
            return found
        if time.monotonic() > deadline:
            text = what if isinstance(what, str) else what()
            raise TimeoutError(f"after {timeout:g} s still waiting for {text}")
        time.sleep(interval)


def free_port() -> int:
    """A port of 127.0.0.1 that is free now, from below the range that the kernel hands out by itself.

    A port that the kernel gave for ``bind(0)`` may be given to any connection between the look and the use of it.
    """
    for port in random.sample(range(20000, 30000), 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise StackError("no free port between 20000 and 30000 on 127.0.0.1")


def tail(log: Path, lines: int = 40) -> str:
    """The end of a log file, for an error text."""
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"(no log: {error})"


class ProcessFamily:
    """Starts processes, each in a session of its own, and ends them all.

    :param scratch: a folder of theirs that goes when they do.
    """

    def __init__(self, scratch: Path | None = None) -> None:
        self._scratch = scratch
        self.id = uuid.uuid4().hex
        self._leaders: list[subprocess.Popen[bytes]] = []
        # In a session of its own: a Ctrl-C or a signal to the starter's group must not reach the guard.
        self._guard = subprocess.Popen(
            [sys.executable, str(Path(__file__)), self.id, *([str(scratch)] if scratch else [])],
            stdin=subprocess.PIPE,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if name != MARKER},
        )
        atexit.register(self.end)

    def start(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        cwd: Path | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start ``command`` as leader of a new session; its output is appended to ``log``."""
        with log.open("ab") as output:
            leader = subprocess.Popen(
                list(command),
                # SPT_NOENV: process titles are written over the environment otherwise, and the marker is lost.
                env={**environment, MARKER: self.id, "SPT_NOENV": "1"},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._leaders.append(leader)
        return leader

    def members(self, session: int | None = None) -> list[psutil.Process]:
        """All living processes of the family, or of one session of it (a session is named by its leader's pid)."""
        return [
            process for process in _marked(self.id) if session is None or _session_of(process.pid) == session
        ]

    def end(self) -> None:
        """End every process: SIGTERM, two seconds, SIGKILL. Raises if something is left even then."""
        with uninterrupted():
            left = _end(self.id, self._scratch)
            for leader in self._leaders:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    leader.wait(timeout=1)
            self._leaders.clear()
            if self._guard.stdin and not self._guard.stdin.closed:
                self._guard.stdin.close()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._guard.wait(timeout=10)
            atexit.unregister(self.end)
            if left:
                raise StackError(f"these processes would not end: {left}")


def _marked(marker: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARKER) == marker and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _end(marker: str, scratch: Path | None) -> list[str]:
    """End what carries the marker, remove its folder; return what is left of the processes."""
    _signal_all(_marked(marker), signal.SIGTERM)
    polite_until = time.monotonic() + GRACE
    while _marked(marker) and time.monotonic() < polite_until:
        time.sleep(0.05)
    # Again and again: a process may have started another between the look and the signal.
    rude_until = time.monotonic() + 5
    while (left := _marked(marker)) and time.monotonic() < rude_until:
        _signal_all(left, signal.SIGKILL)
        time.sleep(0.05)
    for _ in range(3):  # a process that was just killed may still finish a write
        if scratch and scratch.exists():
            shutil.rmtree(scratch, ignore_errors=True)
            time.sleep(0.1)
    return [" ".join(process.cmdline()) for process in left if process.is_running()]


def _signal_all(processes: Sequence[psutil.Process], which: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(which)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """A second Ctrl-C must not stop the cleaning up that the first one began."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


if __name__ == "__main__":  # the guard
    sys.stdin.buffer.read()  # returns when the starter closes the pipe, or dies
    _end(sys.argv[1], Path(sys.argv[2]) if sys.argv[2:] else None)
