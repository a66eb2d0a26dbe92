# SPDX-License-Identifier: Apache-2.0
"""Voices and elements: made, listed, named in creates, deleted. Bodies just inside and just outside each rule."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
import requests
from PIL import Image

from kling_provider.sandbox import Sandbox
from tests.contract.recordings import recorded
from tests.contract.sandbox_client import TIMEOUT, Client, png, refused

VOICES, ELEMENTS, OLD = (
    f"/v1/general/{name}" for name in ("custom-voices", "advanced-custom-elements", "custom-elements")
)
PRESET_VOICES, PRESET_ELEMENTS, OLD_PRESETS = (
    f"/v1/general/{name}" for name in ("presets-voices", "advanced-presets-elements", "presets-elements")
)
DELETE_VOICE, DELETE_ELEMENT, ALSO_DELETE_ELEMENT = (
    f"/v1/general/{name}" for name in ("delete-voices", "delete-advanced-elements", "delete-elements")
)
IMAGE = "https://images.example/a.png"
FILM = "https://films.example/a.mp4"
VOICE = {"voice_name": "Ann", "voice_url": "https://sounds.example/ann.mp3"}
NAMES = {"element_name": "Zhang", "element_description": "A keeper of bees"}
OF_IMAGES = {
    **NAMES,
    "reference_type": "image_refer",
    "element_image_list": {"frontal_image": IMAGE, "refer_images": [{"image_url": IMAGE}]},
}
OF_VIDEO = {
    **NAMES,
    "reference_type": "video_refer",
    "element_video_list": {"refer_videos": [{"video_url": FILM}]},
}
OLD_ELEMENT = {**NAMES, "element_frontal_image": IMAGE, "element_refer_list": [{"image_url": IMAGE}]}
FOUR = [{"image_url": IMAGE}] * 4


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=500, units=100_000, short_side=120) as running:
        yield running


def without(body: dict[str, Any], *names: str, **others: Any) -> dict[str, Any]:
    return {**{key: value for key, value in body.items() if key not in names}, **others}


def images(frontal: Any = IMAGE, others: Any = ({"image_url": IMAGE},)) -> dict[str, Any]:
    return {**OF_IMAGES, "element_image_list": {"frontal_image": frontal, "refer_images": list(others)}}


def film(client: Client, query: str) -> dict[str, Any]:
    """An element of a sample video."""
    url = f"{client.sandbox.url}/_sandbox/video.mp4?{query}"
    return {**OF_VIDEO, "element_video_list": {"refer_videos": [{"video_url": url}]}}


def finished(client: Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The task of a create, as its own path reads it after its end."""
    answer = client.post(path, body)
    assert answer.status_code == 200, answer.text
    client.sandbox.advance(120)
    data: dict[str, Any] = client.get(f"{path}/{answer.json()['data']['task_id']}").json()["data"]
    return data


def new_voice(client: Client, **fields: Any) -> str:
    (voice,) = finished(client, VOICES, {**VOICE, **fields})["task_result"]["voices"]
    return str(voice["voice_id"])


def new_element(client: Client, body: dict[str, Any] = OF_IMAGES) -> str:
    data = finished(client, ELEMENTS, body)
    assert data["task_status"] == "succeed", data["task_status_msg"]
    return str(data["task_result"]["elements"][0]["element_id"])


def fetched(url: str) -> bytes:
    answer = requests.get(url, timeout=TIMEOUT)
    assert answer.status_code == 200
    return answer.content


def is_heard(url: str) -> bool:
    with av.open(io.BytesIO(fetched(url))) as container:
        return any(max(bytes(frame.planes[0])) > 0 for frame in container.decode(container.streams.audio[0]))


