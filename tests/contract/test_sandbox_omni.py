# SPDX-License-Identifier: Apache-2.0
"""Videos from references, in both designs: bodies of the reference that are taken, and one just outside each rule."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import av
import pytest
import requests

from kling_provider.sandbox import Sandbox
from tests.contract.sandbox_client import TIMEOUT, Client, png, refused

IMAGE = "https://images.example/a.png"
VIDEO = "https://films.example/a.mp4"
LEGACY = "/v1/videos/omni-video"
NOT_FOUND = "Element id not found: 829836802793406551"
"""Where the rules let elements pass: the sandbox has none."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=500, units=100_000, short_side=120) as running:
        yield running


def standard(client: Client, given: str = "", *, model: str = "kling-3.0-omni", **settings: Any) -> Any:
    """
    ``POST /omni-video/{model}``

    :param given: the types of the contents beside the prompt, as in ``first_frame element*3``.
    """
    contents = [{"type": "prompt", "text": "A boat"}]
    for word in given.split():
        kind, _, number = word.partition("*")
        for _ in range(int(number or 1)):
            name = {"id": f"{kind}_{len(contents)}"}
            if kind == "element":
                contents.append({"type": kind, "element_id": "829836802793406551", **name})
            else:
                contents.append({"type": kind, "url": VIDEO if kind.endswith("video") else IMAGE, **name})
    return client.post(f"/omni-video/{model}", {"contents": contents, "settings": settings})


def legacy(client: Client, **fields: Any) -> requests.Response:
    """``POST /v1/videos/omni-video``"""
    body = {"model_name": "kling-v3-omni", "prompt": "A boat", "aspect_ratio": "16:9", **fields}
    return client.post(LEGACY, {name: value for name, value in body.items() if value is not None})


def images(number: int, *types: str) -> list[dict[str, str]]:
    """``image_list``: so many images, the first of them with these types."""
    found = [{"image_url": IMAGE} for _ in range(number)]
    return [{**image, "type": kind} for image, kind in zip(found, types, strict=False)] + found[len(types) :]


def elements(number: int) -> list[dict[str, int]]:
    return [{"element_id": 829836802793406551}] * number


def refer_video(refer_type: str = "feature", **fields: str) -> list[dict[str, str]]:
    return [{"video_url": VIDEO, "refer_type": refer_type, **fields}]


EDIT = {"multi_shot": False}


@pytest.mark.parametrize(
    ("given", "model", "settings"),
    [
        ("", "kling-3.0-omni", {}),
        ("", "kling-v3-omni", {"resolution": "4k", "audio": "native", "duration": 15}),
        ("", "kling-o1", {"duration": 3}),
        (
            "first_frame",
            "kling-3.0-omni",
            {"duration": 3, "resolution": "720p", "audio": "off"},
        ),  # capture 40
        ("first_frame last_frame refer_image*5", "kling-3.0-omni", {"audio": "native"}),
        ("first_frame last_frame", "kling-o1", {"duration": 10}),
        ("first_frame refer_image", "kling-o1", {"duration": 7}),
        ("refer_image*7", "kling-3.0-omni", {"aspect_ratio": "9:16", "multi_shot": False}),
        ("feature_video refer_image*4", "kling-3.0-omni", {}),
        ("feature_video first_frame last_frame", "kling-3.0-omni", {"multi_shot": True, "audio": "off"}),
        ("feature_video first_frame", "kling-o1", {"audio": "original"}),
        ("base_video refer_image*4", "kling-3.0-omni", {**EDIT, "audio": "original"}),
        ("base_video", "kling-3.0-omni", EDIT),
        ("base_video refer_image", "kling-o1", {"resolution": "1080p"}),
        ("image video", "kling-3.0-omni", {}),  # ignored (observed)
        ("", "kling-3.0-omni", {"seed": 7}),
    ],
)
def test_standard_bodies_that_are_taken(
    client: Client, given: str, model: str, settings: dict[str, Any]
) -> None:
    answer = standard(client, given, model=model, **settings)
    assert answer.status_code == 200, answer.text
    client.sandbox.advance(120)
    assert client.task(answer.json()["data"]["id"])["status"] == "succeeded"


