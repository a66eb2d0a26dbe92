# SPDX-License-Identifier: Apache-2.0
"""A stand-in for NumPy's array, without the library."""

from __future__ import annotations

from typing import Any


def make_array(items: list[Any]) -> Any:
    """Make an array that holds objects, as a list column of a Parquet file; only one of a single item has a value."""

    def item(self: Any) -> Any:
        if len(items) != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return items[0]

    return type("ndarray", (), {"__module__": "numpy", "item": item, "tolist": lambda self: list(items)})()
