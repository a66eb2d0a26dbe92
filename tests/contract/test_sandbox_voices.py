# SPDX-License-Identifier: Apache-2.0
"""Voices: made, listed, heard, deleted. Bodies just inside and just outside each rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kling_provider.sandbox import Sandbox
from tests.contract.library_client import (
    DELETE_VOICE,
    FILM,
    IMAGE,
    PRESET_VOICES,
    VOICE,
    VOICES,
    finished,
    is_heard,
    new_voice,
    without,
)
from tests.contract.sandbox_client import Client, refused


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=500, units=100_000, short_side=120) as running:
        yield running


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
