# SPDX-License-Identifier: Apache-2.0
"""What a gateway took for a task, where it says so beside the task: in tokens or credits that stand for Kling's units."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

#: Tokens that stand for one unit. DMXAPI: by the prices and answers that its pages print (2026), of Kling 2.6 and of Kling
#: 3.0. TokenHub: by the test of a client (September 2026).
_DMXAPI_V26 = 850
_DMXAPI_V3 = 10_000
_TOKENHUB = 100_000
_LARGEST = Decimal(10) ** 9


def add_units_taken(envelope: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the envelope with the units among the data of its task, in the words of Kling's legacy API."""
    data, units = envelope.get("data"), _read_units(envelope)
    alone = isinstance(data, list) and len(data) == 1
    fields = data[0] if isinstance(data, list) and alone else data
    if units is None or not isinstance(fields, Mapping) or "final_unit_deduction" in fields:
        return envelope
    told = {**fields, "final_unit_deduction": f"{units.normalize():f}"}
    return {**envelope, "data": [told] if alone else told}


def _read_units(envelope: Mapping[str, Any]) -> Decimal | None:
    usage, data = envelope.get("usage"), envelope.get("data")
    within = data.get("usage") if isinstance(data, Mapping) else None
    for one in (usage, within):
        if isinstance(one, Mapping) and (amount := _read_amount(one.get("credits"))):
            return amount  # Baidu Qianfan counts units
    if isinstance(hub := envelope.get("tokenhub_usage"), Mapping):
        return _count(hub.get("total_tokens"), _TOKENHUB)
    # Both details stand in each of DMXAPI's answers; nobody else's envelope of Kling has them.
    if isinstance(usage, Mapping) and {"input_tokens_details", "output_tokens_details"} <= usage.keys():
        per_unit = _DMXAPI_V3 if envelope.get("object") == "response" else _DMXAPI_V26
        return _count(usage.get("total_tokens"), per_unit)
    return None


def _count(tokens: Any, per_unit: int) -> Decimal | None:
    amount = _read_amount(tokens)
    return amount / per_unit if amount else None


def _read_amount(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value)[:40])
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 < amount < _LARGEST * _TOKENHUB else None
