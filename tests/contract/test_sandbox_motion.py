# SPDX-License-Identifier: Apache-2.0
"""Motion control in both designs, videos that go on, and what a video of a request stands for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from kling_provider.sandbox import Sandbox
from tests.contract.media_checks import distance, fetch, finish, finish_video, picture, sample, watch
from tests.contract.sandbox_client import Client, refused

STANDARD, LEGACY, EXTEND = "/motion-control/kling-3.0", "/v1/videos/motion-control", "/v1/videos/video-extend"
IMAGE, VIDEO = "https://images.example/a.png", "https://films.example/a.mp4"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=500, units=100_000, short_side=96) as running:
        yield running


def standard(client: Client, *more: Any, model: str = "kling-3.0", drop: str = "", **settings: Any) -> Any:
    """``POST /motion-control/{model}``

    :param more: contents beside an image and a video.
    :param drop: leave the contents of this type out.
    """
    contents = [{"type": "image", "url": IMAGE}, {"type": "video", "url": VIDEO}]
    return client.post(
        f"/motion-control/{model}",
        {
            "contents": [one for one in contents if one["type"] != drop] + list(more),
            "settings": {"character_orientation": "video", **settings},
        },
    )


def legacy(client: Client, **fields: Any) -> requests.Response:
    body = {"image_url": IMAGE, "video_url": VIDEO, "character_orientation": "video", "mode": "std", **fields}
    return client.post(LEGACY, {name: value for name, value in body.items() if value is not None})


@pytest.mark.parametrize(
    ("more", "settings"),
    [
        ([], {}),
        ([], {"audio": "off", "resolution": "1080p", "character_orientation": "image"}),
        ([{"type": "prompt", "text": "x" * 2500}], {"audio": "original"}),
        ([], {"duration": 5, "multi_shot": "?"}),  # settings of others are ignored
    ],
)
def test_standard_bodies_that_are_taken(client: Client, more: list[Any], settings: dict[str, Any]) -> None:
    for model in ("kling-3.0", "kling-2.6"):
        answer = standard(client, *more, model=model, **settings)
        assert answer.status_code == 200, answer.text
    client.sandbox.advance(120)
    assert client.task(answer.json()["data"]["id"])["status"] == "succeeded"


@pytest.mark.parametrize(
    ("more", "arguments", "text"),
    [
        ([], {"model": "kling-2.5-turbo"}, "model is not supported"),
        ([], {"drop": "image"}, "image is required"),
        ([], {"drop": "video"}, "video is required"),
        ([{"type": "image", "url": IMAGE}], {}, "at most 1 image"),
        ([{"type": "video", "url": VIDEO}], {}, "at most 1 video"),
        ([{"type": "prompt", "text": "x" * 2501}], {}, "cannot exceed 2500"),
        ([{"type": "first_frame", "url": IMAGE}], {}, "contents[2].type value 'first_frame' is invalid"),
        ([{"url": IMAGE}], {}, "contents[2].type is required"),
        ([{"type": "element", "element_id": "1"}], {}, "contents[2].id is required"),
        ([{"type": "element", "id": "a"}], {}, "contents[2].element_id is required"),
        ([{"type": "element", "element_id": "1", "id": "a"}] * 2, {}, "at most 1 element"),
        (
            [{"type": "element", "element_id": "1", "id": "a"}],
            {"model": "kling-2.6"},
            "not supported by model",
        ),
        ([], {"character_orientation": None}, "settings.character_orientation is required"),
        ([], {"character_orientation": "both"}, "settings.character_orientation must be one of"),
        ([], {"audio": "native"}, "settings.audio must be one of"),
        ([], {"resolution": "4k"}, "settings.resolution must be one of"),
        ([], {"resolution": 720}, "settings.resolution must be a string"),
    ],
)
def test_standard_bodies_just_outside(
    client: Client, more: list[Any], arguments: dict[str, Any], text: str
) -> None:
    refused(standard(client, *more, **arguments), 400, 1201, text)
    assert client.sandbox.stats()["tasks"]["total"] == 0


def test_a_video_is_a_url(client: Client) -> None:
    contents = [{"type": "image", "url": picture("red")}, {"type": "video", "url": "AAAA"}]
    body = {"contents": contents, "settings": {"character_orientation": "image"}}
    refused(client.post(STANDARD, body), 400, 1201, "Video URL is invalid")
    refused(legacy(client, video_url="AAAA"), 400, 1201, "Video URL is invalid")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"model_name": "kling-v3"}, None),
        ({"model_name": "kling-v2-6", "mode": "pro", "keep_original_sound": "no"}, None),
        ({"prompt": "x" * 2500, "model": "kling-v1"}, None),  # `model` is ignored
        ({"model_name": "kling-v1-6"}, "has been discontinued"),
        ({"model_name": "kling-v2-5-turbo"}, "model is not supported"),
        ({"image_url": None}, "image_url is required"),
        ({"image_url": "data:image/png;base64,AAAA"}, "data:"),
        ({"video_url": None}, "video_url is required"),
        ({"character_orientation": None}, "character_orientation is required"),
        ({"character_orientation": "left"}, "character_orientation must be one of"),
        ({"mode": None}, "mode is required"),
        ({"mode": "4k"}, "mode must be one of"),
        ({"keep_original_sound": "on"}, "keep_original_sound must be one of"),
        ({"keep_original_sound": True}, "keep_original_sound must be a string"),
        ({"prompt": "x" * 2501}, "prompt cannot exceed 2500"),
        ({"element_list": [{"element_id": 1}]}, "element_list is not supported by model kling-v2-6"),
        ({"model_name": "kling-v3", "element_list": [{"element_id": 1}] * 2}, "at most 1 element"),
        ({"model_name": "kling-v3", "element_list": [{}]}, "element_list[0].element_id"),
    ],
)
def test_legacy_bodies(client: Client, fields: dict[str, Any], text: str | None) -> None:
    answer = legacy(client, **fields)
    if text is None:
        assert answer.status_code == 200, answer.text
    else:
        refused(answer, 400, 1201, text)


@pytest.mark.parametrize(
    ("query", "orientation", "text"),
    [
        ("seconds=3", "image", ""),
        ("seconds=2.9", "image", "3 to 10 seconds"),
        ("seconds=10", "image", ""),
        ("seconds=10.2", "image", "3 to 10 seconds"),
        ("seconds=30", "video", ""),
        ("seconds=30.2", "video", "3 to 30 seconds"),
        ("w=340&h=3850", "video", ""),
        ("w=338&h=600", "video", "340 to 3850 pixels"),
        ("w=3852&h=600", "video", "340 to 3850 pixels"),
    ],
)
def test_limits_of_the_video_are_found_at_generation(
    client: Client, query: str, orientation: str, text: str
) -> None:
    answer = legacy(client, video_url=sample(client, query), character_orientation=orientation)
    client.sandbox.advance(120)
    task = client.task(answer.json()["data"]["task_id"])
    assert (task["status"], text in task["message"]) == ("failed" if text else "succeeded", True)


def test_what_cannot_be_had_fails_after_create(client: Client) -> None:
    own = finish_video(client)["url"]
    for url in ("https://films.invalid/a.mp4", own.replace("Signature=", "Signature=0")):
        task_id = legacy(client, video_url=url).json()["data"]["task_id"]
        client.sandbox.advance(120)
        assert client.task(task_id)["message"].startswith("Something went wrong when we tried to get")
    for field, value in (("image_url", "iVBORw0KGgo="), ("video_url", "ftp://films.example/a.mp4")):
        assert legacy(client, **{field: value}).status_code == 400
    webm = legacy(client, video_url="https://films.example/a.webm").json()["data"]["task_id"]
    element = {"type": "element", "element_id": "7", "id": "a"}
    unknown = standard(client, element).json()["data"]["id"]
    client.sandbox.advance(120)
    assert "must be one of mp4, mov" in client.task(webm)["message"]
    assert client.task(unknown)["message"] == "Element id not found: 7"


def test_the_motion_of_an_own_video(client: Client) -> None:
    reference = finish_video(client)
    body = {
        "image_url": picture("red"),
        "video_url": reference["url"],
        "character_orientation": "image",
        "mode": "pro",
        "watermark_info": {"enabled": True},
        "external_task_id": "m1",
    }
    task = finish(client, LEGACY, body)
    video = task["task_result"]["videos"][0]
    assert set(video) == {"id", "url", "watermark_url", "duration"}
    assert (video["duration"], task["final_unit_deduction"]) == ("3.041", "2.4")
    assert (task["task_info"], task["watermark_info"]) == ({"external_task_id": "m1"}, {"enabled": True})
    assert client.get(f"{LEGACY}/m1").json()["data"] == task
    assert [one["task_id"] for one in client.get(LEGACY).json()["data"]] == [task["task_id"]]
    film, source = watch(video["url"]), watch(reference["url"])
    assert (film.codecs, film.size) == (["h264", "aac"], (128, 96))
    assert len(film.frames) == len(source.frames) == 73
    red, green, blue = film.colours[36]
    assert (red > 200, green < 60, blue < 60) == (True, True, True), "the image is shown"
    assert abs(len(film.samples) - len(source.samples)) < 800, "a tenth of a second"
    loudest = max(map(abs, source.samples))
    assert max(map(abs, film.samples)) == pytest.approx(loudest, rel=0.2)
    assert fetch(video["watermark_url"])[4:8] == b"ftyp"


@pytest.mark.parametrize("settings", [{"audio": "off"}, {"audio": "original"}])
def test_sound_only_where_it_is_asked_and_there(client: Client, settings: dict[str, str]) -> None:
    reference = sample(client, "seconds=3&sound=off" if settings["audio"] == "original" else "seconds=3")
    contents = [{"type": "image", "url": picture("red")}, {"type": "video", "url": reference}]
    body = {"contents": contents, "settings": {"character_orientation": "video", **settings}}
    made = client.post(STANDARD, {**body, "options": {"external_task_id": "m2"}}).json()["data"]
    client.sandbox.advance(120)
    task = client.task(made["id"])
    assert (task["external_id"], task["billing"][0]["amount"]) == ("m2", "2.7")
    assert watch(task["outputs"][0]["url"]).codecs == ["h264"]


@pytest.mark.parametrize(
    ("model", "mode", "seconds", "amount"),
    [
        ("kling-v2-6", "std", "9.066", "4.5"),  # seen through a reseller
        ("kling-v2-6", "pro", "3", "2.4"),
        ("kling-v3", "std", "9.5", "9"),
        ("kling-v3", "pro", "9.4", "10.8"),
    ],
)
def test_the_price_is_by_the_seconds_of_the_video(
    client: Client, model: str, mode: str, seconds: str, amount: str
) -> None:
    body = {"image_url": IMAGE, "character_orientation": "video", "mode": mode, "model_name": model}
    task = finish(client, LEGACY, {**body, "video_url": sample(client, f"seconds={seconds}")})
    assert task["final_unit_deduction"] == amount
    assert client.sandbox.stats()["units"]["default"]["spent"] == amount


# videos that go on


def test_an_extended_video_begins_with_its_source(client: Client) -> None:
    source = finish_video(client)
    task = finish(client, EXTEND, {"video_id": source["id"], "prompt": "on and on", "cfg_scale": 0.5})
    video = task["task_result"]["videos"][0]
    parent = task["task_info"]["parent_video"]
    assert (parent["id"], parent["duration"]) == (source["id"], "3.041")
    assert fetch(parent["url"]) == fetch(source["url"])
    assert (video["duration"], task["final_unit_deduction"]) == ("8.041", "2")
    old, new = watch(source["url"]), watch(video["url"])
    assert (len(new.frames), new.size) == (len(old.frames) + 120, old.size)
    assert max(distance(a, b) for a, b in zip(old.frames, new.frames, strict=False)) < 8
    assert distance(new.frames[-1], new.frames[len(old.frames)]) > 1, "what is added moves"
    assert new.codecs == ["h264", "aac"]
    again = finish(client, EXTEND, {"video_id": video["id"]})
    assert again["task_result"]["videos"][0]["duration"] == "13.041"
    assert "parent_video" not in client.task(task["task_id"]), "only its own path knows it"


def test_the_price_of_an_extension_is_by_the_mode_of_its_source(client: Client) -> None:
    source = finish_video(client, resolution="1080p")
    assert finish(client, EXTEND, {"video_id": source["id"]})["final_unit_deduction"] == "3.5"


def test_which_videos_can_be_extended(client: Client) -> None:
    source = finish_video(client)
    moved = finish(
        client,
        LEGACY,
        {"image_url": IMAGE, "video_url": VIDEO, "character_orientation": "image", "mode": "std"},
    )["task_result"]["videos"][0]
    running = client.made()
    for body, text in (
        ({}, "video_id is required"),
        ({"video_id": 5}, "video_id must be a string"),
        ({"video_id": "955295201465729025"}, "video_id 955295201465729025 not found"),
        ({"video_id": running}, "not found"),
        ({"video_id": moved["id"]}, "must be a video of text2video"),
        ({"video_id": source["id"], "prompt": "x" * 2501}, "prompt cannot exceed"),
        ({"video_id": source["id"], "negative_prompt": "x" * 2501}, "negative_prompt cannot exceed"),
        ({"video_id": source["id"], "cfg_scale": 1.1}, "cfg_scale must be between 0 and 1"),
    ):
        refused(client.post(EXTEND, body), 400, 1201, text)
    second = Client(client.sandbox, client.sandbox.backend.get_account("second").api_key)
    refused(second.post(EXTEND, {"video_id": source["id"]}), 400, 1201, "not found")
    client.sandbox.advance(30 * 86_400 - 400)
    assert client.post(EXTEND, {"video_id": source["id"]}).status_code == 200
    client.sandbox.advance(400)
    refused(client.post(EXTEND, {"video_id": source["id"]}), 400, 1201, "older than 30 days")


def test_a_video_does_not_grow_beyond_three_minutes(client: Client) -> None:
    video_id = finish_video(client, duration=15)["id"]
    for _ in range(32):
        made = client.post(EXTEND, {"video_id": video_id}).json()["data"]["task_id"]
        client.sandbox.advance(120)
        video = client.task(made)["outputs"][0]
        video_id = video["id"]
    assert video["duration"] == "175.041"
    refused(client.post(EXTEND, {"video_id": video_id}), 400, 1201, "cannot exceed 180 seconds")


def test_videos_of_several_images_are_no_more(client: Client) -> None:
    body = {"prompt": "x", "image_list": [{"image": IMAGE}]}
    refused(client.post("/v1/videos/multi-image2video", body), 400, 1201, "This API is no longer available")
