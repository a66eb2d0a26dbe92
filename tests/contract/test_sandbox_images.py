# SPDX-License-Identifier: Apache-2.0
"""Images of the legacy design: bodies that are taken, one just outside each rule, and what is made, decoded."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
import requests
from PIL import Image

from kling_provider.sandbox import Sandbox
from tests.contract.sandbox_client import TIMEOUT, Client, png, refused

URL = "https://images.example/a.png"
GENERATIONS = "/v1/images/generations"
OMNI = "/v1/images/omni-image"
MULTI = "/v1/images/multi-image2image"
EXPAND = "/v1/images/editing/expand"
SHOTS = "/v1/general/ai-multi-shot"
PLAIN: dict[str, dict[str, Any]] = {
    GENERATIONS: {"model_name": "kling-v3", "prompt": "A boat"},
    OMNI: {"model_name": "kling-v3-omni", "prompt": "A boat"},
    MULTI: {"subject_image_list": [{"subject_image": URL}]},
    EXPAND: {
        "image": URL,
        "up_expansion_ratio": 0,
        "down_expansion_ratio": 0.5,
        "left_expansion_ratio": 0.25,
        "right_expansion_ratio": 0.75,
    },
    SHOTS: {"element_frontal_image": URL},
}
RATIOS = {
    "16:9": (1360, 765),
    "9:16": (765, 1360),
    "1:1": (1024, 1024),
    "4:3": (1184, 888),
    "3:4": (888, 1184),
    "3:2": (1254, 836),
    "2:3": (836, 1254),
    "21:9": (1561, 669),
}
OLD = {"model_name": "kling-v2-1"}
O1 = {"model_name": "kling-image-o1"}
SERIES = {"result_type": "series"}
ALL = {"external_task_id": "n1", "callback_url": "https://hooks.example/a"}
MARKED = {"watermark_info": {"enabled": True}}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=500, image_units=1_000_000) as running:
        yield running


def create(client: Client, path: str, **fields: Any) -> requests.Response:
    """Post a plain body with these fields; ``None`` takes one out."""
    body = {**PLAIN[path], **fields}
    return client.post(path, {name: value for name, value in body.items() if value is not None})


def finished(client: Client, path: str, **fields: Any) -> dict[str, Any]:
    answer = create(client, path, **fields)
    assert answer.status_code == 200, answer.text
    client.sandbox.advance(120)
    data: dict[str, Any] = client.get(f"{path}/{answer.json()['data']['task_id']}").json()["data"]
    assert data["task_status"] == "succeed", data
    return data


def fetched(url: str) -> Image.Image:
    answer = requests.get(url, timeout=TIMEOUT)
    assert answer.status_code == 200
    image = Image.open(io.BytesIO(answer.content))
    assert image.get_format_mimetype() == answer.headers["Content-Type"]
    return image.convert("RGB")


def are_different(images: list[Image.Image]) -> bool:
    """Tell whether no two of them show the same, small differences left aside."""
    return len({image.resize((16, 16)).tobytes() for image in images}) == len(images)


def coloured(width: int, height: int, colour: tuple[int, int, int] = (250, 20, 20)) -> str:
    """Base64 of a PNG of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def is_close(pixel: Any, colour: tuple[int, int, int]) -> bool:
    return all(abs(one - other) < 12 for one, other in zip(pixel, colour, strict=True))


def images(number: int) -> list[dict[str, str]]:
    return [{"image": URL}] * number


