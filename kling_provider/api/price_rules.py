# SPDX-License-Identifier: Apache-2.0
"""The rules by which a type of request is priced."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from kling_provider.api.billing import Package
from kling_provider.api.price_list import AT_LIST, look_up_image_price, look_up_price, price_units
from kling_provider.api.pricing import Price, round_seconds


class PriceRule(Protocol):
    """How the price of a type is found."""

    def describe(self) -> str:
        """Return the rule in a few words, for the list of all types."""

    def compute_price(self, request: Any, seconds: Mapping[str, float]) -> Price:
        """Return the list price of ``request``, whether a task exists already or not.

        :param seconds: how long its inputs are, by field, as far as that is known.
        """


@dataclass(frozen=True, slots=True)
class PerSecond:
    """A price per second, by model, resolution and sound.

    The request has ``model``, ``resolution``, ``audio_rate`` and ``count_billed_seconds``.
    """

    def describe(self) -> str:
        """Return the rule in a few words, for the list of all types."""
        return "per second, by model, resolution and sound"

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

    def describe(self) -> str:
        """Return the rule in a few words, for the list of all types."""
        return f"{self.units} {self.package} units a call"

    def compute_price(self, request: Any, seconds: Mapping[str, float]) -> Price:
        """Return the price of one call."""
        return price_units(Decimal(self.units), AT_LIST, self.package)


@dataclass(frozen=True, slots=True)
class PerImage:
    """A price for each image, by model, resolution and what it is made from.

    The request has ``image_count`` and, where ``units`` is not given, ``model``, ``image_source`` and ``resolution``.

    :param units: for one image, where neither counts.
    """

    units: str | None = None

    def describe(self) -> str:
        """Return the rule in a few words, for the list of all types."""
        return f"{self.units} image units an image" if self.units else "per image, by model and resolution"

    def compute_price(self, request: Any, seconds: Mapping[str, float]) -> Price:
        """Return the list's price of an image times their number; unknown where the model decides how many."""
        if (count := request.image_count) is None:
            return Price(None, None, "the model decides how many images the series has", package="image")
        if self.units is not None:
            return price_units(Decimal(self.units) * count, AT_LIST, "image")
        resolution = request.summary.resolution or ""
        return look_up_image_price(request.model, resolution, count, source=request.image_source)


@dataclass(frozen=True, slots=True)
class NotPublished:
    """A price that Kling does not publish.

    :param package: the kind of pack that pays for it.
    """

    package: Package

    def describe(self) -> str:
        """Return the rule in a few words, for the list of all types."""
        return f"not published ({self.package} units)"

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

    def describe(self) -> str:
        """Return the rule in a few words, for the list of all types."""
        return f"{self.units} video units for each begun {self.seconds} s of the {self.of}"

    def compute_price(self, request: Any, seconds: Mapping[str, float]) -> Price:
        """Return the price of the blocks; unknown where the input's length is."""
        if (length := seconds.get(self.of)) is None:
            return Price(None, None, f"the length of {self.of} decides, which is not known here")
        blocks = max(1, math.ceil(length / self.seconds))
        return price_units(Decimal(self.units) * blocks, AT_LIST)


@dataclass(frozen=True, slots=True)
class PerInputSecond:
    """A price for each second of an input, rounded to the nearest whole one, by the request's ``mode``.

    :param units: of one second, by mode.
    :param of: the field of the input.
    """

    units: Mapping[str, str]
    of: str

    def describe(self) -> str:
        """Return the rule in a few words, for the list of all types."""
        return f"{' or '.join(self.units.values())} video units per second of the {self.of}"

    def compute_price(self, request: Any, seconds: Mapping[str, float]) -> Price:
        """Return the price of the seconds; unknown where the input's length is."""
        if (length := seconds.get(self.of)) is None:
            return Price(None, None, f"the length of {self.of} decides, which is not known here")
        units = Decimal(self.units[request.mode]) * round_seconds(length)
        return price_units(units, AT_LIST)


@dataclass(frozen=True, slots=True)
class UnknownPrice:
    """A price that no list states.

    :param why: in words for people.
    """

    why: str

    def describe(self) -> str:
        """Return the rule in a few words, for the list of all types."""
        return "unknown"

    def compute_price(self, request: Any, seconds: Mapping[str, float]) -> Price:
        """Return the price as unknown, with the reason."""
        return Price(None, None, self.why)
