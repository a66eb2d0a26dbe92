# SPDX-License-Identifier: Apache-2.0
"""Images."""

from __future__ import annotations

from kling_provider.api.price_rules import NotPublished, PerCall, PerImage
from kling_provider.api.request_types.spec import RequestSpec

SPECS: tuple[RequestSpec, ...] = (
    RequestSpec(
        type="image_generation",
        made_by="images:ImageGeneration",
        # The standard path is that of Kling 4.0 alone, and named by analogy: Kling has not published it.
        paths={"standard": "/image-generation/{model}", "legacy": "/v1/images/generations"},
        outputs=("image",),
        price_rule=PerImage(),
        noun="image",
        concurrency="image",
        package="image",
        example="image_generation.yaml",
    ),
    RequestSpec(
        type="omni_image",
        made_by="images:OmniImage",
        paths={"legacy": "/v1/images/omni-image"},
        outputs=("image",),
        price_rule=PerImage(),
        noun="image",
        concurrency="image",
        package="image",
        example="omni_image.yaml",
    ),
    RequestSpec(
        type="multi_image_to_image",
        made_by="image_edits:MultiImageToImage",
        paths={"legacy": "/v1/images/multi-image2image"},
        outputs=("image",),
        price_rule=PerImage(),
        noun="image",
        concurrency="image",
        package="image",
        example="multi_image_to_image.yaml",
    ),
    RequestSpec(
        type="image_expand",
        made_by="image_edits:ImageExpand",
        paths={"legacy": "/v1/images/editing/expand"},
        outputs=("image",),
        price_rule=PerImage("8"),
        noun="image",
        concurrency="image",
        package="image",
        example="image_expand.yaml",
    ),
    RequestSpec(
        type="ai_multi_shot",
        made_by="image_edits:AiMultiShot",
        paths={"legacy": "/v1/general/ai-multi-shot"},
        outputs=("image",),
        price_rule=PerCall("20", package="image"),
        noun="image",
        # Its own page names Kling's id alone; the list of all tasks finds it by either.
        found_by_external_id=False,
        concurrency="image",
        package="image",
        example="ai_multi_shot.yaml",
    ),
    # Kling 4.0: its path is named by analogy, too.
    RequestSpec(
        type="long_image",
        made_by="image_edits:LongImage",
        paths={"standard": "/long-image/{model}"},
        outputs=("image",),
        price_rule=NotPublished("image"),
        noun="image",
        external_ids=False,
        callbacks=False,
        locked="no",
        found_by_external_id=False,
        concurrency="image",
        package="image",
        status="unknown",
        example="long_image.yaml",
    ),
)
