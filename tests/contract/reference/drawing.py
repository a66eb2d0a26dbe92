# SPDX-License-Identifier: Apache-2.0
"""Requests at random, of values that the contract allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.contract.reference.calls import Call, Field
from tests.contract.reference.families.common import HOOK
from tests.contract.reference.probes import make_value, to_ours
from tests.contract.reference.writing import Request, add_field, make_base

#: The model is chosen before, and words of the vendor's catalogues stay as they are in the smallest request.
_LEFT = ("model", "scene", "voice_id")

Draw = Callable[[st.SearchStrategy[Any]], Any]


def draw_request(draw: Draw, call: Call) -> Request:
    """A request with some fields of a call; what they say together may be wrong."""
    model = draw(st.sampled_from(call.models)) if call.models else None
    request = make_base(call, model)
    fields = [one for one in call.fields if model is None or model in one.facts.get("models", [model])]
    chosen = draw(st.sets(st.sampled_from(range(len(fields))), max_size=6))
    for field in (fields[number] for number in sorted(chosen)):
        if field.key not in _LEFT:
            add_field(request, call, field, draw(_choose_values(field, model)))
    return request


def _choose_values(field: Field, model: str | None) -> st.SearchStrategy[Any]:
    """Values that the facts of a field allow."""
    low, high = field.fact("count", model) or (1, 1)
    if high > 1:
        return st.integers(max(low, 1), high).map(
            lambda count: [make_value(field, model, number) for number in range(count)]
        )
    if (enum := field.fact("enum", model)) is not None:
        return st.sampled_from([to_ours(field, value) for value in enum])
    if (span := field.fact("range", model)) is not None:
        if field.facts["type"] == "int":
            return st.integers(*span)
        return st.integers(int(span[0] * 10), int(span[1] * 10)).map(lambda tenths: tenths / 10)
    if (most := field.fact("max_length", model)) is not None and field.key != "callback_url":
        return st.sampled_from(["A red panda"[:most], "x" * most, "雨" * most])
    if field.facts["type"] == "bool":
        return st.booleans()
    return st.just(HOOK if field.key == "callback_url" else make_value(field, model))
