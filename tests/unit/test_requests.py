# SPDX-License-Identifier: Apache-2.0
"""What a user may write: every field, in both spellings."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kling_provider.api.parsing import parse_request, read_what_can_be
from kling_provider.api.problems import InvalidRequest, Problem
from kling_provider.api.requests.video import ImageToVideo, TextToVideo
from kling_provider.api.spelling import legacy_names
from tests.unit.arrays import make_array

TEXT: dict[str, Any] = {"prompt": "A red panda brews tea"}
IMAGE: dict[str, Any] = {"type": "image_to_video", "first_frame": "https://host/a.png"}


def test_a_prompt_is_enough() -> None:
    request = parse_request(TEXT)
    assert isinstance(request, TextToVideo)
    assert request.model_dump(exclude={"elements", "voices", "multi_prompt"}, exclude_none=True) == {
        "type": "text_to_video",
        "prompt": "A red panda brews tea",
        "model": "kling-3.0",
        "duration": 5,
        "resolution": "720p",
        "aspect_ratio": "16:9",
        "watermark": False,
        "take": 0,
    }
    assert (request.sound, request.one_shot) == ("off", False)


def test_a_first_frame_is_enough() -> None:
    request = parse_request(IMAGE)
    assert isinstance(request, ImageToVideo)
    assert (request.first_frame, request.last_frame, request.prompt) == ("https://host/a.png", None, None)
    assert not hasattr(request, "aspect_ratio")


STANDARD = {
    "prompt": "@Zhang turns",
    "model": "kling-3.0",
    "duration": 15,
    "resolution": "4k",
    "audio": "native",
    "multi_shot": True,
    "watermark": True,
    "elements": [{"element_id": "321930081569316", "id": "Zhang"}],
    "callback_url": "https://host/cb",
    "external_task_id": "mine:1.a_b-c",
    "name": "folder/panda",
    "take": 3,
    "adopt": "930831534075682845",
}
LEGACY = {
    "prompt": "x",
    "model": "kling-v1",
    "negative_prompt": "rain",
    "cfg_scale": 0.5,
    "camera_control": {"type": "simple", "config": {"pan": -10}},
    "duration": 10,
    "resolution": "1080p",
}
SHOTS = {
    "multi_shot": True,
    "shot_type": "customize",
    "multi_prompt": [
        {"index": 1, "prompt": "A", "duration": 2},
        {"index": 2, "prompt": "B", "duration": 3},
    ],
}
MASKS = {
    "static_mask": "https://host/still.png",
    "dynamic_masks": [{"mask": "https://host/m.png", "trajectories": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}],
}
VOICES = {
    "model": "kling-2.6",
    "resolution": "1080p",
    "audio": "native",
    "voices": [{"voice_id": "930801338081615883", "id": "Ann"}],
}


@pytest.mark.parametrize(
    "data",
    [
        {**STANDARD, "aspect_ratio": "9:16"},
        {**STANDARD, **IMAGE, "last_frame": "frames/b.png"},
        {**LEGACY, "aspect_ratio": "1:1"},
        {**LEGACY, **IMAGE, "camera_control": None, **MASKS},
        {**LEGACY, **IMAGE, "model": "kling-v1-5"},
        {"prompt": None, **SHOTS},
        {**TEXT, **SHOTS, "shot_type": "intelligence"},
        {**IMAGE, **SHOTS},
        {**TEXT, **VOICES, "model": "kling-3.0"},
        {**IMAGE, **VOICES},
    ],
)
def test_every_field_is_kept_as_it_was_given(data: dict[str, Any]) -> None:
    request = parse_request(data)
    given_ = {key: value for key, value in data.items() if value is not None}
    assert request.model_dump(include=set(given_), exclude_unset=True) == given_


@pytest.mark.parametrize(
    "kind", ["simple", "down_back", "forward_up", "right_turn_forward", "left_turn_forward"]
)
def test_the_five_camera_types(kind: str) -> None:
    config = {"config": {"zoom": 3}} if kind == "simple" else {}
    camera = parse_request(
        {**TEXT, "model": "kling-v1", "camera_control": {"type": kind, **config}}
    ).camera_control
    assert camera is not None
    assert camera.type == kind


@pytest.mark.parametrize(
    ("legacy", "ours"),
    [
        ({"model_name": "kling-v3"}, {"model": "kling-3.0"}),
        ({"model_name": "kling-v2-6"}, {"model": "kling-2.6"}),
        ({"model_name": "kling-v2-5-turbo"}, {"model": "kling-2.5-turbo"}),
        ({"model": "kling-v3"}, {"model": "kling-3.0"}),
        ({"model_name": "kling-v1-6"}, {"model": "kling-v1-6"}),
        ({"mode": "std"}, {"resolution": "720p"}),
        ({"mode": "pro"}, {"resolution": "1080p"}),
        ({"mode": "4k"}, {"resolution": "4k"}),
        ({"mode": "PRO"}, {"resolution": "1080p"}),
        ({"sound": "on"}, {"audio": "native"}),
        ({"sound": "off"}, {"audio": "off"}),
        ({"watermark_info": {"enabled": True}}, {"watermark": True}),
        ({"element_list": [{"element_id": 7}]}, {"elements": [{"element_id": "7"}]}),
        (
            {"voice_list": [{"voice_id": 7}], "audio": "native"},
            {"voices": [{"voice_id": "7"}], "audio": "native"},
        ),
        ({**IMAGE, "image": "a.png", "first_frame": None}, {**IMAGE, "first_frame": "a.png"}),
        ({**IMAGE, "image_tail": "b.png"}, {**IMAGE, "last_frame": "b.png"}),
    ],
)
def test_the_legacy_spelling_means_the_same(legacy: dict[str, Any], ours: dict[str, Any]) -> None:
    assert parse_request({**TEXT, **legacy}) == parse_request({**TEXT, **ours})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ({"duration": "10"}, {"duration": 10}),
        ({"duration": 10.0}, {"duration": 10}),
        ({"duration": "10.0"}, {"duration": 10}),
        ({"take": 1.0}, {"take": 1}),
        ({"watermark": "1.0"}, {"watermark": True}),
        ({"name": 7.0}, {"name": "7"}),
        ({"elements": ({"element_id": 1},)}, {"elements": [{"element_id": "1"}]}),
        ({"take": "2"}, {"take": 2}),
        ({"multi_shot": "True"}, {"multi_shot": True}),
        ({"watermark": "false"}, {"watermark": False}),
        ({"cfg_scale": "0.7", "model": "kling-v1"}, {"cfg_scale": 0.7, "model": "kling-v1"}),
        ({"prompt": 2001}, {"prompt": "2001"}),
        ({"name": 7}, {"name": "7"}),
        ({"adopt": 930831534075682845}, {"adopt": "930831534075682845"}),
        ({"external_task_id": 12}, {"external_task_id": "12"}),
        ({"resolution": "1080P"}, {"resolution": "1080p"}),
        ({"audio": "ON"}, {"audio": "native"}),
        ({"audio": "True"}, {"audio": "native"}),
        ({"audio": "False"}, {"audio": "off"}),
        ({"audio": "yes"}, {"audio": "native"}),
        ({"audio": "No"}, {"audio": "off"}),
    ],
)
def test_numbers_and_flags_may_be_text(text: dict[str, Any], value: dict[str, Any]) -> None:
    assert parse_request({**TEXT, **text}) == parse_request({**TEXT, **value})


def test_mappings_and_numbers_of_every_make_are_read() -> None:
    """As rows of data frames hold them, without the libraries that make them."""
    number = type("int64", (), {"__module__": "numpy", "tolist": lambda self: 10})()
    row = {"prompt": "A panda", "duration": 10, "watermark": True}
    assert parse_request(MappingProxyType({**row, "duration": number})) == parse_request(row)
    for nothing in (float("nan"), type("NAType", (), {})(), type("NaTType", (), {})()):
        with pytest.raises(InvalidRequest, match="duration: must not be NaN, the empty cell of a data frame"):
            parse_request({**row, "duration": nothing})


@pytest.mark.parametrize("ids", [["11"], ["11", "12"], []], ids=len)
def test_arrays_are_read_as_lists(ids: list[str]) -> None:
    """The list columns of a Parquet file arrive as arrays, with arrays of objects within."""
    elements = [{"element_id": one} for one in ids]
    row = {**TEXT, "elements": make_array(elements)}
    assert parse_request(row) == parse_request({**TEXT, "elements": elements})
    split = make_array([make_array(["A"]), make_array(["B"])])
    with pytest.raises(InvalidRequest, match=r"prompt \[\['A'\], \['B'\]\]: must be text"):
        parse_request({"prompt": split})
    with pytest.raises(InvalidRequest, match=r"elements\.1\.element_id: must not be NaN"):
        parse_request({**TEXT, "elements": make_array([{"element_id": "1"}, {"element_id": float("nan")}])})


def test_a_model_is_checked_as_its_mapping_is() -> None:
    assert parse_request(parse_request(IMAGE)) == parse_request(IMAGE)
    with pytest.raises(InvalidRequest, match="must be 3 to 15 seconds"):
        parse_request(TextToVideo(prompt="x", duration=20))


def test_what_can_be_read_of_a_wrong_request() -> None:
    request, rest = read_what_can_be({"prompt": "A", "duration": "{{ d }}", "mode": "pro", "x": [1]})
    assert (request.prompt, request.duration, request.resolution) == ("A", 5, "1080p")
    assert rest == {"duration": "{{ d }}", "x": [1]}


def test_none_means_not_given() -> None:
    everything = {*TextToVideo.model_fields, *ImageToVideo.model_fields, *legacy_names()} - {"prompt"}
    assert parse_request({**TEXT, **dict.fromkeys(everything)}) == parse_request(TEXT)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
KEYS = st.sampled_from(
    sorted(
        {*TextToVideo.model_fields, *ImageToVideo.model_fields, *legacy_names(), "settings", "n", "config"}
    )
) | st.text(max_size=12)
WORDS = st.sampled_from(
    ["text_to_video", "image_to_video", "kling-3.0", "kling-v1", "kling-9", "16:9", "pro", "on", "5", "1080p"]
)


@given(st.dictionaries(KEYS, JSON | WORDS, max_size=8))
@example({"camera_control": {"": None}, "prompt": "x"})
@example({"dynamic_masks": [{}], "type": "image_to_video"})
@example({"elements": {"0": {}}, "prompt": "x"})
def test_whatever_comes_is_a_request_or_an_invalid_request(data: dict[str, Any]) -> None:
    found: tuple[Problem, ...] | None = None
    try:
        parse_request(data)
    except InvalidRequest as error:
        found = error.problems
    assert found is None or (found and all(problem.message and str(problem) for problem in found))


GOOD = st.fixed_dictionaries(
    {"prompt": st.text(min_size=1, max_size=30).map(lambda text: f"a {text}")},
    optional={
        "type": st.sampled_from(["text_to_video", "image_to_video"]),
        "model": st.sampled_from(["kling-3.0", "kling-v3", "kling-9", "kling-3.0-turbo"]),
        "duration": st.integers(3, 15) | st.integers(3, 15).map(str),
        "mode": st.sampled_from(["std", "pro"]),
        "sound": st.booleans() | st.none(),
        "watermark": st.booleans(),
        "take": st.integers(0, 9),
        "name": st.text(min_size=1, max_size=9),
        "negative_prompt": st.text(max_size=9),
        "camera_control": st.none() | st.just({"type": "down_back"}),
        "elements": st.lists(st.fixed_dictionaries({"element_id": st.integers()}), max_size=2),
    },
)


@given(GOOD)
def test_what_was_parsed_and_dumped_is_parsed_as_the_same(data: dict[str, Any]) -> None:
    if data.get("type") == "image_to_video":
        data["first_frame"] = "a.png"
    try:
        request = parse_request(data)
    except InvalidRequest:
        return
    assert parse_request(request.model_dump()) == request
    assert parse_request(json.loads(request.model_dump_json())) == request
    assert parse_request(request.model_dump(exclude_defaults=True) | {"type": request.type}) == request


@pytest.mark.slow
@given(st.dictionaries(KEYS, JSON | WORDS, max_size=8))
def test_whatever_comes_something_can_be_read(data: dict[str, Any]) -> None:
    request, rest = read_what_can_be(data)
    assert not rest.keys() & request.model_fields_set
