# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.faults``: all faults, or those that are named; exit 1 when any line is wrong."""

from __future__ import annotations

import argparse
import sys
import time
from fnmatch import fnmatch
from pathlib import Path

from tests.faults import all_scenarios, concurrency_benchmark, report
from tests.faults.counting import Line
from tests.faults.runner import AT_ONCE, play_all
from tests.support.stopping import ended_by_signals

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "names", nargs="*", help="names of faults (* allowed); concurrency: the benchmark of the queue"
    )
    parser.add_argument("--list", action="store_true", help="only list the names")
    parser.add_argument(
        "--at-once", type=int, default=AT_ONCE, help="faults played at once (default: %(default)s)"
    )
    parser.add_argument("--keep", action="store_true", help="keep Airflow's home, for a look at its logs")
    parser.add_argument("--json", type=Path, help="where the results go (default: benchmarks/results)")
    options = parser.parse_args()
    if options.names == ["concurrency"]:
        return concurrency_benchmark.main(options.json or RESULTS / "concurrency.json", keep=options.keep)
    chosen = list(
        dict.fromkeys(
            scenario
            for name in options.names or ["*"]
            for scenario in (
                *all_scenarios.SCENARIOS,
                *(concurrency_benchmark.SCENARIOS if options.names else ()),
            )
            if fnmatch(scenario.name, name)
        )
    )
    if options.list or not chosen:
        print("\n".join(f"{scenario.name:32}{scenario.fault}" for scenario in all_scenarios.SCENARIOS))
        return 0 if options.list else 2
    began = time.monotonic()
    print(report.header(), flush=True)

    def tell(line: Line) -> None:
        print(report.row(line), flush=True)

    lines = play_all(chosen, tell, keep=options.keep, at_once=options.at_once)
    seconds = time.monotonic() - began
    if not options.names or options.json:
        report.save(options.json or RESULTS / "faults.json", lines, seconds=seconds)
    print(f"\n{report.table(lines)}\n")
    wrong = [line for line in lines if line.problems]
    skipped = [line for line in lines if line.skipped]
    print(
        f"{len(lines) - len(wrong) - len(skipped)} right, {len(wrong)} wrong, {len(skipped)} skipped, "
        f"in {seconds:.0f} s"
    )
    return 1 if wrong or len(lines) < len(chosen) else 0


if __name__ == "__main__":
    with ended_by_signals():
        try:
            sys.exit(main())
        except KeyboardInterrupt:
            print("\nStopped.", file=sys.stderr)
            sys.exit(130)
