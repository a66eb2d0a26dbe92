# SPDX-License-Identifier: Apache-2.0
"""A video from a prompt alone."""

from __future__ import annotations

from kling_provider.sandbox.products.models import TEXT
from kling_provider.sandbox.products.plain_video import PlainVideoProduct


class TextToVideoProduct(PlainVideoProduct):
    """``POST /text-to-video/{model}`` and ``/v1/videos/text2video``."""

    name = TEXT
    standard_path = "/text-to-video/{model}"
    legacy_path = "/v1/videos/text2video"
