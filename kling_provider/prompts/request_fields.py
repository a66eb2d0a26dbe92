# SPDX-License-Identifier: Apache-2.0
"""What prompt files ask about requests: which keys there are, which hold text, which name files.

Nothing else in this package knows a type of request, nor which of its fields are inputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from kling_provider.api import media_limits
from kling_provider.api.catalog import DEFAULT_TYPE, all_field_names, all_specs, find_spec, request_types
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.fields import Text
from kling_provider.api.requests.marked_fields import input_fields, list_media
from kling_provider.api.spelling import legacy_names, list_wire_names, to_field_name

#: Keys of an entry that make several requests of it.
VARIANT_KEYS = ("variants", "matrix")
#: Keys that are one request's own: never defaults, never of several variants.
KEYS_OF_ONE_TASK = ("external_task_id", "adopt")
#: In a path: every entry of a list.
EVERY = "*"


def get_known_keys() -> frozenset[str]:
    """Return every key that an entry may have, in either spelling."""
    return frozenset({*get_request_keys(), *legacy_names(), *_get_wire_names(request_types()), *VARIANT_KEYS})


@cache
def _get_wire_names(types: tuple[str, ...]) -> frozenset[str]:
    return frozenset(name for spec in all_specs() for name in list_wire_names(spec.request_class))


def get_request_keys() -> frozenset[str]:
    """Return every key of a request of any type, in the current spelling."""
    return all_field_names()


def get_keys_of_other_types(type_: object) -> frozenset[str]:
    """Return the keys that requests of other types have, and those of ``type_`` do not."""
    return get_request_keys() - set(_get_kind(type_).field_names())


def get_text_keys() -> frozenset[str]:
    """Return the keys, at any depth of a request, whose value is text, so that ``007`` is no number there."""
    return _get_text_keys(request_types())


@cache
def _get_text_keys(types: tuple[str, ...]) -> frozenset[str]:
    return frozenset(key for spec in all_specs() for key in _walk_text_keys(spec.request_class))


def get_prompt_keys() -> frozenset[str]:
    """Return the keys of prompts and negative prompts: long texts, whose end must not be lost."""
    named = {spec.request_class.prompt_field for spec in all_specs()}
    return frozenset(key for key in get_text_keys() if key in named or key.endswith("_prompt"))


def get_input_paths(type_: object) -> tuple[tuple[str, ...], ...]:
    """Return the paths to all values of a request of ``type_`` that may name a file; ``"*"`` is each entry of a list."""
    paths: list[tuple[str, ...]] = []
    for name, within, is_list in input_fields(_get_kind(type_)):
        paths.append((name, EVERY) if is_list else (name,))
        if within is not None:  # an entry may be a text alone, or a mapping with it
            paths.append((name, EVERY, within))
    return tuple(paths)


def is_by_link_only(path: tuple[str, ...], type_: object) -> bool:
    """Say whether Kling takes what is at a path of :func:`get_input_paths` by URL only."""
    name, *rest = path
    within = rest[-1] if rest and rest[-1] != EVERY else None
    kind = _get_kind(type_)
    marked = list_media(kind)
    media = marked.get((name, within)) or next(one for (field, _), one in marked.items() if field == name)
    return media_limits.is_by_link_only(media)


def get_canonical_key(key: str, type_: object = None) -> str:
    """Return the current spelling of a key in a request of ``type_``; an unknown one stays as it is."""
    return to_field_name(key, _get_kind(type_))


def is_same_field(key: str, other: str, type_: object = None) -> bool:
    """Say whether two keys mean one field of ``type_``, in whatever spelling."""
    return get_canonical_key(key, type_) == get_canonical_key(other, type_)


def _get_kind(type_: object) -> type[KlingRequest]:
    """Return the class of a type; use that of the default type for an unknown one, which is reported elsewhere."""
    spec = find_spec(type_) or find_spec(DEFAULT_TYPE)
    assert spec is not None
    return spec.request_class


def _walk_text_keys(model: type[BaseModel]) -> Iterator[str]:
    for key, field in model.model_fields.items():
        if any(part in field.metadata for part in get_args(Text)[1:]) or _holds_text(field.annotation):
            yield key
        for within in _walk_models(field.annotation):
            yield from _walk_text_keys(within)


def _holds_text(annotation: Any) -> bool:
    return annotation is Text or annotation == Text or any(map(_holds_text, get_args(annotation)))


def _walk_models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _walk_models(part)