@pytest.mark.parametrize(
    "fields",
    [
        {"voice_name": "n" * 20},
        {"voice_url": "https://sounds.example/ann.wav"},
        {"voice_url": FILM},
        {"voice_url": "https://films.example/a.mov", "callback_url": "https://hooks.example/a"},
        {"voice_url": "https://sounds.example/without-a-suffix"},
    ],
)
def test_voices_inside(client: Client, fields: dict[str, Any]) -> None:
    data = finished(client, VOICES, {**VOICE, **fields})
    assert (data["task_status"], data["final_unit_deduction"]) == ("succeed", "0.05")
    assert "watermark_info" not in data
    (voice,) = data["task_result"]["voices"]
    assert set(voice) == {"voice_id", "voice_name", "trial_url", "owned_by"}
    assert voice["voice_id"] != data["task_id"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (without(VOICE, "voice_name"), "voice_name is required"),
        ({**VOICE, "voice_name": "n" * 21}, "voice_name cannot exceed 20"),
        (without(VOICE, "voice_url"), "voice_url or video_id is required"),
        ({**VOICE, "video_id": "1"}, "only one of voice_url and video_id"),
        ({**VOICE, "voice_url": "AAAA"}, "voice_url must be a url"),
        (without(VOICE, "voice_url", video_id="1"), "video_id 1 not found"),
    ],
)
def test_voices_just_outside(client: Client, body: dict[str, Any], text: str) -> None:
    refused(client.post(VOICES, body), 400, 1201, text)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://sounds.invalid/a.mp3", "Something went wrong"),
        ("https://sounds.example/a.ogg", "Audio format is invalid"),
        ("/_sandbox/sound.mp3?seconds=4.9", "5 to 30 seconds"),
        ("/_sandbox/sound.wav?seconds=30.2", "5 to 30 seconds"),
        ("/_sandbox/video.mp4?seconds=10&sound=off", "no voice"),
    ],
)
def test_recordings_that_no_voice_comes_of(client: Client, url: str, text: str) -> None:
    url = url if url.startswith("http") else client.sandbox.url + url
    data = finished(client, VOICES, {**VOICE, "voice_url": url})
    assert data["task_status"] == "failed"
    assert text in data["task_status_msg"]
    assert client.sandbox.stats()["units"]["default"]["spent"] == "0"


@pytest.mark.parametrize("query", ["sound.mp3?seconds=5", "sound.wav?seconds=30", "video.mp4?seconds=5"])
def test_recordings_that_are_just_long_enough(client: Client, query: str) -> None:
    data = finished(client, VOICES, {**VOICE, "voice_url": f"{client.sandbox.url}/_sandbox/{query}"})
    assert data["task_status"] == "succeed"


def test_a_voice_of_a_video_of_the_account(client: Client) -> None:
    def made(model: str, **settings: Any) -> str:
        return str(client.finished(model=model, **settings)["outputs"][0]["id"])

    body = without(VOICE, "voice_url")
    loud = made("kling-2.6", audio="native", resolution="1080p", duration=5)
    assert finished(client, VOICES, {**body, "video_id": loud})["task_status"] == "succeed"
    for silent in (made("kling-2.6", duration=5), made("kling-3.0", audio="native", duration=5)):
        refused(client.post(VOICES, {**body, "video_id": silent}), 400, 1201, "no voice")


@pytest.mark.parametrize(("seconds", "text"), [(6, ""), (4.5, "5 to 30 seconds")])
def test_a_voice_of_an_avatar(client: Client, seconds: float, text: str) -> None:
    sound = f"{client.sandbox.url}/_sandbox/sound.mp3?seconds={seconds}"
    spoken = finished(client, "/v1/videos/avatar/image2video", {"image": IMAGE, "sound_file": sound})
    video = spoken["task_result"]["videos"][0]["id"]
    body = without(VOICE, "voice_url", video_id=video)
    if text:
        refused(client.post(VOICES, body), 400, 1201, text)
    else:
        assert finished(client, VOICES, body)["task_status"] == "succeed"


def test_a_voice_can_be_read_listed_and_heard(client: Client) -> None:
    data = finished(client, VOICES, {**VOICE, "external_task_id": "ann"})
    assert client.get(f"{VOICES}/ann").json()["data"] == data
    assert client.get(f"{VOICES}?pageSize=1000").json()["data"] == [data]
    refused(client.get(f"{VOICES}?pageSize=1001"), 400, 1201, "pageSize must be between 1 and 1000")
    (voice,) = data["task_result"]["voices"]
    assert is_heard(voice["trial_url"])
    (output,) = client.task(data["task_id"])["outputs"]
    assert output == {
        "type": "voice",
        "id": voice["voice_id"],
        "name": "Ann",
        "url": voice["trial_url"],
        "owned_by": voice["owned_by"],
        "status": "succeed",
    }


