# SPDX-License-Identifier: Apache-2.0
"""A video from a first frame, and perhaps a last one."""

from __future__ import annotations

from kling_provider.sandbox.products.models import IMAGE
from kling_provider.sandbox.products.plain_video import PlainVideoProduct


class ImageToVideoProduct(PlainVideoProduct):
    """``POST /image-to-video/{model}`` and ``/v1/videos/image2video``."""

    name = IMAGE
    standard_path = "/image-to-video/{model}"
    legacy_path = "/v1/videos/image2video"
