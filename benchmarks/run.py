# SPDX-License-Identifier: Apache-2.0
"""``python -m benchmarks.run EXPERIMENT [options]`` runs one experiment, and ``page`` writes ``docs/performance.md``.

``all`` runs what ``make bench`` runs, one after the other, and then ``page``; names of results (``requests-20 downloads``) choose
some of it. ``EXPERIMENT --help`` tells its options.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import import_module

from benchmarks.schedule import SCHEDULE, SCRIPTS
from tests.support.stopping import ended_by_signals

#: Name on the command line -> module with a ``main``.
EXPERIMENTS = {
    "requests": "benchmarks.fleet",
    "throughput": "benchmarks.throughput",
    "limit": "benchmarks.limit",
    "downloads": "benchmarks.downloads",
    "imports": "benchmarks.import_cost",
    "gallery": "benchmarks.gallery",
    "page": "benchmarks.report",
}


def run_here(name: str, arguments: Sequence[str]) -> int:
    """Run an experiment in this process, so that a signal reaches it; return its exit code."""
    return int(import_module(EXPERIMENTS[name]).main(list(arguments)))


def run_beside(module: str, arguments: Sequence[str]) -> int:
    """Run a module in a process of its own, which ends with this one; return its exit code."""
    process = subprocess.Popen([sys.executable, "-m", module, *arguments])
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()  # it stops its Airflow itself
            process.wait()


def run_all(files: Sequence[str]) -> int:
    """Run the schedule and write the page; return 1 where something ended with an error."""
    runs = [
        *((step.file, step.title, EXPERIMENTS[step.experiment], step.options) for step in SCHEDULE),
        *((script.file, script.title, script.module, script.options) for script in SCRIPTS),
    ]
    if unknown := set(files) - {file for file, *_ in runs}:
        print(
            f"no such result: {', '.join(sorted(unknown))}; there are {', '.join(file for file, *_ in runs)}"
        )
        return 2
    failed, began = [], time.monotonic()
    for file, title, module, options in runs:
        if not files or file in files:
            minutes = (time.monotonic() - began) / 60
            print(f"== {title}: python -m {module} {options} (after {minutes:.0f} min)", flush=True)
            if run_beside(module, options.split()):
                failed.append(file)
    run_here("page", ())
    print(
        f"after {(time.monotonic() - began) / 60:.0f} min; ended with an error or missed a goal of its own: {', '.join(failed) or 'none'}"
    )
    return 1 if failed else 0


def main() -> int:
    """Run the command line."""
    name, *rest = sys.argv[1:] or [""]
    if name == "all":
        with ended_by_signals():
            return run_all(rest)
    if name in EXPERIMENTS:
        return run_here(name, rest)
    print(f"{__doc__}\n" + "\n".join(f"  {one:12}{module}" for one, module in EXPERIMENTS.items()))
    return 2


if __name__ == "__main__":
    sys.exit(main())
