# SPDX-License-Identifier: Apache-2.0
"""What a result costs before it is made: the rules of Kling's list price, and the list.

Units are Kling's video units. An account's real cost may differ: packs have discounts, gateways have prices of
their own. What the list does not name has no price here, and says so: a guess would be worse than none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Protocol

from kling_provider.api.models import to_standard_name

if TYPE_CHECKING:
    from kling_provider.api.requests.base import AudioRate

#: The vendor's price page that the table was read from.
LIST_DATE = date(2026, 9, 20)
#: One video unit in US dollars on that page.
USD_PER_UNIT = Decimal("0.14")
#: One image unit there: images are paid from packs of their own.
USD_PER_IMAGE_UNIT = Decimal("0.0035")

_Cells = dict["AudioRate", dict[str, str]]

_LIST: dict[str, _Cells] = {
    "kling-3.0-turbo": {"native": {"720p": "0.8", "1080p": "1.0"}},
    "kling-3.0": {
        "off": {"720p": "0.6", "1080p": "0.8", "4k": "3.0"},
        "native": {"720p": "0.9", "1080p": "1.2", "4k": "3.0"},
        "motion": {"720p": "0.9", "1080p": "1.2"},
    },
    "kling-3.0-omni": {
        "off": {"720p": "0.6", "1080p": "0.8", "4k": "3.0"},
        "native": {"720p": "0.8", "1080p": "1.0", "4k": "3.0"},
        "video": {"720p": "0.9", "1080p": "1.2", "4k": "3.0"},
    },
    "kling-o1": {
        "off": {"720p": "0.6", "1080p": "0.8"},
        "video": {"720p": "0.9", "1080p": "1.2"},
    },
    "kling-2.6": {
        "off": {"720p": "0.3", "1080p": "0.5"},
        "native": {"1080p": "1.0"},
        "voice": {"1080p": "1.2"},
        "motion": {"720p": "0.5", "1080p": "0.8"},
    },
    "kling-2.5-turbo": {"off": {"720p": "0.3", "1080p": "0.5"}},
}

#: Retired models that live on at gateways, by third parties' lists. v2-master has no mode, so one price.
_THIRD_PARTY: dict[str, _Cells] = {
    "kling-v1-6": {"off": {"720p": "0.4", "1080p": "0.7"}},
    "kling-v2-1": {"off": {"720p": "0.4", "1080p": "0.7"}},
    "kling-v2-master": {"off": {"720p": "2.0", "1080p": "2.0"}},
}

#: Dollars, not units: Kling 4.0 is known from gateways' pages only (November 2026).
_GATEWAY_USD: dict[str, _Cells] = {
    "kling-4.0": {
        "native": {"720p": "0.157", "1080p": "0.235"},
        "video": {"720p": "0.094", "1080p": "0.141"},
    },
    "kling-4.0-flash": {"native": {"720p": "0.094"}},
}


@dataclass(frozen=True, slots=True)
class Price:
    """``units`` and ``usd`` are ``None`` where no list states them; ``basis`` says where they come from or why not."""

    units: Decimal | None
    usd: Decimal | None
    basis: str
    #: Money in another currency than dollars, at a host with a price of its own.
    amount: Decimal | None = None
    currency: str | None = None

    @property
    def is_known(self) -> bool:
        """Tell whether the price is known in units."""
        return self.units is not None

    def as_json(self) -> dict[str, str | None]:
        """Return the price for XCom: amounts as decimal text, ``None`` where unknown."""
        return {
            "units": None if self.units is None else _format_number(self.units),
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
        if self.units is not None and self.amount is not None:
            money = f"{_format_number(self.amount.quantize(Decimal('0.01'), ROUND_HALF_UP))} {self.currency}"
            return f"{_format_number(self.units)} {'unit' if self.units == 1 else 'units'} ({money} {self.basis})"
        if self.usd is None:
            return f"unknown price ({self.basis})"
        dollars = f"about ${self.usd.quantize(Decimal('0.01'), ROUND_HALF_UP)}"
        if self.units is None:
            return f"unknown units ({dollars} {self.basis})"
        return (
            f"{_format_number(self.units)} {'unit' if self.units == 1 else 'units'} ({dollars} {self.basis})"
        )


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """What one unit costs at a host that sells them itself: ``amount`` of ``currency`` (three capital letters)."""

    amount: Decimal
    currency: str

    @classmethod
    def parse(cls, text: str) -> UnitPrice | None:
        """Read ``"0.79 CNY"``; return ``None`` for any other form."""
        found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?) ?([A-Z]{3})", text.strip())
        return cls(Decimal(found[1]), found[2]) if found and Decimal(found[1]) > 0 else None

    def apply(self, price: Price) -> Price:
        """Return ``price`` in this host's money; unknown units stay unknown."""
        if price.units is None:
            return Price(None, None, price.basis)
        amount, basis = price.units * self.amount, f"at {self} a unit, as the connection states"
        if self.currency == "USD":
            return Price(price.units, amount, basis)
        return Price(price.units, None, basis, amount, self.currency)

    def __str__(self) -> str:
        """Return the price as a connection states it."""
        return f"{_format_number(self.amount)} {self.currency}"


