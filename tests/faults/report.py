# SPDX-License-Identifier: Apache-2.0
"""The table for people, and the same as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.faults.counting import Line

_COLUMNS = ("wanted", "creates", "tasks", "delivered", "duplicates", "lost", "failed", "seconds")
_WIDTH = 64


def header() -> str:
    return "  ".join(["fault".ljust(_WIDTH), *(column.rjust(max(6, len(column))) for column in _COLUMNS)])


def row(line: Line) -> str:
    """One line; a wrong one says what is wrong below it."""
    if line.skipped:
        return f"{line.fault[:_WIDTH].ljust(_WIDTH)}  SKIPPED: {line.skipped}"
    cells = [str(getattr(line, column)).rjust(max(6, len(column))) for column in _COLUMNS]
    text = "  ".join([line.fault[:_WIDTH].ljust(_WIDTH), *cells])
    return "\n".join([text + ("  WRONG" if line.problems else ""), *(f"    ! {p}" for p in line.problems)])


def table(lines: Sequence[Line]) -> str:
    total = Line(name="", fault=f"{len(lines)} faults")
    for line in lines:
        for column in _COLUMNS:
            setattr(total, column, round(getattr(total, column) + getattr(line, column), 1))
    rule = "-" * len(header())
    return "\n".join([header(), rule, *(row(line) for line in lines), rule, row(total)])


def save(path: Path, lines: Sequence[Line], *, seconds: float) -> None:
    """The lines as JSON, with what they were measured on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "airflow": version("apache-airflow"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "seconds": round(seconds, 1),
        "faults": [line.as_json() for line in lines],
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
