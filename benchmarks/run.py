# SPDX-License-Identifier: Apache-2.0
"""``python -m benchmarks.run EXPERIMENT [options]``: one experiment; without a name it lists them; ``all`` runs what ``make bench`` runs."""

from __future__ import annotations

import subprocess
import sys

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


def main() -> int:
    """Run the command line; 1 where an experiment ended with an error or missed a goal of its own."""
    name, *rest = sys.argv[1:] or [""]
    if name not in EXPERIMENTS:
        print(f"{__doc__}\n\n" + "\n".join(f"  {one:12}{module}" for one, module in EXPERIMENTS.items()))
        return 0 if not name else 2
    return subprocess.run([sys.executable, "-m", EXPERIMENTS[name], *rest], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
