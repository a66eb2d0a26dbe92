# SPDX-License-Identifier: Apache-2.0
"""What videos from a prompt and videos from a first frame have in common: bodies of both designs, and resellers."""

from __future__ import annotations

from kling_provider.sandbox.products import legacy_video, standard_video
from kling_provider.sandbox.products.video import VideoProduct
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect


class PlainVideoProduct(VideoProduct):
    """A video whose body both designs check by the product's name alone."""

    is_resold = True

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body of either design."""
        if dialect == "standard":
            return standard_video.read_create(self.name, model, body)
        return legacy_video.read_create(self.name, body, lenient=lenient)