@pytest.mark.parametrize(
    ("given", "model", "settings", "text"),
    [
        ("base_video first_frame", "kling-3.0-omni", EDIT, "base_video cannot be used with frames"),
        ("base_video first_frame last_frame", "kling-o1", {}, "base_video cannot be used with frames"),
        ("base_video", "kling-3.0-omni", {"multi_shot": True}, "settings.multi_shot false"),
        ("base_video", "kling-3.0-omni", {}, "settings.multi_shot false"),
        ("base_video", "kling-3.0-omni", {**EDIT, "audio": "native"}, "settings.audio native"),
        ("feature_video", "kling-3.0-omni", {"multi_shot": False}, "settings.multi_shot true"),
        ("feature_video", "kling-3.0-omni", {"audio": "native"}, "settings.audio off"),
        ("feature_video", "kling-3.0-omni", {"audio": "original"}, "settings.audio off"),
        (
            "feature_video first_frame last_frame",
            "kling-o1",
            {},
            "feature_video cannot be used with last_frame",
        ),
        ("feature_video*2", "kling-3.0-omni", {}, "at most 1 feature_video"),
        ("feature_video base_video", "kling-3.0-omni", {}, "at most 1 video"),
        ("refer_image*8", "kling-3.0-omni", {}, "at most 7 images and elements"),
        ("refer_image*5 element*3", "kling-3.0-omni", {}, "at most 7 images and elements"),
        ("first_frame refer_image*7", "kling-3.0-omni", {}, "at most 7 images and elements"),
        ("element*8", "kling-3.0-omni", {}, "at most 7 element"),
        ("feature_video refer_image*5", "kling-3.0-omni", {}, "at most 4 images and elements"),
        ("base_video refer_image*3 element*2", "kling-o1", {}, "at most 4 images and elements"),
        ("first_frame element*4", "kling-3.0-omni", {}, "at most 3 element with first_frame"),
        ("first_frame last_frame refer_image", "kling-o1", {}, "exclude refer_image and element"),
        ("first_frame last_frame element", "kling-o1", {}, "exclude refer_image and element"),
        (
            "",
            "kling-3.0-omni",
            {"audio": "original"},
            "audio mode 'original' is not supported by the current",
        ),
        ("first_frame", "kling-o1", {"audio": "original"}, "audio mode 'original' is not supported"),
        ("last_frame", "kling-3.0-omni", {}, "last_frame requires first_frame"),
        ("", "kling-o1", {"audio": "native"}, "settings.audio"),
        ("", "kling-o1", {"resolution": "4k"}, "4k"),
        ("", "kling-3.0-omni", {"seed": "x"}, "settings.seed value 'x' is invalid"),
        ("subject", "kling-3.0-omni", {}, "contents[1].type value 'subject' is invalid"),
        ("", "kling-v3-1-omni", {}, "model is not supported"),
    ],
)
def test_standard_bodies_just_outside(
    client: Client, given: str, model: str, settings: dict[str, Any], text: str
) -> None:
    refused(standard(client, given, model=model, **settings), 400, 1201, text)


@pytest.mark.parametrize(
    ("given", "model"),
    [
        ("element*7", "kling-3.0-omni"),
        ("first_frame element*3", "kling-3.0-omni"),
        ("first_frame element", "kling-o1"),
        ("feature_video refer_image*2 element*2", "kling-3.0-omni"),
    ],
)
def test_elements_are_looked_up_at_create(client: Client, given: str, model: str) -> None:
    refused(standard(client, given, model=model), 400, 1201, NOT_FOUND)


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"type": "prompt", "text": " "}, "content item of type 'prompt' must have non-blank text"),
        ({"type": "first_frame"}, "content item of type 'first_frame' must have a non-blank url"),
        ({"type": "last_frame", "url": ""}, "content item of type 'last_frame' must have a non-blank url"),
        ({"type": "base_video", "url": "AAAA"}, "Video URL is invalid"),
        ({"type": "element", "id": "Zhang"}, "Invalid element id: "),
        ({"type": "element", "element_id": "1"}, "contents[1].id"),
    ],
)
def test_refusals_as_observed(client: Client, entry: dict[str, str], text: str) -> None:
    body: dict[str, Any] = {"contents": [{"type": "prompt", "text": "A boat"}, entry]}
    refused(client.post("/omni-video/kling-3.0-omni", body), 400, 1201, text)


