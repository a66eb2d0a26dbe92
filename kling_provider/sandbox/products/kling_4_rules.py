# SPDX-License-Identifier: Apache-2.0
"""What a video of Kling 4.0 may be made from. Second-hand: the limits stand on pages of gateways.

A video with frames alone is image-to-video, with anything else omni. All inputs together are at most 15, frames
counted as images.
"""

from __future__ import annotations

from collections.abc import Mapping

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.products.models import IMAGE

_FRAMES = ("first_frame", "middle_frame", "last_frame")
_IMAGES = (*_FRAMES, "refer_image")
_VIDEOS = ("feature_video", "base_video")
_OTHERS = ("refer_image", *_VIDEOS, "element", "voice")
_MOST = {"images": 10, "videos": 5, "inputs": 15}


def check_counts(product: str, counts: Mapping[str, int]) -> None:
    """Check how many images, videos and other inputs there are."""
    for kind in _OTHERS if product == IMAGE else ():
        if counts.get(kind):
            raise InvalidParameter(f"{kind} is not supported by {product} of Kling 4.0")
    if counts.get("middle_frame") and not counts.get("first_frame"):
        raise InvalidParameter("middle_frame requires first_frame")
    given = {
        "images": sum(counts.get(kind, 0) for kind in _IMAGES),
        "videos": sum(counts.get(kind, 0) for kind in _VIDEOS),
        "inputs": sum(counts.get(kind, 0) for kind in (*_FRAMES, *_OTHERS)),
    }
    for kind, most in _MOST.items():
        if given[kind] > most:
            raise InvalidParameter(f"contents can have at most {most} {kind}")
