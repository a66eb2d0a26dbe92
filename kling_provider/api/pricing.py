# SPDX-License-Identifier: Apache-2.0
"""A price: units of one kind of pack, and money.

Videos and images are paid from packs of two kinds, whose units are worth different sums: units of both are never added.
An account's real cost may differ: packs have discounts, gateways have prices of their own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from kling_provider.api.billing import Package, units_text


@dataclass(frozen=True, slots=True)
class Price:
    """``units`` and ``usd`` are ``None`` where no list states them; ``basis`` says where they come from or why not."""

    units: Decimal | None
    usd: Decimal | None
    basis: str
    #: Money in another currency than dollars, at a host with a price of its own.
    amount: Decimal | None = None
    currency: str | None = None
    #: Which kind of pack's units these are.
    package: Package = "video"

    @property
    def is_known(self) -> bool:
        """Tell whether the price is known in units."""
        return self.units is not None

    def as_json(self) -> dict[str, str | None]:
        """Return the price for XCom: amounts as decimal text, ``None`` where unknown."""
        return {
            "units": None if self.units is None else _format_number(self.units),
            "package": self.package,
            "usd": None if self.usd is None else _format_number(self.usd),
            "basis": self.basis,
            **(
                {}
                if self.amount is None
                else {"amount": _format_number(self.amount), "currency": self.currency}
            ),
        }

    def as_text(self) -> str:
        """Format the price for a log line: ``3 units (about $0.42 at the list price of 2026-09-20)``."""
        if self.units is None:
            if self.usd is None:
                return f"unknown price ({self.basis})"
            return f"unknown units (about {_format_cents(self.usd)} {self.basis})"
        said = units_text(self.units, self.package)
        if self.amount is not None:
            money = f"{_format_number(self.amount.quantize(Decimal('0.01'), ROUND_HALF_UP))} {self.currency}"
            return f"{said} ({money} {self.basis})"
        return (
            f"{said} ({self.basis})"
            if self.usd is None
            else f"{said} (about {_format_cents(self.usd)} {self.basis})"
        )


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """What one video unit costs at a host that sells them itself: ``amount`` of ``currency`` (three capital letters)."""

    amount: Decimal
    currency: str

    @classmethod
    def parse(cls, text: str) -> UnitPrice | None:
        """Read ``"0.79 CNY"``; return ``None`` for any other form."""
        found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?) ?([A-Z]{3})", text.strip())
        return cls(Decimal(found[1]), found[2]) if found and Decimal(found[1]) > 0 else None

    def apply(self, price: Price) -> Price:
        """Return ``price`` in this host's money; unknown units stay unknown, and money is unknown for other units."""
        if price.units is None:
            return Price(None, None, price.basis, package=price.package)
        if price.package != "video":
            basis = "in money unknown: the connection states the price of a video unit"
            return Price(price.units, None, basis, package=price.package)
        amount, basis = price.units * self.amount, f"at {self} a unit, as the connection states"
        if self.currency == "USD":
            return Price(price.units, amount, basis)
        return Price(price.units, None, basis, amount, self.currency)

    def __str__(self) -> str:
        """Return the price as a connection states it."""
        return f"{_format_number(self.amount)} {self.currency}"


def add_prices(prices: Sequence[Price]) -> Price:
    """Return the sum of one price or several; what is unknown of one of them is unknown of the sum."""
    first, *others = prices
    for other in others:
        same = first.currency == other.currency
        first = Price(
            _add(first.units, other.units),
            _add(first.usd, other.usd),
            other.basis if first.is_known and not other.is_known else first.basis,
            _add(first.amount, other.amount) if same else None,
            first.currency if same else None,
            package=first.package,
        )
    return first


def _add(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one + other


def round_seconds(length: float) -> int:
    """Return the seconds that Kling charges where an input decides: to the nearest whole one, and at least one."""
    return max(1, int(Decimal(str(length)).quantize(Decimal(1), ROUND_HALF_UP)))


def _format_cents(usd: Decimal) -> str:
    """Format dollars, rounded to cents; a sum below a cent keeps its digits."""
    return (
        f"${usd.quantize(Decimal('0.01'), ROUND_HALF_UP) if usd >= Decimal('0.01') else _format_number(usd)}"
    )


def _format_number(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
