# SPDX-License-Identifier: Apache-2.0
"""What a DAG file pays for importing our parts, on top of ``airflow.sdk``: every worker start parses the file.

``python -m benchmarks.run imports [runs]`` prints a table and writes ``results/import_cost.json``. The times are CPU
times, as what else the machine does would be measured otherwise.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks import results

#: Milliseconds, for the operators.
GOAL = 20
#: What a DAG file imports, and each in an interpreter of its own. ``requests`` is there to compare with.
STATEMENTS = (
    "import kling_provider.operators.kling",
    "import kling_provider.sensors.kling",
    "import kling_provider.decorators.kling",
    "import kling_provider.prompts",
    "import requests",
)

_PROGRAM = """
import time
start = time.process_time()
import airflow.sdk
between = time.process_time()
{statement}
end = time.process_time()
print((between - start) * 1000, (end - between) * 1000)
"""


def measure(statement: str, runs: int) -> tuple[list[float], list[float]]:
    """Milliseconds of ``airflow.sdk``, and of ``statement`` after it; the first run fills the caches and is left out."""
    sdk, ours = [], []
    for number in range(runs + 1):
        command = [sys.executable, "-c", _PROGRAM.format(statement=statement)]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        if number:
            before, after = out.split()[-2:]
            sdk.append(float(before))
            ours.append(float(after))
    return sdk, ours


def main(arguments: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    runs = int(given[0]) if given else 15
    machine, began = results.describe_machine(), time.monotonic()
    rows = {}
    print(f"{'CPU milliseconds on top of airflow.sdk':44}{'median':>8}{'lowest':>8}{'highest':>8}")
    for statement in STATEMENTS:
        sdk, ours = measure(statement, runs)
        rows[statement] = {
            "median_ms": round(statistics.median(ours), 1),
            "min_ms": round(min(ours), 1),
            "max_ms": round(max(ours), 1),
            "airflow_sdk_median_ms": round(statistics.median(sdk), 1),
        }
        row = rows[statement]
        print(f"{statement:44}{row['median_ms']:8.1f}{row['min_ms']:8.1f}{row['max_ms']:8.1f}")
    found = rows[STATEMENTS[0]]["median_ms"]
    print(f"Goal for the operators: {GOAL} ms. Reached: {'yes' if found <= GOAL else 'NO'}.")
    document = {
        "experiment": "imports",
        "machine": machine,
        "runs": runs,
        "goal_ms": GOAL,
        "imports": rows,
        "seconds": round(time.monotonic() - began),
    }
    results.write("import_cost", document)
    return 0 if found <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
