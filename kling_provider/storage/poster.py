# SPDX-License-Identifier: Apache-2.0
"""The poster: a JPEG of a video's first frame, ``<file>.jpg``, where the extra ``media`` is installed."""

from __future__ import annotations

import io
import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

log = logging.getLogger(__name__)

#: Pixels: as wide as a card or a chat message needs, a few tens of kB.
_LARGEST = (960, 960)
_QUALITY = 82


def poster_path(path: ObjectStoragePath) -> ObjectStoragePath:
    """Return where the poster of a video file is."""
    beside: ObjectStoragePath = path.parent / f"{path.name}.jpg"
    return beside


def _can_make_posters() -> bool:
    """Return whether PyAV and Pillow are installed: ``pip install 'airflow-provider-kling[media]'``."""
    return find_spec("av") is not None and find_spec("PIL") is not None


def make_poster(video: BinaryIO) -> bytes | None:
    """Make a JPEG of the first frame of ``video``; ``None``, with a warning, where that cannot be made.

    :param video: can be read and sought; its position changes.
    """
    if not _can_make_posters():
        return None
    try:
        import av

        video.seek(0)
        with av.open(video, "r") as container:
            frame = next(iter(container.decode(video=0)))
            image = frame.to_image()  # type: ignore[no-untyped-call]
        image.thumbnail(_LARGEST)
        target = io.BytesIO()
        image.save(target, "JPEG", quality=_QUALITY, optimize=True)
        return target.getvalue()
    except Exception as error:  # noqa: BLE001 - whatever a decoder says of it, the video itself is paid and whole
        log.warning("No poster could be made: %s: %s", type(error).__name__, error)
        return None
