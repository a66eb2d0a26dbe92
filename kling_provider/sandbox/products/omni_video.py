# SPDX-License-Identifier: Apache-2.0
"""A video from a prompt with references to images, elements and other videos; in the standard design only, so far."""

from __future__ import annotations

from kling_provider.sandbox.products import standard_video
from kling_provider.sandbox.products.models import OMNI
from kling_provider.sandbox.products.video import VideoProduct
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect


class OmniVideo(VideoProduct):
    """``POST /omni-video/{model}``."""

    name = OMNI
    standard_path = "/omni-video/{model}"

    def check(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body of the standard design."""
        return standard_video.read_create(OMNI, model, body)
