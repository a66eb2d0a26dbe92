# SPDX-License-Identifier: Apache-2.0
"""The bodies of both API designs, key by key as the vendor names them, and what neither may drop silently."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_provider.api.calls import ApiRequest
from kling_provider.api.dialects import DIALECTS
from kling_provider.api.dialects.standard import account_costs, find_tasks, list_tasks, read_tasks
from kling_provider.api.parsing import parse_request

TEXT: dict[str, Any] = {"prompt": "A red panda"}
IMAGE: dict[str, Any] = {"type": "image_to_video", "first_frame": "https://host/a.png"}
ID = "af-1f3c"


def create(api: str, data: dict[str, Any], external_task_id: str | None = ID) -> ApiRequest:
    request = parse_request(data)
    assert request.find_unsupported(api) == []
    return DIALECTS[api].create(request, external_task_id)


def dropped(api: str, data: dict[str, Any]) -> dict[str, str]:
    return {problem.field: problem.message for problem in parse_request(data).find_unsupported(api)}


# -- the standard API -------------------------------------------------------------------------------------


def test_standard_text_to_video_with_every_field() -> None:
    call = create(
        "standard",
        {
            "prompt": "A red panda",
            "model": "kling-v3",
            "duration": "10",
            "resolution": "4k",
            "aspect_ratio": "9:16",
            "audio": "native",
            "multi_shot": True,
            "watermark": True,
            "callback_url": "https://host/cb",
            "external_task_id": "mine",  # the caller says which id goes along
        },
    )
    assert call == ApiRequest(
        "POST",
        "/text-to-video/kling-3.0",
        json={
            "prompt": "A red panda",
            "settings": {
                "resolution": "4k",
                "aspect_ratio": "9:16",
                "duration": 10,
                "audio": "native",
                "multi_shot": True,
            },
            "options": {
                "external_task_id": "af-1f3c",
                "callback_url": "https://host/cb",
                "watermark_info": {"enabled": True},
            },
        },
    )


def test_standard_image_to_video_with_every_field() -> None:
    """The vendor's own example (§2.9 of the contract), but for its one-shot default."""
    call = create(
        "standard",
        {
            "type": "image_to_video",
            "prompt": "@Zhang turns and waves",
            "model": "kling-3.0",
            "first_frame": "https://host/a.png",
            "last_frame": "https://host/b.png",
            "resolution": "1080p",
            "elements": [{"element_id": "321930081569316", "id": "Zhang"}],
            "callback_url": "https://host/cb",
        },
    )
    assert (call.method, call.path, call.params) == ("POST", "/image-to-video/kling-3.0", None)
    assert call.json == {
        "contents": [
            {"type": "prompt", "text": "@Zhang turns and waves"},
            {"type": "first_frame", "url": "https://host/a.png"},
            {"type": "last_frame", "url": "https://host/b.png"},
            {"type": "element", "element_id": "321930081569316", "id": "Zhang"},
        ],
        "settings": {"resolution": "1080p", "duration": 5, "audio": "off", "multi_shot": False},
        "options": {"external_task_id": "af-1f3c", "callback_url": "https://host/cb"},
    }


def test_standard_voices() -> None:
    voices = [{"voice_id": "9308", "id": "Ann"}, {"voice_id": "9309", "id": "Bob"}]
    asked = {**IMAGE, "model": "kling-2.6", "audio": "native", "resolution": "1080p", "voices": voices}
    call = create("standard", asked)
    assert call.json is not None
    assert call.json["contents"] == [
        {"type": "first_frame", "url": "https://host/a.png"},
        {"type": "voice", "voice_id": "9308", "id": "Ann"},
        {"type": "voice", "voice_id": "9309", "id": "Bob"},
    ]
    assert call.json["settings"] == {"resolution": "1080p", "duration": 5, "audio": "native"}


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("kling-3.0", {"audio": "off", "multi_shot": False}),
        ("kling-2.6", {"audio": "off"}),
        ("kling-3.0-turbo", {}),
        ("kling-2.5-turbo", {}),
        ("kling-9.9", {"audio": "off", "multi_shot": False}),
    ],
)
def test_standard_defaults_are_sent_where_the_model_has_the_setting(
    model: str, settings: dict[str, Any]
) -> None:
    assert create("standard", {**TEXT, "model": model}, None) == ApiRequest(
        "POST",
        f"/text-to-video/{model}",
        json={
            "prompt": "A red panda",
            "settings": {"resolution": "720p", "duration": 5, "aspect_ratio": "16:9", **settings},
        },
    )


