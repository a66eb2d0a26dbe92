# SPDX-License-Identifier: Apache-2.0
"""Checks of single fields that many kinds of the legacy design share."""

from __future__ import annotations

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields


def read_required(fields: Fields, key: str, limit: int | None = None) -> str:
    """Return a text that must be there.

    :param limit: the most characters.
    """
    text = read_limited(fields, key, limit)
    if not text.strip():
        raise InvalidParameter(f"{fields.name_field(key)} is required")
    return text


def read_limited(fields: Fields, key: str, limit: int | None = None) -> str:
    """Return a text of at most ``limit`` characters; an absent one reads as empty."""
    text = fields.read_text(key) or ""
    if limit is not None and len(text) > limit:
        raise InvalidParameter(f"{fields.name_field(key)} cannot exceed {limit} characters")
    return text


def read_required_choice(fields: Fields, key: str, allowed: tuple[str, ...]) -> str:
    """Return one of the allowed texts, which has no default."""
    value = fields.read_choice(key, allowed, "")
    if not value:
        raise InvalidParameter(f"{fields.name_field(key)} is required")
    return value
