# SPDX-License-Identifier: Apache-2.0
"""The types of outputs: in which formats each comes, the media type of each format, and what people call them.

The files of a result, their checks (:mod:`kling_provider.storage.output_types`), the gallery's players and the words of
messages follow from these tables. A new type of a known format is a row of :data:`SUFFIXES_OF_TYPES`; a new format is also one
of :data:`MEDIA_TYPES`, and one in ``storage/output_types.py`` for what its bytes begin with. Within a type, a format whose files begin with a sign of
their own stands before one without: ``.srt`` and ``.ass`` accept any text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

#: What a file of each format is served as, by its suffix: nothing that a browser would run.
MEDIA_TYPES: Mapping[str, str] = {
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".m4a": "audio/mp4",
    ".srt": "text/plain",
    ".ass": "text/plain",
    ".json": "application/json",
}

_VIDEO = (".mp4",)
_IMAGE = (".png", ".jpg", ".webp")
_AUDIO = (".mp3", ".wav", ".m4a")

#: The suffixes of files, likeliest first, by the type of a task's output in Kling's words.
SUFFIXES_OF_TYPES: Mapping[str, tuple[str, ...]] = {
    "video": _VIDEO,
    "subbed_video": _VIDEO,
    "product_video": _VIDEO,
    "image": _IMAGE,
    "product_image": _IMAGE,
    "model_images": _IMAGE,
    "element": _IMAGE,
    "mask": _IMAGE,
    "object_seg": _IMAGE,
    "head_seg": _IMAGE,
    "face_seg": _IMAGE,
    "cloth_seg": _IMAGE,
    "audio": _AUDIO,
    "voice": _AUDIO,
    "srt": (".srt",),
    "ass": (".ass",),
    "subtitle": (".srt",),
    "json": (".json",),
}

#: Types that are an id in the account, or facts. A file comes only with a link beside: the trial sound of a voice, an image of
#: an element.
TYPES_WITHOUT_FILES = frozenset({"voice", "element", "json", "session", "segment"})

#: What people call an output, where its type is no word of theirs.
_NOUNS: Mapping[str, str] = {
    "subbed_video": "video with subtitles",
    "product_video": "product video",
    "product_image": "product image",
    "model_images": "model image",
    "object_seg": "mask of the object",
    "head_seg": "mask of the head",
    "face_seg": "mask of the face",
    "cloth_seg": "mask of the clothes",
    "audio": "sound",
    "srt": "subtitles",
    "ass": "subtitles",
    "subtitle": "subtitles",
    "json": "facts",
}
#: Words that are their own plural.
_PLURALS = frozenset({"subtitles", "facts"})


def find_media_type(output_type: str, suffix: str = "") -> str | None:
    """Return the media type of an output; ``None`` if its format is not known.

    :param suffix: of its file, with the dot; without one, that of the likeliest format of the type counts.
    """
    if suffix:
        return MEDIA_TYPES.get(suffix)
    likeliest, *_ = SUFFIXES_OF_TYPES.get(output_type, ("",))
    return MEDIA_TYPES.get(likeliest)


def name_output(output_type: str) -> str:
    """Return what people call an output of a type: ``sound`` for ``audio``; a word that is not known stays."""
    return _NOUNS.get(output_type, output_type.replace("_", " "))


def describe_outputs(output_types: Iterable[str]) -> str:
    """Say what a result consists of, in the order of its outputs: ``2 images and 1 sound``; a single one without a number."""
    counts = Counter(name_output(one) for one in output_types)
    if sum(counts.values()) == 1:
        return next(iter(counts))
    parts = [_count(number, noun) for noun, number in counts.items()]
    *others, last = parts or [""]
    return f"{', '.join(others)} and {last}" if others else last


def _count(number: int, noun: str) -> str:
    if noun in _PLURALS:
        return noun if number == 1 else f"{number} files of {noun}"
    head, of, tail = noun.partition(" of ")
    if not of:
        head, of, tail = noun.partition(" with ")
    return f"{number} {head}{'' if number == 1 else 's'}{of}{tail}"


def find_family(output_type: str) -> str:
    """Return the word of the catalog for a type of outputs: ``image`` for ``product_image``, ``subtitle`` for ``srt``.

    A type that is no file, and one that is not known, is its own family.
    """
    suffixes = SUFFIXES_OF_TYPES.get(output_type)
    if suffixes is None or output_type in TYPES_WITHOUT_FILES:
        return output_type
    return _FAMILIES.get(MEDIA_TYPES[suffixes[0]].partition("/")[0], output_type)


_FAMILIES = {"video": "video", "image": "image", "audio": "audio", "text": "subtitle"}