def test_contents_is_an_array(client: Client) -> None:
    answer = client.post("/omni-video/kling-3.0-omni", {"contents": {"type": "prompt"}})
    refused(answer, 400, 1201, "contents value type is invalid, expected array")


def test_ids_are_unique_in_a_request(client: Client) -> None:
    contents = [
        {"type": "prompt", "text": "@boat at @harbour"},
        {"type": "refer_image", "url": IMAGE, "id": "boat"},
        {"type": "feature_video", "url": VIDEO, "id": "harbour"},
    ]
    assert client.post("/omni-video/kling-3.0-omni", {"contents": contents}).status_code == 200
    contents[2]["id"] = "boat"
    refused(client.post("/omni-video/kling-3.0-omni", {"contents": contents}), 400, 1201, "id boat")


def test_o1_makes_two_lengths_of_a_first_frame_alone(client: Client) -> None:
    answer = standard(client, "first_frame", model="kling-o1", duration=7)
    assert answer.status_code == 200  # create checks no lengths (observed)
    client.sandbox.advance(120)
    task = client.task(answer.json()["data"]["id"])
    assert (task["status"], task["message"]) == ("failed", "Duration 7 is not supported by kling-o1")


SHOTS = [{"index": 1, "prompt": "A boat", "duration": "2"}, {"index": 2, "prompt": "A gull", "duration": "3"}]
ANY = {"aspect_ratio": None}
O1 = {"model_name": "kling-video-o1"}
DONE = {"callback_url": "https://hooks.example/a", "watermark_info": {"enabled": True}}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"mode": "4k", "sound": "on", "duration": "15", **DONE},
        {**O1, "mode": "std", "duration": "10"},
        {**ANY, "image_list": images(1, "first_frame"), "duration": "3"},
        {**ANY, "image_list": images(2, "first_frame", "end_frame")},
        {**ANY, **O1, "image_list": images(2, "first_frame", "end_frame"), "duration": "7"},
        {"image_list": images(7), "prompt": "<<<image_1>>> meets <<<image_7>>>"},
        {**O1, "image_list": images(1), "duration": "3"},
        {"image_list": images(4), "video_list": refer_video(keep_original_sound="no")},
        {**ANY, "video_list": refer_video("base", keep_original_sound="yes"), "sound": "off"},
        {**ANY, **O1, "video_list": refer_video("base"), "image_list": images(1), "duration": "4"},
        {"prompt": None, "multi_shot": True, "shot_type": "customize", "multi_prompt": SHOTS},
        {"multi_shot": True, "shot_type": "intelligence"},
        {"prompt": "x" * 2500},
    ],
)
def test_legacy_bodies_that_are_taken(client: Client, fields: dict[str, Any]) -> None:
    answer = legacy(client, **fields)
    assert answer.status_code == 200, answer.text
    client.sandbox.advance(120)
    task_id = answer.json()["data"]["task_id"]
    assert client.get(f"{LEGACY}/{task_id}").json()["data"]["task_status"] == "succeed"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"model_name": None}, "The model 'kling-v1' has been discontinued"),
        ({"model_name": "kling-v3"}, "model is not supported"),
        ({"model_name": "kling-3.0-omni"}, "model is not supported"),
        ({"prompt": None}, "prompt is required"),
        ({"prompt": "x" * 2501}, "prompt cannot exceed 2500"),
        ({"image_list": images(8)}, "image_list can have at most 7 images"),
        ({"image_list": [{"type": "first_frame"}]}, "image_list[0].image_url is required"),
        ({"image_list": images(1, "last_frame")}, "image_list[0].type must be one of first_frame, end_frame"),
        ({"image_list": [{"image_url": "data:image/png;base64,AAAA"}]}, "data:"),
        ({"image_list": images(1, "end_frame")}, "end_frame requires first_frame"),
        ({"image_list": images(3, "first_frame", "end_frame")}, "more than 2 images"),
        ({"image_list": images(2, "first_frame", "first_frame")}, "at most 1 first_frame"),
        ({"image_list": images(5), "element_list": elements(3)}, "at most 7 images and elements"),
        ({"image_list": images(5), "video_list": refer_video()}, "at most 4 images and elements"),
        ({"element_list": elements(5), "video_list": refer_video("base")}, "at most 4 images and elements"),
        ({"element_list": [{}]}, "element_list[0].element_id"),
        ({"video_list": refer_video() * 2}, "at most 1 video"),
        ({"video_list": [{"refer_type": "base"}]}, "video_list[0].video_url is required"),
        ({"video_list": [{"video_url": VIDEO}]}, "video_list[0].refer_type is required"),
        ({"video_list": refer_video("video")}, "video_list[0].refer_type must be one of feature, base"),
        ({"video_list": refer_video(keep_original_sound="on")}, "video_list[0].keep_original_sound"),
        ({"video_list": [{"video_url": "AAAA", "refer_type": "base"}]}, "Video URL is invalid"),
        ({"video_list": refer_video(), "sound": "on"}, "sound must be off with video_list"),
        ({**O1, "sound": "on"}, "sound is not supported by model kling-video-o1"),
        ({**O1, "mode": "4k"}, "mode 4k is not supported by model kling-video-o1"),
        ({"mode": "720p"}, "mode must be one of"),
        (ANY, "aspect_ratio is required"),
        ({**ANY, "image_list": images(1)}, "aspect_ratio is required"),
        ({**ANY, "video_list": refer_video()}, "aspect_ratio is required"),
        ({"aspect_ratio": "4:3"}, "aspect_ratio must be one of"),
        ({"duration": 5}, "duration must be a string"),
        ({"duration": "16"}, "duration must be one of"),
        ({**O1, "image_list": images(1), "duration": "11"}, "duration must be one of"),
        ({**O1, "duration": "7"}, "duration must be one of 5, 10"),
        ({**O1, "image_list": images(1, "first_frame"), "duration": "7"}, "duration must be one of 5, 10"),
        ({**O1, "multi_shot": True, "shot_type": "intelligence"}, "multi_shot is not supported"),
        ({"multi_shot": True, "shot_type": "free"}, "shot_type"),
        ({"multi_shot": True, "multi_prompt": [{"prompt": "x" * 513}]}, "512"),
    ],
)
def test_legacy_bodies_just_outside(client: Client, fields: dict[str, Any], text: str) -> None:
    refused(legacy(client, **fields), 400, 1201, text)


