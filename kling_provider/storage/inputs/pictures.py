# SPDX-License-Identifier: Apache-2.0
"""Pictures that are merely inconvenient -> what Kling accepts: another format, turned upright, fewer pixels, fewer bytes.

This needs Pillow, and for HEIC also pillow-heif: the extra ``media``. What stands for the picture in an identity are the bytes
of its own file, so that another version of a library never pays again.
"""

from __future__ import annotations

import io
import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING

from kling_provider.api.media_limits import MediaLimits
from kling_provider.storage.inputs.formats import list_formats
from kling_provider.storage.inputs.values import Refused

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)

#: Formats that are turned into another one.
_CONVERTED = ("webp", "heic", "avif")
#: Of a JPEG that is written here: what is saved below is not seen.
_QUALITY = 92
_MB = 1024 * 1024
#: How much of each side is left by one step towards fewer bytes.
_STEP = 0.85
_ORIENTATION = 0x0112


def make_convenient(data: bytes, found: str | None, limits: MediaLimits, what: str) -> bytes:
    """Return a picture as Kling accepts it, as far as that can be reached; the log says what was changed.

    :param data: the file.
    :param found: its format.
    :param what: the picture, for messages.
    :returns: the very same bytes where nothing is to be changed.
    :raises Refused: where it must be changed, and cannot be here.
    """
    allowed = list_formats(limits.formats)
    changes = [f"a {found}"] if found in _CONVERTED and found not in allowed else []
    if found not in allowed and not changes:
        return data  # the check of formats says it
    is_large = limits.max_mb is not None and len(data) > limits.max_mb * _MB
    if is_large:
        changes.append(f"of {len(data) / _MB:.1f} MB")
    if find_spec("PIL") is None:
        if changes:
            raise Refused(f"{what} is {' '.join(changes)}, which Kling does not accept; {_install('Pillow')}")
        return data
    picture = _open_picture(data, found, what)
    if picture is None:
        return data
    if _is_turned(picture):
        changes.append("stored turned (EXIF)")
    if _count_excess(picture, limits) < 1:
        changes.append(f"of {picture.width}x{picture.height} pixels")
    if not changes:
        return data
    try:
        made, kind, size = _write_picture(picture, limits, found)
    except Exception as error:  # noqa: BLE001 - whatever a decoder says of a file
        raise Refused(
            f"{what} is {', '.join(changes)}, and cannot be converted: {type(error).__name__}"
        ) from None
    log.info("%s is %s: sent as %s of %.1f MB.", what, ", ".join(changes), kind, size)
    return made


def _open_picture(data: bytes, found: str | None, what: str) -> Image | None:
    from PIL import Image

    if found == "heic":
        if find_spec("pillow_heif") is None:
            raise Refused(f"{what} is a heic, which Kling does not accept; {_install('pillow-heif')}")
        from pillow_heif import register_heif_opener

        register_heif_opener()
    try:
        picture = Image.open(io.BytesIO(data))
        if found in _CONVERTED:
            picture.load()
    except Exception as error:  # noqa: BLE001 - whatever a decoder says of a file
        if found in _CONVERTED:
            raise Refused(f"{what} is a {found} that cannot be read: {type(error).__name__}") from None
        return None
    return picture


def _is_turned(picture: Image) -> bool:
    try:
        return bool(picture.getexif().get(_ORIENTATION, 1) != 1)
    except Exception:  # noqa: BLE001 - damaged notes of a camera do not damage its picture
        return False


def _install(package: str) -> str:
    return f"convert it to a jpg or png, or install {package} on the workers (the extra media)"


def _count_excess(picture: Image, limits: MediaLimits) -> float:
    """Return by which factor the sides must shrink; 1 where they need not."""
    factor = 1.0
    if limits.longest_side is not None:
        factor = min(factor, limits.longest_side / max(picture.size))
    if limits.max_area is not None:
        factor = min(factor, (limits.max_area / (picture.width * picture.height)) ** 0.5)
    return factor


def _write_picture(picture: Image, limits: MediaLimits, found: str | None) -> tuple[bytes, str, float]:
    """Write a picture as a png where it is see-through or was one, else as a jpg; return it with its format and MB."""
    from PIL import ImageOps

    picture = ImageOps.exif_transpose(picture)
    factor = _count_excess(picture, limits)
    as_png = picture.mode in ("RGBA", "LA", "PA", "P", "1") or found == "png"
    if picture.mode not in ("RGB", "RGBA", "L"):
        picture = picture.convert("RGBA" if as_png and picture.has_transparency_data else "RGB")
    most = None if limits.max_mb is None else limits.max_mb * _MB
    while True:
        smaller = picture
        if factor < 1:
            sides = (max(1, int(picture.width * factor)), max(1, int(picture.height * factor)))
            smaller = picture.resize(sides)
        data = _encode_picture(smaller, as_png=as_png)
        if most is None or len(data) <= most or min(smaller.size) <= 1:
            return data, "png" if as_png else "jpg", len(data) / _MB
        if as_png and not picture.has_transparency_data:
            as_png = False  # a photograph as a png: the same pixels need less as a jpg
        else:
            factor *= _STEP


def _encode_picture(picture: Image, *, as_png: bool) -> bytes:
    target = io.BytesIO()
    if as_png:
        picture.save(target, "PNG", optimize=True)
    else:
        picture.convert("RGB").save(
            target, "JPEG", quality=_QUALITY, icc_profile=picture.info.get("icc_profile")
        )
    return target.getvalue()
