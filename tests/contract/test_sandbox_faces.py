# SPDX-License-Identifier: Apache-2.0
"""The faces of a video, and what the video and the sound of a lip sync stand for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from kling_provider.sandbox import Sandbox
from tests.contract.lip_sync_client import FACES, VIDEO, identify, speak
from tests.contract.media_checks import fetch, finish_video, sample, watch
from tests.contract.sandbox_client import TIMEOUT, Client, refused
from tests.support.postcard import Postcard


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=500, units=100_000, short_side=96) as running:
        yield running


def test_the_faces_of_an_own_video(client: Client) -> None:
    video = finish_video(client)
    data = identify(client, video_id=video["id"], video_url="")
    assert set(data) == {"session_id", "face_data", "final_unit_deduction", "final_balance_deduction"}
    assert data["final_unit_deduction"] == "0.05"
    (face,) = data["face_data"]
    assert {key: face[key] for key in ("face_id", "start_time", "end_time")} == {
        "face_id": "0",
        "start_time": 0,
        "end_time": 3041,
    }
    assert fetch(face["face_image"]).startswith(b"\x89PNG")
    assert client.post("/tasks", {}).json()["data"]["count"] == 1, "no list knows what is answered at once"
    assert client.get(FACES).status_code == 404


@pytest.mark.parametrize(
    ("prompt", "query", "number"),
    [
        ("A man", "", 1),
        ("A beach with no face", "", 0),
        ("Three faces at a table", "", 3),
        ("A crowd, faces=3", "", 3),
        ("", "faces=0", 0),
        ("", "faces=3", 3),
    ],
)
def test_how_many_faces_there_are(client: Client, prompt: str, query: str, number: int) -> None:
    if prompt:
        body = {"video_id": finish_video(client, prompt=prompt)["id"]}
    else:
        body = {"video_url": f"{VIDEO}?{query}"}
    faces = identify(client, **body)["face_data"]
    assert [face["face_id"] for face in faces] == [str(index) for index in range(number)]
    assert all(face["end_time"] - face["start_time"] >= 2000 for face in faces)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "video_id or video_url is required"),
        ({"video_id": "1", "video_url": VIDEO}, "only one of video_id and video_url"),
        ({"video_id": "1"}, "video_id 1 not found"),
        ({"video_id": 1}, "video_id must be a string"),
        ({"video_url": "AAAA"}, "Video URL is invalid"),
        ({"video_url": "https://films.invalid/a.mp4"}, "Something went wrong"),
        ({"video_url": "https://films.example/a.avi"}, "must be one of mp4, mov"),
    ],
)
def test_bodies_just_outside(client: Client, body: dict[str, Any], text: str) -> None:
    refused(client.post(FACES, body), 400, 1201, text)
    assert client.sandbox.stats()["units"]["default"]["spent"] == "0"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("seconds=2", ""),
        ("seconds=1.9", "2 to 60 seconds"),
        ("seconds=60", ""),
        ("seconds=60.2", "2 to 60 seconds"),
        ("w=512&h=2160", ""),
        ("w=510&h=2160", "512 to 2160 pixels"),
        ("w=512&h=2162", "512 to 2160 pixels"),
    ],
)
def test_limits_of_the_video(client: Client, query: str, text: str) -> None:
    answer = client.post(FACES, {"video_url": sample(client, query)})
    if text:
        refused(answer, 400, 1201, text)
    else:
        assert answer.status_code == 200, answer.text


def test_a_sound_is_named_by_its_id() -> None:
    with Sandbox(time_scale=1, short_side=96, products=[Postcard()]) as sandbox:
        client = Client(sandbox)
        card = client.post("/postcards/kling-p1", {"lines": ["a", "b"], "bars": 2}).json()["data"]["id"]
        sandbox.advance(120)
        image, _, sound = client.task(card)["outputs"]
        session = identify(client, video_url=VIDEO)["session_id"]
        by_id = {"audio_id": sound["id"], "drop": "sound_file"}
        assert speak(client, session, **by_id).status_code == 200
        refused(speak(client, session, **by_id, sound_end_time=2001), 400, 1201, "after the end of the sound")
        by_url = speak(client, session, sound_file=sound["wav_url"], sound_end_time=2001)
        refused(by_url, 400, 1201, "after the end of the sound")
        refused(client.post(FACES, {"video_url": sound["mp3_url"]}), 400, 1201, "must be one of mp4, mov")
        refused(client.post(FACES, {"video_url": image["url"]}), 400, 1201, "must be one of mp4, mov")
        refused(client.post(FACES, {"video_id": sound["id"]}), 400, 1201, "not found")
        second = Client(sandbox, sandbox.backend.get_account("second").api_key)
        other = identify(second, video_url=VIDEO)["session_id"]
        refused(speak(second, other, **by_id), 400, 1201, f"audio_id {sound['id']} not found")
        sandbox.advance(30 * 86_400)
        avatar = {"image": "https://images.example/a.png", "audio_id": sound["id"]}
        answer = client.post("/v1/videos/avatar/image2video", avatar)
        refused(answer, 400, 1201, "older than 30 days")


def test_what_is_elsewhere_is_replaced_by_a_stand_in(client: Client) -> None:
    session = identify(client, video_url=VIDEO)["session_id"]
    made = speak(client, session, sound_start_time=7000, sound_end_time=9000).json()["data"]["task_id"]
    client.sandbox.advance(120)
    film = watch(client.task(made)["outputs"][0]["url"])
    assert (film.codecs, len(film.frames)) == (["h264", "aac"], 121)
    assert max(map(abs, film.samples)) > 1000


def test_a_fault_in_a_tool_opens_no_session(client: Client) -> None:
    client.sandbox.set_faults(
        [{"kind": "task_fails", "match": {"product": "identify-face"}, "message": "Dark"}]
    )
    refused(client.post(FACES, {"video_url": VIDEO}), 500, 5000, "Dark")
    (task,) = client.sandbox.backend.all()
    refused(speak(client, task.output_ids[0]), 400, 1201, "session_id is invalid or expired")
    assert client.sandbox.stats()["units"]["default"]["spent"] == "0"


def test_a_callback_names_the_video_it_was_made_of(client: Client) -> None:
    source = finish_video(client)
    session = identify(client, video_id=source["id"])["session_id"]
    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as hook:
        hook.timeout = TIMEOUT
        url = f"http://127.0.0.1:{hook.server_port}/"
        speak(client, session, body={"callback_url": url, "external_task_id": "c1"})
        bodies: list[dict[str, Any]] = []
        while not bodies or bodies[-1]["task_status"] != "succeed":
            hook.handle_request()
            bodies += Hook.bodies[len(bodies) :]
            client.sandbox.advance(60)
    assert set(bodies[-1]["task_result"]) == {"images", "videos", "audios"}
    assert bodies[-1]["task_info"]["parent_video"]["id"] == source["id"]
    assert [body["task_info"] for body in bodies[:-1]] == [{}] * (len(bodies) - 1)


class Hook(BaseHTTPRequestHandler):
    """Keeps the callbacks."""

    bodies: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        self.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
