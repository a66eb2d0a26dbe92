# SPDX-License-Identifier: Apache-2.0
"""What something cost, in words and in sums: units of one kind of pack, units of another, and money are never added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Literal, TypeVar

#: The kinds of resource packs. A unit of one is worth another sum than a unit of the other.
Package = Literal["video", "image"]
#: A kind as a host names it: gateways may have others.
_AnyPackage = TypeVar("_AnyPackage", bound=str)


def format_amount(amount: Decimal) -> str:
    """Format a number without trailing zeros and without an exponent."""
    return f"{amount.normalize():f}"


def units_text(amount: Decimal, package: str | None = None) -> str:
    """Format an amount of units: ``1 unit``, ``1.8 units``, ``8 image units``.

    :param package: the kind of pack; that of videos is the usual one and is not named.
    """
    word = f"{package} " if package not in (None, "video") else ""
    return f"{format_amount(amount)} {word}{'unit' if amount == 1 else 'units'}"


def sums_text(sums: Mapping[_AnyPackage, Decimal]) -> str:
    """Format sums of units by kind of pack: ``12 units``, or ``12 video units and 16 image units``.

    Where all are zero the first one is named.
    """
    told = [package for package in sums if sums[package]] or list(sums)[:1]
    if len(told) == 1:
        return units_text(sums[told[0]], told[0])
    if not told:
        return units_text(Decimal(0))
    return " and ".join(
        f"{format_amount(sums[package])} {package} {'unit' if sums[package] == 1 else 'units'}"
        for package in told
    )


def usd_text(amount: Decimal) -> str:
    """Format an amount of US dollars, rounded to cents: ``$0.42``."""
    return f"${amount.quantize(Decimal('0.01'), ROUND_HALF_UP)}"


def billing_text(billing: Any) -> str | None:
    """Format what a task cost: ``1.8 units, 0.25 USD``; return ``None`` where nothing is said.

    The legacy API bills units and money side by side, and one of them is 0: that is not named. Where all are 0, the first is.

    :param billing: entries of a result: ``charge_type``, ``amount``, ``currency`` and, of units, ``package_type``.
    """
    entries = billing if isinstance(billing, Iterable) and not isinstance(billing, str | Mapping) else ()
    known = [one for one in entries if isinstance(one, Mapping)]
    told = [one for one in known if not _read_amount(one).is_zero()] or known[:1]
    return ", ".join(map(_format_entry, told)) or None


def _read_amount(one: Mapping[str, Any]) -> Decimal:
    try:
        return Decimal(str(one.get("amount")))
    except InvalidOperation:
        return Decimal("nan")


def _format_entry(one: Mapping[str, Any]) -> str:
    amount = _read_amount(one)
    if not amount.is_finite() or abs(amount) > 10**12:
        return "an amount that cannot be read"
    if one.get("charge_type") == "unit":
        package = one.get("package_type")
        return units_text(amount, package if isinstance(package, str) else None)
    if one.get("currency"):
        return f"{format_amount(amount)} {one['currency']}"
    # A task that failed before its generation is billed 0 of nothing.
    return (
        format_amount(amount)
        if not amount
        else f"{format_amount(amount)} in a currency that Kling does not say"
    )
