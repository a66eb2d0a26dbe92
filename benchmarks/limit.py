# SPDX-License-Identifier: Apache-2.0
"""More videos than the account takes at once: how long a place stands empty, and what is refused.

``python -m benchmarks.run limit --limit 5`` writes ``results/limit-5.json``; ``--worker-start 20`` lets every worker come so many
seconds later, as with KubernetesExecutor, and writes ``limit-5-start-20.json``.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence

from benchmarks.fleet import SPREAD, build_parser, list_seconds, run_experiment
from benchmarks.slow_start import VARIABLE, SlowStartExecutor


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = build_parser("limit", __doc__, shapes="ours,trigger-in-pool")
    parser.add_argument("--limit", type=int, default=5, help="tasks in flight that the account takes")
    parser.add_argument("--videos", type=int, help="how many are wanted (default: four times the limit)")
    parser.add_argument("--seconds", type=float, default=90, help="what Kling takes for one (default: 90)")
    parser.add_argument("--plus-minus", type=float, default=5, help="by how much it differs (default: 5)")
    parser.add_argument("--spread", action="store_true", help="videos of 28 to 320 s instead")
    parser.add_argument("--worker-start", type=float, default=0, help="seconds that a worker comes later")
    wanted = parser.parse_args(arguments)
    videos, name = wanted.videos or 4 * wanted.limit, f"limit-{wanted.limit}"
    seconds = list_seconds(videos, wanted.seconds, wanted.plus_minus)
    if wanted.spread:
        seconds = [float(SPREAD[number % len(SPREAD)]) for number in range(videos)]
        random.Random(videos).shuffle(seconds)
        name += "-spread"
    environment = {}
    if wanted.worker_start:
        executor = f"{SlowStartExecutor.__module__}.{SlowStartExecutor.__qualname__}"
        environment = {"AIRFLOW__CORE__EXECUTOR": executor, VARIABLE: str(wanted.worker_start)}
        name += f"-start-{wanted.worker_start:g}"
    return run_experiment(
        "limit",
        wanted.name or name,
        wanted,
        seconds,
        starts=["warm"],
        settings={"limit": wanted.limit, "worker_start": wanted.worker_start},
        limit=wanted.limit,
        environment=environment,
    )


if __name__ == "__main__":
    sys.exit(main())
