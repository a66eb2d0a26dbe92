# SPDX-License-Identifier: Apache-2.0
"""What a finished video costs, in video units (Kling docs, price page of 2026-09-20).

Retired models: lists of third parties. Kling 4.0: a gateway's dollars divided by $0.14 a unit, since no official
figure exists.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

Rate = Literal["silent", "native", "voice", "video"]

#: (model, rate) -> resolution -> units a second
_UNITS_PER_SECOND: dict[tuple[str, Rate], dict[str, str]] = {
    ("kling-3.0-turbo", "native"): {"720p": "0.8", "1080p": "1.0"},
    ("kling-3.0", "silent"): {"720p": "0.6", "1080p": "0.8", "4k": "3.0"},
    ("kling-3.0", "native"): {"720p": "0.9", "1080p": "1.2", "4k": "3.0"},
    ("kling-3.0-omni", "silent"): {"720p": "0.6", "1080p": "0.8", "4k": "3.0"},
    ("kling-3.0-omni", "native"): {"720p": "0.8", "1080p": "1.0", "4k": "3.0"},
    ("kling-3.0-omni", "video"): {"720p": "0.9", "1080p": "1.2", "4k": "3.0"},
    ("kling-o1", "silent"): {"720p": "0.6", "1080p": "0.8"},
    ("kling-o1", "video"): {"720p": "0.9", "1080p": "1.2"},
    ("kling-2.6", "silent"): {"720p": "0.3", "1080p": "0.5"},
    ("kling-2.6", "native"): {"1080p": "1.0"},
    ("kling-2.6", "voice"): {"1080p": "1.2"},
    ("kling-2.5-turbo", "silent"): {"720p": "0.3", "1080p": "0.5"},
    ("kling-4.0", "native"): {"720p": "1.12", "1080p": "1.68"},
    ("kling-4.0", "video"): {"720p": "0.67", "1080p": "1.0"},
    ("kling-4.0-flash", "native"): {"720p": "0.67"},
    ("kling-4.0-flash", "video"): {"720p": "0.67"},
    ("kling-v1", "silent"): {"720p": "0.2", "1080p": "0.7"},
    ("kling-v1-5", "silent"): {"720p": "0.4", "1080p": "0.7"},
    ("kling-v1-6", "silent"): {"720p": "0.4", "1080p": "0.7"},
    ("kling-v2-1", "silent"): {"720p": "0.4", "1080p": "0.7"},
    ("kling-v2-master", "silent"): {"720p": "2.0", "1080p": "2.0"},
    ("kling-v2-1-master", "silent"): {"720p": "2.0", "1080p": "2.0"},
}


def price_video(model: str, rate: Rate, resolution: str, seconds: int) -> Decimal:
    """Return the units of one video of ``seconds`` seconds."""
    return Decimal(_UNITS_PER_SECOND[model, rate][resolution]) * seconds
