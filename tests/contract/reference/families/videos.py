# SPDX-License-Identifier: Apache-2.0
"""Videos from words, from images and from a mixture."""

from __future__ import annotations

from typing import Any

from tests.contract.reference.families.common import IMAGE, VIDEO, change_part, write_parts

_SHOTS = {
    "model": "kling-3.0",
    "multi_shot": True,
    "shot_type": "customize",
    "multi_prompt": [
        {"index": 1, "prompt": "A boat", "duration": 2},
        {"index": 2, "prompt": "A kite", "duration": 3},
    ],
    "duration": 5,
}
_V1 = {"model": "kling-v1-6"}
_CAMERA = {**_V1, "camera_control": {"type": "simple", "config": {"pan": 3}}}
_ELEMENT = [{"element_id": "1", "id": "hero"}]
_VOICES = {"model": "kling-2.6", "audio": "native", "resolution": "1080p"}
_OMNI_SHOTS = {**_SHOTS, "model": "kling-3.0-omni"}
_SQUARE = [{"x": 1, "y": 1}, {"x": 9, "y": 9}]
_MASKS = {**_V1, "dynamic_masks": [{"mask": IMAGE, "trajectories": _SQUARE}]}


def write_shots(request: dict[str, Any], value: Any) -> None:
    """Write so many shots as there are values, each of one second."""
    count = len(value) if isinstance(value, list) else 3
    request["multi_prompt"] = [
        {"index": number, "prompt": "A boat", "duration": 1} for number in range(1, count + 1)
    ]
    request["duration"] = max(count, 3)
    if count < 3:
        request["multi_prompt"][0]["duration"] += 3 - count


def write_masks(request: dict[str, Any], value: Any) -> None:
    """Write so many motion brushes as there are values."""
    values = value if isinstance(value, list) else [value]
    request["dynamic_masks"] = [{"mask": one, "trajectories": _SQUARE} for one in values]


def write_trajectory(request: dict[str, Any], value: Any) -> None:
    """Write a path of so many points as there are values."""
    points = [{"x": number, "y": 1} for number, _ in enumerate(value if isinstance(value, list) else [1, 2])]
    request["dynamic_masks"] = [{"mask": IMAGE, "trajectories": points}]


def write_camera(request: dict[str, Any], value: Any) -> None:
    """Write a type of camera control, with the config that one of them needs."""
    config = {"config": {"pan": 3}} if value == "simple" else {}
    request["camera_control"] = {"type": value, **config}


def write_frames(request: dict[str, Any], value: Any) -> None:
    """Write the legacy list of images: a role, or so many images to refer to."""
    if value in ("first_frame", "end_frame", "unheard-of"):
        request["first_frame"] = IMAGE
        if value == "end_frame":
            request["last_frame"] = IMAGE
        if value == "unheard-of":
            request["middle_frame"] = IMAGE
        request.pop("reference_images", None)
    else:
        request["reference_images"] = value if isinstance(value, list) else [value]


def write_elements_beside_nothing(request: dict[str, Any], value: Any) -> None:
    """Write elements without the reference image of the smallest request."""
    request.pop("reference_images", None)
    write_parts("elements", "element_id", id="e{n}")(request, value)


def write_bare_elements_beside_nothing(request: dict[str, Any], value: Any) -> None:
    """The same for the legacy API, which has no names for them."""
    request.pop("reference_images", None)
    write_parts("elements", "element_id")(request, value)


BASES: dict[tuple[str, str], dict[str, Any]] = {
    ("text_to_video", ""): {"prompt": "A boat"},
    ("image_to_video", ""): {"prompt": "A boat", "first_frame": IMAGE},
    ("omni_video", ""): {"prompt": "A boat", "reference_images": [IMAGE]},
}

BESIDE: dict[tuple[str, str, str], dict[str, Any]] = {
    ("image_to_video", "last_frame", ""): {"resolution": "1080p"},
    ("image_to_video", "static_mask", ""): _V1,
    ("image_to_video", "voices", "standard"): _VOICES,
    ("image_to_video", "voices", "legacy"): _VOICES,
    ("image_to_video", "voices_id", ""): {**_VOICES, "voices": [{"voice_id": "1", "id": "v1"}]},
    ("image_to_video", "elements_id", ""): {"elements": _ELEMENT},
    ("text_to_video", "voices", ""): _VOICES,
    ("omni_video", "last_frame", ""): {"first_frame": IMAGE, "reference_images": None},
    ("omni_video", "elements_id", ""): {"elements": _ELEMENT},
    ("omni_video", "reference_video", ""): {"reference_images": None},
    ("omni_video", "base_video", ""): {"reference_images": None},
    ("omni_video", "keep_original_sound", ""): {"reference_images": None, "base_video": VIDEO},
    ("omni_video", "first_frame", ""): {"reference_images": None},
    ("omni_video", "video", ""): {"reference_images": None},
    **{
        (type_, field, ""): beside
        for type_, shots in (
            ("text_to_video", _SHOTS),
            ("image_to_video", _SHOTS),
            ("omni_video", _OMNI_SHOTS),
        )
        for field, beside in {
            "multi_prompt": shots,
            "multi_prompt_index": shots,
            "multi_prompt_prompt": shots,
            "multi_prompt_duration": shots,
            "camera_control": _CAMERA,
            "camera_control_type": _CAMERA,
            "camera_control_config": _CAMERA,
            "cfg_scale": _V1,
            "dynamic_masks": _MASKS,
            "dynamic_masks_trajectories": _MASKS,
        }.items()
    },
}

WRITERS: dict[tuple[str, str, str], Any] = {
    ("", "elements", "standard"): write_parts("elements", "element_id", id="e{n}"),
    ("", "elements", "legacy"): write_parts("elements", "element_id"),
    ("", "elements_id", ""): change_part("elements", "id"),
    ("", "voices", "standard"): write_parts("voices", "voice_id", id="v{n}"),
    ("", "voices", "legacy"): write_parts("voices", "voice_id"),
    ("", "voices_id", ""): change_part("voices", "id"),
    ("", "multi_prompt", ""): write_shots,
    ("", "multi_prompt_index", ""): change_part("multi_prompt", "index"),
    ("", "multi_prompt_prompt", ""): change_part("multi_prompt", "prompt"),
    ("", "camera_control_type", ""): write_camera,
    ("", "camera_control", ""): lambda request, value: None,
    ("", "camera_control_config", ""): lambda request, value: None,
    ("", "multi_prompt_duration", ""): lambda request, value: None,
    ("", "dynamic_masks", ""): write_masks,
    ("", "dynamic_masks_trajectories", ""): write_trajectory,
    ("omni_video", "elements", "standard"): write_elements_beside_nothing,
    ("omni_video", "elements", "legacy"): write_bare_elements_beside_nothing,
    ("omni_video", "images", "legacy"): write_frames,
    ("omni_video", "images_type", "legacy"): write_frames,
}

BESIDE |= {
    (type_, "audio", "legacy"): {"resolution": "1080p"} for type_ in ("text_to_video", "image_to_video")
}
BESIDE |= {
    (type_, "audio", "standard"): {"resolution": "1080p"} for type_ in ("text_to_video", "image_to_video")
}
