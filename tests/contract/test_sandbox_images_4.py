# SPDX-License-Identifier: Apache-2.0
"""Images of Kling 4.0 as gateways describe them: bodies that are taken, one just outside each rule, and the results."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from PIL import Image

from kling_provider.sandbox import Sandbox
from tests.contract.library_client import PRESET_ELEMENTS, PRESET_VOICES
from tests.contract.sandbox_client import TIMEOUT, Client, png, refused

URL = "https://images.example/a.png"
IMAGE, LONG = "kling-image-4.0", "kling-long-image-4.0"
PAGE, SHOP = {"skill": "webpage"}, {"skill": "ecommerce"}
SERIES = {"result_type": "series"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=500, image_units=1_000_000) as running:
        yield running


def create(
    client: Client,
    given: str = "",
    *,
    model: str = IMAGE,
    prompt: str = "A boat",
    options: Any = None,
    **settings: Any,
) -> requests.Response:
    """``POST /image-generation/{model}``

    :param given: the types of the contents beside the prompt, as in ``refer_image*3 element``.
    """
    contents = [{"type": "prompt", "text": prompt}]
    for word in given.split():
        kind, _, number = word.partition("*")
        for _ in range(int(number or 1)):
            named = {"element_id": "829836802793406551", "id": f"e{len(contents)}"}
            contents.append({"type": kind, **(named if kind == "element" else {"url": URL})})
    body = {"contents": contents, "settings": settings, "options": options or {}}
    return client.post(f"/{'long-image' if model == LONG else 'image-generation'}/{model}", body)


def finished(client: Client, answer: requests.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    client.sandbox.advance(120)
    task = client.task(answer.json()["data"]["id"])
    assert task["status"] == "succeeded", task
    return task


def fetched(url: str) -> Image.Image:
    answer = requests.get(url, timeout=TIMEOUT)
    assert answer.status_code == 200
    return Image.open(io.BytesIO(answer.content)).convert("RGB")


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ("", {}),
        ("refer_image*10", {"n": 9, "resolution": "8k", "aspect_ratio": "auto"}),
        ("", {"prompt": "x" * 50_000, "aspect_ratio": "21:9"}),
        ("", {"prompt": "船" * 21_000, **SERIES, "series_amount": 10}),
        ("", {"options": {"watermark_info": None}}),
        ("", {"model": LONG, **PAGE}),
        ("style_refer_image subject_refer_image", {"model": LONG, **PAGE, "length": "long"}),
        ("refer_image", {"model": LONG, **SHOP, "length": "short", "prompt": "x" * 166_000}),
        (
            "refer_image*3",
            {"model": LONG, **SHOP, "length": "long", "prompt": "船" * 71_000, "resolution": "2k"},
        ),
    ],
)
def test_bodies_that_are_taken(client: Client, given: str, arguments: dict[str, Any]) -> None:
    finished(client, create(client, given, **arguments))


@pytest.mark.parametrize(
    ("given", "arguments", "text"),
    [
        ("", {"model": "kling-3.0"}, "model is not supported"),
        ("", {"prompt": ""}, "contents must have exactly one prompt"),
        ("", {"prompt": " "}, "contents must have exactly one prompt"),
        ("prompt", {}, "contents must have exactly one prompt"),
        ("", {"prompt": "x" * 50_001}, "prompt cannot exceed 50000"),
        ("", {"prompt": "船" * 21_001}, "prompt cannot exceed 21000"),
        ("refer_image*11", {}, "at most 10 in total"),
        ("refer_image*5 element*6", {}, "at most 10 in total"),
        ("refer_image*9 element", {}, "Element id not found: 829836802793406551"),
        ("first_frame", {}, "contents[1].type value 'first_frame' is invalid"),
        ("style_refer_image", {}, "contents[1].type value 'style_refer_image' is invalid"),
        ("", {"n": 0}, "settings.n must be between 1 and 9"),
        ("", {"n": 10}, "settings.n must be between 1 and 9"),
        ("", {**SERIES, "series_amount": 1}, "settings.series_amount must be between 2 and 10"),
        ("", {**SERIES, "series_amount": 11}, "settings.series_amount must be between 2 and 10"),
        ("", {"resolution": "1k"}, "settings.resolution must be one of 2k, 4k, 8k"),
        ("", {"aspect_ratio": "5:4"}, "settings.aspect_ratio must be one of"),
        ("", {"options": {"external_task_id": "n1"}}, "options.external_task_id is not supported by model"),
        ("", {"options": {"callback_url": "https://hooks.example"}}, "options.callback_url is not supported"),
        ("", {"model": LONG}, "settings.skill is required"),
        ("", {"model": LONG, "skill": "poster"}, "settings.skill must be one of webpage, ecommerce"),
        ("", {"model": LONG, **SHOP}, "refer_image is required for skill ecommerce"),
        ("refer_image*4", {"model": LONG, **SHOP}, "at most 3 refer_image for skill ecommerce"),
        ("refer_image style_refer_image", {"model": LONG, **SHOP}, "at most 0 style_refer_image"),
        ("style_refer_image*2", {"model": LONG, **PAGE}, "at most 1 style_refer_image"),
        ("subject_refer_image*2", {"model": LONG, **PAGE}, "at most 1 subject_refer_image"),
        ("refer_image", {"model": LONG, **PAGE}, "at most 0 refer_image for skill webpage"),
        ("element", {"model": LONG, **PAGE}, "contents[1].type value 'element' is invalid"),
        ("", {"model": LONG, **PAGE, "resolution": "4k"}, "settings.resolution must be one of 1k, 2k"),
        ("refer_image", {"model": LONG, **SHOP, "length": "tall"}, "settings.length must be one of"),
        ("", {"model": LONG, **PAGE, "prompt": "x" * 166_001}, "prompt cannot exceed 166000"),
        ("", {"model": LONG, **PAGE, "prompt": "船" * 71_001}, "prompt cannot exceed 71000"),
        ("", {"model": LONG, **PAGE, "options": {"external_task_id": "n1"}}, "options.external_task_id"),
    ],
)
def test_bodies_just_outside(client: Client, given: str, arguments: dict[str, Any], text: str) -> None:
    refused(create(client, given, **arguments), 400, 1201, text)
    assert client.sandbox.stats()["tasks"]["total"] == 0


def test_contents_of_another_form(client: Client) -> None:
    path = f"/image-generation/{IMAGE}"
    refused(client.post(path, {"contents": {}}), 400, 1201, "contents value type is invalid, expected array")
    prompt = {"type": "prompt", "text": "A boat"}
    bare = {"contents": [prompt, {"type": "element", "element_id": "1"}]}
    refused(client.post(path, bare), 400, 1201, "contents[1].element_id and contents[1].id are required")
    large = base64.b64encode(png(300, 300).ljust(30 * 1024 * 1024 + 1, b"\0")).decode()
    heavy = {"contents": [prompt, {"type": "refer_image", "url": large}]}
    answer = client.call("POST", path, json=heavy, timeout=120)  # it is 40 MB of JSON
    refused(answer, 400, 1201, "contents[1].url is larger than 30MB")


def test_images_have_number_ratio_and_resolution(client: Client) -> None:
    task = finished(client, create(client, n=2, aspect_ratio="4:3"))
    assert [set(output) for output in task["outputs"]] == [{"type", "url"}] * 2
    images = [fetched(output["url"]) for output in task["outputs"]]
    assert [image.size for image in images] == [(2364, 1773)] * 2
    assert images[0].resize((16, 16)).tobytes() != images[1].resize((16, 16)).tobytes()
    assert task["billing"] == [{"charge_type": "unit", "amount": "34", "package_type": "image"}]
    (output,) = finished(client, create(client, resolution="4k", aspect_ratio="1:1"))["outputs"]
    assert fetched(output["url"]).size == (4096, 4096)


def test_a_series_belongs_together(client: Client) -> None:
    task = finished(client, create(client, **SERIES, n=9))
    assert [output["group_id"] for output in task["outputs"]] == [task["id"]] * 4


@pytest.mark.parametrize(
    ("given", "settings", "size", "amount"),
    [
        ("refer_image", {**SHOP, "length": "short"}, (1024, 2048), "17"),
        ("refer_image", SHOP, (1024, 4096), "17"),
        ("refer_image", {**SHOP, "length": "long", "resolution": "2k"}, (2048, 12288), "34"),
        ("", {**PAGE, "length": "long"}, (1024, 3072), "17"),
    ],
)
def test_long_images_are_long(
    client: Client, given: str, settings: dict[str, Any], size: tuple[int, int], amount: str
) -> None:
    task = finished(client, create(client, given, model=LONG, **settings))
    (output,) = task["outputs"]
    assert fetched(output["url"]).size == size
    assert task["billing"][0]["amount"] == amount


def test_images_take_places_of_their_own_pack() -> None:
    with Sandbox(time_scale=1, concurrency=1) as sandbox:
        client = Client(sandbox)
        assert create(client, n=9).status_code == 200
        refused(create(client), 429, 1303)
        assert create(client, model=LONG, **PAGE).status_code == 200
        assert client.create_video(model="kling-4.0").status_code == 200
        refused(client.create_video(model="kling-4.0"), 429, 1303)


def find_preset(client: Client, kind: str) -> str:
    """The id of a preset element or voice."""
    path = PRESET_VOICES if kind == "voice" else PRESET_ELEMENTS
    first = client.get(path).json()["data"][0]["task_result"][f"{kind}s"][0]
    return str(first[f"{kind}_id"])


def video(
    client: Client, product: str, given: str, model: str = "kling-4.0", **settings: Any
) -> requests.Response:
    contents: list[dict[str, str]] = [{"type": "prompt", "text": "A boat"}]
    for word in given.split():
        kind, _, number = word.partition("*")
        for _ in range(int(number or 1)):
            name = {"id": f"i{len(contents)}"}
            entry = {"url": "https://films.example/a.mp4" if kind.endswith("video") else URL}
            if kind in ("element", "voice"):
                entry = {f"{kind}_id": find_preset(client, kind)}
            contents.append({"type": kind, **entry, **name})
    return client.post(f"/{product}/{model}", {"contents": contents, "settings": settings})


@pytest.mark.parametrize(
    ("product", "given"),
    [
        ("image-to-video", "first_frame"),
        ("image-to-video", "first_frame middle_frame*8 last_frame"),
        ("omni-video", ""),
        ("omni-video", "first_frame middle_frame*8 last_frame feature_video*5"),
        ("omni-video", "refer_image*10 feature_video*4 base_video"),
        ("omni-video", "refer_image voice*3"),
    ],
)
def test_videos_of_kling_4(client: Client, product: str, given: str) -> None:
    assert finished(client, video(client, product, given))["outputs"][0]["type"] == "video"


@pytest.mark.parametrize(
    ("product", "given", "model", "text"),
    [
        ("image-to-video", "first_frame middle_frame*9", "kling-4.0", "at most 8 middle_frame"),
        ("image-to-video", "middle_frame", "kling-4.0", "first_frame is required"),
        ("image-to-video", "first_frame middle_frame", "kling-4.0-flash", "middle_frame is not supported by"),
        ("image-to-video", "first_frame last_frame", "kling-4.0-flash", "last_frame is not supported by"),
        ("image-to-video", "first_frame middle_frame", "kling-3.0", "middle_frame is not supported by"),
        (
            "image-to-video",
            "first_frame refer_image",
            "kling-4.0",
            "refer_image is not supported by image-to-video",
        ),
        ("image-to-video", "first_frame voice", "kling-4.0", "voice is not supported by image-to-video"),
        ("omni-video", "middle_frame", "kling-4.0", "middle_frame requires first_frame"),
        ("omni-video", "refer_image*11", "kling-4.0", "at most 10 images"),
        ("omni-video", "first_frame refer_image*10", "kling-4.0", "at most 10 images"),
        ("omni-video", "feature_video*6", "kling-4.0", "at most 5 videos"),
        ("omni-video", "feature_video*5 base_video", "kling-4.0", "at most 5 videos"),
        ("omni-video", "base_video*2", "kling-4.0", "at most 1 base_video"),
        ("omni-video", "refer_image*10 feature_video*5 voice", "kling-4.0", "at most 15 inputs"),
        ("omni-video", "element*8", "kling-4.0", "at most 7 element"),
        ("omni-video", "voice*4", "kling-4.0", "at most 3 voice"),
    ],
)
def test_videos_of_kling_4_just_outside(
    client: Client, product: str, given: str, model: str, text: str
) -> None:
    refused(video(client, product, given, model), 400, 1201, text)


def test_a_voice_of_kling_4_has_a_name(client: Client) -> None:
    contents = [{"type": "prompt", "text": "A boat"}, {"type": "voice", "voice_id": "1"}]
    refused(
        client.post("/omni-video/kling-4.0", {"contents": contents}), 400, 1201, "contents[1].id is required"
    )


@pytest.mark.parametrize(("model", "most"), [("kling-4.0", 30), ("kling-4.0-flash", 20)])
def test_seconds_of_kling_4(client: Client, model: str, most: int) -> None:
    for seconds, status in ((3, "succeeded"), (most, "succeeded"), (2, "failed"), (most + 1, "failed")):
        task_id = video(client, "omni-video", "", model, duration=seconds).json()["data"]["id"]
        client.sandbox.advance(120)
        assert client.task(task_id)["status"] == status
