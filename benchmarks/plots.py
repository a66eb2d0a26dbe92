# SPDX-License-Identifier: Apache-2.0
"""Bars as SVG, in the colours of the reader's theme. Written by hand: a plotting library is not worth its weight for bars."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.ours { fill: #0969da } .alternative { fill: #8c959f } .floor { fill: #1a7f37 }
.whisker { stroke: #24292f; stroke-width: 1 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .whisker { stroke: #e6edf3 }
  .ours { fill: #4493f8 } .alternative { fill: #7d8590 } .floor { fill: #3fb950 }
}
"""
_LABELS, _BARS, _VALUES, _LINE, _HEAD = 250, 300, 60, 20, 34


@dataclass(frozen=True)
class Bar:
    """One bar with its whisker.

    :param kind: whose it is: its colour.
    """

    label: str
    kind: str
    median: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Panel:
    """Bars of one figure."""

    title: str
    bars: Sequence[Bar]


def draw(panels: Sequence[Panel]) -> str:
    """Return an SVG with the panels below each other."""
    width = _LABELS + _BARS + _VALUES
    height = sum(_HEAD + _LINE * len(panel.bars) for panel in panels) + 8
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<style>{_STYLE}</style>",
    ]
    top = 0
    for panel in panels:
        lines += _draw_panel(panel, top)
        top += _HEAD + _LINE * len(panel.bars)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _draw_panel(panel: Panel, top: int) -> list[str]:
    most = max((bar.highest for bar in panel.bars), default=0) or 1
    lines = [f'<text class="title" x="0" y="{top + 22}">{html.escape(panel.title)}</text>']
    for number, bar in enumerate(panel.bars):
        y = top + _HEAD + number * _LINE
        length, low, high = (_BARS * value / most for value in (bar.median, bar.lowest, bar.highest))
        lines += [
            f'<text x="{_LABELS - 8}" y="{y + 12}" text-anchor="end">{html.escape(bar.label)}</text>',
            f'<rect class="{bar.kind}" x="{_LABELS}" y="{y + 2}" width="{max(length, 1):.1f}" height="{_LINE - 6}"/>',
            f'<text x="{_LABELS + max(length, high) + 6:.1f}" y="{y + 12}">{bar.median:.3g}</text>',
        ]
        if high - low >= 1:
            lines.append(
                f'<line class="whisker" x1="{_LABELS + low:.1f}" x2="{_LABELS + high:.1f}" '
                f'y1="{y + _LINE / 2 - 1:g}" y2="{y + _LINE / 2 - 1:g}"/>'
            )
    return lines
