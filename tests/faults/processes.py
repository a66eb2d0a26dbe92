# SPDX-License-Identifier: Apache-2.0
"""The processes of running tasks, and which of them talk to Kling."""

from __future__ import annotations

import contextlib
import re
from urllib.parse import urlsplit

import psutil

_TASK_INSTANCE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def running_tasks() -> dict[str, tuple[int, int | None]]:
    """Task instance id -> pids of supervisor and task process, by their titles, in one look at all processes."""
    titled: dict[int, tuple[str, int]] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if found := _TASK_INSTANCE.search(" ".join(process.cmdline())):
                titled[process.pid] = (found[0], process.ppid())
    return {
        instance: (pid, next((child for child, (_, up) in titled.items() if up == pid), None))
        for pid, (instance, parent) in titled.items()
        if parent not in titled
    }


def talks_to(pid: int, address: str) -> bool:
    """Whether the process has a connection to that address."""
    port = urlsplit(address).port
    try:
        connections = psutil.Process(pid).net_connections(kind="tcp")
    except psutil.Error:
        return False
    return any(
        one.raddr and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED for one in connections
    )
