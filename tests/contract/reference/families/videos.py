# SPDX-License-Identifier: Apache-2.0
"""Videos from words, from images and from a mixture."""

from __future__ import annotations

from typing import Any

from tests.contract.reference.families.common import (
    IMAGE,
    VIDEO,
    change_part,
    keep_base,
    write_list,
    write_parts,
)

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
_ALL = ("text_to_video", "image_to_video", "omni_video")
_NOT_IMAGES = {"reference_images": None}


def write_shots(request: dict[str, Any], value: Any) -> None:
    """Write so many shots as there are values, each of one second."""
    count = len(value) if isinstance(value, list) else 3
    request["multi_prompt"] = [
        {"index": number, "prompt": "A boat", "duration": 1} for number in range(1, count + 1)
    ]
    request["duration"] = max(count, 3)
    if 0 < count < 3:
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
    if isinstance(value, list):
        request["reference_images"] = value
        return
    request.pop("reference_images", None)
    request["first_frame"] = IMAGE
    if value == "end_frame":
        request["last_frame"] = IMAGE
    if value == "unheard-of":
        request["unheard_of"] = IMAGE


def write_video(request: dict[str, Any], value: Any) -> None:
    """Write the legacy list of videos: its role, or the videos."""
    role = {"base": "base_video", "unheard-of": "unheard_of"}.get(str(value), "reference_video")
    request[role] = value if isinstance(value, list) or str(value).startswith("https") else VIDEO


def write_kept_sound(request: dict[str, Any], value: Any) -> None:
    """Write whether the sound of a video is kept."""
    request["audio"] = {"yes": "original", "no": "off"}.get(value, value)


def write_omni_audio(request: dict[str, Any], value: Any) -> None:
    """Write the sound, with a video where it is that of one."""
    request["audio"] = value
    if value == "original":
        request.pop("reference_images", None)
        request["base_video"] = VIDEO


def write_duration_of_shot(request: dict[str, Any], value: Any) -> None:
    """Keep the durations that stand there, which add up; or take one away."""
    if value is None:
        change_part("multi_prompt", "duration")(request, value)


def write_names(field: str, named: str) -> Any:
    """Write the name of an input."""
    return lambda request, value: request.update({field: {named: value}})


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
    ("image_to_video", "voices", ""): _VOICES,
    ("image_to_video", "voices_id", ""): {**_VOICES, "voices": [{"voice_id": "1", "id": "v1"}]},
    ("image_to_video", "elements_id", ""): {"elements": _ELEMENT},
    ("text_to_video", "voices", ""): _VOICES,
    ("text_to_video", "audio", ""): {"resolution": "1080p"},
    ("image_to_video", "audio", ""): {"resolution": "1080p"},
    ("omni_video", "last_frame", ""): {**_NOT_IMAGES, "first_frame": IMAGE},
    ("omni_video", "elements_id", ""): {"elements": _ELEMENT},
    ("omni_video", "image_ids", ""): {**_NOT_IMAGES, "first_frame": IMAGE},
    ("omni_video", "video_ids", ""): {**_NOT_IMAGES, "base_video": VIDEO},
    ("omni_video", "keep_original_sound", ""): {**_NOT_IMAGES, "base_video": VIDEO},
    **{
        ("omni_video", field, ""): _NOT_IMAGES
        for field in (
            "reference_images",
            "reference_video",
            "base_video",
            "first_frame",
            "video",
            "video_type",
        )
    },
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
    **{(type_, "multi_shot", "legacy"): {"shot_type": "intelligence"} for type_ in _ALL},
}


def write_shot_type(request: dict[str, Any], value: Any) -> None:
    """Write who decides on the shots, with the shots where it is the author."""
    if request.get("model") not in ("kling-v3", "kling-v3-omni"):
        request["shot_type"] = value
        return
    request.update(_SHOTS, model=request["model"], shot_type=value)


WRITERS: dict[tuple[str, str, str], Any] = {
    ("", "elements", "standard"): write_parts("elements", "element_id", id="e{n}"),
    ("", "elements", "legacy"): write_parts("elements", "element_id"),
    ("", "elements_id", ""): change_part("elements", "id"),
    ("", "voices", "standard"): write_parts("voices", "voice_id", id="v{n}"),
    ("", "voices", "legacy"): write_parts("voices", "voice_id"),
    ("", "voices_id", ""): change_part("voices", "id"),
    ("", "multi_prompt", ""): write_shots,
    ("", "shot_type", ""): write_shot_type,
    ("", "multi_prompt_index", ""): change_part("multi_prompt", "index"),
    ("", "multi_prompt_prompt", ""): change_part("multi_prompt", "prompt"),
    ("", "multi_prompt_duration", ""): write_duration_of_shot,
    ("", "camera_control_type", ""): write_camera,
    ("", "camera_control", ""): keep_base,
    ("", "camera_control_config", ""): keep_base,
    ("", "dynamic_masks", ""): write_masks,
    ("", "dynamic_masks_trajectories", ""): write_trajectory,
    ("omni_video", "elements", "standard"): write_elements_beside_nothing,
    ("omni_video", "elements", "legacy"): write_bare_elements_beside_nothing,
    ("omni_video", "reference_images", ""): write_list("reference_images"),
    ("omni_video", "image_ids", ""): write_names("image_ids", "first_frame"),
    ("omni_video", "video_ids", ""): write_names("video_ids", "base_video"),
    ("omni_video", "images", "legacy"): write_frames,
    ("omni_video", "images_type", "legacy"): write_frames,
    ("omni_video", "video", "legacy"): write_video,
    ("omni_video", "video_type", "legacy"): write_video,
    ("omni_video", "keep_original_sound", "legacy"): write_kept_sound,
    ("omni_video", "audio", "standard"): write_omni_audio,
}

CONVENIENCES: dict[tuple[str, str, str], str] = {
    **{(type_, "standard", "model"): "the newest model of the type" for type_ in _ALL},
    ("omni_video", "standard", "aspect_ratio"): "16:9, Kling's own default",
    ("omni_video", "legacy", "aspect_ratio"): "16:9, as on the standard API",
    ("omni_video", "legacy", "video_type"): "each role of a video is a field of its own",
}

OUR_DEFAULTS: dict[tuple[str, str, str], str] = {
    **{
        (type_, "standard", "multi_shot"): "one shot, so that a prompt is not cut into several unasked"
        for type_ in _ALL
    },
    **{
        (type_, "legacy", "model"): "Kling's default is retired"
        for type_ in ("text_to_video", "image_to_video")
    },
    ("omni_video", "legacy", "resolution"): "720p everywhere, the cheapest one",
}
