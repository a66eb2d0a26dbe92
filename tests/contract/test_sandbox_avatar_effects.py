# SPDX-License-Identifier: Apache-2.0
"""Images that speak, scenes of effects, and masks of images."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from kling_provider.sandbox import Sandbox
from kling_provider.sandbox.__main__ import build_parser
from tests.contract.media_checks import distance, fetch, finish, picture, sample, tone, watch
from tests.contract.sandbox_client import Client, refused

AVATAR, EFFECTS, RECOGNIZE = (
    "/v1/videos/avatar/image2video",
    "/v1/videos/effects",
    "/v1/videos/image-recognize",
)
IMAGE, SOUND = "https://images.example/a.png", "https://sounds.example/a.mp3"
SPOKEN = {"image": IMAGE, "sound_file": SOUND}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=500, units=100_000, short_side=96) as running:
        yield running


def test_an_avatar_shows_the_image_and_says_the_sound(client: Client) -> None:
    body = {
        "image": picture("green"),
        "sound_file": tone(2.5, silent_until=1.2),
        "watermark_info": {"enabled": True},
        "external_task_id": "a1",
    }
    task = finish(client, AVATAR, body)
    video = task["task_result"]["videos"][0]
    assert set(video) == {"id", "url", "watermark_url", "duration"}
    assert (video["duration"], task["final_unit_deduction"]) == ("2.541", "1.2")  # 2.5 s are 3
    assert client.get(f"{AVATAR}/a1").json()["data"] == task
    film = watch(video["url"])
    assert (film.codecs, film.size, len(film.frames)) == (["h264", "aac"], (128, 96), 61)
    red, green, blue = film.colours[30]
    assert (red < 60, green > 90, blue < 60) == (True, True, True)
    assert [film.strength(*part) > 4000 for part in ((0.1, 1.1), (1.3, 2.4))] == [False, True]
    assert distance(watch(video["watermark_url"]).frames[5], film.frames[5]) > 0.2


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, None),
        ({"prompt": "x" * 2500, "mode": "pro"}, None),
        ({"image": None}, "image is required"),
        ({"image": "?"}, "image is neither a url nor valid base64"),
        ({"sound_file": None}, "audio_id or sound_file is required"),
        ({"audio_id": "1"}, "only one of audio_id and sound_file"),
        ({"audio_id": "1", "sound_file": None}, "audio_id 1 not found"),
        ({"sound_file": "https://sounds.example/a.m4a"}, "Audio format is invalid"),
        ({"sound_file": "https://sounds.example/a.aac"}, "Audio format is invalid"),
        ({"sound_file": "https://sounds.example/a.wav"}, None),
        ({"sound_file": "AAAA"}, "Audio format is invalid"),
        ({"prompt": "x" * 2501}, "prompt cannot exceed 2500"),
        ({"mode": "4k"}, "mode must be one of std, pro"),
        ({"mode": 1}, "mode must be a string"),
    ],
)
def test_bodies_of_an_avatar(client: Client, fields: dict[str, Any], text: str | None) -> None:
    body = {key: value for key, value in {**SPOKEN, **fields}.items() if value is not None}
    answer = client.post(AVATAR, body)
    if text is None:
        assert answer.status_code == 200, answer.text
    else:
        refused(answer, 400, 1201, text)


@pytest.mark.parametrize(
    ("seconds", "mode", "amount"), [("11.3", "std", "4.4"), ("2", "pro", "1.6"), ("300", "std", "120")]
)
def test_an_avatar_is_paid_by_the_seconds_of_its_sound(
    client: Client, seconds: str, mode: str, amount: str
) -> None:
    sound = sample(client, f"seconds={seconds}", "sound.mp3")
    task = finish(client, AVATAR, {"image": IMAGE, "sound_file": sound, "mode": mode})
    assert task["final_unit_deduction"] == amount


def test_what_only_generation_finds(client: Client) -> None:
    for fields, text in (
        ({"sound_file": sample(client, "seconds=1.9", "sound.wav")}, "must be 2 to 300 seconds"),
        ({"sound_file": sample(client, "seconds=301", "sound.wav")}, "must be 2 to 300 seconds"),
        ({"sound_file": "https://sounds.invalid/a.mp3"}, "Something went wrong"),
        ({"image": "https://images.invalid/a.png"}, "Something went wrong"),
        ({"image": picture("red", 299, 400)}, "Image pixel is invalid"),
    ):
        task = finish(client, AVATAR, {**SPOKEN, **fields})
        assert task["task_status"] == "failed"
        assert text in task["task_status_msg"]
    refused(client.post(AVATAR, {**SPOKEN, "sound_file": tone(1.9)}), 400, 1201, "must be 2 to 300 seconds")


def test_an_effect_of_one_image_and_one_of_two(client: Client) -> None:
    one = finish(client, EFFECTS, {"effect_scene": "squish", "input": {"image": picture("red")}})
    two = finish(
        client, EFFECTS, {"effect_scene": "hug_pro", "input": {"images": [picture("red"), picture("blue")]}}
    )
    for task, size in ((one, (128, 96)), (two, (256, 96))):
        video = task["task_result"]["videos"][0]
        assert set(video) == {"id", "url"}, "no duration"
        assert task["final_unit_deduction"] == "2"
        film = watch(video["url"])
        assert (film.codecs, film.size, len(film.frames)) == (["h264"], size, 121)
        assert client.task(task["task_id"])["outputs"][0]["type"] == "video"
    listed = client.get(EFFECTS).json()["data"]
    assert [task["task_id"] for task in listed] == [two["task_id"], one["task_id"]]
    assert [set(two) - set(task) for task in listed] == [{"watermark_info"}] * 2
    still = Image.frombytes("L", (16, 9), film.frames[10])
    assert still.getpixel((3, 4)) - still.getpixel((12, 4)) > 20, "red on the left, blue on the right"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"effect_scene": "squish", "input": {"image": IMAGE}, "callback_url": "https://a.example/"}, None),
        ({"effect_scene": "hug_pro", "input": {"images": [IMAGE, IMAGE]}, "external_task_id": "e"}, None),
        ({"input": {"image": IMAGE}}, "effect_scene is required"),
        ({"effect_scene": "moonwalk", "input": {"image": IMAGE}}, "effect_scene moonwalk is not supported"),
        ({"effect_scene": "magic_match_tree", "input": {"image": IMAGE}}, "is not supported"),
        ({"effect_scene": "squish"}, "image is required"),
        ({"effect_scene": "squish", "input": {"images": [IMAGE, IMAGE]}}, "use input.image"),
        ({"effect_scene": "squish", "input": {"image": IMAGE, "images": [IMAGE]}}, "use input.image"),
        ({"effect_scene": "squish", "input": []}, None),
        ({"effect_scene": "squish", "input": "x"}, "input must be an object"),
        ({"effect_scene": "hug_pro", "input": {"image": IMAGE}}, "use input.images"),
        ({"effect_scene": "hug_pro", "input": {"images": [IMAGE]}}, "exactly 2 images"),
        ({"effect_scene": "hug_pro", "input": {"images": [IMAGE] * 3}}, "exactly 2 images"),
        ({"effect_scene": "hug_pro", "input": {"images": [IMAGE, 5]}}, "input.images[1] must be a string"),
    ],
)
def test_bodies_of_effects(client: Client, body: dict[str, Any], text: str | None) -> None:
    answer = client.post(EFFECTS, body)
    if body.get("input") == []:
        refused(answer, 400, 1201, "image is required")  # an empty list reads as nothing
    elif text is None:
        assert answer.status_code == 200, answer.text
    else:
        refused(answer, 400, 1201, text)


def test_scenes_are_an_option() -> None:
    arguments = build_parser().parse_args(["--effect-scenes", "moonwalk, magic_match_tree"])
    with Sandbox(effect_scenes=arguments.effect_scenes) as sandbox:
        client = Client(sandbox)
        assert (
            client.post(EFFECTS, {"effect_scene": "moonwalk", "input": {"image": IMAGE}}).status_code == 200
        )
        for ended in ("squish", "magic_match_tree"):
            answer = client.post(EFFECTS, {"effect_scene": ended, "input": {"image": IMAGE}})
            refused(answer, 400, 1201, "is not supported")


def test_an_avatar_shows_an_image_that_was_made_here(client: Client) -> None:
    made = finish(
        client, "/v1/images/generations", {"model_name": "kling-v3", "prompt": "a", "aspect_ratio": "3:2"}
    )
    (image,) = made["task_result"]["images"]
    (video,) = finish(client, AVATAR, {"image": image["url"], "sound_file": tone(2.5)})["task_result"][
        "videos"
    ]
    film = watch(video["url"])
    assert film.size == (144, 96)
    shown = Image.open(io.BytesIO(fetch(image["url"]))).convert("L").resize((16, 9)).tobytes()
    assert distance(film.frames[0], shown) < 10
    assert film.strength(0.5, 2) > 1000


def test_masks_have_the_size_of_an_image_that_was_made_here(client: Client) -> None:
    made = finish(
        client, "/v1/images/generations", {"model_name": "kling-v3", "prompt": "a", "aspect_ratio": "3:2"}
    )
    (image,) = made["task_result"]["images"]
    masks = client.post(RECOGNIZE, {"image": image["url"]}).json()["data"]["task_result"]["images"]
    sizes = {
        Image.open(io.BytesIO(fetch(url))).size for url in (image["url"], *(one["url"] for one in masks))
    }
    assert len(sizes) == 1


def test_masks_of_an_image(client: Client) -> None:
    answer = client.post(RECOGNIZE, {"image": picture("red", 400, 640)}).json()["data"]
    assert set(answer) == {"task_result", "final_unit_deduction", "final_balance_deduction"}
    images = answer["task_result"]["images"]
    assert [image["type"] for image in images] == ["object_seg", "head_seg", "face_seg", "cloth_seg"]
    shares = []
    for image in images:
        assert image["is_contain"] is True
        mask = Image.open(io.BytesIO(fetch(image["url"])))
        assert (mask.format, mask.size) == ("PNG", (400, 640))
        shares.append(mask.convert("L").histogram()[255] / (400 * 640))
    assert shares[0] > shares[3] > shares[1] > shares[2] > 0.01
    assert client.sandbox.stats()["units"]["default"]["spent"] == answer["final_unit_deduction"] == "0.1"


def test_an_image_without_people(client: Client) -> None:
    for url, size in (
        (f"{IMAGE}?faces=0", (1280, 720)),
        (sample(client, "w=320&h=400&faces=0", "image.png"), (320, 400)),
    ):
        images = client.post(RECOGNIZE, {"image": url}).json()["data"]["task_result"]["images"]
        assert [image["is_contain"] for image in images] == [True, False, False, False]
        mask = Image.open(io.BytesIO(fetch(images[1]["url"])))
        assert (mask.size, mask.getextrema()) == (size, (0, 0))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "image is required"),
        ({"image": ""}, "image is required"),
        ({"image": "AAAA"}, "image must be jpg, jpeg or png"),
        ({"image": picture("red", 300, 751)}, "Image pixel is invalid"),
        ({"image": "https://images.invalid/a.png"}, "Something went wrong"),
    ],
)
def test_images_that_are_refused(client: Client, body: dict[str, str], text: str) -> None:
    refused(client.post(RECOGNIZE, body), 400, 1201, text)
