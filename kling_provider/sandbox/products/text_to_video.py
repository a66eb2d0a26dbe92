# SPDX-License-Identifier: Apache-2.0
"""A video from a prompt alone."""

from __future__ import annotations

from kling_provider.sandbox.products import legacy_video, standard_video
from kling_provider.sandbox.products.models import TEXT
from kling_provider.sandbox.products.video import VideoProduct
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect


class TextToVideoProduct(VideoProduct):
    """``POST /text-to-video/{model}`` and ``/v1/videos/text2video``."""

    name = TEXT
    standard_path = "/text-to-video/{model}"
    legacy_path = "/v1/videos/text2video"
    is_resold = True

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body of either design."""
        if dialect == "standard":
            return standard_video.read_create(TEXT, model, body)
        return legacy_video.read_create(TEXT, body, lenient=lenient)