def test_legacy_elements_are_looked_up_at_generation(client: Client) -> None:
    for fields in ({"element_list": elements(7)}, {"element_list": elements(3), "image_list": images(4)}):
        task_id = legacy(client, **fields).json()["data"]["task_id"]
        client.sandbox.advance(120)
        task = client.get(f"{LEGACY}/{task_id}").json()["data"]
        assert (task["task_status"], task["task_status_msg"]) == ("failed", NOT_FOUND)


def test_an_unreachable_video_fails_after_create(client: Client) -> None:
    away = "https://films.invalid/a.mp4"
    old = legacy(client, video_list=[{"video_url": away, "refer_type": "feature"}]).json()["data"]["task_id"]
    contents = [{"type": "prompt", "text": "A boat"}, {"type": "feature_video", "url": away}]
    new = client.post("/omni-video/kling-3.0-omni", {"contents": contents}).json()["data"]["id"]
    client.sandbox.advance(120)
    for task_id in (old, new):
        assert client.task(task_id)["message"].startswith("Something went wrong")


def test_read_and_list_of_the_legacy_design(client: Client) -> None:
    made = [legacy(client, external_task_id=f"n{number}", **DONE).json()["data"] for number in range(2)]
    first, second = (data["task_id"] for data in made)
    assert made[0]["task_info"] == {"external_task_id": "n0"}
    client.legacy()
    standard(client)
    client.sandbox.advance(120)
    listed = client.get(f"{LEGACY}?pageNum=1&pageSize=30").json()["data"]
    assert [task["task_id"] for task in listed] == [second, first]
    for value in (first, "n0"):
        task = client.get(f"{LEGACY}/{value}").json()["data"]
        assert (task["task_id"], task["task_status"]) == (first, "succeed")
        assert set(task["task_result"]["videos"][0]) == {"id", "url", "watermark_url", "duration"}
        assert task["task_result"]["videos"][0]["duration"] == "5.041"
        refused(client.get(f"/v1/videos/text2video/{value}"), 400, 1201, "Task not found")
    assert client.task(first)["external_id"] == "n0"
    refused(legacy(client, external_task_id="n0"), 400, 1201, "already exists")