def elements(number: int) -> list[dict[str, int]]:
    return [{"element_id": 829836802793406551}] * number


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (GENERATIONS, {"model_name": None, **ALL, **MARKED}),
        (GENERATIONS, {"model": "kling-v1"}),  # not its name: ignored (documented)
        (GENERATIONS, {"prompt": "x" * 2500, "negative_prompt": "x" * 2500, "resolution": "2k"}),
        (GENERATIONS, {"image": URL, "n": 9}),
        (GENERATIONS, {**OLD, "image": URL, "image_reference": "face", "image_fidelity": 0}),
        (GENERATIONS, {**OLD, "image": URL, "image_reference": "subject", "human_fidelity": 1}),
        (OMNI, {"model_name": None, **ALL, **MARKED}),
        (OMNI, {"prompt": "x" * 2500, "image_list": images(10), "resolution": "2k"}),
        (OMNI, {**O1, "resolution": "4k"}),
        (OMNI, {**SERIES, "series_amount": 2, "n": 9, "aspect_ratio": "auto"}),
        (OMNI, {"series_amount": 9, "n": 1}),
        (MULTI, {**OLD, "prompt": "x" * 2500, "scene_image": URL, "style_image": URL, **ALL, **MARKED}),
        (MULTI, {"subject_image_list": [{"subject_image": URL}] * 4, "n": 9}),
        (EXPAND, {"prompt": "x" * 2500, "n": 9, **ALL, **MARKED}),
        (EXPAND, {"down_expansion_ratio": 2, "left_expansion_ratio": 0, "right_expansion_ratio": 0}),
        (SHOTS, ALL),
    ],
)
def test_bodies_that_are_taken(client: Client, path: str, fields: dict[str, Any]) -> None:
    data = finished(client, path, **fields)
    assert (data["task_info"], "watermark_info" in data) == (
        {"external_task_id": "n1"} if "external_task_id" in fields else {},
        "watermark_info" in fields,
    )


def expansion(up: float, down: float, left: float, right: float) -> dict[str, float]:
    shares = {"up": up, "down": down, "left": left, "right": right}
    return {f"{side}_expansion_ratio": share for side, share in shares.items()}


