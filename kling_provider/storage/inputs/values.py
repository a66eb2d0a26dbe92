# SPDX-License-Identifier: Apache-2.0
"""What a text in an input field is: a URL, base64, or a path."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from kling_provider.api.redaction import redact_urls, shorten, strip_query
from kling_provider.storage.inputs.formats import find_format
from kling_provider.storage.stores import is_local

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

#: Shorter texts are paths. A real image or sound is longer by far, a path is not.
_SHORTEST_INLINE = 200
#: Longer ones are no paths (PATH_MAX).
_LONGEST_PATH = 4096


class Refused(Exception):
    """An input is wrong; the text follows the field's name."""


def decode_inline(value: str) -> bytes | None:
    """Return the bytes of base64; ``None`` where the text is a path.

    A jpg's base64 begins with ``/9j/``, like a path does, so the first bytes of what it holds decide.

    :raises Refused: where it is plainly meant as base64, and damaged.
    """
    if value[:5].lower() == "data:":
        head, comma, text = value.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise Refused("is a data: address without base64; write data:image/png;base64,…")
        data = _decode_base64(text)
        if data is None:
            raise Refused("is a data: address whose base64 is damaged")
        return data
    if len(value) < _SHORTEST_INLINE:
        return None
    data = _decode_base64(value)
    if len(value) <= _LONGEST_PATH:
        return data if data is not None and find_format(data) is not None else None
    if data is None:
        raise Refused("is too long for a path, and its base64 is damaged")
    return data


def _decode_base64(text: str) -> bytes | None:
    compact = "".join(text.split())
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (ValueError, binascii.Error):
        return None


def parse_path(value: str, base: str | None) -> ObjectStoragePath:
    """Return the path that a text names.

    :param base: the folder that a relative path begins in.
    :raises Refused: where it cannot be used here.
    """
    from airflow.sdk import ObjectStoragePath

    text = value
    if "://" not in value and not value.startswith("/"):
        if not base:
            raise Refused(
                f"{shorten(redact_urls(value))!r} is a relative path, and nothing says where it begins; it must be an absolute one, "
                "an https URL, or s3://bucket/…"
            )
        text = f"{base.rstrip('/')}/{value}"
    if "://" not in text:
        text = f"file://{text}"
    if redact_urls(strip_query(text)) != strip_query(text):
        raise Refused(
            "is a path that holds credentials; put them into a connection and name that: s3://conn@bucket/…"
        )
    try:
        path = ObjectStoragePath(text)
        if not is_local(path):
            _ = path.fs
    except (ValueError, ImportError) as error:
        raise Refused(f"{shorten(redact_urls(value))!r} cannot be read here: {error}") from None
    return path
