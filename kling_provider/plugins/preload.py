# SPDX-License-Identifier: Apache-2.0
"""Import in the scheduler what tasks of ours import, before a ``LocalExecutor`` forks its workers (decision 0032).

Each task runs in a process that is forked from a worker, and a worker is forked from the scheduler. What is not there yet is imported
by each task again. Elsewhere (Celery, Kubernetes) workers are no children of the scheduler, and nothing is imported.
"""

from __future__ import annotations

import importlib
import sys

from airflow.configuration import conf

#: What a task imports that makes, waits for and saves a result. None of them starts a thread or opens anything.
_MODULES = (
    "kling_provider.operators.kling",
    "kling_provider.sensors.kling",
    "kling_provider.execution.runs.generate",
    "kling_provider.execution.runs.wait",
    "kling_provider.storage",
)


def preload_modules() -> None:
    """Import what tasks import, if this process is a scheduler with a ``LocalExecutor`` and ``[kling] preload`` is not off."""
    if sys.argv[1:2] != ["scheduler"] or "LocalExecutor" not in conf.get("core", "executor", fallback=""):
        return
    if conf.getboolean("kling", "preload", fallback=True):
        for module in _MODULES:
            importlib.import_module(module)
