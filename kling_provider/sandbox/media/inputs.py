# SPDX-License-Identifier: Apache-2.0
"""What comes with a request: images, inline as base64 or as a URL, and videos as a URL (Kling docs, input limits).

The sandbox never fetches from outside. Its own sample image is available, a URL under ``.invalid`` is
unreachable, and any other URL counts as a good image that the result cannot show.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlsplit

from kling_provider.sandbox.http.errors import InvalidParameter

UNREACHABLE = "Something went wrong when we tried to get the contents of the file."  # observed 2026-09
BAD_PIXELS = "Image pixel is invalid"  # observed: a task that was made and failed after two seconds
_MAX_RATIO = 2.5
_SAMPLE_PATH = "/_sandbox/image.png"
_OWN_FILE = re.compile(r"/files/(\d+)/([^/]+)")
_SAMPLE_SIDES = {"w": 1280, "h": 720}
_LARGEST_SAMPLE = 4096


@dataclass(frozen=True, kw_only=True)
class ImageLimits:
    """What an endpoint takes as an image."""

    largest_mb: int = 50
    formats: tuple[str, ...] = ("jpg", "jpeg", "png")
    takes_base64: bool = True
    takes_data_urls: bool = True
    """False: raw base64 without a ``data:`` head."""
    shortest_side: int = 300
    longest_side: int | None = None
    widest: float | None = _MAX_RATIO
    """How many times the shorter side the longer one may be."""

    def is_good_size(self, size: tuple[int, int]) -> bool:
        """Tell whether width and height are within the limits."""
        short, long = min(size), max(size)
        return (
            short >= self.shortest_side
            and long <= (self.longest_side or long)
            and long / short <= (self.widest or long)
        )


NEW_IMAGE = ImageLimits()
_LEGACY_IMAGE = ImageLimits(largest_mb=10, takes_data_urls=False)
SOLUTION_IMAGE = ImageLimits(formats=("jpg", "jpeg", "png", "webp"))
TRY_ON_IMAGE = ImageLimits(
    largest_mb=10,
    formats=("jpg", "jpeg", "png", "webp"),
    takes_base64=False,
    shortest_side=301,
    longest_side=2048,
    widest=None,
)
KLING_4_IMAGE = ImageLimits(largest_mb=30)


@dataclass(frozen=True)
class InputImage:
    """One image of a request: what the result can show, or why the task will fail."""

    data: bytes | None = None
    url: str | None = None
    failure_message: str | None = None

    @property
    def own_file(self) -> tuple[str, str] | None:
        """Return task and name of the file of this sandbox that the URL leads to; None for any other URL."""
        match = _OWN_FILE.fullmatch(urlsplit(self.url or "").path)
        return (match[1], match[2]) if match else None

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
    return read_limited_image(value, where, _LEGACY_IMAGE if legacy else NEW_IMAGE)


def read_limited_image(value: object, where: str, limits: ImageLimits) -> InputImage:
    """Check an image by the limits of an endpoint: format and bytes as create does, sides as generation does."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidParameter(f"{where} must be a string")
    if value.startswith(("http://", "https://")):
        image = InputImage(url=value)
        failure_message = UNREACHABLE if is_unreachable(value) else None
    elif not limits.takes_base64:
        raise InvalidParameter(f"{where} must be a url")
    else:
        image, failure_message = _read_inline_image(value, where, limits), None
    size = measure_image(image)
    if size is not None and not limits.is_good_size(size):
        failure_message = failure_message or BAD_PIXELS
    return replace(image, failure_message=failure_message)


def measure_image(image: InputImage | None) -> tuple[int, int] | None:
    """Return width and height in pixels; None where the sandbox cannot know them."""
    if image is None:
        return None
    if image.sample_query is not None:
        return read_sample_size(image.sample_query)
    return None if image.data is None else _read_dimensions(image.data)


def read_sample_size(query: str) -> tuple[int, int]:
    """Return width and height that ``w`` and ``h`` of a query ask of the sample image, within its bounds."""
    values = parse_qs(query)

    def read_side(key: str) -> int:
        text = values.get(key, [""])[0]
        if not re.fullmatch(r"[0-9]{1,9}", text):
            return _SAMPLE_SIDES[key]
        return min(_LARGEST_SAMPLE, max(1, int(text)))

    return read_side("w"), read_side("h")


def _read_inline_image(value: str, where: str, limits: ImageLimits) -> InputImage:
    if value.startswith("data:"):
        if not limits.takes_data_urls:
            raise InvalidParameter(f"{where} must be raw base64 without the data: prefix")
        _, _, value = value.partition(",")
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidParameter(f"{where} is neither a url nor valid base64") from None
    if len(data) > limits.largest_mb * 1024 * 1024:
        raise InvalidParameter(f"{where} is larger than {limits.largest_mb}MB")
    if _read_dimensions(data) is None or (_is_webp(data) and "webp" not in limits.formats):
        words = ", ".join(limits.formats[:-1])
        raise InvalidParameter(f"{where} must be {words} or {limits.formats[-1]}")
    return InputImage(data=data)


def is_unreachable(url: str) -> bool:
    """Tell whether nobody can fetch from a URL: it has no host, or one under ``.invalid``."""
    host = urlsplit(url).hostname or ""
    return not host or host == "invalid" or host.endswith(".invalid")


def check_video(url: str) -> str | None:
    """Check the URL of a video, which cannot be inline; return why generation will fail."""
    if not url.startswith(("http://", "https://")):
        raise InvalidParameter("Video URL is invalid")  # observed
    return read_image(url, "url", legacy=False).failure_message


def _read_dimensions(data: bytes) -> tuple[int, int] | None:
    """Read width and height in pixels from the header of a PNG, JPEG or WebP; None for anything else."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR" and len(data) >= 33:
        width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
        return (width, height) if width and height else None
    if data.startswith(b"\xff\xd8\xff"):
        return _read_jpeg_dimensions(data)
    return _read_webp_dimensions(data) if _is_webp(data) else None


def _is_webp(data: bytes) -> bool:
    return data.startswith(b"RIFF") and data[8:12] == b"WEBP"


def _read_webp_dimensions(data: bytes) -> tuple[int, int] | None:
    """Read the size of a lossy, a lossless or an extended WebP from its first chunk."""
    kind, body = data[12:16], data[20:30]
    if len(body) < 10:
        return None
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L" and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        return (width, height) if width and height else None
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
