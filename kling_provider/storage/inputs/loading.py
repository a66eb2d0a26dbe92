# SPDX-License-Identifier: Apache-2.0
"""Inputs of a request: URL, base64 or file -> what goes over the wire, and what stands for it elsewhere.

Files are read on the worker just before the paid call. Logs, XCom, records and manifests carry path and sha256 only.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, BinaryIO, Literal

from kling_provider.api.media_limits import MEDIA_LIMITS, MediaLimits
from kling_provider.api.problems import Problem
from kling_provider.api.redaction import redact_url, shorten
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.fields import ApiDesign
from kling_provider.api.requests.marked_fields import find_media
from kling_provider.api.signatures import stand_in
from kling_provider.api.values import is_web_url
from kling_provider.exceptions import KlingRequestError
from kling_provider.storage.failures import as_os_error, as_storage_error
from kling_provider.storage.inputs.checks import check_format, check_measures, check_sides, check_size
from kling_provider.storage.inputs.formats import START, find_format
from kling_provider.storage.inputs.links import WAYS_OUT, sign_link
from kling_provider.storage.inputs.measuring import measure_media
from kling_provider.storage.inputs.pictures import make_convenient
from kling_provider.storage.inputs.values import Refused, decode_inline, parse_path
from kling_provider.storage.media import read_image_size
from kling_provider.storage.stores import store_of

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

Kind = Literal["image", "video", "audio"]

#: Bytes of a video that are read at once.
_PIECE = 4 * 1024 * 1024
#: MB of a file that is read into memory, at most, even where it will be made smaller.
_MOST_READ_MB = 200
#: Where no row of the API design is documented, which is refused elsewhere.
_ANY = {
    "image": MediaLimits(inline=True, formats=("jpg", "png")),
    "video": MediaLimits(formats=("mp4", "mov")),
    "audio": MediaLimits(inline=True, formats=("mp3", "wav")),
}


@dataclass(frozen=True, slots=True)
class LoadedInput:
    """One input of a request.

    :param wire: for Kling alone: a URL, or base64 without the ``data:`` prefix (the legacy API refuses it). Of a file that gets
        a signed link just before the call, the path.
    :param identity: ``sha256:<hex>`` of the file's own bytes, or the URL without signature.
    :param shown: for people.
    :param seconds: how long a sound or a video is, if that could be measured.
    :param needs_link: whether ``wire`` is still a path.
    """

    wire: str = field(repr=False)
    identity: str
    shown: str
    seconds: float | None = None
    needs_link: bool = False


def load_input(
    value: str,
    *,
    kind: Kind = "image",
    row: str = "image_new",
    field: str = "first_frame",
    base: str | None = None,
) -> LoadedInput:
    """Load one input, and check it.

    :param value: an http or https URL (not fetched: Kling does that), base64 with or without ``data:``, or a file: a path on
        the worker or an ``ObjectStoragePath`` (``s3://conn@bucket/…``).
    :param row: what is accepted: a row of :mod:`kling_provider.api.media_limits`.
    :param field: the request's field, for messages.
    :param base: the folder that a relative path begins in.
    :raises KlingRequestError: where it is wrong; names the field, what is wrong and what to write.
    :raises KlingStorageError: where the store does not answer; a retry may help.
    """
    try:
        return _load_value(value, base, kind, MEDIA_LIMITS[row])
    except Refused as refused:
        problems = [Problem(field, None, str(refused))]
    raise KlingRequestError.of_problems(problems)


def load_inputs(
    request: KlingRequest,
    *,
    base: str | None = None,
    api: ApiDesign = "standard",
    fields: Container[str] | None = None,
    remarks: Mapping[str, str] | None = None,
) -> dict[str, LoadedInput]:
    """Load the inputs of a request, by dotted field (``first_frame``, ``dynamic_masks.0.mask``, …).

    :param api: the API design by which it is sent.
    :param fields: only these, if they are given.
    :param remarks: by field, why the input is what it is; added to what is wrong with it.
    :raises KlingRequestError: with every wrong input (``problems``); nothing was sent.
    :raises KlingStorageError: where a store does not answer.
    """
    loaded: dict[str, LoadedInput] = {}
    problems: list[Problem] = []
    for where, value in request.iter_inputs():
        if fields is not None and where not in fields:
            continue
        media = find_media(type(request), where)
        row = request.find_media_row(media, api)
        limits = MEDIA_LIMITS[row] if row is not None else _ANY[media.kind]
        try:
            loaded[where] = _load_value(value, base, media.kind, limits)
        except Refused as refused:
            remark = (remarks or {}).get(where)
            problems.append(Problem(where, None, f"{refused}{f' ({remark})' if remark else ''}"))
    if problems:
        raise KlingRequestError.of_problems(problems)
    return loaded


def _load_value(value: str, base: str | None, kind: Kind, limits: MediaLimits) -> LoadedInput:
    value = value.strip()
    if is_web_url(value):
        try:
            return LoadedInput(wire=value, identity=stand_in(value), shown=redact_url(value))
        except ValueError:
            raise Refused("is an address that cannot be read") from None
    data = decode_inline(value)
    if data is not None:
        if not limits.inline:
            raise Refused(f"must not be base64: {WAYS_OUT}")
        return _load_bytes(data, "base64", "the base64", kind, limits)
    path, shown = parse_path(value, base), shorten(value)
    if limits.inline:
        return _load_bytes(_read_file(path, kind, limits), shown, shown, kind, limits)
    return _load_by_link(path, shown, kind, limits)


def _load_bytes(data: bytes, shown: str, what: str, kind: Kind, limits: MediaLimits) -> LoadedInput:
    identity = f"sha256:{sha256(data).hexdigest()}"
    seconds = None
    found = find_format(data)
    if kind == "image":
        data = make_convenient(data, found, limits, what)
        _check_image(data, limits, what)
    else:
        check_format(_find_format(data, kind, limits), limits, what)
        check_size(len(data), limits, what)
        measures = measure_media(io.BytesIO(data), what)
        check_measures(measures, limits, what)
        seconds = measures.seconds
    return LoadedInput(
        wire=base64.b64encode(data).decode(),
        identity=identity,
        shown=_add_hash(shown, identity),
        seconds=seconds,
    )


def _load_by_link(path: ObjectStoragePath, shown: str, kind: Kind, limits: MediaLimits) -> LoadedInput:
    """Load a file that Kling fetches itself: it is looked at here, and is not sent."""
    sign_link(path)  # where that cannot be done, it is said before the file is read
    seconds = None
    with as_storage_error(f"read {shown}"):
        check_size(_get_size(path), limits, shown)
        with store_of(path).open_file(path) as file:
            with as_os_error():
                start = file.read(START)
                file.seek(0)
                identity = f"sha256:{_hash_file(file)}"
                file.seek(0)
                picture = file.read() if kind == "image" else b""
            if kind == "image":
                _check_image(picture, limits, shown)
            else:
                check_format(_find_format(start, kind, limits), limits, shown)
                measures = measure_media(file, shown)
                check_measures(measures, limits, shown)
                seconds = measures.seconds
    return LoadedInput(
        wire=str(path), identity=identity, shown=_add_hash(shown, identity), seconds=seconds, needs_link=True
    )


def _hash_file(file: BinaryIO) -> str:
    """Return the sha256 of a file that may be as large as a video, in hex digits."""
    digest = sha256()
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def _check_image(data: bytes, limits: MediaLimits, what: str) -> None:
    found = find_format(data)
    check_format(found, limits, what)
    check_size(len(data), limits, what)
    size = read_image_size(data)
    if size is not None:
        check_sides(size.width, size.height, limits, what)
    elif found in ("jpg", "png"):
        raise Refused(f"{what} must be a whole {found}: it is cut or damaged")


def _find_format(start: bytes, kind: Kind, limits: MediaLimits) -> str | None:
    """Return the format; an MP4 is an m4a where a sound is meant, whatever brand its writer chose."""
    found = find_format(start)
    if kind == "audio" and found == "mp4" and "mp4" not in limits.formats:
        return "m4a"
    return found


def _read_file(path: ObjectStoragePath, kind: Kind, limits: MediaLimits) -> bytes:
    shown = shorten(str(path))
    with as_storage_error(f"read {shown}"):
        size = _get_size(path)
        if kind == "image" and size > _MOST_READ_MB * 1024 * 1024:
            raise Refused(
                f"{shown} has {size / 1024 / 1024:.1f} MB, which is too much to make it smaller here"
            )
        if kind != "image":
            check_size(size, limits, shown)
        return store_of(path).read_file(path)


def _get_size(path: ObjectStoragePath) -> int:
    size = store_of(path).get_size(path)
    if size is None or size < 0:
        raise Refused(f"there is no file {shorten(str(path))}")
    return size


def _add_hash(path: str, identity: str) -> str:
    """Add to the path of a file what its bytes are."""
    return f"{path} (sha256 {identity.removeprefix('sha256:')[:12]})"
