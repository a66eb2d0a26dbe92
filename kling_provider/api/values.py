# SPDX-License-Identifier: Apache-2.0
"""What templates, tables and editors make of a value, and what it was meant to be."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from kling_provider.api.problems import Problem

_NOTHING = frozenset({"None", "nan", "NaN", "NaT", "<NA>", "null", "Undefined"})

#: Control characters but tab and line breaks, and halves of surrogate pairs.
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_WHOLE = re.compile(r"\s*([+-]?\d+)\.0*\s*", re.ASCII)
#: Beyond it a float has lost digits, so an id that went through one names another task.
_EXACT = 2**53


def to_plain_values(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Copy ``data`` into dicts, lists and Python's own numbers, and list the values that are none (NaN)."""
    problems: list[Problem] = []
    return {
        _to_text_key(key): _to_plain_value(value, _to_text_key(key), problems) for key, value in data.items()
    }, problems


def _to_plain_value(value: Any, where: str, problems: list[Problem]) -> Any:
    if isinstance(value, Mapping):
        return {
            _to_text_key(key): _to_plain_value(item, f"{where}.{_to_text_key(key)}", problems)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_to_plain_value(item, f"{where}.{index}", problems) for index, item in enumerate(value)]
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        value = value.item()
    if type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value):
        problems.append(
            Problem(
                where,
                None,
                "must not be NaN, the empty cell of a data frame: leave the key out, or give it None",
            )
        )
        return None
    return value


def _to_text_key(key: Any) -> str:
    return str(key).encode("utf-8", "backslashreplace").decode()


def impossible_characters(data: Mapping[str, Any]) -> list[Problem]:
    """Find texts of a request that databases, logs or file names refuse: with control characters or lone surrogates."""
    problems: list[Problem] = []

    def check_value(value: Any, where: str) -> None:
        if isinstance(value, str) and (bad := sorted(set(_NO_TEXT.findall(value)))):
            signs = ", ".join(f"U+{ord(sign):04X}" for sign in bad[:5])
            problems.append(Problem(where, None, f"must have no characters that are not text: {signs}"))
        elif isinstance(value, Mapping):
            for key, item in value.items():
                check_value(item, f"{where}.{_to_text_key(key)}" if where else _to_text_key(key))
        elif isinstance(value, list | tuple):
            for index, item in enumerate(value):
                check_value(item, f"{where}.{index}")

    check_value(data, "")
    return problems


def one_form(text: str) -> str:
    r"""Normalize ``text`` to Unicode's form C with ``\n`` at the end of lines: the same from every editor and keyboard."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def is_written_for_nothing(value: Any) -> bool:
    """Tell whether a text is what templates, tables and ``str()`` write where they have no value."""
    return isinstance(value, str) and value.strip() in _NOTHING


def as_whole(value: Any) -> Any:
    """Convert a whole number that was written as a float: ``1.0`` and ``"1.0"`` become 1. Other values stay."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and (whole := _WHOLE.fullmatch(value)):
        return int(whole[1])
    return value


def whole_number(value: Any) -> int | None:
    """Return the whole number that ``value`` is or spells, in any form that a request accepts; else ``None``."""
    number = as_whole(value)
    if isinstance(number, str):
        try:
            number = int(number)
        except ValueError:
            return None
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def write_number(value: Any) -> Any:
    """Write a number as the text that its author meant. Other values stay.

    :raises ValueError: for a float that is not finite, or has lost digits of an id.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, float) and not abs(value) < _EXACT:
        raise ValueError("must be text, in quotes: as a number it has lost digits")
    return str(as_whole(value))
