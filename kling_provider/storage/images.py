# SPDX-License-Identifier: Apache-2.0
"""Images of a request: URL, base64 or file -> what goes over the wire, and what stands for it elsewhere.

The bytes are read on the worker just before the paid call. Logs, XCom, records and sidecars carry path and
sha256 only.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from airflow.sdk import ObjectStoragePath

from kling_provider.api.catalog import find_spec, input_names
from kling_provider.api.problems import Problem, join_problems
from kling_provider.api.redaction import (
    redact_base64,
    redact_url,
    redact_urls,
    shorten,
    show_origin,
    strip_query,
)
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.signatures import stand_in
from kling_provider.api.spelling import to_field_name
from kling_provider.api.values import convert_numpy
from kling_provider.exceptions import KlingRequestError
from kling_provider.storage.failures import as_storage_error
from kling_provider.storage.media import read_image_size
from kling_provider.storage.stores import store_of

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

#: The largest image by API design (MB), its shortest side (pixels), and the widest ratio of its sides, from Kling's API
#: reference.
_LIMIT_MB = {"legacy": 10, "standard": 50}
_SHORTEST_SIDE = 300
_WIDEST = 2.5

#: Shorter texts are paths. A real image of 300 pixels is longer by far, a path is not.
_SHORTEST_INLINE = 200
#: Longer ones are no paths (PATH_MAX).
_LONGEST_PATH = 4096


@dataclass(frozen=True, slots=True)
class Image:
    """One image of a request.

    ``wire`` is for Kling alone: a URL, or base64 without the ``data:`` prefix (the legacy API refuses
    it). ``identity`` is ``sha256:<hex>`` of the bytes, or the URL without signature. ``shown`` is for
    people.
    """

    wire: str = field(repr=False)
    identity: str
    shown: str


class _Refused(Exception):
    """An image is wrong; the text follows the field's name."""


def load_image(value: str, *, field: str = "image", base: str | None = None, api: str = "standard") -> Image:
    """Load one image, and check it.

    :param value: an http or https URL (not fetched: Kling does that), base64 of a jpg or png with or
        without ``data:``, or a file: a path on the worker or an ``ObjectStoragePath`` (``s3://conn@bucket/…``).
    :param field: the request's field, for messages.
    :param base: the folder that a relative path begins in.
    :param api: ``standard`` (up to 50 MB) or ``legacy`` (10 MB).
    :raises KlingRequestError: where it is wrong; names the field, what is wrong and what to write.
    :raises KlingStorageError: where the store does not answer; a retry may help.
    """
    try:
        return _load_value(value, base, api)
    except _Refused as refused:
        problems = [Problem(field, None, str(refused))]
    raise _build_error(problems)


def resolve_images(
    request: KlingRequest, *, base: str | None = None, api: str = "standard"
) -> tuple[KlingRequest, dict[str, str]]:
    """Resolve the images of a request: return a copy with them ready to be sent, and what stands for each in an identity.

    :returns: the copy, and per image field (``first_frame``, ``dynamic_masks.0.mask``, …) the ``identity``
        of its :class:`Image`. Signatures and expiry of URLs are not in it, so a link that was signed
        anew is the same image.
    :raises KlingRequestError: with every wrong image (``problems``); nothing was sent.
    :raises KlingStorageError: where a store does not answer.
    """
    identities: dict[str, str] = {}
    problems: list[Problem] = []

    def load_field(where: str, value: str) -> str:
        try:
            image = _load_value(value, base, api)
        except _Refused as refused:
            problems.append(Problem(where, None, str(refused)))
            return value
        identities[where] = image.identity
        return image.wire

    wire = {where: load_field(where, value) for where, value in request.iter_inputs()}
    if problems:
        raise _build_error(problems)
    return request.with_inputs(wire), identities


def image_addresses(request: KlingRequest) -> dict[str, str]:
    """Return where the images of a request are, by field: URLs without signature, and paths. Base64 is left out."""
    addresses = {}
    for name, value in request.iter_inputs():
        if value and _is_web(value):
            addresses[name] = strip_query(redact_url(value))
        elif value and _decode_inline(value) is None:
            addresses[name] = value
    return addresses


