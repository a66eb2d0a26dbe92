# SPDX-License-Identifier: Apache-2.0
"""Figures as text, and tables in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def span(low: float, high: float) -> str:
    """Return both ends of a range, once where they are the same."""
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def show(spread: Mapping[str, float | None] | None) -> str:
    """Return the median, with lowest and highest where they differ; a dash where nothing was measured."""
    if not spread or spread["median"] is None:
        return "–"
    median, lowest, highest = (float(spread[key] or 0) for key in ("median", "lowest", "highest"))
    told = _number(median)
    return told if lowest == highest else f"{told} ({_number(lowest)}–{_number(highest)})"


def _number(value: float) -> str:
    return f"{value:g}" if value == int(value) else f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: int) -> str:
    """Return a table whose columns from number ``right`` on are numbers; 0: none are."""
    lines = ["---" if not right or number < right else "--:" for number in range(len(heads))]
    ruled = [f"| {' | '.join(row)} |\n".replace("|  |", "| |") for row in (heads, *rows)]
    return "".join([ruled[0], f"|{'|'.join(lines)}|\n", *ruled[1:]])
