# SPDX-License-Identifier: Apache-2.0
"""Bound the details of outputs: a mask may have megabytes of base64, and records, XComs and manifests have room for less."""

from __future__ import annotations

import json
from typing import Any

#: Bytes of the JSON that records and XComs have room for; with the request beside it, a text of MySQL's holds 64 KB.
LARGEST = 32 * 1024


def fit_details(value: Any, largest: int = LARGEST) -> Any:
    """Return ``value`` as JSON of at most ``largest`` bytes: the longest texts are left out whole, and their place says so.

    A part of a mask or of a link would be of no use, so no text is cut.

    :param value: a value that JSON can hold; it stays as it is.
    """
    longest = largest // 2
    while count_bytes(value) > largest and longest >= 16:
        value, longest = _leave_out(value, longest), longest // 2
    return value


def count_bytes(value: Any) -> int:
    """Count the bytes of ``value`` as JSON."""
    return len(json.dumps(value, ensure_ascii=False, default=str).encode(errors="replace"))


def _leave_out(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= longest else f"(not kept: {len(value)} characters)"
    if isinstance(value, dict):
        return {key: _leave_out(item, longest) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_leave_out(item, longest) for item in value]
    return value
