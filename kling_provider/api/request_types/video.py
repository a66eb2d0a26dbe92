# SPDX-License-Identifier: Apache-2.0
"""Videos from words, from images, and from a mixture of all."""

from __future__ import annotations

from kling_provider.api.price_rules import PerSecond
from kling_provider.api.request_types.spec import RequestSpec

SPECS: tuple[RequestSpec, ...] = (
    RequestSpec(
        type="text_to_video",
        made_by="video:TextToVideo",
        paths={"standard": "/text-to-video/{model}", "legacy": "/v1/videos/text2video"},
        outputs=("video",),
        price_rule=PerSecond(),
        locked="by_model",
        example="text_to_video.yaml",
    ),
    RequestSpec(
        type="image_to_video",
        made_by="video:ImageToVideo",
        paths={"standard": "/image-to-video/{model}", "legacy": "/v1/videos/image2video"},
        outputs=("video",),
        price_rule=PerSecond(),
        locked="by_model",
        example="image_to_video.yaml",
    ),
    RequestSpec(
        type="omni_video",
        made_by="omni:OmniVideo",
        paths={"standard": "/omni-video/{model}", "legacy": "/v1/videos/omni-video"},
        outputs=("video",),
        price_rule=PerSecond(),
        locked="by_model",
        example="omni_video.yaml",
    ),
)