def test_preset_voices(client: Client) -> None:
    presets = client.get(f"{PRESET_VOICES}?pageSize=1000").json()["data"]
    assert len(presets) > 3
    assert {one["task_status"] for one in presets} == {"succeed"}
    voices = [one["task_result"]["voices"][0] for one in presets]
    assert {voice["owned_by"] for voice in voices} == {"kling"}
    assert len({voice["voice_id"] for voice in voices}) == len(voices)
    pages = [client.get(f"{PRESET_VOICES}?pageNum={n}&pageSize=1").json()["data"] for n in (1, 2, 1000)]
    assert [len(page) for page in pages] == [1, 1, 0]
    assert pages[0] != pages[1]
    refused(client.get(f"{PRESET_VOICES}?pageSize=1001"), 400, 1201, "between 1 and 1000")
    client.sandbox.advance(300 * 86_400)
    assert is_heard(client.get(PRESET_VOICES).json()["data"][0]["task_result"]["voices"][0]["trial_url"])


def test_a_voice_is_deleted_once(client: Client) -> None:
    data = finished(client, VOICES, VOICE)
    voice = data["task_result"]["voices"][0]["voice_id"]
    answer = client.post(DELETE_VOICE, {"voice_id": voice})
    assert answer.json()["data"] == {"task_id": data["task_id"], "task_status": "succeed"}
    refused(client.post(DELETE_VOICE, {"voice_id": voice}), 400, 1201, "already be deleted")
    assert client.task(data["task_id"])["outputs"][0]["status"] == "deleted"
    preset = client.get(PRESET_VOICES).json()["data"][0]["task_result"]["voices"][0]["voice_id"]
    for other in (preset, data["task_id"], "1"):
        refused(client.post(DELETE_VOICE, {"voice_id": other}), 400, 1201, "Voice id not found")
    refused(client.post(DELETE_VOICE, {}), 400, 1201, "voice_id is required")
    refused(client.post(DELETE_VOICE, {"voice_id": 7}), 400, 1201, "voice_id must be a string")
    stranger = Client(client.sandbox, client.sandbox.api_key + "-2")
    refused(stranger.post(DELETE_VOICE, {"voice_id": new_voice(client)}), 400, 1201, "not found")


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


@pytest.mark.parametrize(
    "fields",
    [{"element_refer_list": FOUR[:3]}, {"tag_list": [{"tag_id": "o_104"}]}, {"element_name": "n" * 20}],
)
def test_old_elements_inside(client: Client, fields: dict[str, Any]) -> None:
    data = client.post(OLD, {**OLD_ELEMENT, **fields}).json()["data"]
    assert set(data) == {
        *("element_id", "element_name", "element_description", "element_frontal_image"),
        *("element_refer_list", "tag_list", "owned_by"),
    }
    assert Image.open(io.BytesIO(fetched(data["element_frontal_image"]))).size[0] >= 300
    assert client.get(OLD).json()["data"] == [data]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (without(OLD_ELEMENT, "element_name"), "element_name is required"),
        ({**OLD_ELEMENT, "element_name": "n" * 21}, "element_name cannot exceed 20"),
        ({**OLD_ELEMENT, "element_description": "d" * 101}, "element_description cannot exceed 100"),
        (without(OLD_ELEMENT, "element_frontal_image"), "element_frontal_image is required"),
        (without(OLD_ELEMENT, "element_refer_list"), "element_refer_list must have 1 to 3"),
        ({**OLD_ELEMENT, "element_refer_list": FOUR}, "element_refer_list must have 1 to 3"),
        ({**OLD_ELEMENT, "tag_list": [{"tag_id": "x"}]}, "tag_list[0].tag_id must be one of"),
        ({**OLD_ELEMENT, "element_frontal_image": "https://a.invalid/a.png"}, "Something went wrong"),
    ],
)
def test_old_elements_just_outside(client: Client, body: dict[str, Any], text: str) -> None:
    refused(client.post(OLD, body), 400, 1201, text)
    assert client.get(OLD).json()["data"] == []


