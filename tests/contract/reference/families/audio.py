# SPDX-License-Identifier: Apache-2.0
"""Sounds, speech, and what an account keeps: voices and elements."""

from __future__ import annotations

from typing import Any

from tests.contract.reference.families.common import IMAGE, SOUND, VIDEO, write_list

_SOUND = {"prompt": "Rain", "duration": 5}
_SPEECH = {"text": "Hello", "voice_id": "oversea_male1", "voice_language": "zh"}
_VOICE = {"voice_name": "Ann", "sound": SOUND}
_NAMES = {"element_name": "Ann", "element_description": "A woman in red"}
_IMAGES = {"frontal_image": IMAGE, "reference_images": [IMAGE]}
_BY_IMAGES = {**_NAMES, "reference_type": "image_refer", **_IMAGES}
_BY_VIDEO = {**_NAMES, "reference_type": "video_refer", "video": VIDEO}


def write_way_of_reference(request: dict[str, Any], value: Any) -> None:
    """Write from what an element is made, with that."""
    request["reference_type"] = value
    if value == "video_refer":
        request["video"] = VIDEO
        for key in _IMAGES:
            request.pop(key, None)


BASES: dict[tuple[str, str], dict[str, Any]] = {
    ("text_to_audio", ""): _SOUND,
    ("video_to_audio", ""): {"video": VIDEO},
    ("tts", ""): _SPEECH,
    ("custom_voice", ""): _VOICE,
    ("custom_element", ""): _BY_IMAGES,
    ("custom_element_old", ""): {**_NAMES, **_IMAGES},
}

BESIDE: dict[tuple[str, str, str], dict[str, Any]] = {
    ("video_to_audio", "video_id", ""): {"video": None},
    ("custom_voice", "video_id", ""): {"sound": None},
    ("custom_element", "video", ""): {**_BY_VIDEO, **dict.fromkeys(_IMAGES)},
}

WRITERS: dict[tuple[str, str, str], Any] = {
    ("custom_element", "reference_type", ""): write_way_of_reference,
    **{
        (type_, field, ""): write_list(field)
        for type_ in ("custom_element", "custom_element_old")
        for field in ("tags", "reference_images")
    },
}

_ONE_VIDEO = [({"video": VIDEO}, {"video": VIDEO, "video_id": "1"}), ({"video_id": "1"}, {})]
_ONE_VOICE = [
    (_VOICE, {**_VOICE, "video_id": "1"}),
    ({"voice_name": "Ann", "video_id": "1"}, {"voice_name": "Ann"}),
]


def _leave_out(request: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in request.items() if name != key}


RULES: dict[tuple[str, str, str], Any] = {
    ("video_to_audio", "", "exactly one of video_id, video_url"): _ONE_VIDEO,
    ("custom_voice", "", "one of voice_url, video_id"): _ONE_VOICE,
    ("custom_element", "", "image_refer needs the images, video_refer the video (and ignores images)"): [
        (_BY_IMAGES, _leave_out(_BY_IMAGES, "frontal_image")),
        (_BY_IMAGES, _leave_out(_BY_IMAGES, "reference_images")),
        (_BY_VIDEO, _leave_out(_BY_VIDEO, "video")),
        (_BY_VIDEO, {**_BY_VIDEO, "frontal_image": IMAGE}),
    ],
    (
        "custom_element",
        "",
        "video_refer: realistic humanoid figures only; a human voice in it becomes a custom voice",
    ): "what a video shows and says, Kling alone sees",
}

CONDITIONS: dict[tuple[str, str, str], Any] = {
    ("video_to_audio", "video", ""): _ONE_VIDEO,
    ("video_to_audio", "video_id", ""): _ONE_VIDEO,
    ("custom_voice", "sound", ""): _ONE_VOICE,
    ("custom_voice", "video_id", ""): _ONE_VOICE,
    ("custom_element", "frontal_image", ""): (_BY_IMAGES, _leave_out(_BY_IMAGES, "frontal_image")),
    ("custom_element", "reference_images", ""): (_BY_IMAGES, _leave_out(_BY_IMAGES, "reference_images")),
    ("custom_element", "video", ""): (_BY_VIDEO, _leave_out(_BY_VIDEO, "video")),
}
