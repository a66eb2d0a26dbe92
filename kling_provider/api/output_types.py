# SPDX-License-Identifier: Apache-2.0
"""The types of outputs: in which formats each comes, and the media type of each format.

The files of a result, their checks (:mod:`kling_provider.storage.output_types`) and the gallery's players follow from these
two tables. A new type of a known format is a row of :data:`SUFFIXES_OF_TYPES`; a new format is also one of :data:`MEDIA_TYPES`, and
one in ``storage/output_types.py`` for what its bytes begin with. Within a type, a format whose files begin with a sign of
their own stands before one without: ``.srt`` and ``.ass`` accept any text.
"""

from __future__ import annotations

from collections.abc import Mapping

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
    "audio": _AUDIO,
    "voice": _AUDIO,
    "srt": (".srt",),
    "ass": (".ass",),
    "subtitle": (".srt",),
}


def find_media_type(output_type: str, suffix: str = "") -> str | None:
    """Return the media type of an output; ``None`` if its format is not known.

    :param suffix: of its file, with the dot; without one, that of the likeliest format of the type counts.
    """
    if suffix:
        return MEDIA_TYPES.get(suffix)
    likeliest, *_ = SUFFIXES_OF_TYPES.get(output_type, ("",))
    return MEDIA_TYPES.get(likeliest)
