# SPDX-License-Identifier: Apache-2.0
"""What a request becomes on the wire, and how that is compared with the contract."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from kling_provider.api.dialects import DIALECTS
from kling_provider.api.parsing import parse_request
from kling_provider.api.problems import InvalidRequest
from tests.contract.reference.calls import Call, Field
from tests.contract.reference.families.common import Measured
from tests.contract.reference.writing import find_values

_TYPES = {
    "string": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    # The vendor's own answers have such ids as text, and its pages call them long: their digits count.
    "long": (str, int),
    "object": dict,
}


def find_wrong(given: dict[str, Any] | Measured, call: Call) -> list[str]:
    """What is wrong with a request for a call; empty where it would be sent."""
    measured = given if isinstance(given, Measured) else Measured(given)
    try:
        checked: Any = parse_request({**measured.request, "type": call.type})
    except InvalidRequest as wrong:
        return [str(one) for one in wrong.problems]
    found = checked.find_unsupported(call.design)
    if measured.seconds is not None:
        found += checked.find_wrong_lengths(measured.seconds)
    if measured.face is not None:
        found += checked.find_problems_with_face(*measured.face)
    return [str(one) for one in found]


def make_body(request: dict[str, Any], call: Call) -> dict[str, Any]:
    """What is sent: the body, and the model where it stands in the path."""
    sent = DIALECTS[call.design].create(parse_request(request), "af-1")
    body: dict[str, Any] = json.loads(json.dumps(sent.json))
    inside = re.fullmatch(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(call.path)), sent.path)
    assert inside is not None, sent.path
    return body | {f"{{{key}}}": value for key, value in inside.groupdict().items()}


def is_same(sent: Any, told: Any) -> bool:
    """Whether a value was sent as told; a number may be written in several ways."""
    if isinstance(told, (int, float)) and not isinstance(told, bool):
        return not isinstance(sent, (bool, dict, list)) and float(sent) == told
    return bool(sent == told)


def has_type(field: Field, body: dict[str, Any]) -> bool:
    """Whether all that stands in a field has the type that is told."""
    told = field.facts["type"]
    if told == "array":
        return all(isinstance(one, list) for one in find_values(body, field.name.removesuffix("[]")))
    # One list of numbers has a word in it.
    words = [one for one in field.facts.get("enum", ()) if isinstance(one, str)]
    return all(
        one in words or (isinstance(one, _TYPES[told]) and (told == "bool") == isinstance(one, bool))
        for one in find_values(body, field.name)
    )


def list_names(call: Call, model: str | None = None) -> set[str]:
    """The names of the contract's fields that a model has; without a model those of all."""
    fields = [one for one in call.fields if model is None or model in one.facts.get("models", [model])]
    return {path for field in fields for path in _expand_path(field.name)}


def _expand_path(path: str) -> Iterator[str]:
    """The paths that the contract's one stands for: ``contents[a|b].id`` for two; a list of things for those themselves."""
    head, bracket, rest = path.partition("[")
    kinds, _, tail = rest.partition("]")
    for kind in kinds.split("|"):
        yield f"{head}{bracket}{kind}]{tail}" if bracket else path


def list_paths(value: Any, path: str = "") -> Iterator[str]:
    """The paths of all values of a body, in the contract's notation; what is within an object that is told as one, is not."""
    if isinstance(value, dict) and not path.endswith(("camera_control.config", "trajectories[]")):
        for key, one in value.items():
            if not (key == "type" and path.startswith("contents[")):
                yield from list_paths(one, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for one in value:
            kind = one.get("type", "") if isinstance(one, dict) and path == "contents" else ""
            yield from list_paths(one, f"{path}[{kind}]")
    else:
        yield path