class PriceRule(Protocol):
    """How the price of a type is found."""

    def compute_price(self, request: Any, seconds: Mapping[str, float]) -> Price:
        """Return the list price of ``request``, whether a task exists already or not.

        :param seconds: how long its inputs are, by field, as far as that is known.
        """


@dataclass(frozen=True, slots=True)
class PerSecond:
    """A price per second, by model, resolution and sound.

    The request has ``model``, ``resolution``, ``audio_rate`` and ``count_billed_seconds``.
    """

    def compute_price(self, request: Any, seconds: Mapping[str, float]) -> Price:
        """Return the list's price of a second times the seconds; unknown where the input decides the length."""
        if (billed := request.count_billed_seconds(seconds)) is None:
            return Price(None, None, "the length of the input decides")
        return look_up_price(request.model, request.resolution, billed, audio_rate=request.audio_rate)


@dataclass(frozen=True, slots=True)
class PerCall:
    """A fixed price for each call.

    :param units: of the pack that pays for it.
    :param usd_per_unit: the list price of such a unit.
    """

    units: str
    usd_per_unit: Decimal = USD_PER_UNIT

    def compute_price(self, request: Any, seconds: Mapping[str, float]) -> Price:
        """Return the price of one call."""
        units = Decimal(self.units)
        return Price(units, units * self.usd_per_unit, f"at the list price of {LIST_DATE}")


@dataclass(frozen=True, slots=True)
class PerBlock:
    """A price for each begun block of an input's seconds.

    :param units: of one block.
    :param seconds: how long a block is.
    :param of: the field of the input.
    """

    units: str
    seconds: int
    of: str

    def compute_price(self, request: Any, seconds: Mapping[str, float]) -> Price:
        """Return the price of the blocks; unknown where the input's length is."""
        if (length := seconds.get(self.of)) is None:
            return Price(None, None, f"the length of {self.of} decides, which is not known here")
        blocks = max(1, math.ceil(length / self.seconds))
        return _price_units(Decimal(self.units) * blocks, f"at the list price of {LIST_DATE}")


@dataclass(frozen=True, slots=True)
class PerInputSecond:
    """A price for each second of an input, rounded to the nearest whole one, by the request's ``mode``.

    :param units: of one second, by mode.
    :param of: the field of the input.
    """

    units: Mapping[str, str]
    of: str

    def compute_price(self, request: Any, seconds: Mapping[str, float]) -> Price:
        """Return the price of the seconds; unknown where the input's length is."""
        if (length := seconds.get(self.of)) is None:
            return Price(None, None, f"the length of {self.of} decides, which is not known here")
        units = Decimal(self.units[request.mode]) * round_seconds(length)
        return _price_units(units, f"at the list price of {LIST_DATE}")


@dataclass(frozen=True, slots=True)
class UnknownPrice:
    """A price that no list states.

    :param why: in words for people.
    """

    why: str

    def compute_price(self, request: Any, seconds: Mapping[str, float]) -> Price:
        """Return the price as unknown, with the reason."""
        return Price(None, None, self.why)


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
        )
    return first


def _add(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one + other


def round_seconds(length: float) -> int:
    """Return the seconds that Kling charges where an input decides: to the nearest whole one, and at least one."""
    return max(1, int(Decimal(str(length)).quantize(Decimal(1), ROUND_HALF_UP)))


def look_up_price(model: str, resolution: str, seconds: int, *, audio_rate: AudioRate = "off") -> Price:
    """Return the list price of ``seconds`` of video.

    :param model: in either spelling.
    :param audio_rate: ``native`` also where a model always makes sound; ``video`` where a reference video goes in.
    """
    model = to_standard_name(model)
    if cell := _find_cell(_LIST, model, audio_rate, resolution):
        return _price_units(cell * seconds, f"at the list price of {LIST_DATE}")
    if cell := _find_cell(_THIRD_PARTY, model, audio_rate, resolution):
        return _price_units(cell * seconds, "by third parties' lists, the model is retired")
    if cell := _find_cell(_GATEWAY_USD, model, audio_rate, resolution):
        return Price(None, cell * seconds, "at a gateway's price of November 2026, Kling's own is not known")
    if not any(model in table for table in (_LIST, _THIRD_PARTY, _GATEWAY_USD)):
        return Price(None, None, f"model {model} is not in the price list of {LIST_DATE}")
    return Price(
        None, None, f"the price list of {LIST_DATE} has no {model} {resolution} {_WORDS[audio_rate]}"
    )


_WORDS: dict[AudioRate, str] = {
    "off": "without sound",
    "native": "with native audio",
    "voice": "with a stored voice",
    "video": "with a reference video",
    "motion": "with motion control",
}


def _find_cell(
    table: dict[str, _Cells], model: str, audio_rate: AudioRate, resolution: str
) -> Decimal | None:
    text = table.get(model, {}).get(audio_rate, {}).get(resolution)
    return None if text is None else Decimal(text)


def _price_units(units: Decimal, basis: str) -> Price:
    return Price(units, units * USD_PER_UNIT, basis)


def _format_number(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
