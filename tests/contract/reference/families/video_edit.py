# SPDX-License-Identifier: Apache-2.0
"""Videos that start from a video or a template."""

from __future__ import annotations

from typing import Any

from tests.contract.reference.families.common import (
    IMAGE,
    VIDEO,
    Measured,
    change_part,
    write_list,
    write_parts,
)

_MOVE = {"image": IMAGE, "video": VIDEO, "character_orientation": "video"}
_POINTS = {"session_id": "s", "frame_index": 0, "points": [{"x": 0.5, "y": 0.5}]}
_EDIT = {"session_id": "s", "edit_mode": "removal", "prompt": "No dog"}
_ADD = {**_EDIT, "edit_mode": "addition", "images": [IMAGE], "prompt": "A dog"}
_OF_VIDEO = {
    "video": VIDEO,
    "edit_mode": "removal",
    "prompt": "No dog",
    "selections": [{"frame_index": 0, "points": [{"x": 0.5, "y": 0.5}]}],
}
_ONE, _TWO = "nezha", "hug_pro"


def write_images(request: dict[str, Any], value: Any) -> None:
    """Write so many images, with the way of editing that takes them."""
    write_list("images")(request, value)
    request["edit_mode"] = "addition"


def write_mode_of_editing(request: dict[str, Any], value: Any) -> None:
    """Write a way of editing, with the images that it needs."""
    request["edit_mode"] = value
    request["images"] = [] if value == "removal" else [IMAGE]


def write_scene_images(request: dict[str, Any], value: Any) -> None:
    """Write images, with a scene that takes two."""
    write_list("images")(request, value)
    request["scene"] = _TWO
    request.pop("image", None)


def write_points(request: dict[str, Any], value: Any) -> None:
    """Write so many points as there are values."""
    request["points"] = (
        None if value is None else [{"x": 0.5, "y": number / 100} for number in range(len(value))]
    )


BASES: dict[tuple[str, str], dict[str, Any]] = {
    ("motion_control", ""): _MOVE,
    ("effects", ""): {"scene": _ONE, "image": IMAGE},
    ("video_extend", ""): {"video_id": "1"},
    ("multi_elements", ""): _EDIT,
    ("multi_elements_init", ""): {"video": VIDEO},
    ("multi_elements_add", ""): _POINTS,
    ("multi_elements_delete", ""): _POINTS,
    ("multi_elements_clear", ""): {"session_id": "s"},
    ("multi_elements_preview", ""): {"session_id": "s"},
}

BESIDE: dict[tuple[str, str, str], dict[str, Any]] = {
    ("motion_control", "elements_id", ""): {"elements": [{"element_id": "1", "id": "hero"}]},
    ("multi_elements_init", "video_id", ""): {"video": None},
    **{
        (type_, field, ""): {"points": [{"x": 0.5, "y": 0.5}]}
        for type_ in ("multi_elements_add", "multi_elements_delete")
        for field in ("points_x", "points_y")
    },
}

WRITERS: dict[tuple[str, str, str], Any] = {
    ("multi_elements", "images", ""): write_images,
    ("multi_elements", "edit_mode", ""): write_mode_of_editing,
    ("effects", "images", ""): write_scene_images,
    **{
        (type_, *rest): writer
        for type_ in ("multi_elements_add", "multi_elements_delete")
        for rest, writer in {
            ("points", ""): write_points,
            ("points_x", ""): change_part("points", "x"),
            ("points_y", ""): change_part("points", "y"),
        }.items()
    },
    ("motion_control", "elements", "standard"): write_parts("elements", "element_id", id="e{n}"),
    ("motion_control", "elements", "legacy"): write_parts("elements", "element_id"),
}

OPEN: dict[tuple[str, str], str] = {("effects", "scene"): "scenes appear and end without notice"}

CONVENIENCES: dict[tuple[str, str, str], str] = {
    ("motion_control", "standard", "model"): "kling-3.0, the newest one with motion control",
    ("motion_control", "legacy", "resolution"): "720p, as on the standard API",
}

