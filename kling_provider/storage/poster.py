# SPDX-License-Identifier: Apache-2.0
"""The poster: a JPEG ``<file>.jpg`` of a video's first frame, or of a large image, where the extra ``media`` is installed."""

from __future__ import annotations

import io
import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath
    from PIL.Image import Image

log = logging.getLogger(__name__)

#: Pixels: as wide as a card or a chat message needs, a few tens of kB.
_LARGEST = (960, 960)
_QUALITY = 82
#: An image of so many bytes and pixels at most is shown itself.
_SMALL_BYTES = 512 * 1024
#: An image of more pixels is not decoded: it would fill the worker's memory. Kling's largest have 16 million.
_MOST_PIXELS = 64_000_000


def poster_path(path: ObjectStoragePath) -> ObjectStoragePath:
    """Return where the poster of a video or image file is."""
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
        return _encode(image)
    except Exception as error:  # noqa: BLE001 - whatever a decoder says of it, the video itself is paid and whole
        log.warning("No poster could be made: %s: %s", type(error).__name__, error)
        return None


def make_image_poster(image: BinaryIO) -> bytes | None:
    """Make a small JPEG of ``image``; ``None`` where it is small enough itself, and, with a warning, where that fails.

    What is transparent becomes white, as it is on a page.

    :param image: a PNG, JPEG or WebP that can be read and sought; its position changes.
    """
    if find_spec("PIL") is None:
        return None
    try:
        from PIL import Image, ImageOps

        size = image.seek(0, io.SEEK_END)
        image.seek(0)
        with Image.open(image, formats=("PNG", "JPEG", "WEBP")) as found:
            if size <= _SMALL_BYTES and max(found.size) <= max(_LARGEST):
                return None
            if found.width * found.height > _MOST_PIXELS:
                raise ValueError(f"it has {found.width}x{found.height} pixels")
            found.draft("RGB", _LARGEST)  # a JPEG is decoded at a fraction of its size
            upright = ImageOps.exif_transpose(found)
            upright.thumbnail(_LARGEST)
            flat = Image.new("RGB", upright.size, "white")
            visible = upright.convert("RGBA")
            flat.paste(visible, mask=visible.getchannel("A"))
            return _encode(flat)
    except Exception as error:  # noqa: BLE001 - whatever a decoder says of it, the image itself is paid and whole
        log.warning("No poster could be made: %s: %s", type(error).__name__, error)
        return None


def _encode(image: Image) -> bytes:
    image.thumbnail(_LARGEST)
    target = io.BytesIO()
    image.save(target, "JPEG", quality=_QUALITY, optimize=True)
    return target.getvalue()
