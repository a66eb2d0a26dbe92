# SPDX-License-Identifier: Apache-2.0
"""Recorded answers beside ours, field by field: the same keys, the same types, the same forms of values."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

#: What a text may be, the first that fits; a source that replaced an id kept its characters, not always its dashes.
FORMS = {
    "number of Kling's": r"\d{18}",
    "amount": r"\d+(\.\d+)?",
    "id of Bailian's": r"[0-9a-f-]{36}",
    "id of Baidu's": r"tsk-[0-9a-z]{16}",
    "video of Baidu's": r"mda-[0-9a-z]{16}",
    "id of 2025": r"C[0-9A-Za-z]{21}",
    "id of a gateway": r"task_[0-9A-Za-z_]+",
    "link": r"https?://\S+",
    "nothing": r"",
    "word": r"[A-Za-z_-]+",
}


def recorded(captures: Path, number: str) -> dict[str, Any]:
    """Return the recording of this number."""
    (path,) = captures.glob(f"{number}_*.json")
    return json.loads(path.read_text())


def form(value: Any) -> str:
    """Say what kind of value it is: of texts their form, of large numbers which kind of time."""
    if isinstance(value, str):
        return next((name for name, pattern in FORMS.items() if re.fullmatch(pattern, value)), "text")
    if isinstance(value, int) and not isinstance(value, bool):
        return "milliseconds" if value > 1e12 else "seconds" if value > 1e9 else "integer"
    return type(value).__name__


def compare(
    ours: Any, theirs: Any, *, more: Collection[str] = (), free: Collection[str] = (), where: str = "answer"
) -> None:
    """
    Check that an answer has the recorded form.

    :param more: keys that ours may have beside, where a source left them out.
    :param free: keys whose values are placeholders in the source; their types count, their forms do not.
    """
    if isinstance(theirs, dict):
        assert isinstance(ours, dict), where
        assert set(theirs) <= set(ours) <= {*theirs, *more}, (where, sorted(ours), sorted(theirs))
        for key, value in theirs.items():
            if key in free:
                assert type(ours[key]) is type(value), f"{where}.{key}"
            else:
                compare(ours[key], value, more=more, free=free, where=f"{where}.{key}")
    elif isinstance(theirs, list):
        assert isinstance(ours, list), where
        assert len(ours) == len(theirs), where
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            compare(one, other, more=more, free=free, where=f"{where}[{index}]")
    elif isinstance(theirs, str) and theirs.startswith("{"):
        compare(json.loads(ours), json.loads(theirs), more=more, free=free, where=f"{where}(text)")
    else:
        assert form(ours) == form(theirs), (where, ours, theirs)