def test_old_elements_are_a_library_of_their_own(client: Client) -> None:
    old = client.post(OLD, OLD_ELEMENT).json()["data"]["element_id"]
    assert client.get(ELEMENTS).json()["data"] == []
    assert {one["owned_by"] for one in client.get(OLD_PRESETS).json()["data"]} == {"kling"}
    refused(client.post(ALSO_DELETE_ELEMENT, {"element_id": str(old)}), 400, 1201, "not found")
    assert client.post("/tasks", {}).json()["data"]["count"] == 0
    stranger = Client(client.sandbox, client.sandbox.api_key + "-2")
    assert stranger.get(OLD).json()["data"] == []


def omni(client: Client, *entries: Any, model: str = "kling-3.0-omni", **settings: Any) -> requests.Response:
    """``POST /omni-video/{model}``: ids are elements, words are types of contents."""
    contents: list[dict[str, str]] = [{"type": "prompt", "text": "A boat"}]
    for number, entry in enumerate(entries):
        if entry.isdecimal():
            contents.append({"type": "element", "element_id": entry, "id": f"e{number}"})
        else:
            contents.append({"type": entry, "url": FILM if entry.endswith("video") else IMAGE})
    return client.post(f"/omni-video/{model}", {"contents": contents, "settings": settings})


def test_omni_knows_the_kinds_of_elements(client: Client) -> None:
    plain, character = new_element(client), new_element(client, OF_VIDEO)
    preset = client.get(PRESET_ELEMENTS).json()["data"][0]["task_result"]["elements"][0]["element_id"]
    many, few = [plain] * 4, [character] * 3
    inside: list[tuple[list[str], dict[str, Any]]] = [
        ([plain] * 7, {}),
        ([str(preset), plain], {"model": "kling-o1"}),
        ([*few, *many], {}),
        ([character, "first_frame", "refer_image", "refer_image", plain], {}),
        (["feature_video", character], {}),
        (["feature_video", *many], {}),
        (["first_frame", plain, plain, plain], {}),
    ]
    for entries, settings in inside:
        answer = omni(client, *entries, **settings)
        assert answer.status_code == 200, (entries, answer.text)
        client.sandbox.advance(120)
        assert client.task(answer.json()["data"]["id"])["status"] == "succeeded"
    outside: list[tuple[list[str], dict[str, Any], str]] = [
        ([character], {"model": "kling-o1"}, "elements from a video are not supported"),
        ([character] * 4, {}, "at most 3 element from a video"),
        ([character, *[plain] * 5], {}, "at most 4 images and elements from images"),
        ([character, "first_frame", "refer_image", "refer_image", plain, plain], {}, "at most 4 images"),
        (["feature_video", character, character], {}, "at most 1 element from a video"),
        (["feature_video", character, plain], {}, "cannot be mixed"),
        (["feature_video", character, "refer_image"], {}, "refer_image cannot be used"),
    ]
    for entries, settings, text in outside:
        refused(omni(client, *entries, **settings), 400, 1201, text)


def of_image(client: Client, *entries: dict[str, str], model: str = "kling-3.0", **settings: Any) -> str:
    """The state of ``POST /image-to-video/{model}``, with its message."""
    contents = [{"type": "first_frame", "url": IMAGE}, *entries]
    answer = client.post(f"/image-to-video/{model}", {"contents": contents, "settings": settings})
    client.sandbox.advance(120)
    task = client.task(answer.json()["data"]["id"])
    return f"{task['status']} {task['message']}".strip()


