# SPDX-License-Identifier: Apache-2.0
"""The types of requests: one row each says where it is sent, what it makes, and what it costs.

Everything that depends on the type is asked here; nothing else compares with a type's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

from kling_provider.api.pricing import Price
from kling_provider.api.request_types import ALL_SPECS, RETIRED_TYPES, RequestSpec
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.marked_fields import input_fields
from kling_provider.api.suggestions import suggest

#: What a request is where it names no type.
DEFAULT_TYPE = "text_to_video"

_SPECS: dict[str, RequestSpec] = {spec.type: spec for spec in ALL_SPECS}


def request_types() -> tuple[str, ...]:
    """Return the words for ``type``."""
    return tuple(_SPECS)


def all_specs() -> tuple[RequestSpec, ...]:
    """Return every row of the catalog."""
    return tuple(_SPECS.values())


def find_spec(type: object) -> RequestSpec | None:
    """Return the row of a type, the default one for ``None`` or an empty text; ``None`` for an unknown word."""
    return _SPECS.get(type or DEFAULT_TYPE) if isinstance(type, str | None) else None


def spec_of(request: KlingRequest) -> RequestSpec:
    """Return the row of a request."""
    return _SPECS[request.type]


def find_noun(type: str | None) -> str:
    """Return what people call the result of a type: ``video``, ``image``, ``sound``; ``result`` where it is not known."""
    spec = find_spec(type) if type else None
    return "result" if spec is None else spec.noun


def explain_type(word: object) -> str:
    """Say what ``type`` must be instead of a word that is none: the successor of a retired type, else all types."""
    if isinstance(word, str) and (instead := RETIRED_TYPES.get(word)):
        return f"must be another type, because Kling no longer serves this one: write {instead}"
    near = _suggest_type(word)
    return f"must be one of: {', '.join(_SPECS)}{'.' if near else ''}{near}"


def estimate_price(request: KlingRequest, seconds: Mapping[str, float] | None = None) -> Price:
    """Return the list price of ``request``, whether a task exists already or not.

    :param seconds: how long its inputs are, by field, as far as that is known: some results are billed by it.
    """
    return spec_of(request).price_rule.compute_price(request, seconds or {})


def _suggest_type(word: object) -> str:
    """Return ``" Did you mean 'image_to_video'?"`` where a type has a similar name, else an empty text."""
    return suggest(str(word), _SPECS)


def input_names(type: object = None) -> dict[str, str | None]:
    """Return the input fields, each with the key that holds the input in the parts of a list, or ``None``.

    :param type: of this type only; of all types where it is unknown.
    """
    spec = find_spec(type) if type else None
    specs = [spec] if spec is not None else _SPECS.values()
    found: dict[str, str | None] = {}
    for one in specs:
        for name, within, _ in input_fields(one.request_class):
            # Of two types with a field of that name, one may have parts.
            found[name] = within or found.get(name)
    return found


@cache
def all_field_names() -> frozenset[str]:
    """Return the fields of all types. It is asked for each entry of a prompt file."""
    return frozenset(name for spec in _SPECS.values() for name in spec.request_class.field_names())


@contextmanager
def add_spec_for_now(spec: RequestSpec) -> Iterator[None]:
    """Add one more type within the block: that of a plugin, or of a test."""
    before = dict(_SPECS)
    _SPECS[spec.type] = spec
    all_field_names.cache_clear()
    try:
        yield
    finally:
        _SPECS.clear()
        _SPECS.update(before)
        all_field_names.cache_clear()
