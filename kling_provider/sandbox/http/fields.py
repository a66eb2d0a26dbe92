# SPDX-License-Identifier: Apache-2.0
"""Typed reading of a JSON body. A wrong type is refused with the field's name (1201)."""

from __future__ import annotations

from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter


class Fields:
    """One JSON object of a request; names in errors are dotted paths. ``null`` counts as absent."""

    def __init__(self, value: object, where: str = "") -> None:
        if not isinstance(value, dict):
            raise InvalidParameter(f"{where or 'request body'} must be an object")
        self.raw: dict[str, Any] = value
        self._where = where

    def name_field(self, key: str) -> str:
        """Return the dotted path of a key, for messages."""
        return f"{self._where}.{key}" if self._where else key

    def _read_typed(self, key: str, kind: type | tuple[type, ...], words: str) -> Any:
        value = self.raw.get(key)
        if value is None:
            return None
        # bool is an int in Python; it is not one in JSON
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise InvalidParameter(f"{self.name_field(key)} must be {words}")
        return value

    def read_text(self, key: str) -> str | None:
        """Return a string; the empty one counts as absent."""
        value: str | None = self._read_typed(key, str, "a string")
        return value or None

    def read_integer(self, key: str) -> int | None:
        """Return a whole number; None where it is absent."""
        value: int | None = self._read_typed(key, int, "an integer")
        return value

    def read_number(self, key: str) -> float | None:
        """Return a number; None where it is absent."""
        value: float | None = self._read_typed(key, (int, float), "a number")
        return value

    def read_flag(self, key: str) -> bool | None:
        """Return a boolean; None where it is absent."""
        value: bool | None = self._read_typed(key, bool, "a boolean")
        return value

    def read_list(self, key: str) -> list[Any]:
        """Return an array; an absent one reads as empty."""
        value: list[Any] | None = self._read_typed(key, list, "an array")
        return value or []

    def read_object(self, key: str) -> Fields:
        """Return a nested object; an absent one reads as empty."""
        return Fields(self.raw.get(key) or {}, self.name_field(key))

    def read_choice(self, key: str, allowed: tuple[str, ...], default: str) -> str:
        """Return one of the allowed texts; the default where it is absent."""
        value = self.read_text(key)
        if value is None:
            return default
        if value not in allowed:
            raise InvalidParameter(f"{self.name_field(key)} must be one of {', '.join(allowed)}")
        return value
