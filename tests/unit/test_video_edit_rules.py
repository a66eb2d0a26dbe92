# SPDX-License-Identifier: Apache-2.0
"""Motion, effects, extensions and edits: each rule of the reference just inside and just outside."""

from __future__ import annotations

from typing import Any

import pytest

from kling_provider.api.catalog import find_spec
from kling_provider.api.parsing import parse_request
from kling_provider.api.problems import InvalidRequest

IMAGE, VIDEO = "https://example.org/a.png", "https://example.org/v.mp4"
ELEMENT = {"element_id": "7", "id": "cat"}
POINT = {"x": 0.5, "y": 0.5}
MARK = {"frame_index": 0, "points": [POINT]}

#: The least that each type takes.
LEAST: dict[str, dict[str, Any]] = {
    "motion_control": {"image": IMAGE, "video": VIDEO, "character_orientation": "video"},
    "effects": {"scene": "pet_lion_pro", "image": IMAGE},
    "video_extend": {"video_id": "8976"},
    "multi_elements": {"session_id": "s", "edit_mode": "removal", "prompt": "Without the dog"},
    "multi_elements_init": {"video": VIDEO},
    "multi_elements_add": {"session_id": "s", "frame_index": 0, "points": [POINT]},
    "multi_elements_delete": {"session_id": "s", "frame_index": 0, "points": [POINT]},
    "multi_elements_clear": {"session_id": "s"},
    "multi_elements_preview": {"session_id": "s"},
}


def read(type_: str, **fields: Any) -> Any:
    return parse_request({"type": type_, **LEAST[type_], **fields})


@pytest.mark.parametrize(
    ("type_", "field"),
    [(type_, field) for type_, fields in LEAST.items() for field in fields],
)
def test_what_is_required(type_: str, field: str) -> None:
    read(type_)
    with pytest.raises(InvalidRequest) as invalid:
        read(type_, **{field: None})
    assert f"{field}: must be given" in str(invalid.value)


