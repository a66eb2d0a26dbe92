# SPDX-License-Identifier: Apache-2.0
"""Typed reading of a JSON body. A wrong type is refused with the field's name (1201)."""

from __future__ import annotations

from typing import Any

from kling_provider.sandbox.http.errors import invalid


class Fields:
    """One JSON object of a request; names in errors are dotted paths. ``null`` counts as absent."""

    def __init__(self, value: object, where: str = "") -> None:
        if not isinstance(value, dict):
            raise invalid(f"{where or 'request body'} must be an object")
        self.raw: dict[str, Any] = value
        self._where = where

    def name(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key

    def _get(self, key: str, kind: type | tuple[type, ...], words: str) -> Any:
        value = self.raw.get(key)
        if value is None:
            return None
        # bool is an int in Python; it is not one in JSON
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise invalid(f"{self.name(key)} must be {words}")
        return value

    def text(self, key: str) -> str | None:
        """A string; the empty one counts as absent."""
        value: str | None = self._get(key, str, "a string")
        return value or None

    def whole(self, key: str) -> int | None:
        value: int | None = self._get(key, int, "an integer")
        return value

    def number(self, key: str) -> float | None:
        value: float | None = self._get(key, (int, float), "a number")
        return value

    def flag(self, key: str) -> bool | None:
        value: bool | None = self._get(key, bool, "a boolean")
        return value

    def items(self, key: str) -> list[Any]:
        value: list[Any] | None = self._get(key, list, "an array")
        return value or []

    def object(self, key: str) -> Fields:
        """A nested object; absent reads as an empty one."""
        return Fields(self.raw.get(key) or {}, self.name(key))

    def choice(self, key: str, allowed: tuple[str, ...], default: str) -> str:
        value = self.text(key)
        if value is None:
            return default
        if value not in allowed:
            raise invalid(f"{self.name(key)} must be one of {', '.join(allowed)}")
        return value
