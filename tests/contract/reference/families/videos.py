# SPDX-License-Identifier: Apache-2.0
"""Videos from words, from images and from a mixture."""

from __future__ import annotations

from typing import Any

from tests.contract.reference.families.common import IMAGE, VIDEO, change_part, write_parts

_SHOTS = {
    "multi_shot": True,
    "shot_type": "customize",
    "multi_prompt": [
        {"index": 1, "prompt": "A boat", "duration": 2},
        {"index": 2, "prompt": "A kite", "duration": 3},
    ],
    "duration": 5,
}

BASES: dict[tuple[str, str], dict[str, Any]] = {
    ("text_to_video", ""): {"prompt": "A boat"},
    ("image_to_video", ""): {"prompt": "A boat", "first_frame": IMAGE},
    ("omni_video", ""): {"prompt": "A boat", "reference_images": [IMAGE]},
}

BESIDE: dict[tuple[str, str, str], dict[str, Any]] = {
    ("image_to_video", "last_frame", ""): {"resolution": "1080p"},
    ("omni_video", "last_frame", ""): {"first_frame": IMAGE, "reference_images": None},
}

WRITERS: dict[tuple[str, str, str], Any] = {
    ("", "elements", "standard"): write_parts("elements", "element_id", id="e{n}"),
    ("", "elements", "legacy"): write_parts("elements", "element_id"),
    ("", "elements_id", ""): change_part("elements", "id"),
    ("", "voices", "standard"): write_parts("voices", "voice_id", id="v{n}"),
    ("", "voices", "legacy"): write_parts("voices", "voice_id"),
}
__all__ = ["VIDEO"]
