# SPDX-License-Identifier: Apache-2.0
"""More videos than the account takes at once: how long a place stands empty, and what is refused.

``python benchmarks/account_limit.py`` runs all cases at the same time, in 10 to 20 minutes, and writes
``results/account_limit.json``. The operators, their triggers and the queue are the real ones and run in real time against a
sandbox as slow as Kling (reads 150 ms, creates 600 ms); Airflow is left out: a task that is woken starts after ``start``
seconds in a thread, and one that defers has its trigger half a second later. ``--root`` runs another checkout beside this
one, to compare with.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

HERE = Path(__file__).resolve()
RESULTS = HERE.parent / "results" / "account_limit.json"
#: Limit, seconds from a wake to its worker, and whether times are spread as real ones.
CASES = [(limit, start, spread) for spread in (False, True) for limit in (5, 20) for start in (1.0, 20.0)]
#: Seconds that Kling takes for a video where times are spread: of real videos, in no order.
SPREAD = (28, 41, 55, 62, 74, 80, 86, 93, 99, 110, 121, 135, 150, 168, 190, 214, 240, 268, 295, 320)
#: Videos for each place of the limit, and of how many of them the first ones are left out of "warm".
ROUNDS, SPREAD_ROUNDS, COLD_ROUNDS = 5, 5, 2
#: Seconds from a defer to its trigger, and what other starts differ by.
TRIGGER, JITTER = 0.5, 0.1


def run_case(limit: int, start: float, spread: bool) -> dict[str, Any]:
    """Run one case in this process, and return its figures; times in seconds."""
    from kling_provider.sandbox import Sandbox

    rounds = SPREAD_ROUNDS if spread else ROUNDS
    count = rounds * limit
    dice = random.Random(limit)
    seconds = (
        [float(SPREAD[number % len(SPREAD)]) for number in range(count)]
        if spread
        else [dice.uniform(85.0, 95.0) for _ in range(count)]
    )
    dice.shuffle(seconds)
    rules: list[dict[str, Any]] = [
        {"kind": "slow", "on": "create", "seconds": 0.6, "before": True},
        {"kind": "slow", "on": ["read", "list", "account"], "seconds": 0.15},
    ]
    rules += [
        {"kind": "slow_render", "factor": one / 100.0, "match": {"prompt_contains": f"video {number:04}."}}
        for number, one in enumerate(seconds)
    ]
    with Sandbox(time_scale=1, render_seconds=100, concurrency=limit, units=1e6, short_side=144) as sandbox:
        sandbox.set_faults(rules)
        os.environ["AIRFLOW_CONN_KLING_DEFAULT"] = json.dumps(
            {
                "conn_type": "kling",
                "host": sandbox.base_url,
                "password": sandbox.api_key,
                "extra": {"profile": "kling"},
            }
        )
        fleet = Fleet(start)
        began = time.time()
        asyncio.run(fleet.run(count))
        stats = sandbox.stats()
    tasks = stats["in_flight"]
    begun = sorted(task["began"] / 1000 for task in tasks)
    ended = sorted(task["ended"] / 1000 for task in tasks if task["ended"] is not None)
    empty = [max(0.0, after - before) for before, after in zip(ended, begun[limit:], strict=False)]
    warm = empty[(COLD_ROUNDS - 1) * limit :]
    received = stats["creates"]["received"]
    return {
        "limit": limit,
        "worker_start": start,
        "spread": spread,
        "videos": count,
        "empty_mean": round(statistics.mean(empty), 2),
        "empty_warm_mean": round(statistics.mean(warm), 2),
        "empty_warm_p95": round(sorted(warm)[int(0.95 * (len(warm) - 1))], 2),
        "creates_per_video": round(received / count, 2),
        "refused_creates": received - len(tasks),
        "worker_seconds_per_video": round(fleet.worker_seconds / count, 2),
        "wall": round(time.time() - began, 1),
    }


class Fleet:
    """Runs operators as Airflow does: a worker until it defers, the trigger, another worker.

    :param start: seconds from the event of a trigger to its worker.
    """

    def __init__(self, start: float) -> None:
        self.start = start
        self.worker_seconds = 0.0
        self._pool = ThreadPoolExecutor(150)

    async def run(self, count: int) -> None:
        """Make so many videos."""
        await asyncio.gather(*(self._make_video(number) for number in range(count)))

    async def _make_video(self, number: int) -> None:
        from airflow.sdk.exceptions import TaskDeferred

        from kling_provider.operators.kling import KlingGenerateOperator
        from tests.unit.instance import Instance

        instance = Instance(map_index=number, run_id="bench")
        context = {**instance.context, "outlet_events": defaultdict(lambda: SimpleNamespace(extra={}))}
        operator = KlingGenerateOperator(
            task_id="video", request={"prompt": f"video {number:04}.", "duration": 5, "name": f"v{number}"}
        )
        method, arguments = operator.execute, {}
        await asyncio.sleep(number * 0.02)
        while True:
            try:
                await self._work(method, context, arguments)
                return
            except TaskDeferred as deferred:
                await asyncio.sleep(TRIGGER)
                event = await self._run_trigger(deferred.trigger)
                method = getattr(operator, deferred.method_name)
                arguments = {**(deferred.kwargs or {}), "event": event}
            await asyncio.sleep(self.start * random.uniform(1.0 - JITTER, 1.0 + JITTER))

    async def _work(self, method: Any, context: Any, arguments: dict[str, Any]) -> None:
        def work() -> None:
            began = time.monotonic()
            try:
                method(context, **arguments)
            finally:
                self.worker_seconds += time.monotonic() - began

        await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def _run_trigger(self, trigger: Any) -> Any:
        """Run a trigger as it comes from its row."""
        _, row = trigger.serialize()
        async for event in type(trigger)(**json.loads(json.dumps(row))).run():
            return event.payload
        raise AssertionError("a trigger must yield an event")


def start_case(root: Path, case: tuple[int, float, bool], out: Path) -> subprocess.Popen[bytes]:
    """Start a case in a process of its own, with the provider of the checkout at ``root``; it writes its figures to ``out``."""
    return subprocess.Popen(
        [sys.executable, str(HERE), "--case", json.dumps(case), "--out", str(out)],
        env={**os.environ, "PYTHONPATH": str(root)},
        cwd=root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, action="append", help="a checkout to measure; default: this one")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=("regular", "spread"), help="videos of 90 s, or of 28 to 320 s")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the file for the figures")
    arguments = parser.parse_args()
    if arguments.case:
        arguments.out.write_text(json.dumps(run_case(*json.loads(arguments.case))))
        return 0
    # Not for a case: that has the packages of the checkout that it measures.
    sys.path.insert(0, str(HERE.parents[1]))
    from benchmarks import results

    cases = [case for case in CASES if arguments.only is None or case[2] == (arguments.only == "spread")]
    roots = arguments.root or [HERE.parents[1]]
    result: dict[str, Any] = {
        "machine": results.describe_machine(),
        "runs": [],
    }
    with tempfile.TemporaryDirectory() as folder:
        files = {
            (root, case): Path(folder) / f"{number}"
            for number, (root, case) in enumerate(product(roots, cases))
        }
        # All at the same time: they wait more than they work, and so each has the same machine.
        for process in [start_case(root.resolve(), case, out) for (root, case), out in files.items()]:
            process.wait()
        for root in roots:
            rows = [json.loads(files[root, case].read_text()) for case in cases]
            result["runs"].append({"commit": results.read_commit(root), "cases": rows})
            for row in rows:
                print(json.dumps(row), flush=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
