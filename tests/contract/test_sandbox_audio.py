# SPDX-License-Identifier: Apache-2.0
"""Sounds: of a prompt, for a video, of a text. Bodies just inside and just outside each rule; outputs decoded."""

from __future__ import annotations

import array
import io
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import av
import pytest
import requests

from kling_provider.sandbox import Sandbox
from tests.contract.recordings import recorded
from tests.contract.sandbox_client import TIMEOUT, Client, refused

TEXT_TO_AUDIO, VIDEO_TO_AUDIO, TTS = (
    f"/v1/audio/{name}" for name in ("text-to-audio", "video-to-audio", "tts")
)
RAIN = {"prompt": "rain on a tin roof", "duration": 5}
HELLO = {"text": "Good evening.", "voice_id": "oversea_male1", "voice_language": "en"}
FILM = "https://films.example/a.mp4"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=500, short_side=120) as running:
        yield running


def finished(client: Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The task of a create, as its own path reads it after its end."""
    answer = client.post(path, body)
    assert answer.status_code == 200, answer.text
    client.sandbox.advance(120)
    data: dict[str, Any] = client.get(f"{path}/{answer.json()['data']['task_id']}").json()["data"]
    return data


def failure(client: Client, path: str, body: dict[str, Any]) -> str:
    """Why a task fails that its create took."""
    data = finished(client, path, body)
    assert (data["task_status"], data["task_result"]) == ("failed", {})
    assert data["final_unit_deduction"] == "0"
    return str(data["task_status_msg"])


def without(body: dict[str, Any], *names: str, **others: Any) -> dict[str, Any]:
    return {**{key: value for key, value in body.items() if key not in names}, **others}


def heard(url: str) -> tuple[float, float]:
    """Seconds and mean level (of 32767) of the sound of a file, decoded."""
    answer = requests.get(url, timeout=TIMEOUT)
    assert answer.status_code == 200
    samples = array.array("h")
    with av.open(io.BytesIO(answer.content)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=44_100)
        for frame in container.decode(container.streams.audio[0]):
            for part in resampler.resample(frame):
                samples.frombytes(bytes(part.planes[0])[: part.samples * 2])
    return len(samples) / 44_100, sum(map(abs, samples)) / len(samples)


def pictures(url: str) -> list[bytes]:
    """The encoded pictures of a video."""
    with av.open(io.BytesIO(requests.get(url, timeout=TIMEOUT).content)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.video[0]) if packet.size]


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "r" * 200, "duration": 3},
        {"prompt": "r", "duration": 10.0},
        {
            "prompt": "雨",
            "duration": 3.7,
            "callback_url": "https://hooks.example/a",
            "watermark_info": {"enabled": True},
        },
    ],
)
def test_text_to_audio_inside(client: Client, body: dict[str, Any]) -> None:
    data = finished(client, TEXT_TO_AUDIO, body)
    assert (data["task_status"], data["final_unit_deduction"]) == ("succeed", "0.25")
    assert set(data) == {
        *(
            "task_id",
            "task_status",
            "task_status_msg",
            "task_info",
            "task_result",
            "final_unit_deduction",
            "final_balance_deduction",
        ),
        *("created_at", "updated_at"),
    }
    (sound,) = data["task_result"]["audios"]
    assert set(sound) == {"id", "url_mp3", "url_wav", "duration_mp3", "duration_wav"}
    assert float(sound["duration_mp3"]) == float(sound["duration_wav"]) == body["duration"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (without(RAIN, "prompt"), "prompt is required"),
        (without(RAIN, prompt=" "), "prompt is required"),
        (without(RAIN, prompt=5), "prompt must be a string"),
        (without(RAIN, prompt="r" * 201), "prompt cannot exceed 200"),
        (without(RAIN, "duration"), "duration is required"),
        (without(RAIN, duration="5"), "duration must be a number"),
        (without(RAIN, duration=2.9), "between 3.0 and 10.0"),
        (without(RAIN, duration=10.1), "between 3.0 and 10.0"),
        (without(RAIN, duration=3.05), "one decimal"),
        (without(RAIN, callback_url=1), "callback_url must be a string"),
        (without(RAIN, external_task_id=1), "external_task_id must be a string"),
    ],
)
def test_text_to_audio_just_outside(client: Client, body: dict[str, Any], text: str) -> None:
    refused(client.post(TEXT_TO_AUDIO, body), 400, 1201, text)


def test_a_sound_lasts_as_long_as_was_asked(client: Client) -> None:
    (sound,) = finished(client, TEXT_TO_AUDIO, {**RAIN, "duration": 3.5})["task_result"]["audios"]
    seconds, level = heard(sound["url_wav"])
    assert (seconds, level > 300) == (3.5, True)
    seconds, level = heard(sound["url_mp3"])
    assert 3.5 <= seconds < 3.6, "frames of an MP3 are whole"
    assert level > 300


def test_reads_lists_and_the_standard_design_know_a_sound(client: Client) -> None:
    data = finished(client, TEXT_TO_AUDIO, {**RAIN, "external_task_id": "rain-1"})
    assert data["task_info"] == {"external_task_id": "rain-1"}
    assert client.get(f"{TEXT_TO_AUDIO}/rain-1").json()["data"] == data
    later = finished(client, TEXT_TO_AUDIO, RAIN)
    listed = client.get(f"{TEXT_TO_AUDIO}?pageNum=1&pageSize=500").json()["data"]
    assert [one["task_id"] for one in listed] == [later["task_id"], data["task_id"]]
    assert client.get(f"{VIDEO_TO_AUDIO}").json()["data"] == []
    for query in ("pageSize=501", "pageSize=0", "pageNum=1001", "pageNum=0"):
        refused(client.get(f"{TEXT_TO_AUDIO}?{query}"), 400, 1201, "must be between")
    task = client.task(data["task_id"])
    assert (task["status"], task["external_id"]) == ("succeeded", "rain-1")
    (output,) = task["outputs"]
    assert set(output) == {"type", "id", "mp3_url", "wav_url", "mp3_duration", "wav_duration"}
    assert (output["type"], output["mp3_duration"]) == ("audio", "5")
    assert task["billing"] == [{"charge_type": "unit", "amount": "0.25", "package_type": "video"}]
    refused(client.post(TEXT_TO_AUDIO, {**RAIN, "external_task_id": "rain-1"}), 400, 1201, "already exists")


@pytest.mark.parametrize(
    "body",
    [
        {"video_url": FILM},
        {"video_url": FILM, "sound_effect_prompt": "s" * 200, "bgm_prompt": "b" * 200, "asmr_mode": True},
        {"video_url": "/_sandbox/video.mp4?seconds=3"},
        {"video_url": "/_sandbox/video.mp4?seconds=20&sound=off"},
    ],
)
def test_video_to_audio_inside(client: Client, body: dict[str, Any]) -> None:
    body = {**body, "video_url": here(client, body["video_url"])}
    data = finished(client, VIDEO_TO_AUDIO, body)
    assert (data["task_status"], data["final_unit_deduction"]) == ("succeed", "0.25")
    (video,), (sound,) = data["task_result"]["videos"], data["task_result"]["audios"]
    assert set(video) == {"id", "url", "duration"}
    assert video["duration"] == sound["duration_mp3"] == data["task_info"]["parent_video"]["duration"]
    assert "watermark_info" not in data


def here(client: Client, url: str) -> str:
    return url if url.startswith("http") else client.sandbox.url + url


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "video_id or video_url is required"),
        ({"video_url": FILM, "video_id": "1"}, "only one of video_id and video_url"),
        ({"video_id": "1"}, "video_id 1 not found"),
        ({"video_id": 1}, "video_id must be a string"),
        ({"video_url": "AAAA"}, "Video URL is invalid"),
        ({"video_url": FILM, "sound_effect_prompt": "s" * 201}, "sound_effect_prompt cannot exceed 200"),
        ({"video_url": FILM, "bgm_prompt": "b" * 201}, "bgm_prompt cannot exceed 200"),
        ({"video_url": FILM, "asmr_mode": "yes"}, "asmr_mode must be a boolean"),
    ],
)
def test_video_to_audio_just_outside(client: Client, body: dict[str, Any], text: str) -> None:
    refused(client.post(VIDEO_TO_AUDIO, body), 400, 1201, text)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://films.invalid/a.mp4", "Something went wrong when we tried to get the contents"),
        ("https://films.example/a.avi", "mp4, mov"),
        ("/_sandbox/video.mp4?seconds=2.9", "3 to 20 seconds"),
        ("/_sandbox/video.mp4?seconds=20.1", "3 to 20 seconds"),
    ],
)
def test_a_video_that_cannot_have_a_sound_fails_at_generation(client: Client, url: str, text: str) -> None:
    assert text in failure(client, VIDEO_TO_AUDIO, {"video_url": here(client, url)})


def test_a_video_of_the_account_gets_a_sound(client: Client) -> None:
    source = client.finished(duration=3)["outputs"][0]
    data = finished(client, VIDEO_TO_AUDIO, {"video_id": source["id"], "bgm_prompt": "a slow cello"})
    parent = data["task_info"]["parent_video"]
    assert (parent["id"], parent["duration"]) == (source["id"], source["duration"])
    (video,), (sound,) = data["task_result"]["videos"], data["task_result"]["audios"]
    assert pictures(video["url"]) == pictures(source["url"]) == pictures(parent["url"])
    seconds, level = heard(video["url"])
    assert 3.0 < seconds < 3.2
    assert level > 300
    alone, loud = heard(sound["url_wav"])
    assert abs(alone - 3.041) < 0.001
    assert loud == pytest.approx(level, rel=0.1), "the same sound"
    task = client.task(data["task_id"])
    assert [output["type"] for output in task["outputs"]] == ["video", "audio"]
    assert "task_info" not in task
    again = finished(client, VIDEO_TO_AUDIO, {"video_id": video["id"]})
    assert again["task_status"] == "succeed", "what comes out can be named again"


def test_ids_of_videos_belong_to_their_account_and_die(client: Client) -> None:
    source = client.finished(duration=3)["outputs"][0]["id"]
    other = Client(client.sandbox, client.sandbox.api_key + "-2")
    refused(other.post(VIDEO_TO_AUDIO, {"video_id": source}), 400, 1201, "not found")
    client.sandbox.advance(30 * 86_400)
    refused(client.post(VIDEO_TO_AUDIO, {"video_id": source}), 400, 1201, "30 days")


def test_the_callback_tells_the_parent_video(client: Client) -> None:
    received: Queue[dict[str, Any]] = Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        body = {"video_url": FILM, "callback_url": f"http://127.0.0.1:{server.server_port}/done"}
        client.post(VIDEO_TO_AUDIO, body)
        client.sandbox.advance(120)
        while (told := received.get(timeout=TIMEOUT))["task_status"] != "succeed":
            assert "parent_video" not in told["task_info"]
        server.shutdown()
    assert told["task_info"]["parent_video"]["duration"] == "5.041"
    assert {name: len(entries) for name, entries in told["task_result"].items()} == {
        "images": 0,
        "videos": 1,
        "audios": 1,
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "t" * 1000},
        {"voice_speed": 0.8},
        {"voice_speed": 2},
        {"voice_speed": 1.04},
        {"voice_language": "zh", "text": "晚上好"},
    ],
)
def test_speech_inside(client: Client, fields: dict[str, Any]) -> None:
    answer = client.post(TTS, {**HELLO, **fields})
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert set(data) == {
        *(
            "task_id",
            "task_status",
            "task_status_msg",
            "task_result",
            "final_unit_deduction",
            "final_balance_deduction",
        ),
        *("created_at", "updated_at"),
    }
    assert (data["task_status"], data["final_unit_deduction"]) == ("succeed", "0.05")
    (sound,) = data["task_result"]["audios"]
    assert set(sound) == {"id", "url", "duration"}
    assert sound["id"] != data["task_id"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (without(HELLO, "text"), "text is required"),
        (without(HELLO, text="t" * 1001), "text cannot exceed 1000"),
        (without(HELLO, "voice_id"), "voice_id is required"),
        (without(HELLO, "voice_language"), "voice_language is required"),
        (without(HELLO, voice_language="fr"), "voice_language must be one of zh, en"),
        (without(HELLO, voice_speed=0.7), "between 0.8 and 2.0"),
        (without(HELLO, voice_speed=2.1), "between 0.8 and 2.0"),
        (without(HELLO, voice_speed="1"), "voice_speed must be a number"),
        (without(HELLO, voice_id="oversea_male9"), "Voice id not found"),
    ],
)
def test_speech_just_outside(client: Client, body: dict[str, Any], text: str) -> None:
    refused(client.post(TTS, body), 400, 1201, text)
    assert client.sandbox.stats()["units"]["default"]["spent"] == "0"


def test_voices_of_the_library_do_not_speak_texts(client: Client) -> None:
    preset = client.get("/v1/general/presets-voices").json()["data"][0]["task_result"]["voices"][0][
        "voice_id"
    ]
    refused(client.post(TTS, {**HELLO, "voice_id": preset}), 400, 1201, "Voice id not found")


def test_speech_grows_with_its_text_and_is_heard(client: Client) -> None:
    lengths = []
    for fields in ({}, {"text": "Good evening. " * 4}, {"text": "Good evening. " * 4, "voice_speed": 2.0}):
        (sound,) = client.post(TTS, {**HELLO, **fields}).json()["data"]["task_result"]["audios"]
        seconds, level = heard(sound["url"])
        assert abs(seconds - float(sound["duration"])) < 0.1
        assert level > 300
        lengths.append(seconds)
    short, long, fast = lengths
    assert long > 3 * short
    assert fast == pytest.approx(long / 2, abs=0.2)


def test_speech_is_nowhere_to_read(client: Client) -> None:
    data = client.post(TTS, {**HELLO, "external_task_id": "a"}).json()["data"]
    assert client.get(f"/tasks?task_ids={data['task_id']}").json()["data"] == []
    assert client.get("/tasks?external_task_ids=a").json()["data"] == []
    assert client.post("/tasks", {}).json()["data"] == {"count": 0, "has_more": False}
    assert client.get(f"{TTS}/{data['task_id']}").status_code == 404
    assert client.get(TTS).status_code == 404
    assert client.post(TTS, {**HELLO, "external_task_id": "a"}).status_code == 200, "no lock"


def test_answers_have_the_documented_form(client: Client, captures: Path) -> None:
    records = recorded(captures, "62")["records"]
    read = finished(client, TEXT_TO_AUDIO, {**RAIN, "external_task_id": "a"})
    at_once = client.post(TTS, HELLO).json()["data"]
    for ours, theirs in (
        (read, records["text_to_audio_query"]["data"]),
        (at_once, records["tts_create"]["data"]),
    ):
        assert shape(ours) == shape(theirs)
    made = client.post(TEXT_TO_AUDIO, RAIN).json()["data"]
    (text_to_audio, _) = recorded(captures, "56")["records"]
    assert shape(made) == shape(text_to_audio["response"]["data"])


def shape(value: Any) -> Any:
    """Keys and types of a JSON value."""
    if isinstance(value, dict):
        return {key: shape(part) for key, part in value.items()}
    return [shape(part) for part in value] if isinstance(value, list) else type(value)


@pytest.mark.parametrize("by_id", [True, False])
def test_speech_is_a_sound_that_a_face_can_speak(client: Client, by_id: bool) -> None:
    (said,) = client.post(TTS, {**HELLO, "text": "Good evening, and welcome aboard."}).json()["data"][
        "task_result"
    ]["audios"]
    sound = {"audio_id": said["id"]} if by_id else {"sound_file": said["url"]}
    body = {"image": "https://images.example/a.png", **sound}
    (video,) = finished(client, "/v1/videos/avatar/image2video", body)["task_result"]["videos"]
    assert float(video["duration"]) == pytest.approx(float(said["duration"]), abs=0.1)
    assert heard(video["url"])[1] > 300


def test_a_voice_is_made_from_speech(client: Client) -> None:
    (said,) = client.post(TTS, {**HELLO, "text": "Good evening. " * 8}).json()["data"]["task_result"][
        "audios"
    ]
    made = finished(client, "/v1/general/custom-voices", {"voice_name": "keeper", "voice_url": said["url"]})
    (voice,) = made["task_result"]["voices"]
    assert heard(voice["trial_url"])[1] > 300
