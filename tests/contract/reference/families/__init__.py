# SPDX-License-Identifier: Apache-2.0
"""What a walk through the contract must know of each family of types.

``BASES``: (type, design or "") -> the smallest request. ``BESIDE``: (type, field, design or "") -> what else a request needs
when that field is given; ``None`` takes a key out. ``WRITERS``: (type or "", field, design or "") -> how it is written.
``OPEN``: (type or "", field) whose list of words is open: an unknown one passes with a warning. ``RULES``: (type, design or
"", the contract's words) -> a request just inside and one just outside (or a list of such pairs), or a reason why it is no rule
about requests. ``CONDITIONS``: (type or "", field, design or "") -> the same for a field that is required at times.
``OUR_DEFAULTS``: (type or "", design, field) -> why a request that leaves it out gets another value than Kling's default; the
value is sent, so the contract's fact stands. ``CONVENIENCES``: (type or "", design, field) -> what we write where a field that
Kling requires is left out. ``DIFFERENCES``: (type, design, field, fact) -> the reason why we differ from the contract.
"""

from __future__ import annotations

from typing import Any

from tests.contract.reference.calls import Call
from tests.contract.reference.families import (
    audio,
    common,
    faces,
    images,
    solutions,
    video_edit,
    video_rules,
    videos,
)

_FAMILIES = (common, videos, video_rules, video_edit, faces, audio, images, solutions)


def _join(name: str) -> Any:
    found: dict[Any, Any] = {}
    for family in _FAMILIES:
        found |= getattr(family, name, {})
    return found


BASES: dict[tuple[str, str], dict[str, Any]] = _join("BASES")
BESIDE: dict[tuple[str, str, str], dict[str, Any]] = _join("BESIDE")
WRITERS: dict[tuple[str, str, str], Any] = _join("WRITERS")
OPEN: dict[tuple[str, str], str] = _join("OPEN")
OUR_DEFAULTS: dict[tuple[str, str, str], str] = _join("OUR_DEFAULTS")
CONVENIENCES: dict[tuple[str, str, str], str] = _join("CONVENIENCES")
DIFFERENCES: dict[tuple[str, str, str, str], str] = _join("DIFFERENCES")
_RULES: dict[tuple[str, str, str], Any] = _join("RULES")
_CONDITIONS: dict[tuple[str, str, str], Any] = _join("CONDITIONS")


def find_rule(call: Call, words: str) -> Any:
    """The pairs of a rule in words; ``None`` where there is none."""
    return _RULES.get((call.type, call.design, words), _RULES.get((call.type, "", words)))


def find_condition(call: Call, field: str) -> Any:
    """The pairs of a field that is required at times; ``None`` where there is none."""
    keys = (
        (call.type, field, call.design),
        (call.type, field, ""),
        ("", field, call.design),
        ("", field, ""),
    )
    return next((_CONDITIONS[key] for key in keys if key in _CONDITIONS), None)
