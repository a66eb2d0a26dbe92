# SPDX-License-Identifier: Apache-2.0
"""Many mapped prompts whose videos take 20 s: here Airflow is the narrow place, not Kling.

``python -m benchmarks.run throughput`` writes ``results/throughput.json``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.fleet import build_parser, run_experiment


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    shapes = "ours,ours-pair,trigger-per-task,http-reschedule,floor"
    parser = build_parser("throughput", __doc__, shapes=shapes, rounds=5)
    parser.add_argument("--videos", type=int, default=150, help="how many at once (default: 150)")
    parser.add_argument("--seconds", type=float, default=20, help="what Kling takes for one (default: 20)")
    wanted = parser.parse_args(arguments)
    seconds = [wanted.seconds] * wanted.videos
    return run_experiment("throughput", wanted.name or "throughput", wanted, seconds, starts=["warm"])


if __name__ == "__main__":
    sys.exit(main())
