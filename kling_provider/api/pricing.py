# SPDX-License-Identifier: Apache-2.0
"""What a result costs before it is made: the rules of Kling's list price, and the list.

Videos and images are paid from packs of two kinds, whose units are worth different sums: units of both are never added.
An account's real cost may differ: packs have discounts, gateways have prices of their own. What the list does not name has no price here, and says so: a guess would be worse than none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol

from kling_provider.api.billing import Package, units_text
from kling_provider.api.models import to_standard_name

if TYPE_CHECKING:
    from kling_provider.api.requests.base import AudioRate
    from kling_provider.api.requests.image_base import ImageSource

#: The vendor's price page that the table was read from.
LIST_DATE = date(2026, 9, 20)
#: One video unit in US dollars on that page.
USD_PER_UNIT = Decimal("0.14")
#: One image unit there: images are paid from packs of their own.
USD_PER_IMAGE_UNIT = Decimal("0.0035")
_USD_PER_UNIT: Mapping[Package, Decimal] = {"video": USD_PER_UNIT, "image": USD_PER_IMAGE_UNIT}

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


#: Image units for one image, by model, by what it is made from where that counts, and by resolution.
_IMAGE_LIST: dict[str, dict[ImageSource | Literal["any"], dict[str, str]]] = {
    "kling-v3": {"any": {"1k": "8", "2k": "8"}},
    "kling-v3-omni": {"any": {"1k": "8", "2k": "8", "4k": "16"}},
    "kling-image-o1": {"any": {"1k": "8", "2k": "8"}},
    "kling-v2-1": {
        "words": {"1k": "4", "2k": "4"},
        "image": {"1k": "8", "2k": "8"},
        "several": {"": "16"},
    },
}

#: Dollars, not units, for one image: as third parties read Kling's own price list on 2026-11-19.
_IMAGE_USD: dict[str, dict[str, str]] = {"kling-image-4.0": {"2k": "0.06"}}


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
    :param package: the kind of that pack.
    """

    units: str
    package: Package = "video"

    def compute_price(self, request: Any, seconds: Mapping[str, float]) -> Price:
        """Return the price of one call."""
        return _price_units(Decimal(self.units), f"at the list price of {LIST_DATE}", self.package)


@dataclass(frozen=True, slots=True)
class PerImage:
    """A price for each image, by model, resolution and what it is made from.

    The request has ``image_count`` and, where ``units`` is not given, ``model``, ``image_source`` and ``resolution``.

    :param units: for one image, where neither counts.
    """

    units: str | None = None

    def compute_price(self, request: Any, seconds: Mapping[str, float]) -> Price:
        """Return the list's price of an image times their number; unknown where the model decides how many."""
        if (count := request.image_count) is None:
            return Price(None, None, "the model decides how many images the series has", package="image")
        at_list = f"at the list price of {LIST_DATE}"
        if self.units is not None:
            return _price_units(Decimal(self.units) * count, at_list, "image")
        model, resolution = request.model, request.summary.resolution or ""
        cells = _IMAGE_LIST.get(model, {})
        by_resolution = cells.get("any") or cells.get(request.image_source) or {}
        if resolution in by_resolution:
            return _price_units(Decimal(by_resolution[resolution]) * count, at_list, "image")
        if (usd := _IMAGE_USD.get(model, {}).get(resolution)) is not None:
            basis = "as third parties read Kling's list in November 2026, its units are not known"
            return Price(None, Decimal(usd) * count, basis, package="image")
        if model in _IMAGE_LIST or model in _IMAGE_USD:
            basis = f"the price list of {LIST_DATE} has no {model} {resolution}"
        else:
            basis = f"model {model} is not in the price list of {LIST_DATE}"
        return Price(None, None, basis, package="image")


@dataclass(frozen=True, slots=True)
class NotPublished:
    """A price that Kling does not publish.

    :param package: the kind of pack that pays for it.
    """

    package: Package

    def compute_price(self, request: Any, seconds: Mapping[str, float]) -> Price:
        """Return a price whose amount is unknown."""
        basis = f"amount not published, it is paid from {self.package} packs"
        return Price(None, None, basis, package=self.package)


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
            package=first.package,
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


def _price_units(units: Decimal, basis: str, package: Package = "video") -> Price:
    return Price(units, units * _USD_PER_UNIT[package], basis, package=package)


def _format_cents(usd: Decimal) -> str:
    """Format dollars, rounded to cents; a sum below a cent keeps its digits."""
    return (
        f"${usd.quantize(Decimal('0.01'), ROUND_HALF_UP) if usd >= Decimal('0.01') else _format_number(usd)}"
    )


def _format_number(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
