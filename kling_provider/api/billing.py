# SPDX-License-Identifier: Apache-2.0
"""What something cost, in words: units are units, money has its own currency, and neither is taken for the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any


def format_amount(amount: Decimal) -> str:
    """Format a number without trailing zeros and without an exponent."""
    return f"{amount.normalize():f}"


def units_text(amount: Decimal) -> str:
    """Format an amount of units: ``1 unit``, ``1.8 units``."""
    return f"{format_amount(amount)} {'unit' if amount == 1 else 'units'}"


def usd_text(amount: Decimal) -> str:
    """Format an amount of US dollars, rounded to cents: ``$0.42``."""
    return f"${amount.quantize(Decimal('0.01'), ROUND_HALF_UP)}"


def billing_text(billing: Any) -> str | None:
    """Format what a task cost: ``1.8 units, 0.25 USD``; return ``None`` where nothing is said.

    :param billing: entries of a result: ``charge_type``, ``amount``, ``currency``.
    """
    entries = billing if isinstance(billing, Iterable) and not isinstance(billing, str | Mapping) else ()
    return ", ".join(_format_entry(one) for one in entries if isinstance(one, Mapping)) or None


def _format_entry(one: Mapping[str, Any]) -> str:
    try:
        amount = Decimal(str(one.get("amount")))
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or abs(amount) > 10**12:
        return "an amount that cannot be read"
    if one.get("charge_type") == "unit":
        return units_text(amount)
    if one.get("currency"):
        return f"{format_amount(amount)} {one['currency']}"
    # A task that failed before its generation is billed 0 of nothing.
    return (
        format_amount(amount)
        if not amount
        else f"{format_amount(amount)} in a currency that Kling does not say"
    )