def test_creates_find_elements_and_voices(client: Client) -> None:
    element, voice = new_element(client), new_voice(client)
    entry = {"type": "element", "element_id": element, "id": "Zhang"}
    loud = {"model": "kling-2.6", "audio": "native", "resolution": "1080p"}
    spoken = {"type": "voice", "voice_id": voice, "id": "Ann"}
    assert of_image(client, entry) == "succeeded"
    assert of_image(client, spoken, **loud) == "succeeded"
    legacy = {"model_name": "kling-v3", "image": IMAGE, "prompt": "A boat", "sound": "on"}
    omni_body = {"model_name": "kling-v3-omni", "prompt": "A boat", "aspect_ratio": "16:9"}
    named = {"element_list": [{"element_id": int(element)}]}
    for path, body in (
        ("/v1/videos/image2video", {**legacy, **named}),
        ("/v1/videos/image2video", {**legacy, "voice_list": [{"voice_id": voice}]}),
        ("/v1/videos/omni-video", {**omni_body, **named}),
    ):
        assert finished(client, path, body)["task_status"] == "succeed"
    client.post(DELETE_ELEMENT, {"element_id": element})
    client.post(DELETE_VOICE, {"voice_id": voice})
    missing = f"failed Element id not found: {element}"
    assert of_image(client, entry) == missing
    assert of_image(client, spoken, **loud) == f"failed Voice id not found: {voice}"
    for path, body in (
        ("/v1/videos/image2video", {**legacy, **named}),
        ("/v1/videos/omni-video", {**omni_body, **named}),
    ):
        assert f"failed {finished(client, path, body)['task_status_msg']}" == missing
    refused(omni(client, element), 400, 1201, f"Element id not found: {element}")


def test_nobody_names_what_is_not_there_yet_or_is_of_another_account(client: Client) -> None:
    task = client.post(ELEMENTS, OF_IMAGES).json()["data"]["task_id"]
    early = client.sandbox.app.backend.get_task(task)
    assert early is not None
    refused(omni(client, early.output_ids[0]), 400, 1201, "Element id not found")
    client.sandbox.advance(120)
    assert omni(client, early.output_ids[0]).status_code == 200
    stranger = Client(client.sandbox, client.sandbox.api_key + "-2")
    refused(omni(stranger, early.output_ids[0]), 400, 1201, "Element id not found")
    refused(omni(client, task), 400, 1201, "Element id not found")


def test_a_library_outlives_a_restart(tmp_path: Path) -> None:
    def start() -> Sandbox:
        return Sandbox(time_scale=1, state_dir=tmp_path, concurrency=50, short_side=120)

    with start() as sandbox:
        client = Client(sandbox)
        voice, kept, gone = new_voice(client), new_element(client), new_element(client)
        client.post(DELETE_ELEMENT, {"element_id": gone})
        old = client.post(OLD, OLD_ELEMENT).json()["data"]["element_id"]
    with start() as sandbox:
        client = Client(sandbox)
        assert omni(client, kept).status_code == 200
        refused(omni(client, gone), 400, 1201, "Element id not found")
        refused(client.post(DELETE_ELEMENT, {"element_id": gone}), 400, 1201, "already be deleted")
        assert new_element(client, {**OF_IMAGES, "element_voice_id": voice})
        assert [one["element_id"] for one in client.get(OLD).json()["data"]] == [old]
        client.post(DELETE_VOICE, {"voice_id": voice})
    with start() as sandbox:
        refused(Client(sandbox).post(DELETE_VOICE, {"voice_id": voice}), 400, 1201, "already be deleted")
        sandbox.reset()
        assert Client(sandbox).get(OLD).json()["data"] == []
    with start() as sandbox:
        refused(omni(Client(sandbox), kept), 400, 1201, "Element id not found")


def test_an_entry_stays_when_reads_forget_its_task(client: Client) -> None:
    client.sandbox.set_faults([{"kind": "ids_forgotten", "seconds": 200, "mode": "keep"}])
    element = new_element(client)
    client.sandbox.advance(300)
    assert client.get(ELEMENTS).json()["data"] == []
    client.sandbox.set_faults([])
    assert omni(client, element).status_code == 200


@pytest.mark.parametrize(
    ("record", "path", "body", "kind"),
    [("voice_list", VOICES, VOICE, "voices"), ("element_list", ELEMENTS, OF_VIDEO, "elements")],
)
def test_lists_have_the_documented_form(
    client: Client, captures: Path, record: str, path: str, body: dict[str, Any], kind: str
) -> None:
    (theirs,) = recorded(captures, "62")["records"][record]["data"]
    finished(client, path, {**body, "external_task_id": "a"})
    (ours,) = client.get(path).json()["data"]
    assert set(ours) == set(theirs)
    assert set(ours["task_info"]) == set(theirs["task_info"])
    (our_entry,), (their_entry,) = ours["task_result"][kind], theirs["task_result"][kind]
    assert {key: type(value) for key, value in our_entry.items()} == {
        key: type(value) for key, value in their_entry.items()
    }
