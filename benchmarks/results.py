# SPDX-License-Identifier: Apache-2.0
"""Results: what they were measured on, spread over the rounds, ratios, and the JSON that the page is made from."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDER = Path(__file__).parent / "results"
_PACKAGES = (
    "apache-airflow",
    "apache-airflow-providers-http",
    "airflow-provider-kling",
    "aiohttp",
    "requests",
)
#: Percent of all CPUs that others may take before the first round, and for how many seconds that is looked at.
_QUIET = 10.0
_LOOK = 5.0


def describe_machine() -> dict[str, Any]:
    """Return what the figures are measured on; call it before the first measurement, for the load."""
    cpu = Path("/proc/cpuinfo")
    models = [line for line in cpu.read_text().splitlines() if "model name" in line] if cpu.exists() else []
    busy = psutil.cpu_percent(interval=_LOOK)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": read_commit(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1024**3, 1),
        "processor": models[0].partition(": ")[2] if models else platform.processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _find_version(name) for name in _PACKAGES},
        "load_before": [round(one, 2) for one in os.getloadavg()],
        "busy_before": round(busy),
        "shared": busy > _QUIET,
    }


def spread(values: Iterable[float | None]) -> dict[str, float | None]:
    """Return median, lowest and highest of what is there."""
    there = [value for value in values if value is not None]
    if not there:
        return {"median": None, "lowest": None, "highest": None}
    return {
        "median": round(statistics.median(there), 3),
        "lowest": round(min(there), 3),
        "highest": round(max(there), 3),
    }


def summarize(rounds: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Return the spread of every figure over the rounds."""
    return {name: spread(one[name] for one in rounds) for name in rounds[0]} if rounds else {}


#: What a row is compared by: less is better in all of them.
COMPARED = (
    "requests_per_video",
    "notice_mean",
    "notice_p95",
    "worker_per_video",
    "cpu_per_video",
    "wall",
)


def find_best(rows: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, float | None]]:
    """Return for each round the lowest of every compared figure, among those that delivered every video in it.

    :param rows: the rounds of each shape, all in the same order.
    """
    best = []
    for number in range(max((len(row) for row in rows), default=0)):
        there = [row[number] for row in rows if number < len(row)]
        whole = [one for one in there if one["delivered"] == one["videos"]]
        best.append(
            {
                name: min((one[name] for one in whole if one[name] is not None), default=None)
                for name in COMPARED
            }
        )
    return best


def compare(
    ours: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, float | None]]:
    """Return the spread of ours : other for every compared figure, each round by itself.

    :param ours: the rounds of one shape.
    :param other: those of another, in the same order.
    """
    pairs = list(zip(ours, other, strict=False))
    return {name: spread(_divide(one.get(name), two.get(name)) for one, two in pairs) for name in COMPARED}


def write(name: str, document: Mapping[str, Any]) -> Path:
    """Write ``results/NAME.json``."""
    file = FOLDER / f"{name}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return file


def load(name: str) -> dict[str, Any] | None:
    """Return what was written, or None where it was not run."""
    file = FOLDER / f"{name}.json"
    if not file.exists():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _divide(one: float | None, two: float | None) -> float | None:
    return one / two if one is not None and two else None


def read_commit(root: Path = REPOSITORY) -> str:
    """Return the commit of a checkout, with a plus where files differ from it."""
    git = ["git", "-C", str(root)]
    try:
        commit = subprocess.run(
            [*git, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=True
        )
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no", "--", ":!benchmarks/results", ":!docs"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):  # a package without its repository
        return "unknown"
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")


def _find_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
