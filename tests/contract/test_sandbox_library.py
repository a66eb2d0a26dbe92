# SPDX-License-Identifier: Apache-2.0
"""The library of an account: what creates find in it, the old elements beside it, and what outlives a restart."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
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
    OLD_ELEMENT,
    OLD_PRESETS,
    PRESET_ELEMENTS,
    VOICE,
    VOICES,
    fetched,
    finished,
    new_element,
    new_voice,
    without,
)
from tests.contract.recordings import recorded
from tests.contract.sandbox_client import Client, refused


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=500, units=100_000, short_side=120) as running:
        yield running


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