@pytest.mark.parametrize("model", ["kling-4.0", "kling-4.0-flash", "kling-4.0-anything"])
def test_kling_4_takes_no_external_id_and_no_callback(model: str) -> None:
    call = create("standard", {**TEXT, "model": model})
    assert call.json is not None
    assert "options" not in call.json
    asked = {**TEXT, "model": model, "external_task_id": "mine", "callback_url": "https://host/cb"}
    assert dropped("standard", asked) == {
        "external_task_id": f"must be left out: {model} does not accept it",
        "callback_url": f"must be left out: {model} does not accept it",
    }


def test_standard_reads() -> None:
    assert DIALECTS["standard"].read("image_to_video", "1") == ApiRequest("GET", "/tasks", {"task_ids": "1"})
    assert read_tasks(["1", "2"]) == ApiRequest("GET", "/tasks", {"task_ids": "1,2"})
    assert find_tasks(["a", "b"]) == ApiRequest("GET", "/tasks", {"external_task_ids": "a,b"})
    since, until = datetime(2026, 9, 20, tzinfo=UTC), datetime(2026, 9, 21, tzinfo=UTC)
    assert list_tasks(None, None) == ApiRequest("POST", "/tasks", json={"limit": 500})
    assert list_tasks(since, until, statuses=["failed"], product_types=["video"], limit=2).json == {
        "limit": 2,
        "start_time": 1789862400000,
        "end_time": 1789948800000,
        "filters": [
            {"key": "status", "values": ["failed"]},
            {"key": "product_type", "values": ["video"]},
        ],
    }
    assert list_tasks(since, until, cursor="c").json == {"limit": 500, "cursor": "c"}
    assert account_costs(since, until) == ApiRequest(
        "GET", "/account/costs", {"start_time": "1789862400000", "end_time": "1789948800000"}
    )


# -- the legacy API ---------------------------------------------------------------------------------------


def test_legacy_text_to_video_with_every_parameter_of_dmxapis_page() -> None:
    config = {"horizontal": 0, "vertical": 0, "pan": 0, "tilt": 0, "roll": 0, "zoom": 10}
    call = create(
        "legacy",
        {
            "model_name": "kling-v1-6",
            "prompt": "A red panda",
            "negative_prompt": "rain",
            "cfg_scale": 0.5,
            "mode": "std",
            "aspect_ratio": "16:9",
            "duration": "5",
            "camera_control": {"type": "simple", "config": config},
            "callback_url": "https://host/cb",
        },
    )
    assert call == ApiRequest(
        "POST",
        "/v1/videos/text2video",
        json={
            "model_name": "kling-v1-6",
            "prompt": "A red panda",
            "negative_prompt": "rain",
            "cfg_scale": 0.5,
            "mode": "std",
            "aspect_ratio": "16:9",
            "duration": "5",
            "camera_control": {"type": "simple", "config": config},
            "callback_url": "https://host/cb",
            "external_task_id": "af-1f3c",
        },
    )


