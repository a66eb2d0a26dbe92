# SPDX-License-Identifier: Apache-2.0
"""Voices and elements that an account keeps."""

from __future__ import annotations

from kling_provider.api.price_rules import PerCall, UnknownPrice
from kling_provider.api.request_types.spec import AtOnceSpec, RequestSpec

SPECS: tuple[RequestSpec, ...] = (
    RequestSpec(
        type="custom_voice",
        made_by="library:CustomVoice",
        paths={"legacy": "/v1/general/custom-voices"},
        outputs=("voice",),
        price_rule=PerCall("0.05"),
        noun="voice",
        example="custom_voice.yaml",
    ),
    RequestSpec(
        type="custom_element",
        made_by="library:CustomElement",
        paths={"legacy": "/v1/general/advanced-custom-elements"},
        outputs=("element",),
        # Seen live: the price list does not name it.
        price_rule=PerCall("0"),
        noun="element",
        concurrency=None,
        example="custom_element.yaml",
    ),
    AtOnceSpec(
        type="custom_element_old",
        made_by="library:OldCustomElement",
        paths={"legacy": "/v1/general/custom-elements"},
        outputs=("element",),
        price_rule=UnknownPrice("no list states the price of an element of the older library"),
        noun="element",
        status="unknown",
        retention=None,
        example="custom_element_old.yaml",
    ),
)
