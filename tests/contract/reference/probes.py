# SPDX-License-Identifier: Apache-2.0
"""Every fact of a field that can be counted or listed, as values just inside and just outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.contract.reference.calls import Call, Field
from tests.contract.reference.families import OPEN
from tests.contract.reference.families.common import HOOK, IMAGE, SOUND, VIDEO

#: The facts that are walked by values of the field itself. ``models`` and ``required`` are walked beside them.
WALKED = ("enum", "range", "max_length", "count")


@dataclass(frozen=True)
class Probe:
    """One fact of one field (of one model, where it differs).

    ``inside`` must pass and be sent as told, ``outside`` must be refused (``None``: the field is left out), ``unknown`` must
    pass with a warning, because the list of words is open.
    """

    call: Call
    field: Field
    fact: str
    model: str | None
    inside: tuple[Any, ...] = ()
    outside: tuple[Any, ...] = ()
    unknown: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"{self.call}-{self.field.key}-{self.fact}{'-' + self.model if self.model else ''}"


def list_probes(call: Call) -> list[Probe]:
    """The probes of a call, in the contract's order."""
    return [probe for field in call.fields for probe in _probe_field(call, field)]


def _probe_field(call: Call, field: Field) -> Iterator[Probe]:
    if field.facts.get("required") == "yes":
        yield Probe(call, field, "required", None, outside=(None,))
    for model in (None, *field.by_model):
        for fact in WALKED:
            told = field.fact(fact, model) if model is None or fact in field.by_model[model] else None
            used = model or choose_model(call, field)
            if told is not None and (model is not None or used not in field.by_model):
                yield Probe(call, field, fact, used, **_choose_values(call, field, fact, told, used))
    having = field.facts.get("models")
    for model in call.models if having else ():
        if model not in having:
            yield Probe(call, field, "models", model, outside=(make_value(field, having[0]),))


def choose_model(call: Call, field: Field) -> str | None:
    """A model to probe a field with: one that has it, where possible without facts of its own; ``None``: any will do."""
    having = field.facts.get("models")
    if having is None and not field.by_model:
        return None
    models = [one for one in call.models if having is None or one in having]
    return next((one for one in models if one not in field.by_model), models[0])


def _choose_values(call: Call, field: Field, fact: str, told: Any, model: str | None) -> dict[str, Any]:
    match fact:
        case "enum":
            inside = tuple(to_ours(field, value) for value in told)
            if ("", field.key) in OPEN or (call.type, field.key) in OPEN:
                return {"inside": inside, "unknown": ("unheard-of",)}
            wrong: Any = 1009 if all(isinstance(value, int) for value in inside) else "unheard-of"
            return {"inside": inside, "outside": (wrong,)}
        case "range":
            low, high = told
            step = 1 if field.facts["type"] in ("int", "long") else 0.1
            return {"inside": (low, high), "outside": (round(low - step, 3), round(high + step, 3))}
        case "max_length":
            start = f"{HOOK}?" if field.key == "callback_url" else ""
            return {"inside": (start.ljust(told, "x"),), "outside": (start.ljust(told + 1, "x"),)}
        case "count":
            return _count_values(field, told, model)
    raise ValueError(fact)


def _count_values(field: Field, told: tuple[int, int], model: str | None) -> dict[str, Any]:
    low, high = told
    many = [make_value(field, model, number) for number in range(high + 1)]
    if high == 1:
        return {"inside": (many[0],), "outside": (many,)}
    inside = tuple(many[:count] for count in sorted({max(low, 1), high}))
    outside = [many] if low < 1 else [many, many[: low - 1]]
    return {"inside": inside, "outside": tuple(outside)}


def to_ours(field: Field, value: Any) -> Any:
    """A word of the wire as our types call it."""
    words = {wire: ours for ours, wire in field.facts.get("values", {}).items()}
    return words.get(value, int(value) if field.key == "duration" and str(value).isdigit() else value)


def to_wire(field: Field, value: Any) -> Any:
    """A word of ours as the wire calls it."""
    return field.facts.get("values", {}).get(value, value) if isinstance(value, str) else value


def make_value(field: Field, model: str | None = None, number: int | None = None) -> Any:
    """A value that a field accepts as far as its own facts say, or the item of a list.

    :param number: of the item; without it a list has as many as there must be, and one item stands for a list of one.
    """
    least = (field.fact("count", model) or [1])[0]
    if number is None and least > 1:
        return [make_value(field, model, one) for one in range(least)]
    number = number or 0
    media = str(field.facts.get("media", ""))
    for start, address in (("image", IMAGE), ("video", VIDEO), ("audio", SOUND), ("sound", SOUND)):
        if media.startswith(start):
            return address.replace("a.", f"a{number}.")
    if (enum := field.fact("enum", model)) is not None:
        return to_ours(field, enum[number % len(enum)])
    if field.key == "callback_url":
        return HOOK
    match field.facts["type"]:
        case "bool":
            return True
        case "int" | "float":
            return (field.fact("range", model) or [1])[0]
        case "long":
            return 100000000000000 + number
    return f"word{number}"
