# SPDX-License-Identifier: Apache-2.0
"""An image that grows beyond its edges: ``/v1/images/editing/expand``."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media.expanded import ExpandedImageFile
from kling_provider.sandbox.products import legacy_image
from kling_provider.sandbox.products.base import Product
from kling_provider.sandbox.products.outputs import RenderedOutput, build_image_output
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

_SIDES = ("up", "down", "left", "right")
_MOST_AREA = 3
_ROUNDING = 1e-9
"""Ratios are decimal fractions, so that an area of exactly 3 may be computed a little larger."""


class ImageExpandProduct(Product):
    """``POST /v1/images/editing/expand``; 8 image units an image."""

    name = "image-expand"
    legacy_path = "/v1/images/editing/expand"
    package = "image"
    product_type = "image"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body: four ratios, and an area of at most three times the old one."""
        fields = Fields(body)
        image = legacy_image.read_image(fields, "image")
        if image is None:
            raise InvalidParameter("image is required")
        shares: dict[str, Any] = {}
        for side in _SIDES:
            key = f"{side}_expansion_ratio"
            share = legacy_image.read_bounded_number(fields, key, 0, 2)
            if share is None:
                raise InvalidParameter(f"{key} is required")
            shares[side] = share
        area = (1 + shares["up"] + shares["down"]) * (1 + shares["left"] + shares["right"])
        if area > _MOST_AREA + _ROUNDING:
            raise InvalidParameter(f"the area of the new image cannot exceed {_MOST_AREA} times the old one")
        return CreateRequest(
            product=self.name,
            model=self.name,
            model_name=self.name,
            prompt=legacy_image.read_prompt(fields, required=False),
            settings={**shares, "count": legacy_image.read_count(fields)},
            image=image,
            failure_message=legacy_image.find_failure([image]),
            **legacy_image.read_options(fields),
        )

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return 8 units an image."""
        return Decimal(8) * self.count_outputs(request)

    def count_outputs(self, request: CreateRequest) -> int:
        """Return the number of images."""
        count: int = request.settings["count"]
        return count

    def count_places(self, request: CreateRequest) -> int:
        """Return the number of images."""
        return self.count_outputs(request)

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return the images, each with other surroundings of the same old one."""
        request = task.request
        shares = {side: request.settings[side] for side in _SIDES}
        return [
            build_image_output(
                output_id,
                ExpandedImageFile(
                    seed=f"{task.id}-{index}",
                    prompt=request.prompt,
                    facts=f"expanded · {index + 1} of {len(task.output_ids)}",
                    name=request.external_id or f"task {task.id}",
                    image=request.image,
                    **shares,
                ),
                index=index,
                watermark=request.watermark,
            )
            for index, output_id in enumerate(task.output_ids)
        ]

    def summarize_settings(self, request: CreateRequest) -> str:
        """Return how far it grows on each side."""
        return " · ".join(f"{side} {request.settings[side]:g}" for side in _SIDES)
