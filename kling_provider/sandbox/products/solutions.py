# SPDX-License-Identifier: Apache-2.0
"""What the bodies under ``/solutions`` have in common: ``contents`` of counted types, and options.

What a page says in a fixed sentence is refused in it; the other sentences follow their tone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media import inputs

Counts = Mapping[str, tuple[int, int]]
"""Type of content -> how many there must be, and may be."""


class Contents:
    """The entries of ``contents`` by type.

    :param counts: the types that there are.
    :param missing: type -> what is said where it is missing.
    :raises InvalidParameter: a type is unknown, or there are too few or too many of it.
    """

    def __init__(self, fields: Fields, counts: Counts, missing: Mapping[str, str] | None = None) -> None:
        self._entries: dict[str, list[Fields]] = {kind: [] for kind in counts}
        for index, value in enumerate(fields.read_list("contents")):
            entry = Fields(value, f"contents[{index}]")
            kind = entry.read_text("type")
            if kind is None:
                raise InvalidParameter(f"{entry.name_field('type')} is required")
            if kind not in counts:
                raise InvalidParameter(f"{entry.name_field('type')} value '{kind}' is invalid")
            self._entries[kind].append(entry)
        for kind, (least, most) in counts.items():
            if self.count(kind) < least:
                raise InvalidParameter((missing or {}).get(kind, f"{kind} is required."))
            if self.count(kind) > most:
                raise InvalidParameter(_describe_too_many(kind, most))

    def count(self, kind: str) -> int:
        """Return how many there are of a type."""
        return len(self._entries[kind])

    def read_entries(self, kind: str) -> list[Fields]:
        """Return the entries of a type."""
        return self._entries[kind]

    def read_texts(self, kind: str, most: int, key: str = "text") -> list[str]:
        """Return the texts of a type, none of them blank or longer than ``most`` characters."""
        texts = []
        for entry in self._entries[kind]:
            text = entry.read_text(key) or ""
            if not text.strip():
                raise InvalidParameter(f"content item of type '{kind}' must have non-blank {key}")
            if len(text) > most:
                raise InvalidParameter(f"{kind} exceeds the {most}-character limit.")
            texts.append(text)
        return texts

    def read_images(
        self, kind: str, limits: inputs.ImageLimits = inputs.SOLUTION_IMAGE
    ) -> list[inputs.InputImage]:
        """Return the images of a type."""
        return [
            inputs.read_limited_image(_read_url(entry, kind), entry.name_field("url"), limits)
            for entry in self._entries[kind]
        ]

    def read_urls(self, kind: str) -> list[str]:
        """Return the URLs of a type that cannot come inline."""
        urls = []
        for entry in self._entries[kind]:
            url = _read_url(entry, kind)
            if not isinstance(url, str) or not url.startswith(("http://", "https://")):
                raise InvalidParameter(f"{entry.name_field('url')} must be a url")
            urls.append(url)
        return urls


def read_options(fields: Fields, watermark: str | None = "watermark") -> dict[str, Any]:
    """Return the options as arguments of a request.

    :param watermark: what the solution calls its object ``{enabled}``; None: it has none.
    """
    options = fields.read_object("options")
    return {
        "dialect": "standard",
        "external_id": options.read_text("external_task_id"),
        "callback_url": options.read_text("callback_url"),
        "watermark": bool(watermark and options.read_object(watermark).read_flag("enabled")),
        "body": fields.raw,
    }


def read_limited_integer(fields: Fields, key: str, least: int, most: int, default: int | None) -> int | None:
    """Return a whole number within bounds, refused in the sentence of the page."""
    value = fields.read_integer(key)
    if value is not None and not least <= value <= most:
        raise InvalidParameter(f"{key} out of range. Please provide a value between {least} and {most}.")
    return default if value is None else value


def _read_url(entry: Fields, kind: str) -> object:
    url = entry.raw.get("url")
    if url is None or (isinstance(url, str) and not url.strip()):
        raise InvalidParameter(f"content item of type '{kind}' must have a non-blank url")
    return url


def _describe_too_many(kind: str, most: int) -> str:
    if most == 1:
        return f"Only one {kind} item is allowed in contents."
    return f"At most {most} {kind} items are allowed in contents."
