# SPDX-License-Identifier: Apache-2.0
"""Normalize values that come from Jinja, data frames, YAML and text editors."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from kling_provider.api.problems import Problem, describe_invalid_characters

_NULL_WORDS = frozenset({"None", "nan", "NaN", "NaT", "<NA>", "null", "Undefined"})

#: Control characters except tab and line breaks, and halves of surrogate pairs.
_INVALID_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
#: A whole number that was written as a float. Python converts at most 4300 digits.
_INTEGRAL_FLOAT = re.compile(r"\s*([+-]?\d{1,1000})\.0*\s*", re.ASCII)
#: Beyond it a float has lost digits, so an id that went through one names another task.
_MAX_EXACT_FLOAT = 2**53
#: Python writes no longer number as text, so neither messages nor JSON could hold one.
_MAX_DIGITS = 1000
_MAX_INTEGER = 10**_MAX_DIGITS


def to_plain_values(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Copy ``data`` into dicts, lists and Python's own numbers.

    Arrays and numbers of NumPy become lists and numbers of Python. What cannot be read is listed: NaN, numbers of more than
    1000 digits, and keys that differ only in their type (1 and ``"1"``).
    """
    problems: list[Problem] = []
    return _to_plain_mapping(data, "", problems), problems


def _to_plain_mapping(data: Mapping[Any, Any], where: str, problems: list[Problem]) -> dict[str, Any]:
    written: dict[str, Any] = {}
    plain = {}
    for key, value in data.items():
        text = _to_text_key(key)
        field = f"{where}.{text}" if where else text
        if text in written:
            same = f"{_to_text_key(repr(written[text]))} and {_to_text_key(repr(key))}"
            problems.append(Problem(field, None, f"must be written once: {same} are the same key"))
        written[text] = key
        plain[text] = _to_plain_value(value, field, problems)
    return plain


def _to_plain_value(value: Any, where: str, problems: list[Problem]) -> Any:
    value = convert_numpy(value)
    if isinstance(value, Mapping):
        return _to_plain_mapping(value, where, problems)
    if isinstance(value, list | tuple):
        return [_to_plain_value(item, f"{where}.{index}", problems) for index, item in enumerate(value)]
    if type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value):
        problems.append(
            Problem(
                where,
                None,
                "must not be NaN, the empty cell of a data frame: leave the key out, or give it None",
            )
        )
        return None
    if isinstance(value, int) and abs(value) >= _MAX_INTEGER:
        problems.append(Problem(where, None, f"must be a number of at most {_MAX_DIGITS} digits"))
        return None
    return value


def _to_text_key(key: Any) -> str:
    return str(key).encode("utf-8", "backslashreplace").decode()


def convert_numpy(value: Any) -> Any:
    """Convert an array or a number of NumPy to lists and numbers of Python. Other values stay."""
    if type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    return value


def find_invalid_characters(data: Mapping[str, Any]) -> list[Problem]:
    """Find texts of a request with control characters or lone surrogates, which databases, logs or file names refuse."""
    problems: list[Problem] = []

    def check_value(value: Any, where: str) -> None:
        if isinstance(value, str) and (bad := _INVALID_CHARACTERS.findall(value)):
            problems.append(Problem(where, None, describe_invalid_characters(bad)))
        elif isinstance(value, Mapping):
            for key, item in value.items():
                check_value(item, f"{where}.{_to_text_key(key)}" if where else _to_text_key(key))
        elif isinstance(value, list | tuple):
            for index, item in enumerate(value):
                check_value(item, f"{where}.{index}")

    check_value(data, "")
    return problems


def is_web_url(value: object) -> bool:
    """Tell whether a value is the text of an http or https URL."""
    return isinstance(value, str) and value.lower().startswith(("http://", "https://"))


def normalize_text(text: str) -> str:
    r"""Normalize ``text`` to Unicode's form C with ``\n`` at the end of lines: the same from every editor and keyboard."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def is_rendered_null(value: Any) -> bool:
    """Tell whether a text is what templates, data frames and ``str()`` write where they have no value: ``None``, ``nan``."""
    return isinstance(value, str) and value.strip() in _NULL_WORDS


def convert_integral_float(value: Any) -> Any:
    """Convert a float without a fraction to an integer: ``1.0`` and ``"1.0"`` become 1. Other values stay."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and (whole := _INTEGRAL_FLOAT.fullmatch(value)):
        return int(whole[1])
    return value


def parse_whole_number(value: Any) -> int | None:
    """Parse a whole number in any form that a request accepts; ``None`` if it is none, or has too many digits."""
    try:
        number = convert_integral_float(value)
        if isinstance(number, str):
            number = int(number)
    except ValueError:
        return None
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def convert_number_to_text(value: Any) -> Any:
    """Convert a number to the text that its author meant: ``7.0`` becomes ``"7"``. Other values stay.

    :raises ValueError: for a float that is not finite, or has lost digits of an id.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be text; found a number that is not finite")
    if isinstance(value, float) and abs(value) >= _MAX_EXACT_FLOAT:
        raise ValueError("must be text, in quotes: as a number it has lost digits")
    return str(convert_integral_float(value))
