# SPDX-License-Identifier: Apache-2.0
"""What faces say: the two lip syncs, and the sound where it belongs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kling_provider.sandbox import Sandbox
from tests.contract.lip_sync_client import ADVANCED, SOUND, VIDEO, identify, speak
from tests.contract.media_checks import distance, finish, finish_video, sample, tone, watch
from tests.contract.sandbox_client import Client, refused

OLD = "/v1/videos/lip-sync"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=500, units=100_000, short_side=96) as running:
        yield running


def test_a_sound_is_heard_where_it_was_set_in(client: Client) -> None:
    source = finish_video(client)
    session = identify(client, video_id=source["id"])["session_id"]
    # the tone begins half a second into the file, and a second of the file is left out
    place = {"sound_file": tone(3.5, silent_until=1.5), "sound_start_time": 1000, "sound_end_time": 3000}
    made = speak(
        client,
        session,
        **place,
        sound_insert_time=900,
        original_audio_volume=0.5,
        body={"watermark_info": {"enabled": True}, "external_task_id": "s1"},
    ).json()["data"]
    client.sandbox.advance(120)
    task = client.get(f"{ADVANCED}/{made['task_id']}").json()["data"]
    video = task["task_result"]["videos"][0]
    assert set(video) == {"id", "url", "watermark_url", "duration"}
    assert set(task["task_info"]) == {"parent_video"}
    assert task["task_info"]["parent_video"]["id"] == source["id"]
    assert (video["duration"], task["final_unit_deduction"]) == ("3.041", "0.5")
    old, new = watch(source["url"]), watch(video["url"])
    assert new.codecs == ["h264", "aac"]
    assert new.frames == old.frames, "the very frames"
    assert [new.strength(*part) > 1000 for part in ((0.1, 1.3), (1.5, 2.8), (2.95, 3.03))] == [
        False,
        True,
        False,
    ]
    loud, soft = (max(map(abs, film.samples[:8000])) for film in (old, new))
    assert soft == pytest.approx(loud / 2, rel=0.25)
    marked = watch(video["watermark_url"])
    assert len(marked.frames) == len(old.frames)
    assert distance(marked.frames[9], old.frames[9]) > 0.2
    assert marked.strength(1.5, 2.8) > 1000
    refused(client.get(f"{ADVANCED}/s1"), 400, 1201, "Task not found")
    assert client.get("/tasks?external_task_ids=s1").json()["data"][0]["id"] == made["task_id"]


@pytest.mark.parametrize("volume", [0, 2])
def test_the_volume_of_the_sound(client: Client, volume: float) -> None:
    session = identify(client, video_url=sample(client, "seconds=2&sound=off"))["session_id"]
    made = speak(client, session, sound_file=tone(2), sound_volume=volume).json()["data"]["task_id"]
    client.sandbox.advance(120)
    strength = watch(client.task(made)["outputs"][0]["url"]).strength(0.5, 1.5)
    assert strength == pytest.approx(volume * 6000, rel=0.2, abs=50)


@pytest.mark.parametrize(
    ("face", "text"),
    [
        ({"sound_insert_time": 3041}, None),  # it ends with the video
        ({"sound_insert_time": 3042}, "must lie inside the video"),
        ({"sound_insert_time": -1}, "sound_insert_time must not be negative"),
        ({"sound_insert_time": "0"}, "sound_insert_time must be an integer"),
        ({"drop": "sound_insert_time"}, "face_choose[0].sound_insert_time is required"),
        ({"drop": "sound_start_time"}, "face_choose[0].sound_start_time is required"),
        ({"drop": "sound_end_time"}, "face_choose[0].sound_end_time is required"),
        ({"sound_end_time": 1999}, "at least 2 seconds"),
        ({"sound_file": "sample", "sound_end_time": 3000}, None),
        ({"sound_file": "sample", "sound_end_time": 3001}, "cannot be after the end of the sound"),
        ({"sound_volume": 2.1}, "sound_volume must be between 0 and 2"),
        ({"original_audio_volume": -0.1}, "original_audio_volume must be between 0 and 2"),
        ({"face_id": "1"}, "face_id is not found"),
        ({"drop": "face_id"}, "face_choose[0].face_id is required"),
        ({"drop": "sound_file"}, "audio_id or sound_file is required"),
        ({"audio_id": "1"}, "only one of face_choose[0].audio_id and face_choose[0].sound_file"),
        ({"drop": "sound_file", "audio_id": "1"}, "audio_id 1 not found"),
        ({"sound_file": "AAAA"}, "Audio format is invalid"),
        ({"sound_file": "?"}, "neither a url nor valid base64"),
        ({"sound_file": "https://sounds.example/a.ogg"}, "Audio format is invalid"),
        ({"sound_file": "https://sounds.example/a.m4a"}, None),
        ({"body": {"face_choose": []}}, "exactly 1 face"),
        ({"body": {"face_choose": [{}, {}]}}, "exactly 1 face"),
        ({"body": {"session_id": ""}}, "session_id is required"),
        ({"body": {"session_id": "1"}}, "session_id is invalid or expired"),
        ({"body": {"watermark_info": {"enabled": "yes"}}}, "watermark_info.enabled must be a boolean"),
    ],
)
def test_bodies_of_a_lip_sync(client: Client, face: dict[str, Any], text: str | None) -> None:
    session = identify(client, video_url=VIDEO)["session_id"]
    if face.get("sound_file") == "sample":
        face = {**face, "sound_file": sample(client, "seconds=3", "sound.wav")}
    answer = speak(client, session, **face)
    if text is None:
        assert answer.status_code == 200, answer.text
    else:
        refused(answer, 400, 1201, text)


def test_inline_sounds_are_measured(client: Client) -> None:
    session = identify(client, video_url=VIDEO)["session_id"]
    refused(speak(client, session, sound_file=tone(1.9)), 400, 1201, "must be 2 to 60 seconds")
    refused(speak(client, session, sound_file=tone(61)), 400, 1201, "must be 2 to 60 seconds")
    refused(speak(client, session, sound_file="A" * 7_100_000), 400, 1201, "larger than 5MB")


def test_the_sound_overlaps_the_face(client: Client) -> None:
    session = identify(client, video_url=f"{VIDEO}?faces=3")["session_id"]
    faces = [(0, 5041), (1260, 5041), (0, 3780)]
    for face_id, (start, end) in enumerate(faces):
        for insert, good in ((start, True), (start - 1, False), (end - 2000, True), (end - 1999, False)):
            if insert >= 0 and insert + 2000 <= 5041:
                answer = speak(client, session, face_id=str(face_id), sound_insert_time=insert)
                assert (answer.status_code == 200) is good, (face_id, insert, answer.text)


def test_a_session_is_the_account_s_and_ends(client: Client) -> None:
    session = identify(client, video_url=VIDEO)["session_id"]
    second = Client(client.sandbox, client.sandbox.backend.get_account("second").api_key)
    refused(speak(second, session), 400, 1201, "session_id is invalid or expired")
    client.sandbox.advance(24 * 3600 - 100)
    assert speak(client, session).status_code == 200
    client.sandbox.advance(101)
    refused(speak(client, session), 400, 1201, "session_id is invalid or expired")


def test_a_session_outlives_a_restart(tmp_path: Path) -> None:
    with Sandbox(state_dir=tmp_path, time_scale=1) as sandbox:
        session = identify(Client(sandbox), video_url=VIDEO)["session_id"]
    with Sandbox(state_dir=tmp_path, time_scale=1) as sandbox:
        assert speak(Client(sandbox), session).status_code == 200


# the older one


def test_a_sound_takes_the_place_of_the_own_one(client: Client) -> None:
    source = finish_video(client)
    given = {"mode": "audio2video", "audio_type": "file", "audio_file": tone(2)}
    task = finish(client, OLD, {"input": {**given, "video_id": source["id"]}, "external_task_id": "o1"})
    assert set(task["task_result"]["videos"][0]) == {"id", "url", "duration"}
    assert set(task["task_info"]) == {"parent_video"}
    assert "watermark_info" not in task
    old, new = watch(source["url"]), watch(task["task_result"]["videos"][0]["url"])
    assert new.frames == old.frames
    assert new.strength(0.2, 1.8) > 5000
    assert max(map(abs, new.samples[18_000:])) < 300, "silent after the sound"


def test_a_text_is_spoken(client: Client) -> None:
    given = {"mode": "text2video", "text": "Good morning, everybody", "voice_id": "oversea_male1"}
    task = finish(client, OLD, {"input": {**given, "video_url": sample(client)}})
    film = watch(task["task_result"]["videos"][0]["url"])
    assert max(map(abs, film.samples)) > 1000
    assert task["task_info"]["parent_video"] == {"id": "", "url": sample(client), "duration": "3.041"}


AUDIO = {"mode": "audio2video", "audio_type": "url", "audio_url": SOUND, "video_url": VIDEO}
TEXT = {"mode": "text2video", "text": "Hello", "voice_id": "oversea_male1", "video_url": VIDEO}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (AUDIO, None),
        ({**TEXT, "text": "x" * 120, "voice_language": "en", "voice_speed": 0.8}, None),
        ({**TEXT, "voice_speed": 2.0}, None),
        ({**AUDIO, "mode": None}, "input.mode is required"),
        ({**AUDIO, "mode": "sing"}, "input.mode must be one of"),
        ({**AUDIO, "video_url": None}, "video_id or video_url is required"),
        ({**AUDIO, "video_id": "1"}, "only one of"),
        ({**AUDIO, "audio_type": None}, "Audio type is null"),
        ({**AUDIO, "audio_type": "id"}, "input.audio_type must be one of"),
        ({**AUDIO, "audio_url": None}, "input.audio_url is required"),
        ({**AUDIO, "audio_url": "AAAA"}, "input.audio_url must be a url"),
        ({**AUDIO, "audio_type": "file", "audio_file": SOUND}, "input.audio_file must be base64"),
        ({**TEXT, "text": None}, "text is required"),
        ({**TEXT, "text": "x" * 121}, "input.text cannot exceed 120"),
        ({**TEXT, "voice_id": None}, "input.voice_id is required"),
        ({**TEXT, "voice_id": "829824295735410756"}, "Voice id not found"),
        ({**TEXT, "voice_language": "fr"}, "input.voice_language must be one of"),
        ({**TEXT, "voice_speed": 0.79}, "input.voice_speed must be between"),
        ({**TEXT, "voice_speed": 2.1}, "input.voice_speed must be between"),
    ],
)
def test_bodies_of_the_older_one(client: Client, given: dict[str, Any], text: str | None) -> None:
    answer = client.post(OLD, {"input": {key: value for key, value in given.items() if value is not None}})
    if text is None:
        assert answer.status_code == 200, answer.text
    else:
        refused(answer, 400, 1201, text)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"video_url": f"{VIDEO}?faces=0"}, "there is no human in the video"),
        ({"video_url": "https://films.invalid/a.mp4"}, "Something went wrong"),
        ({"audio_url": "https://sounds.invalid/a.mp3"}, "Something went wrong"),
    ],
)
def test_what_only_generation_finds(client: Client, given: dict[str, str], text: str) -> None:
    task = finish(client, OLD, {"input": {**AUDIO, **given}})
    assert (task["task_status"], task["final_unit_deduction"]) == ("failed", "0")
    assert task["task_status_msg"].startswith(text)


@pytest.mark.parametrize(
    ("seconds", "amount"), [("3", "0.5"), ("5", "0.5"), ("6", "1"), ("10", "1"), ("11", "1.5")]
)
def test_every_begun_block_is_paid(client: Client, seconds: str, amount: str) -> None:
    task = finish(client, OLD, {"input": {**AUDIO, "video_url": sample(client, f"seconds={seconds}")}})
    assert task["final_unit_deduction"] == amount
