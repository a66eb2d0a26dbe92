# SPDX-License-Identifier: Apache-2.0
"""What a walk through the contract must know of each family of types.

``BASES``: (type, design or "") -> the smallest request. ``BESIDE``: (type, field, design or "") -> what else a request needs
when that field is given; ``None`` takes a key out. ``WRITERS``: (type or "", field, design or "") -> how it is written.
``OPEN``: (type or "", field) whose list of values is open: an unknown one passes with a warning. ``RULES``: (type, design,
the contract's words) -> a request just inside and one just outside, or a reason why it is no rule about requests.
``DIFFERENCES``: (type, design, field, fact) -> the reason why we differ from the contract.
"""

from __future__ import annotations

from typing import Any

from tests.contract.reference.families import common, videos

_FAMILIES = (common, videos)


def _join(name: str) -> Any:
    found: dict[Any, Any] = {}
    for family in _FAMILIES:
        found |= getattr(family, name, {})
    return found


BASES: dict[tuple[str, str], dict[str, Any]] = _join("BASES")
BESIDE: dict[tuple[str, str, str], dict[str, Any]] = _join("BESIDE")
WRITERS: dict[tuple[str, str, str], Any] = _join("WRITERS")
OPEN: dict[tuple[str, str], str] = _join("OPEN")
RULES: dict[tuple[str, str, str], Any] = _join("RULES")
DIFFERENCES: dict[tuple[str, str, str, str], str] = _join("DIFFERENCES")
