# SPDX-License-Identifier: Apache-2.0
"""Every range, enum, length, count and ``required`` of a field as values just inside and just outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.contract.reference.calls import Call, Field
from tests.contract.reference.families import OPEN
from tests.contract.reference.families.common import IMAGE, SOUND, VIDEO

#: The facts that are walked.
WALKED = ("required", "enum", "range", "max_length", "count")


@dataclass(frozen=True)
class Probe:
    """One fact of one field (of one model, where it differs): values that must pass, and values that must not."""

    call: Call
    field: Field
    fact: str
    model: str | None
    inside: tuple[Any, ...]
    outside: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.call}-{self.field.key}-{self.fact}{'-' + self.model if self.model else ''}"


def list_probes(call: Call) -> list[Probe]:
    """The probes of a call, in the contract's order."""
    return [probe for field in call.fields if field.in_body for probe in _probe_field(call, field)]


def _probe_field(call: Call, field: Field) -> Iterator[Probe]:
    by_model = field.facts.get("by_model", {})
    if field.facts.get("required") == "yes" and not _is_of_a_part(field):
        yield Probe(call, field, "required", None, (), (None,))
    for model in (None, *by_model):
        for fact in ("enum", "range", "max_length", "count"):
            told = field.fact(fact, model) if model is None or fact in by_model[model] else None
            if told is None:
                continue
            used = model or find_plain_model(call, field)
            yield Probe(call, field, fact, used, *_choose_values(call, field, fact, told))


def find_plain_model(call: Call, field: Field) -> str | None:
    """A model to probe a field with: one that has it, and no facts of its own about it; ``None``: any will do."""
    having, special = field.facts.get("models"), field.facts.get("by_model", {})
    if having is None and not special:
        return None
    models = next((one.facts.get("enum", ()) for one in call.fields if one.key == "model"), ())
    return next(one for one in having or models if one not in special)


def _is_of_a_part(field: Field) -> bool:
    """Whether it is required within the part of a list only."""
    return field.name.count("[]") > 0 and field.key not in ("images",)


def _choose_values(call: Call, field: Field, fact: str, told: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    match fact:
        case "enum":
            inside = tuple(_to_ours(field, value) for value in told)
            is_open = ("", field.key) in OPEN or (call.type, field.key) in OPEN
            wrong: Any = 1009 if all(isinstance(value, int) for value in inside) else "unheard-of"
            return inside, () if is_open else (wrong,)
        case "range":
            low, high = told
            step = 1 if field.facts["type"] in ("int", "long") else 0.1
            return (low, high), (round(low - step, 3), round(high + step, 3))
        case "max_length":
            return ("x" * told,), ("x" * (told + 1),)
        case "count":
            low, high = told
            if high == 1 and "[]" not in field.name:  # one value, and not a list of one
                return (make_value(field),), ([make_value(field, 0), make_value(field, 1)],)
            inside = tuple(
                [make_value(field, number) for number in range(count)]
                for count in {max(low, 1), high}
                if count
            )
            outside = [[make_value(field, number) for number in range(high + 1)]]
            if low > 1:
                outside.append([make_value(field, number) for number in range(low - 1)])
            return inside, tuple(outside)
    raise ValueError(fact)


def _to_ours(field: Field, value: Any) -> Any:
    words = {wire: ours for ours, wire in field.facts.get("values", {}).items()}
    return words.get(value, int(value) if field.key == "duration" and str(value).isdigit() else value)


def make_value(field: Field, number: int = 0) -> Any:
    """A value that a field accepts as far as its type says."""
    media = str(field.facts.get("media", ""))
    for start, address in (("image", IMAGE), ("video", VIDEO), ("audio", SOUND), ("sound", SOUND)):
        if media.startswith(start):
            return address.replace("a.", f"a{number}.")
    if (enum := field.facts.get("enum")) is not None:
        return _to_ours(field, enum[number % len(enum)])
    match field.facts["type"]:
        case "bool":
            return True
        case "int" | "float":
            ranges = [
                field.facts.get("range"),
                *(one.get("range") for one in field.facts.get("by_model", {}).values()),
            ]
            return next((one[0] for one in ranges if one), 1)
        case "long":
            return 100000000000000 + number
    return f"word{number}"
