# SPDX-License-Identifier: Apache-2.0
"""What bytes say about themselves: a whole MP4, the sides of an image. A few header fields, no decoder."""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

#: A video in fragments has two boxes per fragment; a file with more boxes than this is no video.
_MOST_BOXES = 100_000

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
#: JPEG markers that carry the size (SOF0-SOF15 without DHT, JPG and DAC).
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class ImageSize(NamedTuple):
    """``kind`` is ``png`` or ``jpeg``; sides in pixels."""

    kind: str
    width: int
    height: int


def find_video_defect(file: BinaryIO, size: int) -> str | None:
    """Return why a file is no whole MP4, or ``None``: the boxes of ISO/IEC 14496-12 must fill it to its last byte.

    :param file: can be read and sought; its position changes.
    """
    position = 0
    payload: dict[bytes, int] = {}
    for _ in range(_MOST_BOXES):
        if position == size:
            break
        file.seek(position)
        head = file.read(16)
        length, kind, header = int.from_bytes(head[:4]), head[4:8], 8
        if length == 1:  # 64 bits follow
            length, header = int.from_bytes(head[8:16]), 16
        elif length == 0:  # to the end of the file
            length = size - position
        if position == 0 and kind != b"ftyp":
            return "it is no MP4"
        if len(head) < header or length < header or position + length > size:
            return f"it is cut, or damaged, at byte {position} of {size}"
        payload[kind] = payload.get(kind, 0) + length - header
        position += length
    missing = [kind.decode() for kind in (b"moov", b"mdat") if not payload.get(kind)]
    if missing or position != size:
        return f"it is an MP4 without {' and '.join(missing) or 'an end'}"
    return None


def read_image_size(data: bytes) -> ImageSize | None:
    """Read what a png or jpg says about itself; ``None`` for anything else, and where the header is cut."""
    if data.startswith(_PNG) and data[12:16] == b"IHDR" and len(data) >= 24:
        return ImageSize("png", int.from_bytes(data[16:20]), int.from_bytes(data[20:24]))
    if data.startswith(_JPEG):
        return _read_jpeg(data)
    return None


def _read_jpeg(data: bytes) -> ImageSize | None:
    position = 2
    while position + 9 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF:  # filling
            position += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # no length
            position += 2
        elif marker in _JPEG_SIZES:
            height, width = data[position + 5 : position + 7], data[position + 7 : position + 9]
            return ImageSize("jpeg", int.from_bytes(width), int.from_bytes(height))
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4])
    return None
