# SPDX-License-Identifier: Apache-2.0
"""Kling's list price, as data. What the list does not name has no price here: a guess would be worse than none."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from kling_provider.api.billing import Package
from kling_provider.api.models import to_standard_name
from kling_provider.api.pricing import Price

if TYPE_CHECKING:
    from kling_provider.api.requests.base import AudioRate
    from kling_provider.api.requests.image_base import ImageSource

#: The vendor's price page that the table was read from.
LIST_DATE = date(2026, 9, 20)
#: Where a price is from, in words for people.
AT_LIST = f"at the list price of {LIST_DATE}"
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


def look_up_price(model: str, resolution: str, seconds: int, *, audio_rate: AudioRate = "off") -> Price:
    """Return the list price of ``seconds`` of video.

    :param model: in either spelling.
    :param audio_rate: ``native`` also where a model always makes sound; ``video`` where a reference video goes in.
    """
    model = to_standard_name(model)
    if cell := _find_cell(_LIST, model, audio_rate, resolution):
        return price_units(cell * seconds, AT_LIST)
    if cell := _find_cell(_THIRD_PARTY, model, audio_rate, resolution):
        return price_units(cell * seconds, "by third parties' lists, the model is retired")
    if cell := _find_cell(_GATEWAY_USD, model, audio_rate, resolution):
        return Price(None, cell * seconds, "at a gateway's price of November 2026, Kling's own is not known")
    if not any(model in table for table in (_LIST, _THIRD_PARTY, _GATEWAY_USD)):
        return Price(None, None, f"model {model} is not in the price list of {LIST_DATE}")
    return Price(
        None, None, f"the price list of {LIST_DATE} has no {model} {resolution} {_WORDS[audio_rate]}"
    )


def look_up_image_price(model: str, resolution: str, count: int, *, source: ImageSource) -> Price:
    """Return the list price of ``count`` images.

    :param resolution: empty where the type has none.
    :param source: what they are made from.
    """
    cells = _IMAGE_LIST.get(model, {})
    by_resolution = cells.get("any") or cells.get(source) or {}
    if resolution in by_resolution:
        return price_units(Decimal(by_resolution[resolution]) * count, AT_LIST, "image")
    if (usd := _IMAGE_USD.get(model, {}).get(resolution)) is not None:
        basis = "as third parties read Kling's list in November 2026, its units are not known"
        return Price(None, Decimal(usd) * count, basis, package="image")
    if model in _IMAGE_LIST or model in _IMAGE_USD:
        basis = f"the price list of {LIST_DATE} has no {model} {resolution}"
    else:
        basis = f"model {model} is not in the price list of {LIST_DATE}"
    return Price(None, None, basis, package="image")


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


def price_units(units: Decimal, basis: str, package: Package = "video") -> Price:
    """Return the price of so many units, with their list price in US dollars."""
    return Price(units, units * _USD_PER_UNIT[package], basis, package=package)
