# SPDX-License-Identifier: Apache-2.0
"""What prompt files ask about requests: which keys there are, which hold text, which name files.

Nothing else in this package knows a type of request, nor which of its fields are inputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from kling_provider.api.requests import IMAGE_FIELDS, KINDS, Request, Text
from kling_provider.api.spelling import legacy_names, ours

#: Keys of an entry that make several requests of it.
VARIANT_KEYS = ("variants", "matrix")
#: Keys that are one request's own: never defaults, never of several variants.
KEYS_OF_ONE_TASK = ("external_task_id", "adopt")
#: In a path: every entry of a list.
EVERY = "*"


@cache
def get_known_keys() -> frozenset[str]:
    """Give every key that an entry may have, in either spelling."""
    return frozenset({*get_request_keys(), *legacy_names(), *VARIANT_KEYS})


@cache
def get_request_keys() -> frozenset[str]:
    """Give every key of a request of any type, in our spelling."""
    return frozenset(key for kind in KINDS.values() for key in kind.model_fields)


def get_keys_of_other_types(type_: object) -> frozenset[str]:
    """Give the keys that requests of other types have, and those of ``type_`` do not."""
    return get_request_keys() - _get_kind(type_).model_fields.keys()


@cache
def get_text_keys() -> frozenset[str]:
    """Give the keys, at any depth of a request, whose value is text: ``007`` is no number there."""
    return frozenset(key for kind in KINDS.values() for key in _walk_text_keys(kind))


@cache
def get_prompt_keys() -> frozenset[str]:
    """Give the keys of texts that people write at length, where a lost end would be paid for."""
    return frozenset(key for key in get_text_keys() if key == "prompt" or key.endswith("_prompt"))


def get_input_paths(type_: object) -> tuple[tuple[str, ...], ...]:
    """Give the ways to all values of a request of ``type_`` that may name a file; ``"*"`` is each entry of a list."""
    fields = _get_kind(type_).model_fields
    paths = (*((key,) for key in IMAGE_FIELDS), ("dynamic_masks", EVERY, "mask"))
    return tuple(path for path in paths if path[0] in fields)


def get_canonical_key(key: str) -> str:
    """Give our spelling of a key; one that nobody knows stays as it is."""
    return ours(key)


def is_same_field(key: str, other: str) -> bool:
    """Say whether two keys mean one field, in whatever spelling."""
    return ours(key) == ours(other)


def _get_kind(type_: object) -> type[Request]:
    """Give the class of a type; one that does not exist is reported elsewhere, and read as the default one here."""
    return KINDS.get(str(type_), next(iter(KINDS.values())))


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
