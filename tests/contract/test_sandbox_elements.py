# SPDX-License-Identifier: Apache-2.0
"""Elements: made, listed, shown, deleted. Bodies just inside and just outside each rule."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import av
import pytest
from PIL import Image

from kling_provider.sandbox import Sandbox
from tests.contract.library_client import (
    ALSO_DELETE_ELEMENT,
    DELETE_ELEMENT,
    DELETE_VOICE,
    ELEMENTS,
    FILM,
    FOUR,
    IMAGE,
    OF_IMAGES,
    OF_VIDEO,
    OLD,
    OLD_PRESETS,
    PRESET_ELEMENTS,
    fetched,
    film,
    finished,
    images,
    is_heard,
    new_element,
    new_voice,
    without,
)
from tests.contract.sandbox_client import Client, png, refused


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=500, units=100_000, short_side=120) as running:
        yield running


@pytest.mark.parametrize(
    "body",
    [
        {**OF_IMAGES, "element_name": "n" * 20, "element_description": "d" * 100},
        {**OF_IMAGES, "tag_list": [{"tag_id": "o_101"}, {"tag_id": "o_108"}]},
        images(others=FOUR[:3]),
        {**OF_IMAGES, "element_video_list": {"refer_videos": []}},
        OF_VIDEO,
        {**OF_VIDEO, "element_image_list": {"frontal_image": 5}},
    ],
)
def test_elements_inside(client: Client, body: dict[str, Any]) -> None:
    data = finished(client, ELEMENTS, body)
    assert (data["task_status"], data["final_unit_deduction"]) == ("succeed", "0")
    assert "watermark_info" not in data
    (element,) = data["task_result"]["elements"]
    assert set(element) == {
        *("element_id", "element_name", "element_description", "reference_type", "element_image_list"),
        *("element_video_list", "element_voice_info", "tag_list", "owned_by", "status"),
    }
    assert (element["status"], element["reference_type"]) == ("succeed", body["reference_type"])
    assert str(element["element_id"]) != data["task_id"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (without(OF_IMAGES, "element_name"), "element_name is required"),
        ({**OF_IMAGES, "element_name": "n" * 21}, "element_name cannot exceed 20"),
        (without(OF_IMAGES, "element_description"), "element_description is required"),
        ({**OF_IMAGES, "element_description": "d" * 101}, "element_description cannot exceed 100"),
        (without(OF_IMAGES, "reference_type"), "reference_type is required"),
        ({**OF_IMAGES, "reference_type": "text_refer"}, "reference_type must be one of"),
        (without(OF_IMAGES, "element_image_list"), "element_image_list.frontal_image is required"),
        (images(frontal=None), "element_image_list.frontal_image is required"),
        (images(frontal="data:image/png;base64,AAAA"), "without the data: prefix"),
        (images(others=()), "refer_images must have 1 to 3"),
        (images(others=FOUR), "refer_images must have 1 to 3"),
        (images(others=[{}]), "refer_images[0].image_url is required"),
        (images(others=[IMAGE]), "refer_images[0] must be an object"),
        ({**OF_IMAGES, "tag_list": [{"tag_id": "o_109"}]}, "tag_list[0].tag_id must be one of"),
        ({**OF_IMAGES, "tag_list": [{}]}, "tag_list[0].tag_id is required"),
        ({**OF_IMAGES, "element_voice_id": "1"}, "Voice id not found"),
        (without(OF_VIDEO, "element_video_list"), "refer_videos must have exactly 1"),
        ({**OF_VIDEO, "element_video_list": {"refer_videos": [{"video_url": FILM}] * 2}}, "exactly 1"),
        ({**OF_VIDEO, "element_video_list": {"refer_videos": [{}]}}, "refer_videos[0].video_url is required"),
        ({**OF_VIDEO, "element_video_list": {"refer_videos": [{"video_url": "AA"}]}}, "Video URL is invalid"),
        ({**OF_VIDEO, "element_voice_id": "1"}, "element_voice_id is not supported"),
    ],
)
def test_elements_just_outside(client: Client, body: dict[str, Any], text: str) -> None:
    refused(client.post(ELEMENTS, body), 400, 1201, text)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("seconds=3&w=1920&h=1080", ""),
        ("seconds=8&w=1080&h=1920&sound=off", ""),
        ("seconds=2.9&w=1920&h=1080", "3 to 8 seconds"),
        ("seconds=8.2&w=1920&h=1080", "3 to 8 seconds"),
        ("seconds=5&w=1280&h=720", "1080p"),
        ("seconds=5&w=1080&h=1080", "1080p"),
        ("seconds=5&w=1920&h=1080&faces=0", "no human"),
    ],
)
def test_videos_of_elements(client: Client, query: str, text: str) -> None:
    data = finished(client, ELEMENTS, film(client, query))
    assert (data["task_status"], text in data["task_status_msg"]) == ("failed" if text else "succeed", True)


def test_images_that_no_element_comes_of(client: Client) -> None:
    for bad, text in (("https://a.invalid/a.png", "Something went"), (base64_png(200, 200), "pixel")):
        for body in (images(frontal=bad), images(others=[{"image_url": bad}])):
            data = finished(client, ELEMENTS, body)
            assert (data["task_status"], text in data["task_status_msg"]) == ("failed", True)


def base64_png(width: int, height: int) -> str:
    return base64.b64encode(png(width, height)).decode()


def test_an_element_shows_its_images_and_speaks(client: Client) -> None:
    voice = new_voice(client)
    sample = f"{client.sandbox.url}/_sandbox/image.png?w=640&h=480"
    body = {
        **images(frontal=base64_png(400, 500), others=[{"image_url": sample}, {"image_url": IMAGE}]),
        "element_voice_id": voice,
        "tag_list": [{"tag_id": "o_102"}],
        "external_task_id": "zhang",
    }
    data = finished(client, ELEMENTS, body)
    (element,) = data["task_result"]["elements"]
    listed = element["element_image_list"]
    assert fetched(listed["frontal_image"]) == png(400, 500)
    shown = [Image.open(io.BytesIO(fetched(one["image_url"]))) for one in listed["refer_images"]]
    assert shown[0].size == (640, 480)
    assert min(shown[1].size) >= 300
    assert element["element_video_list"] == {}
    assert (element["element_voice_info"]["voice_id"], element["element_voice_info"]["voice_name"]) == (
        voice,
        "Ann",
    )
    assert is_heard(element["element_voice_info"]["trial_url"])
    assert [tag["id"] for tag in element["tag_list"]] == ["o_102"]
    assert client.get(f"{ELEMENTS}/zhang").json()["data"] == data
    (output,) = client.task(data["task_id"])["outputs"]
    assert set(output) == {
        *("type", "id", "name", "description", "element_type", "references", "owned_by", "status", "tags"),
    }
    assert (output["type"], output["id"]) == ("element", str(element["element_id"]))
    assert [one["url"] for one in output["references"]] == [
        listed["frontal_image"],
        *(one["image_url"] for one in listed["refer_images"]),
    ]
    assert client.task(data["task_id"])["billing"][0]["amount"] == "0"


def test_a_voice_in_the_video_of_an_element_becomes_one_of_the_account(client: Client) -> None:
    data = finished(client, ELEMENTS, film(client, "seconds=4&w=1920&h=1080"))
    (element,) = data["task_result"]["elements"]
    assert element["element_image_list"] == {}
    (shown,) = element["element_video_list"]["refer_videos"]
    with av.open(io.BytesIO(fetched(shown["video_url"]))) as container:
        assert float(container.duration or 0) / 1e6 == pytest.approx(4.04, abs=0.05)
    voice = element["element_voice_info"]["voice_id"]
    assert is_heard(element["element_voice_info"]["trial_url"])
    assert new_element(client, {**OF_IMAGES, "element_voice_id": voice})
    assert client.post(DELETE_VOICE, {"voice_id": voice}).status_code == 200
    refused(client.post(ELEMENTS, {**OF_IMAGES, "element_voice_id": voice}), 400, 1201, "Voice id not found")
    mute = finished(client, ELEMENTS, film(client, "seconds=4&w=1920&h=1080&sound=off"))
    assert mute["task_result"]["elements"][0]["element_voice_info"] == {}


def test_lists_of_elements(client: Client) -> None:
    made = [finished(client, ELEMENTS, OF_IMAGES), finished(client, ELEMENTS, OF_VIDEO)]
    assert client.get(f"{ELEMENTS}?pageSize=500").json()["data"] == made[::-1]
    presets = client.get(PRESET_ELEMENTS).json()["data"]
    elements = [one["task_result"]["elements"][0] for one in presets]
    assert {element["owned_by"] for element in elements} == {"kling"}
    assert Image.open(io.BytesIO(fetched(elements[0]["element_image_list"]["frontal_image"]))).size[0] >= 300
    for path in (ELEMENTS, PRESET_ELEMENTS, OLD, OLD_PRESETS):
        refused(client.get(f"{path}?pageSize=501"), 400, 1201, "between 1 and 500")


@pytest.mark.parametrize(
    ("first", "second"), [(DELETE_ELEMENT, ALSO_DELETE_ELEMENT), (ALSO_DELETE_ELEMENT, DELETE_ELEMENT)]
)
def test_both_paths_delete_from_one_store(client: Client, first: str, second: str) -> None:
    data = finished(client, ELEMENTS, OF_IMAGES)
    element = str(data["task_result"]["elements"][0]["element_id"])
    answer = client.post(first, {"element_id": element})
    assert answer.json()["data"] == {"task_id": data["task_id"], "task_status": "succeed"}
    refused(client.post(second, {"element_id": element}), 400, 1201, "already be deleted")
    read = client.get(f"{ELEMENTS}/{data['task_id']}").json()["data"]
    assert read["task_result"]["elements"][0]["status"] == "deleted"
    assert client.task(data["task_id"])["outputs"][0]["status"] == "deleted"
    preset = client.get(PRESET_ELEMENTS).json()["data"][0]["task_result"]["elements"][0]["element_id"]
    for other in (str(preset), data["task_id"]):
        refused(client.post(first, {"element_id": other}), 400, 1201, "Element id not found")
    refused(client.post(first, {}), 400, 1201, "element_id is required")
