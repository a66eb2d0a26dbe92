# SPDX-License-Identifier: Apache-2.0
"""A mapping -> a checked request of its type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from kling_provider.api.catalog import (
    DEFAULT_TYPE,
    all_specs,
    explain_type,
    find_spec,
    input_names,
)
from kling_provider.api.problems import InvalidRequest, Problem, list_problems, unknown_key
from kling_provider.api.request_types import RequestSpec
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.parts import KEYS_WITHIN
from kling_provider.api.spelling import legacy_names, translate_fields
from kling_provider.api.suggestions import suggest
from kling_provider.api.values import to_plain_values

#: How many types a message about a key that belongs to them lists.
_MOST_LISTED = 4


def parse_request(data: Mapping[str, Any] | KlingRequest) -> KlingRequest:
    """Parse one request, with the names of the standard or the legacy API, and check it.

    A value of ``None`` counts as not given; numbers and booleans may be text (Jinja renders text).

    :param data: a mapping, or a request: its rules are checked all the same.
    :raises InvalidRequest: with every problem at once, each with its field, what was found and what to write instead.
    """
    if isinstance(data, KlingRequest):
        data = data.model_dump(exclude_unset=True) | {"type": data.type}
    if not isinstance(data, Mapping):
        raise InvalidRequest(
            [Problem("", data, "a request must be a mapping such as {'prompt': 'A red panda'}")]
        )
    data, problems = to_plain_values(data)
    spec = find_spec(type_ := data.get("type") or DEFAULT_TYPE)
    if spec is None:
        raise InvalidRequest([*problems, Problem("type", type_, explain_type(type_))])
    cls = spec.request_class
    given = {key: value for key, value in data.items() if value is not None}
    fields, misspelt = translate_fields(given, cls)
    problems += misspelt
    known = cls.field_names()
    for key in [key for key in fields if key not in known]:
        problems.append(unknown_key(key, fields.pop(key), known, _explain_foreign(key, spec)))
    request: KlingRequest | None = None
    try:
        request = cls.model_validate(fields)
    except ValidationError as error:
        problems += list_problems(error, KEYS_WITHIN)
        wrong = _wrong_fields(error)
        if "model" not in wrong:
            # What the model says to the rest, so that its author hears of all at once. Rules that compare fields
            # would speak of defaults where the wrong ones stood.
            on_their_own = {"duration", "resolution", "aspect_ratio"} - wrong
            problems += [
                problem
                for problem in _find_in_rest(cls, {k: v for k, v in fields.items() if k not in wrong})
                if problem.field in on_their_own
            ]
    if request is not None:
        problems += request.find_problems()
    if problems or request is None:
        raise InvalidRequest(problems)
    return request


def read_what_can_be(data: Mapping[str, Any]) -> tuple[KlingRequest, dict[str, Any]]:
    """Read a request that may be wrong, and return it with its valid fields, and the other fields as they were written.

    For messages about it and for its name. Nothing was checked, so it must not be sent.
    """
    clean, _ = to_plain_values(data)
    spec = find_spec(str(clean.pop("type", None) or "")) or find_spec(DEFAULT_TYPE)
    assert spec is not None
    cls = spec.request_class
    fields, _ = translate_fields({key: value for key, value in clean.items() if value is not None}, cls)
    rest = {key: fields.pop(key) for key in list(fields) if key not in cls.field_names()}
    try:
        return cls.model_validate(fields), rest
    except ValidationError as error:
        rest |= {key: fields.pop(key) for key in _wrong_fields(error) if key in fields}
    return _build_unchecked(cls, fields), rest


def _write_type(field: str) -> str | None:
    """Suggest a type that accepts an input field: ``write type: image_to_video``; ``None`` for other fields.

    Of several types the plainest one, which comes first in the catalog.
    """
    types = [spec.type for spec in all_specs() if field in spec.request_class.field_names()]
    return f"write type: {types[0]}" if types and field in input_names() else None


def _list_types(types: list[str]) -> str:
    """List types for a message: all of a few, else the plainest of them."""
    if len(types) <= _MOST_LISTED:
        return " or ".join(types)
    return f"{', '.join(types[:_MOST_LISTED])} or {len(types) - _MOST_LISTED} others"


def _find_in_rest(cls: type[KlingRequest], fields: Mapping[str, Any]) -> list[Problem]:
    """Find the broken rules between the fields that are right; none where a required one is not among them."""
    try:
        return cls.model_validate(dict(fields)).find_problems()
    except ValidationError:
        return []


def _build_unchecked(cls: type[KlingRequest], fields: Mapping[str, Any]) -> KlingRequest:
    """Build a request whose required fields may be missing."""
    try:
        return cls.model_validate(dict(fields))
    except ValidationError:
        return cls.model_construct(**fields)


def _explain_foreign(key: str, spec: RequestSpec) -> str | None:
    """Explain a key that the type does not have; return ``None`` where a plain suggestion is enough."""
    if key in spec.request_class.without:
        return f"must be left out: Kling has no such field for {spec.type}"
    others = [other.type for other in all_specs() if key in other.request_class.field_names()]
    if others:
        said = f"belongs to type {_list_types(others)}, not {spec.type}"
        if (why := spec.request_class.foreign_fields.get(key)) is not None:
            return f"{said}: {why}"
        return f"{said}; {way}" if (way := _write_type(key)) else said
    if not suggest(key, spec.request_class.field_names()) and (near := suggest(key, legacy_names())):
        return f"must be a known key.{near}"
    return None


def _wrong_fields(error: ValidationError) -> set[str]:
    return {str(item["loc"][0]) for item in error.errors()}