@pytest.mark.parametrize(
    ("given", "model", "settings", "amount"),
    [
        ("first_frame", "kling-3.0-omni", {"duration": 3}, "1.8"),  # capture 40
        ("", "kling-3.0-omni", {"audio": "native", "resolution": "1080p"}, "5"),
        ("feature_video", "kling-3.0-omni", {}, "4.5"),
        ("base_video", "kling-3.0-omni", {**EDIT, "resolution": "1080p", "duration": 10}, "12"),
        ("base_video", "kling-o1", {"audio": "original", "duration": 4}, "3.6"),
        ("refer_image", "kling-o1", {"resolution": "1080p"}, "4"),
    ],
)
def test_the_price_in_the_standard_design(
    client: Client, given: str, model: str, settings: dict[str, Any], amount: str
) -> None:
    task_id = standard(client, given, model=model, **settings).json()["data"]["id"]
    client.sandbox.advance(120)
    assert client.task(task_id)["billing"][0]["amount"] == amount


@pytest.mark.parametrize(
    ("fields", "amount"),
    [
        ({"duration": "3"}, "2.4"),  # mode pro is the default
        ({"sound": "on", "mode": "std"}, "4"),
        ({"mode": "4k", "duration": "3"}, "9"),
        ({"video_list": refer_video(), "mode": "std"}, "4.5"),
        ({"video_list": refer_video("base"), "duration": "10"}, "12"),
        ({**O1, "video_list": refer_video("base")}, "6"),
        ({**O1, "mode": "std"}, "3"),
    ],
)
def test_the_price_in_the_legacy_design(client: Client, fields: dict[str, Any], amount: str) -> None:
    task_id = legacy(client, **fields).json()["data"]["task_id"]
    client.sandbox.advance(120)
    assert client.get(f"{LEGACY}/{task_id}").json()["data"]["final_unit_deduction"] == amount


def test_the_video_has_the_shape_of_its_first_frame(client: Client) -> None:
    tall = base64.b64encode(png(400, 800)).decode()
    listed = [{"image_url": IMAGE}, {"image_url": tall, "type": "first_frame"}]
    old = legacy(client, image_list=listed, duration="3").json()["data"]["task_id"]
    contents = [
        {"type": "prompt", "text": "A boat"},
        {"type": "refer_image", "url": IMAGE},
        {"type": "first_frame", "url": tall},
    ]
    body = {"contents": contents, "settings": {"duration": 3, "audio": "native"}}
    new = client.post("/omni-video/kling-3.0-omni", body).json()["data"]["id"]
    client.sandbox.advance(120)
    for task_id, sounds in ((old, 0), (new, 1)):
        url = client.task(task_id)["outputs"][0]["url"]
        with av.open(io.BytesIO(requests.get(url, timeout=TIMEOUT).content)) as container:
            video = container.streams.video[0]
            assert video.height == 2 * video.width
            assert len(container.streams.audio) == sounds


@pytest.mark.parametrize(("keeps", "sounds"), [("yes", True), ("no", False)])
def test_a_video_keeps_its_sound(client: Client, keeps: str, sounds: bool) -> None:
    legacy(client, **ANY, video_list=refer_video("base", keep_original_sound=keeps))
    (task,) = client.sandbox.app.backend.list_tasks(client.sandbox.app.backend.accounts[0])
    assert task.request.settings["sound"] is sounds