@pytest.mark.parametrize(
    ("type_", "inside", "outside", "wrong"),
    [
        ("motion_control", {"prompt": "x" * 2500}, {"prompt": "x" * 2501}, "prompt"),
        (
            "motion_control",
            {"elements": [ELEMENT]},
            {"elements": [ELEMENT, {**ELEMENT, "id": "b"}]},
            "elements",
        ),
        ("motion_control", {"model": "kling-2.6"}, {"model": "kling-3.0-omni"}, "model"),
        ("motion_control", {"model": "kling-9"}, {"model": "kling_3_0"}, "model"),
        (
            "motion_control",
            {"elements": [ELEMENT]},
            {"model": "kling-2.6", "elements": [ELEMENT]},
            "elements",
        ),
        (
            "motion_control",
            {"character_orientation": "image"},
            {"character_orientation": "image", "elements": [ELEMENT]},
            "character_orientation",
        ),
        (
            "motion_control",
            {"character_orientation": "Image"},
            {"character_orientation": "left"},
            "character_orientation",
        ),
        ("motion_control", {"audio": "off"}, {"audio": "native"}, "audio"),
        ("motion_control", {"resolution": "1080P"}, {"resolution": "4k"}, "resolution"),
        ("motion_control", {"video": VIDEO}, {"video": ""}, "video"),
        ("motion_control", {"watermark": "true"}, {"watermark": "perhaps"}, "watermark"),
        (
            "motion_control",
            {"elements": [ELEMENT], "prompt": "@cat jumps"},
            {"elements": [ELEMENT], "prompt": "@dog jumps"},
            "prompt",
        ),
        (
            "motion_control",
            {"elements": [{"element_id": "7"}], "prompt": "<<<element_1>>> jumps"},
            {"elements": [{"element_id": "7"}], "prompt": "<<<element_2>>> jumps"},
            "prompt",
        ),
        ("motion_control", {}, {"duration": 5}, "duration"),
        ("motion_control", {}, {"aspect_ratio": "16:9"}, "aspect_ratio"),
        ("effects", {"scene": "a_scene_of_tomorrow"}, {"scene": "Pet Lion Pro"}, "scene"),
        ("effects", {"scene": "nezha"}, {"scene": "pet-lion-pro"}, "scene"),
        ("effects", {}, {"images": [IMAGE, IMAGE]}, "images"),
        (
            "effects",
            {"scene": "hug_pro", "image": None, "images": [IMAGE] * 2},
            {"scene": "hug_pro"},
            "image",
        ),
        (
            "effects",
            {"scene": "hug_pro", "image": None, "images": [IMAGE] * 2},
            {"scene": "hug_pro", "image": None, "images": [IMAGE]},
            "images",
        ),
        (
            "effects",
            {"scene": "hug_pro", "image": None, "images": [IMAGE] * 2},
            {"scene": "hug_pro", "image": None, "images": [IMAGE] * 3},
            "images",
        ),
        (
            "effects",
            {"scene": "new", "image": None, "images": [IMAGE] * 2},
            {"scene": "new", "images": [IMAGE] * 2},
            "images",
        ),
        ("effects", {}, {"duration": 5}, "duration"),
        ("effects", {}, {"model": "kling-3.0"}, "model"),
        ("effects", {}, {"watermark": True}, "watermark"),
        ("video_extend", {"prompt": "x" * 2500}, {"prompt": "x" * 2501}, "prompt"),
        ("video_extend", {"negative_prompt": "x" * 2500}, {"negative_prompt": "x" * 2501}, "negative_prompt"),
        ("video_extend", {"cfg_scale": 0}, {"cfg_scale": -0.01}, "cfg_scale"),
        ("video_extend", {"cfg_scale": 1}, {"cfg_scale": 1.01}, "cfg_scale"),
        ("video_extend", {"video_id": 8976}, {"video_id": ""}, "video_id"),
        ("video_extend", {}, {"model": "kling-v1-6"}, "model"),
        ("multi_elements", {"prompt": "x" * 2500}, {"prompt": "x" * 2501}, "prompt"),
        ("multi_elements", {}, {"prompt": " "}, "prompt"),
        (
            "multi_elements",
            {"negative_prompt": "x" * 2500},
            {"negative_prompt": "x" * 2501},
            "negative_prompt",
        ),
        ("multi_elements", {"mode": "pro"}, {"mode": "4k"}, "mode"),
        ("multi_elements", {"duration": "10"}, {"duration": 7}, "duration"),
        ("multi_elements", {"duration": 5.0}, {"duration": "5s"}, "duration"),
        ("multi_elements", {}, {"edit_mode": "replace"}, "edit_mode"),
        ("multi_elements", {}, {"images": [IMAGE]}, "images"),
        ("multi_elements", {"edit_mode": "swap", "images": [IMAGE]}, {"edit_mode": "swap"}, "images"),
        (
            "multi_elements",
            {"edit_mode": "swap", "images": [IMAGE]},
            {"edit_mode": "swap", "images": [IMAGE] * 2},
            "images",
        ),
        ("multi_elements", {"edit_mode": "addition", "images": [IMAGE]}, {"edit_mode": "addition"}, "images"),
        (
            "multi_elements",
            {"edit_mode": "addition", "images": [IMAGE] * 2},
            {"edit_mode": "addition", "images": [IMAGE] * 3},
            "images",
        ),
        (
            "multi_elements",
            {"edit_mode": "swap", "images": [IMAGE], "prompt": "<<<image_1>>> in <<<video_1>>>"},
            {"edit_mode": "swap", "images": [IMAGE], "prompt": "<<<image_2>>> in <<<video_1>>>"},
            "prompt",
        ),
        ("multi_elements", {"prompt": "<<<video_1>>>"}, {"prompt": "<<<video_2>>>"}, "prompt"),
        ("multi_elements", {}, {"video": VIDEO}, "video"),
        ("multi_elements", {}, {"selections": [MARK]}, "selections"),
        (
            "multi_elements",
            {"session_id": None, "video": VIDEO, "selections": [MARK]},
            {"session_id": None, "video": VIDEO, "video_id": "8976", "selections": [MARK]},
            "video_id",
        ),
        (
            "multi_elements",
            {"session_id": None, "video_id": "8976", "selections": [MARK]},
            {"session_id": None, "video_id": "8976"},
            "selections",
        ),
        (
            "multi_elements",
            {
                "session_id": None,
                "video": VIDEO,
                "selections": [{**MARK, "frame_index": n} for n in range(10)],
            },
            {
                "session_id": None,
                "video": VIDEO,
                "selections": [{**MARK, "frame_index": n} for n in range(11)],
            },
            "selections",
        ),
        (
            "multi_elements",
            {"session_id": None, "video": VIDEO, "selections": [MARK, {**MARK, "frame_index": 1}]},
            {"session_id": None, "video": VIDEO, "selections": [MARK, MARK]},
            "selections",
        ),
        (
            "multi_elements",
            {"session_id": None, "video": VIDEO, "selections": [{**MARK, "points": [{"x": 1, "y": 0}]}]},
            {"session_id": None, "video": VIDEO, "selections": [{**MARK, "points": [{"x": 1.01, "y": 0}]}]},
            "selections.0.points.0.x",
        ),
        ("multi_elements_init", {"video": None, "video_id": "8976"}, {"video_id": "8976"}, "video_id"),
        ("multi_elements_init", {}, {"external_task_id": "mine"}, "external_task_id"),
        ("multi_elements_init", {}, {"callback_url": "https://example.org/hook"}, "callback_url"),
        ("multi_elements_add", {"points": [POINT] * 10}, {"points": [POINT] * 11}, "points"),
        ("multi_elements_add", {}, {"points": []}, "points"),
        (
            "multi_elements_add",
            {"points": [{"x": 0, "y": 0}]},
            {"points": [{"x": 0, "y": -0.01}]},
            "points.0.y",
        ),
        (
            "multi_elements_add",
            {"points": [{"x": 1, "y": 1}]},
            {"points": [{"x": 1.01, "y": 1}]},
            "points.0.x",
        ),
        ("multi_elements_add", {}, {"points": [{"x": 1}]}, "points.0.y"),
        ("multi_elements_add", {"frame_index": "0"}, {"frame_index": -1}, "frame_index"),
        ("multi_elements_delete", {"points": [POINT] * 10}, {"points": [POINT] * 11}, "points"),
        ("multi_elements_clear", {}, {"session_id": ""}, "session_id"),
        ("multi_elements_preview", {}, {"frame_index": 0}, "frame_index"),
    ],
)
def test_rules_just_inside_and_just_outside(
    type_: str, inside: dict[str, Any], outside: dict[str, Any], wrong: str
) -> None:
    assert read(type_, **inside).type == type_
    with pytest.raises(InvalidRequest) as invalid:
        read(type_, **outside)
    assert wrong in {problem.field for problem in invalid.value.problems}


