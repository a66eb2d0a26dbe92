# SPDX-License-Identifier: Apache-2.0
"""An image of up to four subjects, a scene and a style: ``/v1/images/multi-image2image``."""

from __future__ import annotations

from decimal import Decimal

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.products import legacy_image
from kling_provider.sandbox.products.image import (
    RATIOS,
    ImageProduct,
    ImageSettings,
    compute_image_size,
)
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect

_MODEL = "kling-v2-1"


class MultiImageToImageProduct(ImageProduct):
    """``POST /v1/images/multi-image2image``; it has no resolution, and the sandbox takes 1k."""

    name = "multi-image-to-image"
    legacy_path = "/v1/images/multi-image2image"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body."""
        fields = Fields(body)
        name = legacy_image.read_model_name(fields, (_MODEL,), _MODEL)
        prompt = legacy_image.read_prompt(fields, required=False)
        subjects = legacy_image.read_images(fields, "subject_image_list", "subject_image", 4)
        if not subjects:
            raise InvalidParameter("subject_image_list is required")
        others = [legacy_image.read_image(fields, key) for key in ("scene_image", "style_image")]
        width, height = compute_image_size("1k", fields.read_choice("aspect_ratio", RATIOS, "16:9"))
        settings = ImageSettings(
            count=legacy_image.read_count(fields), width=width, height=height, from_image=True
        )
        return CreateRequest(
            product=self.name,
            model=name,
            model_name=name,
            prompt=prompt,
            settings=settings.to_json(),
            image=subjects[0],
            failure_message=legacy_image.find_failure([*subjects, *others]),
            **legacy_image.read_options(fields),
        )

    def get_image_price(self, request: CreateRequest) -> Decimal:
        """Return 16 units."""
        return Decimal(16)
