# SPDX-License-Identifier: Apache-2.0
"""CPU seconds of Airflow's components, with all that they forked and that has ended since."""

from __future__ import annotations

import contextlib

import psutil

from tests.support.stack import AirflowStack

_API = ("api-server", "execution-api")
#: What a fleet costs. The Dag processor reads the same files for every shape, so it is told apart and not added.
COUNTED = ("worker", "triggerer", "scheduler", "api_server")


def read_cpu(stack: AirflowStack) -> dict[str, float]:
    """Return the CPU seconds (user and system) that each component has taken since it started.

    LocalExecutor's workers and their tasks are children of the scheduler, so what is not its own process is ``worker``.
    """
    of = {name: part.process.pid for name, part in stack.components.items()}
    scheduler = psutil.Process(of["scheduler"])
    own = _sum(scheduler, gone=False)
    return {
        "scheduler": own,
        "worker": _read_family(scheduler) - own,
        "triggerer": _read_family(psutil.Process(of["triggerer"])),
        "api_server": sum(_read_family(psutil.Process(of[name])) for name in _API),
        "dag_processor": _read_family(psutil.Process(of["dag-processor"])),
    }


def subtract(after: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    """Return what was taken between two reads."""
    return {name: after[name] - before[name] for name in after}


def _read_family(leader: psutil.Process) -> float:
    total = _sum(leader)
    for process in leader.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended since, and its parent counts it
            total += _sum(process)
    return total


def _sum(process: psutil.Process, *, gone: bool = True) -> float:
    times = process.cpu_times()
    total = times.user + times.system
    if gone:
        total += times.children_user + times.children_system  # of those that have ended and were waited for
    return float(total)
