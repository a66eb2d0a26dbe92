# SPDX-License-Identifier: Apache-2.0
"""What becomes of each type of output: the suffix of its file, and whether bytes are what they claim to be.

The types and their suffixes are in :mod:`kling_provider.api.output_types`; what files of each suffix begin with is here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import urlsplit

from kling_provider.api.output_types import SUFFIXES_OF_TYPES, TYPES_WITHOUT_FILES
from kling_provider.api.tasks import Output
from kling_provider.storage.media import find_video_defect

#: Bytes of a file that tell its format.
_START = 512


@dataclass(frozen=True, slots=True)
class Format:
    """One format of files.

    :param suffix: with the dot.
    :param is_start: whether a file of this format may begin with these bytes.
    """

    suffix: str
    is_start: Callable[[bytes], bool]


def _begins_with(*signs: bytes) -> Callable[[bytes], bool]:
    return lambda start: start.startswith(signs)


def _is_riff(kind: bytes) -> Callable[[bytes], bool]:
    return lambda start: start[:4] == b"RIFF" and start[8:12] == kind


def _is_mp3(start: bytes) -> bool:
    return start.startswith(b"ID3") or (len(start) > 1 and start[0] == 0xFF and start[1] & 0xE0 == 0xE0)


def _is_no_page(start: bytes) -> bool:
    """Return whether this is no HTML page, which a host shows where the file is gone. Subtitles have no sign of their own."""
    return start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"<"


def _is_mp4(start: bytes) -> bool:
    return start[4:8] == b"ftyp"


#: Whether a file may begin with these bytes, by its suffix.
_STARTS: Mapping[str, Callable[[bytes], bool]] = {
    ".mp4": _is_mp4,
    ".png": _begins_with(b"\x89PNG\r\n\x1a\n"),
    ".jpg": _begins_with(b"\xff\xd8\xff"),
    ".webp": _is_riff(b"WEBP"),
    ".mp3": _is_mp3,
    ".wav": _is_riff(b"WAVE"),
    ".m4a": _is_mp4,
    ".srt": _is_no_page,
    ".ass": _is_no_page,
    ".json": lambda start: start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["),
}

#: By the type of a task's output, in Kling's words.
FORMATS: Mapping[str, tuple[Format, ...]] = {
    output_type: tuple(Format(suffix, _STARTS[suffix]) for suffix in suffixes)
    for output_type, suffixes in SUFFIXES_OF_TYPES.items()
}

#: What a file name's author may have written at its end.
SUFFIXES = tuple(dict.fromkeys(one.suffix for formats in FORMATS.values() for one in formats))


def must_come(output_type: str) -> bool:
    """Return whether a result without the file of such an output is not saved.

    A type that is not known need not come, nor what lies beside an id: a trial sound is no voice.
    """
    return output_type in FORMATS and output_type not in TYPES_WITHOUT_FILES


def becomes_file(output: Output) -> bool:
    """Return whether an output is to be saved as a file: media are, and whatever has a link; an id in the account is none."""
    return bool(output.url) or (output.type in FORMATS and output.type not in TYPES_WITHOUT_FILES)


def expected_suffixes(output_types: Iterable[str], *, several: bool = False) -> tuple[str, ...]:
    """Return what may follow the stem in the names of files of these types, as far as it is known before the download.

    :param several: whether a task may have more than one output; then the first one's name is in it too.
    """
    plain = [one.suffix for output_type in output_types for one in FORMATS.get(output_type, ())]
    return tuple(dict.fromkeys([*plain, *(f"-0{suffix}" for suffix in plain if several)]))


def find_suffix(output_type: str, file: BinaryIO, url: str | None = None) -> str:
    """Return the suffix for the bytes in ``file``, which :func:`find_defect` found whole.

    :param output_type: of one that is not known the URL's suffix counts, else the type itself is the suffix.
    """
    if (formats := FORMATS.get(output_type)) is not None:
        file.seek(0)
        start = file.read(_START)
        return next((one.suffix for one in formats if one.is_start(start)), formats[0].suffix)
    name = urlsplit(url or "").path.rpartition("/")[2]
    if found := re.fullmatch(r".+(\.[A-Za-z0-9]{1,8})", name):
        return found[1].lower()
    return f".{re.sub('[^a-z0-9]', '', output_type.lower())[:8] or 'bin'}"


def find_defect(output_type: str, file: BinaryIO, size: int) -> str | None:
    """Return why a downloaded file is not a whole one of its type, or ``None``.

    :param output_type: one that is not known is not looked into.
    :param file: can be read and sought; its position changes.
    """
    if size == 0:
        return "it is empty"
    formats = FORMATS.get(output_type)
    if formats is None:
        return None
    if formats == FORMATS["video"]:
        return find_video_defect(file, size)
    file.seek(0)
    start = file.read(_START)
    if any(one.is_start(start) for one in formats):
        return None
    *others, last = [one.suffix.removeprefix(".") for one in formats]
    return f"it is no {', '.join(others)} or {last}" if others else f"it is no {last}"
