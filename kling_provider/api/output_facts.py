# SPDX-License-Identifier: Apache-2.0
"""What is told of an output's details to people: short facts as texts, without links and without bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: The most facts of one output, and the most characters of one.
_MOST_FACTS = 12
_LONGEST = 200
#: Links, data URLs, and what is long and has no space: base64, masks.
_NO_WORDS = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*://|data:)|\S{81,}", re.IGNORECASE)
#: Lists of links to images, which are shown and not told.
IMAGES = "images"


def list_plain_facts(details: Mapping[str, Any] | None) -> dict[str, str]:
    """List the facts of an output that can be told, as texts by name; of a list only how long it is.

    :param details: of :class:`~kling_provider.api.tasks.Output`; they may hold links and base64.
    """
    found: dict[str, str] = {}
    for name, value in (details or {}).items():
        if name == IMAGES:
            continue
        text = _tell(value)
        if text and len(found) < _MOST_FACTS:
            found[str(name)[:60]] = text
    return found


def list_image_links(details: Mapping[str, Any] | None) -> list[str]:
    """List the links to an element's images, in Kling's order; they may be signed."""
    links = (details or {}).get(IMAGES)
    return [one for one in links if isinstance(one, str)] if isinstance(links, list) else []


def _tell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple):
        return str(len(value)) if value else ""
    if not isinstance(value, str) or not value.strip() or _NO_WORDS.match(value):
        return ""
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"
