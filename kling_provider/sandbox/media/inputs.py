# SPDX-License-Identifier: Apache-2.0
"""What comes with a request: images, inline as base64 or as a URL, and videos as a URL (Kling docs, input limits).

The sandbox never fetches from outside. Its own sample image is available, a URL under ``.invalid`` is
unreachable, and any other URL counts as a good image that the result cannot show.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from urllib.parse import urlsplit

from kling_provider.sandbox.http.errors import InvalidParameter

UNREACHABLE = "Something went wrong when we tried to get the contents of the file."  # observed 2026-09
BAD_PIXELS = "Image pixel is invalid"  # observed: a task that was made and failed after two seconds
_MIN_SIDE = 300
_MAX_RATIO = 2.5
_NEW_LIMIT = 50 * 1024 * 1024
_LEGACY_LIMIT = 10 * 1024 * 1024
_SAMPLE_PATH = "/_sandbox/image.png"


@dataclass(frozen=True)
class InputImage:
    """One image of a request: what the result can show, or why the task will fail."""

    data: bytes | None = None
    url: str | None = None
    failure_message: str | None = None

    @property
    def sample_query(self) -> str | None:
        """Return the query of the sandbox's own sample image; None for any other URL."""
        if self.url is None:
            return None
        parts = urlsplit(self.url)
        return parts.query if parts.path.endswith(_SAMPLE_PATH) else None


def read_image(value: object, where: str, *, legacy: bool) -> InputImage:
    """Check an image as create does; what only generation finds becomes ``failure_message``.

    :param legacy: the legacy API wants raw base64 without a ``data:`` head, of at most 10 MB.
    """
    if not isinstance(value, str) or not value.strip():
        raise InvalidParameter(f"{where} must be a string")
    if value.startswith(("http://", "https://")):
        return InputImage(url=value, failure_message=UNREACHABLE if is_unreachable(value) else None)
    if value.startswith("data:"):
        if legacy:
            raise InvalidParameter(f"{where} must be raw base64 without the data: prefix")
        _, _, value = value.partition(",")
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidParameter(f"{where} is neither a url nor valid base64") from None
    if len(data) > (_LEGACY_LIMIT if legacy else _NEW_LIMIT):
        raise InvalidParameter(f"{where} is larger than {10 if legacy else 50}MB")
    size = _read_dimensions(data)
    if size is None:
        raise InvalidParameter(f"{where} must be jpg, jpeg or png")
    width, height = size
    fits = min(size) >= _MIN_SIDE and max(width / height, height / width) <= _MAX_RATIO
    return InputImage(data=data, failure_message=None if fits else BAD_PIXELS)


def is_unreachable(url: str) -> bool:
    """Tell whether nobody can fetch from a URL: it has no host, or one under ``.invalid``."""
    host = urlsplit(url).hostname or ""
    return not host or host == "invalid" or host.endswith(".invalid")


def check_video(url: str) -> str | None:
    """Check the URL of a video, which cannot be inline; return why generation will fail."""
    if not url.startswith(("http://", "https://")):
        raise InvalidParameter("Video URL is invalid")  # observed
    return read_image(url, "url", legacy=False).failure_message


def measure_image(image: InputImage) -> tuple[int, int] | None:
    """Return width and height of an image that the sandbox has; None for any other."""
    if image.data is not None:
        return _read_dimensions(image.data)
    if image.sample_query is None:
        return None
    from kling_provider.sandbox.media.image import draw_sample

    return _read_dimensions(draw_sample(image.sample_query))


def _read_dimensions(data: bytes) -> tuple[int, int] | None:
    """Read width and height in pixels from the header of a PNG or JPEG; None for anything else."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR" and len(data) >= 33:
        width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
        return (width, height) if width and height else None
    if data.startswith(b"\xff\xd8\xff"):
        return _read_jpeg_dimensions(data)
    return None


def _read_jpeg_dimensions(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # start of frame
            height, width = (
                int.from_bytes(data[at + 5 : at + 7], "big"),
                int.from_bytes(data[at + 7 : at + 9], "big"),
            )
            return (width, height) if width and height else None
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a length
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