OUR_DEFAULTS: dict[tuple[str, str, str], str] = {
    ("motion_control", "legacy", "model"): "one model for both designs",
}

_ONE_VIDEO = (
    {"video": VIDEO},
    {"video": VIDEO, "video_id": "1"},
)
_NO_VIDEO = ({"video_id": "1"}, {})

RULES: dict[tuple[str, str, str], Any] = {
    ("motion_control", "standard", "no duration: it follows the reference video"): (
        _MOVE,
        {**_MOVE, "duration": 5},
    ),
    ("motion_control", "standard", "with an element the orientation always follows the video"): (
        {**_MOVE, "elements": [{"element_id": "1", "id": "hero"}]},
        {**_MOVE, "elements": [{"element_id": "1", "id": "hero"}], "character_orientation": "image"},
    ),
    ("video_extend", "", "adds 4-5 s, total at most 3 min, model and mode of the source"): [
        ({"video_id": "1"}, {"video_id": "1", "model": "kling-v1-6"}),
        ({"video_id": "1"}, {"video_id": "1", "duration": 5}),
        ({"video_id": "1"}, {"video_id": "1", "resolution": "720p"}),
    ],
    ("effects", "", "no mode, duration or watermark_info"): [
        ({"scene": _ONE, "image": IMAGE}, {"scene": _ONE, "image": IMAGE, key: value})
        for key, value in {"mode": "std", "duration": 5, "watermark": True}.items()
    ],
    ("effects", "", "exactly one of image, images, by scene"): [
        ({"scene": _ONE, "image": IMAGE}, {"scene": _ONE, "images": [IMAGE, IMAGE]}),
        ({"scene": _TWO, "images": [IMAGE, IMAGE]}, {"scene": _TWO, "image": IMAGE}),
        ({"scene": _ONE, "image": IMAGE}, {"scene": _ONE}),
        ({"scene": _ONE, "image": IMAGE}, {"scene": _ONE, "image": IMAGE, "images": [IMAGE, IMAGE]}),
    ],
    ("multi_elements", "", "duration 5 from a 2-5 s video, 10 from a 7-10 s video"): [
        (
            Measured({**_OF_VIDEO, "duration": told}, {"video": seconds}),
            Measured({**_OF_VIDEO, "duration": other}, {"video": seconds}),
        )
        for seconds, told, other in ((5, 5, 10), (7, 10, 5))
    ],
    ("multi_elements_init", "", "exactly one of video_id, video_url"): [_ONE_VIDEO, _NO_VIDEO],
    ("multi_elements_add", "", "at most 10 marked frames, one frame a call"): [
        (_POINTS, {**_POINTS, "frame_index": [0, 1]}),
    ],
    (
        "multi_elements_delete",
        "",
        "points must be the very ones that were added",
    ): "what was added before is known to the session alone",
}

CONDITIONS: dict[tuple[str, str, str], Any] = {
    ("motion_control", "elements_id", ""): (
        {**_MOVE, "elements": [{"element_id": "1", "id": "hero"}]},
        {**_MOVE, "elements": [{"element_id": "1"}]},
    ),
    ("effects", "image", ""): ({"scene": _ONE, "image": IMAGE}, {"scene": _ONE}),
    ("effects", "images", ""): ({"scene": _TWO, "images": [IMAGE, IMAGE]}, {"scene": _TWO}),
    ("multi_elements", "images", ""): [
        (_ADD, {**_ADD, "images": []}),
        ({**_ADD, "edit_mode": "swap"}, {**_ADD, "edit_mode": "swap", "images": []}),
        ({**_ADD, "edit_mode": "swap"}, {**_ADD, "edit_mode": "swap", "images": [IMAGE, IMAGE]}),
        (_EDIT, {**_EDIT, "images": [IMAGE]}),
    ],
    ("multi_elements_init", "video", ""): _NO_VIDEO,
    ("multi_elements_init", "video_id", ""): _NO_VIDEO,
}
