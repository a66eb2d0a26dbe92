# SPDX-License-Identifier: Apache-2.0
"""The format of an input, by its first bytes: what its name says may be wrong, and Kling looks at the bytes."""

from __future__ import annotations

#: Bytes that tell the format.
START = 64

#: Other spellings of a format.
_SAME = {"jpeg": "jpg", "wave": "wav"}
#: By the brand of an ISO media file (ISO/IEC 14496-12); every other brand is that of an MP4.
_BRANDS = {
    b"qt  ": "mov",
    b"M4A ": "m4a",
    b"M4B ": "m4a",
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "heic"),
    **dict.fromkeys((b"avif", b"avis"), "avif"),
}
#: How QuickTime files from before brands begin.
_OLD_MOV = (b"moov", b"mdat", b"wide", b"free", b"skip")


def find_format(start: bytes) -> str | None:
    """Return ``jpg``, ``png``, ``webp``, ``heic``, ``mp4``, ``mov``, ``mp3``, ``wav`` …; ``None`` for anything else.

    :param start: the file, or at least its first :data:`START` bytes.
    """
    if start.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if start[:4] == b"RIFF":
        return {b"WEBP": "webp", b"WAVE": "wav"}.get(start[8:12])
    if start.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if start[4:8] == b"ftyp":
        return _BRANDS.get(start[8:12], "mp4")
    if start[4:8] in _OLD_MOV:
        return "mov"
    if start.startswith(b"ID3"):
        return "mp3"
    if len(start) > 2 and start[0] == 0xFF and start[1] & 0xE0 == 0xE0 and start[2] & 0xF0 != 0xF0:
        # The same twelve bits begin a frame of MP3 and of AAC, which has no layer.
        return "aac" if start[1] & 0xF6 == 0xF0 else "mp3" if start[1] & 0x06 else None
    return None


def list_formats(formats: tuple[str, ...]) -> tuple[str, ...]:
    """Return formats in the spelling of :func:`find_format`, each once."""
    return tuple(dict.fromkeys(_SAME.get(one, one) for one in formats))
