# SPDX-License-Identifier: Apache-2.0
"""A video from a prompt with references to images, elements and another video."""

from __future__ import annotations

from kling_provider.sandbox.products import legacy_omni, standard_video
from kling_provider.sandbox.products.models import OMNI
from kling_provider.sandbox.products.video import VideoProduct
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect


class OmniVideoProduct(VideoProduct):
    """``POST /omni-video/{model}`` and ``/v1/videos/omni-video``."""

    name = OMNI
    standard_path = "/omni-video/{model}"
    legacy_path = "/v1/videos/omni-video"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body of either design."""
        if dialect == "standard":
            return standard_video.read_create(OMNI, model, body)
        return legacy_omni.read_create(body, lenient=lenient)
