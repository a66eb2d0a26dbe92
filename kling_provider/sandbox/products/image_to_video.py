# SPDX-License-Identifier: Apache-2.0
"""A video from a first frame, and perhaps a last one."""

from __future__ import annotations

from kling_provider.sandbox.products import legacy_video, standard_video
from kling_provider.sandbox.products.models import IMAGE
from kling_provider.sandbox.products.video import VideoProduct
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect


class ImageToVideoProduct(VideoProduct):
    """``POST /image-to-video/{model}`` and ``/v1/videos/image2video``."""

    name = IMAGE
    standard_path = "/image-to-video/{model}"
    legacy_path = "/v1/videos/image2video"
    is_resold = True

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body of either design."""
        if dialect == "standard":
            return standard_video.read_create(IMAGE, model, body)
        return legacy_video.read_create(IMAGE, body, lenient=lenient)
