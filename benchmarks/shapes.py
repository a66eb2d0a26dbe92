# SPDX-License-Identifier: Apache-2.0
"""What is measured: the provider, what people write today, and a floor."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Shape:
    """One way to make videos.

    :param name: its word on the command line, which is its Dag id with hyphens.
    :param kind: whose it is.
    :param label: what the page calls it.
    :param waits: the task that waits for Kling, where it waits in the triggerer; else nothing.
    """

    name: str
    kind: Literal["ours", "alternative", "floor"]
    label: str
    waits: str = ""

    @property
    def dag_id(self) -> str:
        """Return the id of its Dag in ``benchmarks/dags``."""
        return self.name.replace("-", "_")

    @property
    def is_deferred(self) -> bool:
        """Tell whether it waits in the triggerer."""
        return bool(self.waits)


_ALL = (
    Shape("ours", "ours", "`KlingGenerateOperator`", "video"),
    Shape("ours-callbacks", "ours", "`KlingGenerateOperator`, with Kling's callbacks", "video"),
    Shape("trigger-per-task", "alternative", "deferrable operator, one trigger per task", "video"),
    Shape("http-reschedule", "alternative", "`HttpOperator` + `HttpSensor`, reschedule"),
    Shape("submit-and-sleep", "alternative", "Python task that submits and sleeps"),
    Shape("floor", "floor", "floor: a task that knows the end", "video"),
    Shape("ours-pair", "ours", "`KlingSubmitOperator` + `KlingTaskSensor`", "video.wait"),
    Shape("http-poke", "alternative", "`HttpOperator` + `HttpSensor`, poke"),
    Shape("http-deferrable", "alternative", "`HttpOperator` + `HttpSensor`, deferrable, `response_check`"),
    Shape(
        "trigger-in-pool", "alternative", "one trigger per task, in a pool of the account's limit", "video"
    ),
)
#: Without what differs at a limit alone.
_USUAL = [shape.name for shape in _ALL if shape.name != "trigger-in-pool"]
SHAPES = {shape.name: shape for shape in _ALL}
DAG_IDS = tuple(shape.dag_id for shape in _ALL)


def parse_shapes(text: str) -> list[Shape]:
    """Return the shapes of a command line: names with commas, or ``all``."""
    names = _USUAL if text == "all" else [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in SHAPES]:
        raise argparse.ArgumentTypeError(
            f"shapes must be all, or some of {', '.join(SHAPES)}, not {', '.join(unknown)}"
        )
    return [SHAPES[name] for name in names]
