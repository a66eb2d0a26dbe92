# SPDX-License-Identifier: Apache-2.0
"""Inputs as people see them: by path and sha256, by URL without what grants access, by the output that they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from kling_provider.api.catalog import find_spec, input_names
from kling_provider.api.redaction import (
    redact_base64,
    redact_url,
    redact_urls,
    redact_value,
    shorten,
    show_origin,
    strip_query,
)
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.spelling import to_field_name
from kling_provider.api.values import convert_numpy, is_web_url
from kling_provider.storage.inputs.values import Refused, decode_inline


def list_input_addresses(request: KlingRequest) -> dict[str, str]:
    """Return where the inputs of a request are, by field: URLs without signature, and paths. Base64 is left out."""
    addresses = {}
    for name, value in request.iter_inputs():
        if value and is_web_url(value):
            addresses[name] = strip_query(redact_url(value))
        elif value and decode_inline(value) is None:
            addresses[name] = value
    return addresses


def shown_request(request: Mapping[str, Any], inputs: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the mapping as its author wrote it, fit for logs, XCom and manifests.

    Paths gain the sha256 of what was read, base64 becomes its sha256, URLs lose user and signature, and of a
    callback's URL scheme and host are left.

    :param inputs: by dotted field how each input is shown, if anything was read yet.
    """
    spec = find_spec(request.get("type"))
    cls = None if spec is None else spec.request_class
    known, names = inputs or {}, {key: to_field_name(str(key), cls) for key in request}
    fields = _find_inputs(request.get("type"), names.values())
    shown: dict[str, Any] = {}
    for key, given in request.items():
        ours, value = names[key], convert_numpy(given)
        if key == "callback_url" and isinstance(value, str):
            shown[key] = show_origin(value)
        elif ours in fields and isinstance(value, str):
            shown[key] = known.get(ours) or show_input(value)
        elif ours in fields and isinstance(value, list):
            shown[key] = [
                _shown_item(item, f"{ours}.{number}", fields[ours], known)
                for number, item in enumerate(value)
            ]
        elif isinstance(value, str):
            # An address may stand where an id or words are meant, or behind a misspelt key; words may begin with one.
            is_address = is_web_url(value.strip()) and len(value.split()) == 1
            shown[key] = show_input(value) if is_address else redact_base64(value)
        else:
            # A result of another task may stand where it does not belong, with its links.
            shown[key] = redact_value(redact_base64(value))
    return shown


def shown_inputs(request: KlingRequest, inputs: Mapping[str, str]) -> KlingRequest:
    """Return a copy of ``request`` fit for people: inputs as they are shown, no signature, no callback's path.

    :param inputs: by dotted field how each input is shown.
    """
    shown = {field: inputs.get(field) or show_input(value) for field, value in request.iter_inputs()}
    request = request.with_inputs(shown)
    if request.callback_url:
        request = request.model_copy(update={"callback_url": show_origin(request.callback_url)})
    return request


def _shown_item(item: Any, where: str, within: str | None, known: Mapping[str, str]) -> Any:
    if isinstance(item, str):
        # A text alone stands for a part with it.
        return known.get(where) or known.get(f"{where}.{within}") or show_input(item)
    if within is not None and isinstance(item, Mapping) and isinstance(item.get(within), str):
        return {**item, within: known.get(f"{where}.{within}") or show_input(item[within])}
    return redact_value(redact_base64(item))


def _find_inputs(type: object, names: Iterable[str]) -> dict[str, str | None]:
    """Return the inputs of a type; of all types where there is a name of others, whose link is hidden as well."""
    spec = find_spec(type)
    if spec is None or any(name not in spec.request_class.field_names() for name in names):
        return input_names()
    return input_names(spec.type)


def show_input(value: str) -> str:
    """Return the text of an input as it may be shown before anything was read."""
    if is_web_url(value):
        try:
            return redact_url(value)
        except ValueError:
            return "an address that cannot be read"
    try:
        inline = decode_inline(value)
    except Refused:
        return "base64 that cannot be read"
    if inline is not None:
        return f"base64 (sha256 {sha256(inline).hexdigest()[:12]})"
    return shorten(redact_urls(value))
