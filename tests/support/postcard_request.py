# SPDX-License-Identifier: Apache-2.0
"""What the provider knows of the made-up type of :mod:`tests.support.postcard`: one class, one row."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from kling_provider.api.price_rules import PerCall
from kling_provider.api.request_types import RequestSpec
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.fields import ApiDesign, Text, Whole


class PostcardRequest(KlingRequest):
    """Two images and a sound of two lines of words, which are written as one text with a slash."""

    prompt_field: ClassVar[str] = "words"

    type: Literal["postcard"] = "postcard"
    model: str = "kling-postcard"
    words: Text = Field(pattern=r"^[^/]+/[^/]+$")
    wide: Whole = Field(640, ge=100, le=4000)
    high: Whole = Field(480, ge=100, le=4000)

    def to_body(self, design: ApiDesign) -> dict[str, Any]:
        """Return it: lines, and what they look like."""
        lines = [line.strip() for line in self.words.split("/")]
        return {"lines": lines, "look": {"wide": self.wide, "high": self.high}, "bars": 2}


POSTCARD = RequestSpec(
    type=PostcardRequest.model_fields["type"].default,
    made_by=PostcardRequest,
    paths={"standard": "/postcards/{model}", "legacy": "/v1/general/postcards"},
    outputs=("image", "image", "audio"),
    price_rule=PerCall("12.5", package="image"),
    noun="postcard",
    package="image",
    external_ids=False,
    callbacks=False,
    locked="no",
    concurrency="image",
)