def test_legacy_v3_with_every_field() -> None:
    call = create(
        "legacy",
        {
            "model": "kling-3.0",
            "prompt": "<<<element_1>>> says <<<voice_1>>>",
            "negative_prompt": "",
            "resolution": "4k",
            "aspect_ratio": "1:1",
            "duration": 15,
            "audio": "native",
            "watermark": True,
            "multi_shot": True,
            "shot_type": "customize",
            "multi_prompt": [
                {"index": 1, "prompt": "A", "duration": 5},
                {"index": 2, "prompt": "B", "duration": "10"},
            ],
            "elements": [{"element_id": 321930081569316}],
            "voices": [{"voice_id": "9308"}],
        },
    )
    assert call.json == {
        "model_name": "kling-v3",
        "prompt": "<<<element_1>>> says <<<voice_1>>>",
        "negative_prompt": "",
        "mode": "4k",
        "aspect_ratio": "1:1",
        "duration": "15",
        "sound": "on",
        "watermark_info": {"enabled": True},
        "multi_shot": True,
        "shot_type": "customize",
        "multi_prompt": [
            {"index": 1, "prompt": "A", "duration": "5"},
            {"index": 2, "prompt": "B", "duration": "10"},
        ],
        "element_list": [{"element_id": "321930081569316"}],
        "voice_list": [{"voice_id": "9308"}],
        "external_task_id": "af-1f3c",
    }


def test_legacy_image_to_video_with_frames() -> None:
    asked = {**IMAGE, "model": "kling-2.5-turbo", "last_frame": "aGk=", "resolution": "1080p"}
    assert create("legacy", asked, None) == ApiRequest(
        "POST",
        "/v1/videos/image2video",
        json={
            "model_name": "kling-v2-5-turbo",
            "image": "https://host/a.png",
            "image_tail": "aGk=",
            "mode": "pro",
            "duration": "5",
        },
    )


def test_legacy_image_to_video_with_masks() -> None:
    masks = [{"mask": "aGk=", "trajectories": [{"x": 279, "y": 219}, {"x": 417, "y": 65}]}]
    call = create(
        "legacy", {**IMAGE, "model": "kling-v1", "static_mask": "aGk=", "dynamic_masks": masks}, None
    )
    assert call.json == {
        "model_name": "kling-v1",
        "image": "https://host/a.png",
        "static_mask": "aGk=",
        "dynamic_masks": masks,
        "mode": "std",
        "duration": "5",
    }


@pytest.mark.parametrize("kind", ["down_back", "forward_up", "right_turn_forward", "left_turn_forward"])
def test_legacy_cameras_without_a_config(kind: str) -> None:
    camera = {"type": kind, "config": None}
    call = create("legacy", {**TEXT, "model": "kling-v1", "camera_control": camera})
    assert call.json is not None
    assert call.json["camera_control"] == {"type": kind}


@pytest.mark.parametrize("model", ["kling-v2-6", "kling-v1", "kling-v9"])
def test_legacy_sends_the_name_that_the_user_wrote(model: str) -> None:
    call = create("legacy", {**TEXT, "model_name": model})
    assert call.json is not None
    assert call.json["model_name"] == model


def test_legacy_reads_are_bound_to_the_kinds_path() -> None:
    read = DIALECTS["legacy"].read
    assert read("text_to_video", "867") == ApiRequest("GET", "/v1/videos/text2video/867")
    assert read("image_to_video", "af-1") == ApiRequest("GET", "/v1/videos/image2video/af-1")
    assert read("text_to_video", "a/b?c").path == "/v1/videos/text2video/a%2Fb%3Fc"


@given(st.text(min_size=1, max_size=40), st.sampled_from(["kling-3.0", "kling-2.6", "kling-7"]))
def test_any_prompt_goes_out_unchanged(prompt: str, model: str) -> None:
    request = parse_request({**IMAGE, "prompt": prompt, "model": model})
    standard = DIALECTS["standard"].create(request, None).json or {}
    legacy = DIALECTS["legacy"].create(request, None).json or {}
    assert standard["contents"][0] == {"type": "prompt", "text": prompt}
    assert legacy["prompt"] == prompt
    assert json.loads(json.dumps([standard, legacy])) == [standard, legacy]
