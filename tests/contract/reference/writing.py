# SPDX-License-Identifier: Apache-2.0
"""How a field of the contract is written in a request of ours, and what it needs beside it.

One place says what cannot be derived: most fields have the contract's own name and stand alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from tests.contract.reference.calls import Call, Field
from tests.contract.reference.families import BASES, BESIDE, WRITERS

Request = dict[str, Any]
Writer = Callable[[Request, Any], None]


def make_base(call: Call, model: str | None = None) -> Request:
    """The smallest request of a type that may be sent by a design."""
    found = BASES.get((call.type, call.design)) or BASES[call.type, ""]
    request = {**copy.deepcopy(found), "type": call.type}
    if model is not None:
        request["model"] = model
    return request


def write_field(call: Call, field: Field, value: Any, model: str | None = None) -> Request:
    """A request with ``value`` in a field, and with what that needs beside it."""
    request = make_base(call, model)
    add_field(request, call, field, value, model)
    return request


def add_field(request: Request, call: Call, field: Field, value: Any, model: str | None = None) -> None:
    """Write ``value`` into a field of a request, and what that needs beside it; ``None`` leaves the field out."""
    for key in ((call.type, field.key, ""), (call.type, field.key, call.design)):
        _merge(request, BESIDE.get(key, {}))
    if model is not None:
        request["model"] = model
    _find_writer(call, field)(request, value)


def remove_field(call: Call, field: Field) -> Request:
    """A request without a field, and with what else that needs."""
    request = make_base(call)
    add_field(request, call, field, None)
    return {key: value for key, value in request.items() if value is not None}


def _merge(request: Request, beside: Mapping[str, Any]) -> None:
    for key, value in copy.deepcopy(dict(beside)).items():
        if value is None:
            request.pop(key, None)
        else:
            request[key] = value


def _find_writer(call: Call, field: Field) -> Writer:
    for key in (
        (call.type, field.key, call.design),
        (call.type, field.key, ""),
        ("", field.key, call.design),
        ("", field.key, ""),
    ):
        if key in WRITERS:
            return WRITERS[key]

    def write(request: Request, value: Any) -> None:
        request[field.key] = value

    return write


def find_values(body: Any, path: str) -> list[Any]:
    """What stands at a path of the contract's notation in a body: ``contents[T].f``, ``x[].y``, ``a.b``, ``x[]`` (the items)."""
    found = [body]
    for part in path.split("."):
        name, _, kind = part.rstrip("]").partition("[")
        found = [one[name] for one in found if isinstance(one, Mapping) and name in one]
        if part.endswith("]"):
            items = [item for one in found if isinstance(one, list) for item in one]
            kinds = kind.split("|") if kind else None
            found = [
                item
                for item in items
                if kinds is None or (isinstance(item, Mapping) and item.get("type") in kinds)
            ]
    return found