def test_a_motion_without_elements_may_write_at_signs() -> None:
    assert read("motion_control", prompt="A sign says me@example.org, @home").prompt


def test_elements_have_names_on_one_api_and_numbers_on_the_other() -> None:
    named = read("motion_control", elements=[ELEMENT])
    assert named.find_unsupported("standard") == []
    assert [one.field for one in named.find_unsupported("legacy")] == ["elements"]
    numbered = read("motion_control", elements=[{"element_id": "7"}])
    assert [one.field for one in numbered.find_unsupported("standard")] == ["elements"]
    assert numbered.find_unsupported("legacy") == []


@pytest.mark.parametrize(
    ("type_", "fields", "inside", "outside"),
    [
        ("motion_control", {"character_orientation": "image"}, 10, 10.1),
        ("motion_control", {}, 30, 30.1),
        ("multi_elements", {"duration": 5}, 5, 7),
        ("multi_elements", {"duration": 10}, 7, 5),
        # Kling's own videos are a frame longer than was asked.
        ("motion_control", {"character_orientation": "image"}, 10.041, 11),
        ("multi_elements", {"duration": 5}, 5.041, 10.041),
        ("multi_elements", {"duration": 10}, 10.041, 5.041),
    ],
)
def test_lengths_of_videos(type_: str, fields: dict[str, Any], inside: float, outside: float) -> None:
    request = read(type_, **fields)
    assert request.find_wrong_lengths({"video": inside}) == []
    assert request.find_wrong_lengths({}) == []
    assert len(request.find_wrong_lengths({"video": outside})) == 1


@pytest.mark.parametrize(
    ("scene", "warning"),
    [
        ("pet_lion_pro", None),
        (
            "nezhb",
            "scene 'nezhb' was not on Kling's list of 2026-09-20, and is sent all the same; the most similar one is 'nezha'",
        ),
        (
            "quite_another",
            "scene 'quite_another' was not on Kling's list of 2026-09-20, and is sent all the same",
        ),
        ("magic_match_tree", "scene 'magic_match_tree' has ended by Kling's update log"),
    ],
)
def test_an_unknown_scene_passes_with_a_warning(scene: str, warning: str | None) -> None:
    assert read("effects", scene=scene).find_warnings() == ([warning] if warning else [])


def test_what_nobody_has_confirmed_says_so() -> None:
    spec = find_spec("video_extend")
    assert spec is not None
    assert spec.status == "unknown"


def test_a_session_or_what_opens_one() -> None:
    assert read("multi_elements").has_session
    assert not read("multi_elements", session_id=None, video=VIDEO, selections=[MARK]).has_session


@pytest.mark.parametrize("type_", ["motion_control", "text_to_video"])
def test_an_unknown_model_passes_with_a_warning(type_: str) -> None:
    fields = {"type": type_, "prompt": "A cat", **LEAST.get(type_, {})}
    assert parse_request({**fields, "model": "kling-9"}).find_warnings() == [
        "model kling-9 is not known here: its rules are not checked"
    ]
    assert parse_request(fields).find_warnings() == []


def test_a_key_of_many_types_names_the_plainest() -> None:
    with pytest.raises(InvalidRequest) as invalid:
        read("multi_elements_clear", prompt="A cat")
    assert (
        "prompt 'A cat': belongs to type text_to_video, image_to_video, omni_video, motion_control or "
        in str(invalid.value)
    )
