# SPDX-License-Identifier: Apache-2.0
"""Single values of an answer, which hosts write in more than one way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from kling_provider.api.redaction import LONGEST, LONGEST_ID, clean_text
from kling_provider.api.values import is_web_url

#: Outputs and lines of a bill that one task has at most.
_MOST = 200
#: Amounts, seconds and epochs beyond it are none.
_LARGEST = Decimal("1e15")


def find_first(fields: Mapping[str, Any], *names: str) -> Any:
    """Return the first of these fields that holds something; ``None`` where none does."""
    for name in names:
        value = fields.get(name)
        if value not in (None, ""):
            return value
    return None


def read_id(value: Any) -> str | None:
    """Read an id as text: Kling's are text, gateways' may be numbers.

    A damaged id gives ``None``: the host would not know it.
    """
    if isinstance(value, bool) or not isinstance(value, str | int) or not value:
        return None
    text = str(value)
    good = len(text) <= LONGEST_ID and text.isprintable() and " " not in text and "\ufffd" not in text
    return text if good else None


def list_mappings(value: Any) -> Iterable[Mapping[str, Any]]:
    """List the objects of a list, up to :data:`_MOST`; gateways write ``null`` where they have none."""
    return [item for item in value[:_MOST] if isinstance(item, Mapping)] if isinstance(value, list) else []


def read_text(value: Any, longest: int = LONGEST_ID) -> str | None:
    """Read a word or a name, cut to so many characters; ``None`` where it is empty."""
    return clean_text(str(value), longest) if value not in (None, "") else None


def read_long_text(value: Any) -> str | None:
    """Read a URL as text, of up to :data:`LONGEST` characters."""
    return read_text(value, LONGEST)


def read_web_url(value: Any) -> str | None:
    """Return an http or https URL; ``None`` for anything else."""
    return value if is_web_url(value) else None


def read_decimal(value: Any) -> Decimal | None:
    """Read a finite number; ``None`` for anything else, and beyond :data:`_LARGEST`."""
    try:
        number = Decimal(str(value)) if value not in (None, "") else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() and -_LARGEST < number < _LARGEST else None


def read_time(value: Any) -> datetime | None:
    """Read an epoch in milliseconds, or in seconds where a gateway sends those (below 1e11), as a time in UTC."""
    number = read_decimal(value)
    if number is None or number <= 0:
        return None
    try:
        seconds = number if number < Decimal("1e11") else number / 1000
        return datetime.fromtimestamp(float(seconds), UTC)
    except (ArithmeticError, ValueError, OSError):
        return None