@pytest.mark.parametrize(
    ("path", "fields", "text"),
    [
        (
            GENERATIONS,
            {"model_name": "kling-v2"},
            "The model 'kling-v2' has been discontinued and is no longer",
        ),
        (GENERATIONS, {"model_name": "kling-v2-new"}, "has been discontinued"),
        (GENERATIONS, {"model_name": "kling-v1-5"}, "has been discontinued"),
        (GENERATIONS, {"model_name": "kling-v3-omni"}, "model is not supported"),
        (GENERATIONS, {"prompt": None}, "prompt is required"),
        (GENERATIONS, {"prompt": "x" * 2501}, "prompt cannot exceed 2500"),
        (GENERATIONS, {"negative_prompt": "x" * 2501}, "negative_prompt cannot exceed 2500"),
        (
            GENERATIONS,
            {"negative_prompt": "fog", "image": URL},
            "negative_prompt is not supported with image",
        ),
        (GENERATIONS, {**OLD, "image_reference": "subject"}, "image is required with image_reference"),
        (GENERATIONS, {**OLD, "image": URL, "image_reference": "style"}, "image_reference must be one of"),
        (GENERATIONS, {"image": URL, "image_reference": "face"}, "image_reference is not supported by model"),
        (GENERATIONS, {"image": URL, "image_fidelity": 0.5}, "image_fidelity is not supported by model"),
        (GENERATIONS, {"image": URL, "human_fidelity": 0.5}, "human_fidelity is not supported by model"),
        (
            GENERATIONS,
            {**OLD, "image": URL, "image_fidelity": 1.01},
            "image_fidelity must be between 0 and 1",
        ),
        (
            GENERATIONS,
            {**OLD, "image": URL, "image_fidelity": -0.01},
            "image_fidelity must be between 0 and 1",
        ),
        (
            GENERATIONS,
            {**OLD, "image": URL, "image_reference": "face", "human_fidelity": 0.45},
            "human_fidelity requires image_reference subject",
        ),
        (
            GENERATIONS,
            {**OLD, "image": URL, "image_reference": "subject", "human_fidelity": 1.01},
            "human_fidelity must be between",
        ),
        (GENERATIONS, {**OLD, "element_list": elements(1)}, "element_list is not supported by model"),
        (GENERATIONS, {"element_list": elements(11)}, "at most 10 in total"),
        (GENERATIONS, {"image": URL, "element_list": elements(10)}, "at most 10 in total"),
        (GENERATIONS, {"element_list": [{}]}, "element_list[0].element_id must be an integer"),
        (GENERATIONS, {"resolution": "4k"}, "resolution must be one of 1k, 2k"),
        (GENERATIONS, {"n": 0}, "n must be between 1 and 9"),
        (GENERATIONS, {"n": 10}, "n must be between 1 and 9"),
        (GENERATIONS, {"n": "2"}, "n must be an integer"),
        (GENERATIONS, {"aspect_ratio": "auto"}, "aspect_ratio must be one of"),
        (GENERATIONS, {"image": "data:image/png;base64,AAAA"}, "image must be raw base64"),
        (GENERATIONS, {"image": "%"}, "neither a url nor valid base64"),
        (OMNI, {"model_name": "kling-v3"}, "model is not supported"),
        (OMNI, {"prompt": " "}, "prompt is required"),
        (OMNI, {"prompt": "x" * 2501}, "prompt cannot exceed 2500"),
        (OMNI, {"image_list": images(11)}, "image_list can have at most 10 images"),
        (OMNI, {"image_list": images(5), "element_list": elements(6)}, "at most 10 in total"),
        (OMNI, {"image_list": [{}]}, "image_list[0].image is required"),
        (OMNI, {**O1, **SERIES}, "result_type series is not supported by model kling-image-o1"),
        (OMNI, {"result_type": "many"}, "result_type must be one of single, series"),
        (OMNI, {"resolution": "8k"}, "resolution must be one of 1k, 2k, 4k"),
        (OMNI, {"n": 10}, "n must be between 1 and 9"),
        (OMNI, {**SERIES, "series_amount": 1}, "series_amount must be between 2 and 9"),
        (OMNI, {**SERIES, "series_amount": 10}, "series_amount must be between 2 and 9"),
        (OMNI, {**SERIES, "series_amount": "many"}, "series_amount must be an integer"),
        (OMNI, {"aspect_ratio": "5:4"}, "aspect_ratio must be one of"),
        (MULTI, {"model_name": "kling-v2"}, "has been discontinued"),
        (MULTI, {"model_name": "kling-v3"}, "model is not supported"),
        (MULTI, {"prompt": "x" * 2501}, "prompt cannot exceed 2500"),
        (MULTI, {"subject_image_list": []}, "subject_image_list is required"),
        (MULTI, {"subject_image_list": [{"subject_image": URL}] * 5}, "at most 4 images"),
        (MULTI, {"subject_image_list": [{}]}, "subject_image_list[0].subject_image is required"),
        (MULTI, {"scene_image": "%"}, "scene_image is neither a url nor valid base64"),
        (MULTI, {"style_image": "%"}, "style_image is neither a url nor valid base64"),
        (MULTI, {"n": 10}, "n must be between 1 and 9"),
        (MULTI, {"aspect_ratio": "auto"}, "aspect_ratio must be one of"),
        (EXPAND, {"image": None}, "image is required"),
        *[
            (EXPAND, {f"{side}_expansion_ratio": None}, f"{side}_expansion_ratio is required")
            for side in ("up", "down", "left", "right")
        ],
        (EXPAND, expansion(2.01, 0, 0, 0), "up_expansion_ratio must be between 0 and 2"),
        (EXPAND, expansion(0, 0, 0, -0.1), "right_expansion_ratio must be between 0 and 2"),
        (EXPAND, expansion(0.5, 0.5, 0.25, 0.26), "cannot exceed 3 times"),
        (EXPAND, expansion(1, 0, 0.51, 0), "cannot exceed 3 times"),
        (EXPAND, {"prompt": "x" * 2501}, "prompt cannot exceed 2500"),
        (EXPAND, {"n": 10}, "n must be between 1 and 9"),
        (SHOTS, {"element_frontal_image": None}, "element_frontal_image is required"),
        (SHOTS, {"element_frontal_image": "%"}, "neither a url nor valid base64"),
    ],
)
def test_bodies_just_outside(client: Client, path: str, fields: dict[str, Any], text: str) -> None:
    refused(create(client, path, **fields), 400, 1201, text)
    assert client.sandbox.stats()["tasks"]["total"] == 0


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.25, 0.25), (0, 2, 0, 0), (0.1, 0.1, 0.7, 0.8), (0, 0, 0, 0)])
def test_an_area_of_three_times_is_taken(client: Client, shares: tuple[float, float, float, float]) -> None:
    assert create(client, EXPAND, **expansion(*shares)).status_code == 200


