# SPDX-License-Identifier: Apache-2.0
"""One long image, for a web page or a shop, from a prompt and images to refer to."""

from __future__ import annotations

from decimal import Decimal

from kling_provider.sandbox.products import image_4
from kling_provider.sandbox.products.image import ImageProduct, ImageSettings
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect


class LongImageProduct(ImageProduct):
    """``POST /long-image/{model}``, an inference: see :mod:`~kling_provider.sandbox.products.image_4`."""

    name = image_4.LONG_IMAGE
    standard_path = "/long-image/{model}"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body."""
        return image_4.read_create(self.name, model, body)

    def get_image_price(self, request: CreateRequest) -> Decimal:
        """Return the units of one image by its width."""
        return image_4.get_image_price(request.model, ImageSettings(**request.settings).resolution)
