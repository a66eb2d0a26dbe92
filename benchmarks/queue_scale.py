# SPDX-License-Identifier: Apache-2.0
"""Thousands of tasks in the queue of one triggerer: how long the event loop stands, and what each of them takes.

``python benchmarks/queue_scale.py [count]`` starts so many ``KlingConcurrencyTrigger`` in one event loop, as the triggerer does,
against a sandbox in a process of its own whose tasks end all the time, so that some are woken, refused and come back. It writes
``results/queue.json``. A probe that sleeps 5 ms tells how late the loop is; the CPU time of the loop's thread between two probes tells
how much of that is work, on a machine where others work too.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks import results  # noqa: E402
from tests.support.sandbox_process import SandboxProcess  # noqa: E402

LIMIT = 20
#: Seconds that Kling takes, and for which the queue is watched.
RENDER, WATCHED = 15, 75.0
PROBE = 0.005
#: Airflow's warning "async thread was blocked" comes from here on, in seconds.
BLOCKED = 0.2


class Probe:
    """Measures how late the event loop is, by phase."""

    def __init__(self) -> None:
        self.phase = "empty"
        self.lags: dict[str, list[float]] = {}
        self.work: dict[str, list[float]] = {}
        self.collections: dict[str, list[float]] = {}
        self._collecting = self._collecting_work = self._collected_work = 0.0
        self.own_work: dict[str, list[float]] = {}
        gc.callbacks.append(self._note_collection)

    def _note_collection(self, step: str, details: dict[str, int]) -> None:
        """Measure Python's garbage collection, which stops the loop as well."""
        if step == "start":
            self._collecting, self._collecting_work = time.perf_counter(), time.thread_time()
        else:
            took = time.perf_counter() - self._collecting
            self.collections.setdefault(self.phase, []).append(took)
            self._collected_work += time.thread_time() - self._collecting_work

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            began, used, collected = time.perf_counter(), time.thread_time(), self._collected_work
            await asyncio.sleep(PROBE)
            self.lags.setdefault(self.phase, []).append(time.perf_counter() - began - PROBE)
            work = time.thread_time() - used
            self.work.setdefault(self.phase, []).append(work)
            self.own_work.setdefault(self.phase, []).append(work - self._collected_work + collected)

    def describe(self) -> dict[str, dict[str, float]]:
        """Describe every phase, in milliseconds."""
        return {
            phase: {
                "longest_stop_ms": round(max(lags) * 1000, 1),
                "p99_ms": round(sorted(lags)[int(0.99 * (len(lags) - 1))] * 1000, 1),
                "longest_work_ms": round(max(self.work[phase]) * 1000, 1),
                "p99_work_ms": round(
                    sorted(self.work[phase])[int(0.99 * (len(self.work[phase]) - 1))] * 1000, 1
                ),
                "longest_work_without_collections_ms": round(max(self.own_work[phase]) * 1000, 1),
                "longest_collection_ms": round(max(self.collections.get(phase, [0.0])) * 1000, 1),
                "blocked_warnings": sum(lag > BLOCKED for lag in lags),
            }
            for phase, lags in self.lags.items()
        }


class Queue:
    """So many tasks in the queue."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.probe = Probe()
        self.woken = self.refused = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def measure(self) -> dict[str, Any]:
        """Start all, watch them, and let all leave."""
        from kling_provider.hooks.kling import KlingHook
        from kling_provider.polling import waiting  # noqa: F401 - triggers import it in a thread, once

        self._hook = KlingHook()
        self._request = self._hook.validate_request({"prompt": "a paper boat", "duration": 5})
        for number in range(LIMIT):
            await asyncio.to_thread(self._create, f"first-{number}")
        gc.collect()
        process = psutil.Process()
        memory = process.memory_info().rss
        probe = asyncio.create_task(self.probe.run())
        # What the machine and Airflow's own objects cost, to compare with.
        await asyncio.sleep(5)
        gc.collect()
        await asyncio.sleep(5)
        self.probe.phase = "start"
        began, cpu = time.monotonic(), time.thread_time()
        for number in range(self.count):
            self._start(number, time.time() - 20 + number * 1e-3)
            await asyncio.sleep(0)
        starting = time.monotonic() - began
        await asyncio.sleep(1)
        memory = process.memory_info().rss - memory
        self.probe.phase, cpu = "wait", time.thread_time()
        await asyncio.sleep(WATCHED)
        cpu = time.thread_time() - cpu
        self.probe.phase = "leave"
        for number, task in enumerate(list(self._tasks)):
            task.cancel()
            if number % 10 == 0:
                await asyncio.sleep(0)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        probe.cancel()
        return {
            "count": self.count,
            "starting_s": round(starting, 1),
            "memory_kb_each": round(memory / 1024 / self.count, 2),
            "loop_cpu_share_while_waiting": round(cpu / WATCHED, 3),
            "woken": self.woken,
            "refused": self.refused,
            "phases": self.probe.describe(),
        }

    def _start(self, number: int, queued_at: float) -> None:
        task = asyncio.create_task(self._wait(number, queued_at))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wait(self, number: int, queued_at: float) -> None:
        """Wait as one task: its trigger, its worker, and the queue again where that is refused."""
        from kling_provider.execution.arrival import Arrival
        from kling_provider.triggers.kling import KlingConcurrencyTrigger

        trigger = KlingConcurrencyTrigger(
            external_task_id=f"e{number}",
            model="kling-3.0",
            dag_id=f"dag-{number % 40}",
            queued_at=queued_at,
            first_look=queued_at,
            priority_weight=number % 3 + 1,
        )
        async for event in trigger.run():
            self.woken += 1
            await asyncio.sleep(1)
            arrival = Arrival.of_event(event.payload)
            if await asyncio.to_thread(arrival.wait_for_place, self._hook, "text_to_video") and (
                await asyncio.to_thread(self._create, f"e{number}")
            ):
                return
            self.refused += 1
            self._start(number, queued_at)

    def _create(self, external_task_id: str) -> bool:
        prepared = self._hook.prepare_create(self._request, external_task_id=external_task_id)
        return self._hook.create(prepared)[1] is not None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=10_000)
    count = parser.parse_args().count
    machine = results.describe_machine()
    with SandboxProcess(time_scale=1, render_seconds=RENDER, concurrency=LIMIT, units=100_000) as sandbox:
        os.environ["AIRFLOW_CONN_KLING_DEFAULT"] = json.dumps(sandbox.connection)
        # What triggers log goes to a pipe in Airflow.
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            figures = asyncio.run(Queue(count).measure())
    results.write("queue", {"machine": machine, **figures})
    print(json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