def test_what_only_generation_finds(client: Client) -> None:
    small, flat = base64.b64encode(png(299, 400)).decode(), base64.b64encode(png(1000, 399)).decode()
    cases: list[tuple[str, dict[str, Any], str]] = [
        (GENERATIONS, {"image": small}, "Image pixel is invalid"),
        (GENERATIONS, {"image": flat}, "Image pixel is invalid"),
        (
            OMNI,
            {"image_list": [*images(9), {"image": "https://images.invalid/a.png"}]},
            "Something went wrong",
        ),
        (MULTI, {"style_image": small}, "Image pixel is invalid"),
        (EXPAND, {"image": small}, "Image pixel is invalid"),
        (SHOTS, {"element_frontal_image": small}, "Image pixel is invalid"),
        (GENERATIONS, {"element_list": elements(10)}, "Element id not found: 829836802793406551"),
        (OMNI, {"image_list": images(5), "element_list": elements(5)}, "Element id not found"),
    ]
    for path, fields, text in cases:
        answer = create(client, path, **fields)
        assert answer.status_code == 200, answer.text
        client.sandbox.advance(120)
        data = client.get(f"{path}/{answer.json()['data']['task_id']}").json()["data"]
        assert (data["task_status"], data["final_unit_deduction"]) == ("failed", "0")
        assert data["task_status_msg"].startswith(text)
    for side in (300, 1000):  # just inside of both limits
        finished(
            client,
            GENERATIONS,
            image=base64.b64encode(png(side, side * 2 // 5 if side > 750 else 300)).decode(),
        )


def test_formats_and_bytes_of_an_image(client: Client) -> None:
    buffers = {kind: io.BytesIO() for kind in ("JPEG", "WEBP", "GIF")}
    for kind, buffer in buffers.items():
        Image.new("RGB", (300, 300)).save(buffer, kind)
    sent = {kind: base64.b64encode(buffer.getvalue()).decode() for kind, buffer in buffers.items()}
    assert create(client, GENERATIONS, image=sent["JPEG"]).status_code == 200
    for kind in ("WEBP", "GIF"):
        refused(create(client, GENERATIONS, image=sent[kind]), 400, 1201, "image must be jpg, jpeg or png")
    fit = png(300, 300)
    edge = fit.ljust(10 * 1024 * 1024, b"\0")
    assert create(client, GENERATIONS, image=base64.b64encode(edge).decode()).status_code == 200
    refused(
        create(client, GENERATIONS, image=base64.b64encode(edge + b"\0").decode()),
        400,
        1201,
        "larger than 10MB",
    )


@pytest.mark.parametrize("ratio", RATIOS)
def test_images_have_the_asked_ratio(client: Client, ratio: str) -> None:
    across, down = (int(part) for part in ratio.split(":"))
    (made,) = finished(client, GENERATIONS, aspect_ratio=ratio)["task_result"]["images"]
    image = fetched(made["url"])
    assert image.size == RATIOS[ratio]
    assert image.width * down == image.height * across


def test_images_have_the_asked_resolution(client: Client) -> None:
    for resolution, side in (("1k", 1024), ("2k", 2048), ("4k", 4096)):
        (made,) = finished(client, OMNI, resolution=resolution, aspect_ratio="1:1")["task_result"]["images"]
        assert fetched(made["url"]).size == (side, side)


def test_nine_images_are_nine(client: Client) -> None:
    result = finished(client, GENERATIONS, n=9, **MARKED)["task_result"]["images"]
    assert [set(image) for image in result] == [{"index", "url", "watermark_url"}] * 9
    assert [image["index"] for image in result] == list(range(9))
    made = [fetched(image["url"]) for image in result]
    assert {image.size for image in made} == {RATIOS["16:9"]}
    assert are_different(made)
    marked = fetched(result[0]["watermark_url"])
    assert marked.size == made[0].size
    assert marked.tobytes() != made[0].tobytes()


def test_the_prompt_is_written_into_the_image(client: Client) -> None:
    """Two prompts differ in the band below, where the words are."""
    bands = []
    for prompt in ("A boat", "A boat drifts away and a gull follows it over the harbour"):
        (made,) = finished(client, GENERATIONS, prompt=prompt)["task_result"]["images"]
        image = fetched(made["url"]).convert("L").point(lambda value: 255 if value > 225 else 0)
        bands.append(sum(image.crop((0, 560, image.width, image.height)).histogram()[200:]))
    assert bands[1] > 2 * bands[0] > 0


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (GENERATIONS, lambda image: {"image": image}),
        (OMNI, lambda image: {"image_list": [{"image": image}]}),
        (MULTI, lambda image: {"subject_image_list": [{"subject_image": image}]}),
    ],
)
def test_the_image_of_a_request_is_in_the_results(client: Client, path: str, fields: Any) -> None:
    result = finished(client, path, n=2, **fields(coloured(400, 400)))["task_result"]["images"]
    made = [fetched(image["url"]) for image in result]
    assert all(
        is_close(image.getpixel((image.width // 2, image.height // 2)), (250, 20, 20)) for image in made
    )
    assert are_different(made)


def test_the_ratio_auto_follows_the_first_image(client: Client) -> None:
    for size, ratio in (((400, 600), "2:3"), ((900, 400), "21:9"), ((500, 490), "1:1")):
        listed = [{"image": coloured(*size)}, {"image": URL}]
        (made,) = finished(client, OMNI, image_list=listed, aspect_ratio="auto")["task_result"]["images"]
        assert fetched(made["url"]).size == RATIOS[ratio]
    (made,) = finished(client, OMNI)["task_result"]["images"]
    assert fetched(made["url"]).size == RATIOS["16:9"]


def test_a_series(client: Client) -> None:
    data = finished(client, OMNI, **SERIES, series_amount=3, n=9)
    result = data["task_result"]
    assert (result["result_type"], result["images"], len(result["series_images"])) == ("series", [], 3)
    assert are_different([fetched(image["url"]) for image in result["series_images"]])
    assert data["final_unit_deduction"] == "24"
    assert len(finished(client, OMNI, **SERIES)["task_result"]["series_images"]) == 4
    outputs = client.task(data["task_id"])["outputs"]
    assert [set(output) for output in outputs] == [{"type", "url", "group_id"}] * 3
    assert {output["group_id"] for output in outputs} == {data["task_id"]}


def test_a_series_of_as_many_as_it_needs(client: Client) -> None:
    for prompt in ("A boat", "A gull", "A harbour at night"):
        data = finished(client, OMNI, **SERIES, series_amount="auto", prompt=prompt)
        count = len(data["task_result"]["series_images"])
        assert 2 <= count <= 9
        assert data["final_unit_deduction"] == str(count * 8)


def test_single_images_say_so(client: Client) -> None:
    result = finished(client, OMNI, n=2)["task_result"]
    assert (result["result_type"], len(result["images"]), result["series_images"]) == ("single", 2, [])


def test_an_expanded_image_keeps_the_old_one(client: Client) -> None:
    old = Image.new("RGB", (400, 300), (250, 20, 20))
    old.paste((20, 20, 250), (200, 0, 400, 300))
    buffer = io.BytesIO()
    old.save(buffer, "PNG")
    shares = expansion(0.25, 0.5, 0.1, 0.4)
    sent = base64.b64encode(buffer.getvalue()).decode()
    result = finished(client, EXPAND, image=sent, n=2, **shares)["task_result"]["images"]
    made = [fetched(image["url"]) for image in result]
    assert [image.size for image in made] == [(600, 525)] * 2
    assert all(image.crop((40, 75, 440, 375)).tobytes() == old.tobytes() for image in made)
    assert are_different(made)


def test_an_image_that_does_not_grow_stays_as_it_is(client: Client) -> None:
    sent = coloured(300, 500)
    (made,) = finished(client, EXPAND, image=sent, **expansion(0, 0, 0, 0))["task_result"]["images"]
    assert fetched(made["url"]).tobytes() == Image.open(io.BytesIO(base64.b64decode(sent))).tobytes()


def test_three_sets_of_views(client: Client) -> None:
    data = finished(client, SHOTS, element_frontal_image=coloured(400, 400))
    result = data["task_result"]["images"]
    assert [set(views) for views in result] == [{"index", "url_1", "url_2", "url_3"}] * 3
    assert [views["index"] for views in result] == [0, 1, 2]
    made = [fetched(views[f"url_{view}"]) for views in result for view in (1, 2, 3)]
    assert are_different(made)
    assert all(is_close(image.getpixel((512, 512)), (250, 20, 20)) for image in made)
    assert data["final_unit_deduction"] == "20"
    outputs = client.task(data["task_id"])["outputs"]
    assert [output["group_id"] for output in outputs] == list("000111222")
    assert fetched(outputs[8]["url"]).tobytes() == made[8].tobytes()


@pytest.mark.parametrize(
    ("path", "fields", "amount"),
    [
        (GENERATIONS, {"n": 3, "resolution": "2k"}, "24"),
        (GENERATIONS, {"image": URL}, "8"),
        (GENERATIONS, {**OLD, "n": 2}, "8"),
        (GENERATIONS, {**OLD, "image": URL}, "8"),
        (OMNI, {**O1, "n": 2}, "16"),
        (OMNI, {"resolution": "2k"}, "8"),
        (OMNI, {"resolution": "4k", "n": 2}, "32"),
        (MULTI, {"n": 2}, "32"),
        (EXPAND, {"n": 2}, "16"),
        (SHOTS, {}, "20"),
    ],
)
def test_the_price(client: Client, path: str, fields: dict[str, Any], amount: str) -> None:
    data = finished(client, path, **fields)
    assert data["final_unit_deduction"] == amount
    assert client.task(data["task_id"])["billing"] == [
        {"charge_type": "unit", "amount": amount, "package_type": "image"}
    ]
    stats = client.sandbox.stats()
    assert (stats["image_units"]["default"]["spent"], stats["units"]["default"]["spent"]) == (amount, "0")


def test_each_image_takes_a_place_of_the_image_pack() -> None:
    with Sandbox(time_scale=1, concurrency=2) as sandbox:
        client = Client(sandbox)
        assert create(client, GENERATIONS, n=5).status_code == 200
        refused(create(client, GENERATIONS, n=5), 429, 1303)
        assert create(client, GENERATIONS, n=4).status_code == 200
        refused(create(client, GENERATIONS), 429, 1303)
        assert create(client, OMNI, **SERIES, series_amount=9).status_code == 200  # another model
        refused(create(client, OMNI), 429, 1303)
        for _ in range(2):  # videos have places of their own
            assert client.create_video().status_code == 200
        refused(client.create_video(), 429, 1303)
        sandbox.advance(120)
        assert create(client, GENERATIONS, n=9).status_code == 200
        for _ in range(9):  # a call of nine views is one task
            assert create(client, SHOTS).status_code == 200
        refused(create(client, SHOTS), 429, 1303)


def test_a_result_of_the_sandbox_is_an_input(client: Client) -> None:
    """A picture goes through an expansion and a further image into a video, and is seen in all of them."""
    first = finished(client, EXPAND, image=coloured(400, 400), **expansion(0, 0, 0, 0))
    red = first["task_result"]["images"][0]["url"]
    wider = finished(client, EXPAND, image=red, **expansion(0, 0, 0.5, 0.5))["task_result"]["images"][0][
        "url"
    ]
    assert fetched(wider).size == (800, 400)
    assert is_close(fetched(wider).getpixel((400, 200)), (250, 20, 20))
    (made,) = finished(client, GENERATIONS, image=wider)["task_result"]["images"]
    image = fetched(made["url"])
    assert is_close(image.getpixel((image.width // 2, image.height // 2)), (250, 20, 20))
    contents = [{"type": "first_frame", "url": made["url"]}]
    answer = client.post(
        "/image-to-video/kling-3.0-turbo", {"contents": contents, "settings": {"duration": 3}}
    )
    client.sandbox.advance(120)
    url = client.task(answer.json()["data"]["id"])["outputs"][0]["url"]
    with av.open(io.BytesIO(requests.get(url, timeout=TIMEOUT).content)) as container:
        frame = next(container.decode(video=0)).to_image()
    assert is_close(frame.getpixel((frame.width // 2, frame.height // 2)), (250, 20, 20))


def test_a_dead_link_is_no_input(client: Client) -> None:
    (made,) = finished(client, GENERATIONS)["task_result"]["images"]
    cut = made["url"].rpartition("=")[0] + "=0"
    task_id = create(client, GENERATIONS, image=cut).json()["data"]["task_id"]
    other = made["url"].replace("/files/", "/files/1")
    late = create(client, GENERATIONS, image=other).json()["data"]["task_id"]
    client.sandbox.advance(120)
    for failed in (task_id, late):
        data = client.get(f"{GENERATIONS}/{failed}").json()["data"]
        assert data["task_status_msg"].startswith("Something went wrong")


def test_views_are_read_by_the_task_id_alone(client: Client) -> None:
    task_id = finished(client, SHOTS, external_task_id="n1")["task_id"]
    assert client.get(f"{SHOTS}/{task_id}").json()["data"]["task_info"] == {"external_task_id": "n1"}
    refused(client.get(f"{SHOTS}/n1"), 400, 1201, "Task not found")
    assert client.get("/tasks?external_task_ids=n1").json()["data"][0]["id"] == task_id


def test_the_callback_of_a_series_has_all_lists(client: Client) -> None:
    task_id = finished(client, OMNI, **SERIES)["task_id"]
    app = client.sandbox.app
    task = app.backend.get_task(task_id)
    assert task is not None
    body = app.get_product(task).describe_callback(task, task.ends, lambda task, name: name)
    counts = {name: len(found) for name, found in body["task_result"].items() if name != "result_type"}
    assert counts == {"images": 0, "series_images": 4, "videos": 0, "audios": 0}
    assert body["task_result"]["result_type"] == "series"


def test_the_price_of_a_real_task(client: Client, captures: Path) -> None:
    """An image costs what an account was charged for it."""
    tasks = json.loads((captures / "40_live_cost_log.json").read_text())["tasks"]
    (charged,) = [task for task in tasks if task["endpoint"].endswith(GENERATIONS)]
    data = finished(client, GENERATIONS, **charged["body"])
    assert data["final_unit_deduction"] == charged["final_unit_deduction"]


def test_reads_and_lists(client: Client) -> None:
    first = finished(client, GENERATIONS, external_task_id="n1")["task_id"]
    second = finished(client, GENERATIONS)["task_id"]
    finished(client, OMNI)
    listed = client.get(f"{GENERATIONS}?pageNum=1&pageSize=30").json()["data"]
    assert [task["task_id"] for task in listed] == [second, first]
    assert client.get(f"{GENERATIONS}/n1").json()["data"]["task_id"] == first
    refused(client.get(f"{OMNI}/{first}"), 400, 1201, "Task not found by id/external id")
    refused(create(client, OMNI, external_task_id="n1"), 400, 1201, "already exists")
    found = client.post("/tasks", {"filters": [{"key": "product_type", "values": ["image"]}]}).json()["data"]
    assert found["count"] == 3
    task = client.task(first)
    assert (task["external_id"], [set(output) for output in task["outputs"]]) == ("n1", [{"type", "url"}])


def test_the_shape_of_a_recorded_create(client: Client, captures: Path) -> None:
    text = (captures / "56_gateway_cometapi_audio_and_image_submit.json").read_text()
    (record,) = [one for one in json.loads(text)["records"] if one["what"].endswith("omni-image")]
    answer = client.post(OMNI, record["request"])
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert set(data) == set(record["response"]["data"])
    assert data["task_status"] == record["response"]["data"]["task_status"]
    client.sandbox.advance(120)
    (made,) = client.get(f"{OMNI}/{data['task_id']}").json()["data"]["task_result"]["images"]
    assert fetched(made["url"]).size == (2508, 1672)


@pytest.mark.parametrize(
    ("path", "name"),
    [(GENERATIONS, "image_generation_list"), (OMNI, "omni_image_query"), (SHOTS, "subject_completion_query")],
)
def test_the_shape_of_documented_reads(client: Client, captures: Path, path: str, name: str) -> None:
    records = json.loads((captures / "62_doc_legacy_query_examples.json").read_text())["records"]
    shown = records[name]["data"]
    shown = shown[0] if isinstance(shown, list) else shown
    marked = {} if path == SHOTS else MARKED
    data = finished(client, path, external_task_id="n1", **marked)
    assert set(data) == set(shown) - {"final_balance_deduction"}  # of accounts that pay in cash
    assert set(data["task_result"]) == set(shown["task_result"])
    assert set(data["task_result"]["images"][0]) == set(shown["task_result"]["images"][0])
    assert set(data["task_info"]) == set(shown["task_info"])
