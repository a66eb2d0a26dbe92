# SPDX-License-Identifier: Apache-2.0
"""LocalExecutor whose workers come late, as with an executor that starts a container for each task."""

from __future__ import annotations

import os
import time
from typing import Any

from airflow.executors.local_executor import LocalExecutor

#: Seconds between the executor's order and the start of the worker.
VARIABLE = "BENCH_WORKER_START"


class SlowStartExecutor(LocalExecutor):
    """Hand each task to a worker so many seconds later; it is ``queued`` until then."""

    def start(self) -> None:
        """Start the workers."""
        self._late: list[tuple[float, Any]] = []
        super().start()

    def sync(self) -> None:
        """Hand over what is due; the scheduler calls this in each of its loops."""
        now = time.monotonic()
        due = [workload for moment, workload in self._late if moment <= now]
        self._late = [one for one in self._late if one[0] > now]
        for workload in due:
            self.queued_tasks[workload.key] = workload  # where the parent takes it from
        if due:
            super()._process_workloads(due)
        super().sync()

    def _process_workloads(self, workload_list: Any) -> None:
        moment = time.monotonic() + float(os.environ[VARIABLE])
        for workload in workload_list:
            self.queued_tasks.pop(workload.key)
            self._late.append((moment, workload))