def shown_request(request: Mapping[str, Any], images: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the mapping as its author wrote it, fit for logs, XCom and sidecars.

    Paths gain the sha256 of what was read, base64 becomes its sha256, URLs lose user and signature, and of a
    callback's URL scheme and host are left.

    :param images: what :func:`resolve_images` gave, if anything was read yet.
    """
    spec = find_spec(request.get("type"))
    cls = None if spec is None else spec.request_class
    images, names = images or {}, {key: to_field_name(str(key), cls) for key in request}
    inputs = _find_inputs(request.get("type"), names.values())
    shown: dict[str, Any] = {}
    for key, given in request.items():
        ours, value = names[key], convert_numpy(given)
        if key == "callback_url" and isinstance(value, str):
            shown[key] = show_origin(value)
        elif ours in inputs and isinstance(value, str):
            shown[key] = _show_value(value, images.get(ours))
        elif ours in inputs and isinstance(value, list):
            shown[key] = [
                _shown_item(item, f"{ours}.{number}", inputs[ours], images)
                for number, item in enumerate(value)
            ]
        else:
            shown[key] = redact_base64(value)
    return shown


def shown_inputs(request: KlingRequest, images: Mapping[str, str]) -> KlingRequest:
    """Return a copy of ``request`` fit for people: inputs by path and sha256, no signature, no callback's path."""
    shown = {field: _show_value(value, images.get(field)) for field, value in request.iter_inputs()}
    request = request.with_inputs(shown)
    if request.callback_url:
        request = request.model_copy(update={"callback_url": show_origin(request.callback_url)})
    return request


def _shown_item(item: Any, where: str, within: str | None, images: Mapping[str, str]) -> Any:
    if isinstance(item, str):
        return _show_value(item, images.get(where))
    if within is not None and isinstance(item, Mapping) and isinstance(item.get(within), str):
        return {**item, within: _show_value(item[within], images.get(f"{where}.{within}"))}
    return redact_base64(item)


def _find_inputs(type: object, names: Iterable[str]) -> dict[str, str | None]:
    """Return the inputs of a type; of all types where there is a name of others, whose link is hidden as well."""
    spec = find_spec(type)
    if spec is None or any(name not in spec.request_class.field_names() for name in names):
        return input_names()
    return input_names(spec.type)


def _show_value(value: str, identity: str | None) -> str:
    if _is_web(value):
        try:
            return redact_url(value)
        except ValueError:
            return "an address that cannot be read"
    try:
        inline = _decode_inline(value)
    except _Refused:
        return "base64 that cannot be read"
    if inline is not None:
        return f"base64 (sha256 {sha256(inline).hexdigest()[:12]})"
    path = shorten(redact_urls(value))
    return _with_hash(path, identity) if identity else path


def _with_hash(path: str, identity: str) -> str:
    return f"{path} (sha256 {identity.removeprefix('sha256:')[:12]})"


def _load_value(value: str, base: str | None, api: str) -> Image:
    value = value.strip()
    if _is_web(value):
        try:
            return Image(wire=value, identity=stand_in(value), shown=redact_url(value))
        except ValueError:
            raise _Refused("is an address that cannot be read") from None
    data = _decode_inline(value)
    if data is not None:
        _check_image(data, api, "the base64")
        shown = "base64"
    else:
        shown = shorten(value)
        data = _read_file(value, base, api)
        _check_image(data, api, shown)
    identity = f"sha256:{sha256(data).hexdigest()}"
    return Image(wire=base64.b64encode(data).decode(), identity=identity, shown=_with_hash(shown, identity))


def _is_web(value: str) -> bool:
    return value.lower().startswith(("http://", "https://"))


def _decode_inline(value: str) -> bytes | None:
    """Return the bytes of base64; ``None`` where the text is a path.

    A jpg's base64 begins with ``/9j/``, like a path does, so the image's own first bytes decide.
    """
    if value[:5].lower() == "data:":
        head, comma, text = value.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise _Refused("is a data: address without base64; write data:image/png;base64,…")
        data = _decode_base64(text)
        if data is None:
            raise _Refused("is a data: address whose base64 is damaged")
        return data
    if len(value) < _SHORTEST_INLINE:
        return None
    data = _decode_base64(value)
    if len(value) <= _LONGEST_PATH:
        return data if data is not None and read_image_size(data) is not None else None
    if data is None:
        raise _Refused("is too long for a path, and its base64 is damaged")
    return data


def _decode_base64(text: str) -> bytes | None:
    compact = "".join(text.split())
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (ValueError, binascii.Error):
        return None


def _read_file(value: str, base: str | None, api: str) -> bytes:
    path = _parse_path(value, base)
    with as_storage_error(f"read {shorten(str(path))}"):
        store = store_of(path)
        size = store.get_size(path)
        if size is None or size < 0:
            raise _Refused(f"there is no file {shorten(str(path))}")
        _not_too_large(size, api, shorten(str(path)))
        return store.read_file(path)


def _parse_path(value: str, base: str | None) -> ObjectStoragePath:
    text = value
    if "://" not in value and not value.startswith("/"):
        if not base:
            raise _Refused(
                f"{shorten(value)!r} is a relative path, and nothing says where it begins; it must be an absolute one, "
                "an https URL, or s3://bucket/…"
            )
        text = f"{base.rstrip('/')}/{value}"
    if "://" not in text:
        text = f"file://{text}"
    if redact_urls(strip_query(text)) != strip_query(text):
        raise _Refused(
            "is a path that holds credentials; put them into a connection and name that: s3://conn@bucket/…"
        )
    try:
        path = ObjectStoragePath(text)
        _ = path.fs
    except (ValueError, ImportError) as error:
        raise _Refused(f"{shorten(redact_urls(value))!r} cannot be read here: {error}") from None
    return path


def _check_image(data: bytes, api: str, what: str) -> None:
    _not_too_large(len(data), api, what)
    found = read_image_size(data)
    if found is None:
        raise _Refused(f"{what} must be a jpg or png")
    sides = f"{found.width}x{found.height}"
    if min(found.width, found.height) < _SHORTEST_SIDE:
        raise _Refused(f"{what} has {sides} pixels; each side must have {_SHORTEST_SIDE} or more")
    if max(found.width, found.height) > _WIDEST * min(found.width, found.height):
        raise _Refused(f"{what} has {sides} pixels; their ratio must be from 1:2.5 to 2.5:1")


def _not_too_large(size: int, api: str, what: str) -> None:
    limit = _LIMIT_MB[api]
    if size > limit * 1024 * 1024:
        raise _Refused(f"{what} has {size / 1024 / 1024:.1f} MB; the {api} API accepts at most {limit}")


def _build_error(problems: list[Problem]) -> KlingRequestError:
    return KlingRequestError(
        f"The request is wrong, nothing was sent: {join_problems(problems)}",
        problems=problems,
    )
