# SPDX-License-Identifier: Apache-2.0
"""Things that are marked in a video, and what becomes of them. The answers of tools beside the documented ones."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from kling_provider.sandbox import Sandbox
from tests.contract.media_checks import distance, fetch, finish, finish_video, picture, sample, tone, watch
from tests.contract.recordings import recorded
from tests.contract.sandbox_client import Client, refused

CREATE = "/v1/videos/multi-elements"
VIDEO = "https://films.example/a.mp4"
MIDDLE = [{"x": 0.5, "y": 0.5}]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=500, units=100_000, short_side=96) as running:
        yield running


def tool(client: Client, name: str, **body: Any) -> requests.Response:
    return client.post(f"{CREATE}/{name}-selection", body)


def done(client: Client, name: str, **body: Any) -> dict[str, Any]:
    answer = tool(client, name, **body)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    assert data["status"] == 0
    return data


def opened(client: Client, url: str = VIDEO) -> str:
    """The id of a session in which nothing is marked."""
    session: str = done(client, "init", video_url=url)["session_id"]
    return session


def marked(client: Client, url: str = VIDEO) -> str:
    session = opened(client, url)
    done(client, "add", session_id=session, frame_index=0, points=MIDDLE)
    return session


def edit(client: Client, session: str, **fields: Any) -> requests.Response:
    body = {"session_id": session, "edit_mode": "removal", "prompt": "Without <<<video_1>>>", **fields}
    return client.post(CREATE, {key: value for key, value in body.items() if value is not None})


def test_a_session_says_what_the_video_is(client: Client) -> None:
    video = finish_video(client, aspect_ratio="9:16")
    data = done(client, "init", video_id=video["id"], video_url="")
    facts = {key: data[key] for key in ("fps", "original_duration", "width", "height", "total_frame")}
    assert facts == {"fps": 24.0, "original_duration": 3041, "width": 720, "height": 1280, "total_frame": 73}
    assert fetch(data["normalized_video"]) == fetch(video["url"])
    assert data["final_unit_deduction"] == "0"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("seconds=1.9", 1),
        ("seconds=2", 0),
        ("seconds=5", 0),
        ("seconds=5.2", 1),
        ("seconds=6.9", 1),
        ("seconds=7", 0),
        ("seconds=10", 0),
        ("seconds=10.2", 1),
        ("w=720&h=2160", 0),
        ("w=718&h=2160", 1),
        ("w=720&h=2162", 1),
    ],
)
def test_which_videos_are_accepted(client: Client, query: str, status: int) -> None:
    answer = tool(client, "init", video_url=sample(client, query)).json()["data"]
    assert (answer["status"], "session_id" in answer) == (status, not status)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "video_id or video_url is required"),
        ({"video_id": "1", "video_url": VIDEO}, "only one of"),
        ({"video_id": "1"}, "video_id 1 not found"),
        ({"video_url": "AAAA"}, "Video URL is invalid"),
    ],
)
def test_bodies_of_init(client: Client, body: dict[str, str], text: str) -> None:
    refused(tool(client, "init", **body), 400, 1201, text)


def test_what_is_added_and_deleted_again(client: Client) -> None:
    session = opened(client)
    points = [{"x": 0.25, "y": 0.5}, {"x": 0.75, "y": 0.5}]
    answer = done(client, "add", session_id=session, frame_index=3, points=points)
    (found,) = answer["res"]["rle_mask_list"]
    mask = Image.open(io.BytesIO(base64.b64decode(found["png_mask"]["base64"])))
    assert mask.size == (1280, 720)
    assert found["png_mask"]["size"] == found["rle_mask"]["size"] == [720, 1280]
    assert [mask.getpixel((x, 360)) for x in (320, 640, 960)] == [255, 0, 255]
    assert unpack(found["rle_mask"]["counts"], 720, 1280) == mask.tobytes()
    answer = done(client, "delete", session_id=session, frame_index=3, points=points[:1])
    (found,) = answer["res"]["rle_mask_list"]
    mask = Image.open(io.BytesIO(base64.b64decode(found["png_mask"]["base64"])))
    assert [mask.getpixel((x, 360)) for x in (320, 640, 960)] == [0, 0, 255]
    for index, point in ((3, points[0]), (4, points[1]), (3, {"x": 0.75, "y": 0.51})):
        answer_ = tool(client, "delete", session_id=session, frame_index=index, points=[point])
        refused(answer_, 400, 1201, "must be the same")
    answer = done(client, "delete", session_id=session, frame_index=3, points=points[1:])
    assert answer["res"] == {"frame_index": 3, "rle_mask_list": []}


def unpack(counts: str, height: int, width: int) -> bytes:
    """Undo the run lengths of COCO; return the mask row by row."""
    runs: list[int] = []
    at = 0
    while at < len(counts):
        value = shift = 0
        while True:
            bits = ord(counts[at]) - 48
            at += 1
            value |= (bits & 0x1F) << shift
            shift += 5
            if not bits & 0x20:
                break
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    columns = b"".join((b"\xff" if number % 2 else b"\0") * run for number, run in enumerate(runs))
    assert len(columns) == width * height
    return b"".join(columns[row::height] for row in range(height))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"frame_index": 120}, None),
        ({"frame_index": 121}, "frame_index must be between 0 and 120"),
        ({"frame_index": -1}, "frame_index must be between 0 and 120"),
        ({"frame_index": "1"}, "frame_index must be an integer"),
        ({"frame_index": None}, "frame_index is required"),
        ({"points": MIDDLE * 10}, None),
        ({"points": MIDDLE * 11}, "points must have 1 to 10 points"),
        ({"points": []}, "points must have 1 to 10 points"),
        ({"points": None}, "points must have 1 to 10 points"),
        ({"points": [{"x": 0, "y": 1}]}, None),
        ({"points": [{"x": -0.01, "y": 1}]}, "points[0].x must be between 0 and 1"),
        ({"points": [{"x": 0, "y": 1.01}]}, "points[0].y must be between 0 and 1"),
        ({"points": [{"x": 0}]}, "points[0].y is required"),
        ({"points": [{"x": "0", "y": 1}]}, "points[0].x must be a number"),
        ({"session_id": None}, "session_id is required"),
        ({"session_id": "1"}, "session_id is invalid or expired"),
    ],
)
def test_bodies_of_add(client: Client, body: dict[str, Any], text: str | None) -> None:
    answer = tool(client, "add", **{"session_id": opened(client), "frame_index": 0, "points": MIDDLE, **body})
    if text is None:
        assert answer.status_code == 200, answer.text
    else:
        refused(answer, 400, 1201, text)


def test_ten_frames_can_be_marked(client: Client) -> None:
    session = opened(client)
    for index in range(10):
        done(client, "add", session_id=session, frame_index=index, points=MIDDLE)
    answer = tool(client, "add", session_id=session, frame_index=10, points=MIDDLE)
    refused(answer, 400, 1201, "at most 10 frames")
    done(client, "add", session_id=session, frame_index=9, points=[{"x": 0, "y": 0}])
    assert set(done(client, "clear", session_id=session)) == {
        "status",
        "session_id",
        "final_unit_deduction",
        "final_balance_deduction",
    }
    done(client, "add", session_id=session, frame_index=10, points=MIDDLE)


def test_the_preview_shows_the_marks(client: Client) -> None:
    session = opened(client, sample(client, "seconds=2"))
    refused(tool(client, "preview", session_id=session), 400, 1201, "nothing is selected")
    done(client, "add", session_id=session, frame_index=0, points=MIDDLE)
    shown = done(client, "preview", session_id=session)["res"]
    assert set(shown) == {"video", "video_cover", "tracking_output"}
    plain, preview, alone = (
        watch(sample(client, "seconds=2")),
        watch(shown["video"]),
        watch(shown["tracking_output"]),
    )
    assert len(preview.frames) == len(alone.frames) == len(plain.frames) == 49
    assert 0.3 < distance(preview.frames[9], plain.frames[9]) < 40
    assert min(alone.colours[9]) > 240, "the middle is marked"
    assert max(alone.frames[9][:16]) < 10, "the upper edge is not"
    cover = Image.open(io.BytesIO(fetch(shown["video_cover"])))
    assert distance(cover.convert("L").resize((16, 9)).tobytes(), plain.frames[0]) < 4


def test_a_thing_is_swapped(client: Client) -> None:
    source = finish_video(client)
    session: str = done(client, "init", video_id=source["id"])["session_id"]
    done(client, "add", session_id=session, frame_index=0, points=MIDDLE)
    body = {
        "session_id": session,
        "edit_mode": "swap",
        "prompt": "<<<image_1>>> in <<<video_1>>>",
        "image_list": [{"image": picture("red")}],
        "watermark_info": {"enabled": True},
        "external_task_id": "x1",
    }
    task = finish(client, CREATE, body)
    video = task["task_result"]["videos"][0]
    assert set(video) == {"id", "session_id", "url", "watermark_url", "duration"}
    assert (video["session_id"], video["duration"]) == (session, "5.041")
    assert (task["task_info"], task["final_unit_deduction"]) == ({"external_task_id": "x1"}, "3")
    assert client.get(f"{CREATE}/x1").json()["data"] == task
    assert "session_id" not in client.task(task["task_id"])["outputs"][0]
    film, plain = watch(video["url"]), watch(source["url"])
    assert (film.codecs, len(film.frames)) == (["h264", "aac"], 121)
    red, green, blue = film.colours[40]
    assert (red > 200, green < 60, blue < 60) == (True, True, True)
    corner = slice(0, 4)
    assert distance(film.frames[40][corner], plain.frames[40][corner]) < 8, "the rest stays"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, None),
        ({"negative_prompt": "x" * 2500, "prompt": "x" * 2500, "mode": "pro", "duration": "5"}, None),
        ({"edit_mode": "addition", "image_list": [{"image": picture("red")}] * 2}, None),
        ({"edit_mode": "addition"}, "image_list must have 1 to 2 images"),
        ({"edit_mode": "addition", "image_list": [{"image": VIDEO}] * 3}, "must have 1 to 2 images"),
        ({"edit_mode": "swap"}, "must have 1 images"),
        ({"edit_mode": "swap", "image_list": [{"image": VIDEO}] * 2}, "must have 1 images"),
        ({"image_list": [{"image": VIDEO}]}, "must have 0 images"),
        ({"edit_mode": "swap", "image_list": [{}]}, "image_list[0].image is required"),
        ({"edit_mode": None}, "edit_mode is required"),
        ({"edit_mode": "paint"}, "edit_mode must be one of"),
        ({"prompt": None}, "prompt is required"),
        ({"prompt": "x" * 2501}, "prompt cannot exceed 2500"),
        ({"negative_prompt": "x" * 2501}, "negative_prompt cannot exceed 2500"),
        ({"mode": "4k"}, "mode must be one of std, pro"),
        ({"duration": "10"}, "duration must be 5 for a video of 5.041 seconds"),
        ({"duration": "7"}, "duration must be one of 5, 10"),
        ({"duration": 5}, "duration must be a string"),
        ({"session_id": None}, "session_id is required"),
        ({"session_id": "1"}, "session_id is invalid or expired"),
    ],
)
def test_bodies_of_an_edit(client: Client, fields: dict[str, Any], text: str | None) -> None:
    answer = edit(client, marked(client), **fields)
    if text is None:
        assert answer.status_code == 200, answer.text
    else:
        refused(answer, 400, 1201, text)


def test_ten_seconds_are_made_of_a_longer_video(client: Client) -> None:
    session = marked(client, sample(client, "seconds=7"))
    refused(edit(client, session), 400, 1201, "duration must be 10")
    made = edit(client, session, duration="10").json()["data"]["task_id"]
    client.sandbox.advance(120)
    task = client.task(made)
    assert (task["outputs"][0]["duration"], task["billing"][0]["amount"]) == ("10.041", "6")


def test_something_must_be_marked(client: Client) -> None:
    session = opened(client)
    refused(edit(client, session), 400, 1201, "nothing is selected")
    done(client, "add", session_id=session, frame_index=0, points=MIDDLE)
    assert edit(client, session).status_code == 200
    done(client, "clear", session_id=session)
    refused(edit(client, session), 400, 1201, "nothing is selected")


def test_a_session_is_the_account_s_and_ends(client: Client) -> None:
    session = marked(client)
    second = Client(client.sandbox, client.sandbox.backend.get_account("second").api_key)
    for name in ("preview", "clear"):
        refused(tool(second, name, session_id=session), 400, 1201, "session_id is invalid or expired")
    client.sandbox.advance(24 * 3600 - 100)
    assert edit(client, session).status_code == 200
    client.sandbox.advance(101)
    refused(edit(client, session), 400, 1201, "session_id is invalid or expired")


def test_what_is_marked_outlives_a_restart(tmp_path: Path) -> None:
    with Sandbox(state_dir=tmp_path, time_scale=1) as sandbox:
        session = marked(Client(sandbox))
        before = edit(Client(sandbox), session).json()["data"]["task_id"]
        known = {task.id: task for task in sandbox.backend.all()}
    with Sandbox(state_dir=tmp_path, time_scale=1, short_side=96) as sandbox:
        client = Client(sandbox)
        assert {task.id: task for task in sandbox.backend.all()} == {
            **known,
            **{task.id: task for task in sandbox.backend.all() if task.settled},
        }
        client.sandbox.advance(120)
        assert len(watch(client.task(before)["outputs"][0]["url"]).frames) == 121
        done(client, "delete", session_id=session, frame_index=0, points=MIDDLE)
        refused(edit(client, session), 400, 1201, "nothing is selected")


def keys(value: Any) -> Any:
    """The documented form of an answer: names and types; a placeholder says nothing of values."""
    if isinstance(value, dict):
        return {name: keys(one) for name, one in value.items()}
    if isinstance(value, list):
        return [keys(one) for one in value]
    return type(value).__name__


def test_answers_have_the_documented_form(client: Client, captures: Path) -> None:
    documented = recorded(captures, "63")["records"]
    video = finish_video(client)
    faces = client.post("/v1/videos/identify-face", {"video_id": video["id"]}).json()
    masks = client.post("/v1/videos/image-recognize", {"image": picture("red")}).json()
    init = tool(client, "init", video_id=video["id"]).json()
    session = init["data"]["session_id"]
    add = tool(client, "add", session_id=session, frame_index=0, points=MIDDLE).json()
    preview = tool(client, "preview", session_id=session).json()
    face = {
        "face_id": "0",
        "sound_file": tone(2),
        "sound_start_time": 0,
        "sound_end_time": 2000,
        "sound_insert_time": 0,
    }
    path = "/v1/videos/advanced-lip-sync"
    body = {"session_id": faces["data"]["session_id"], "face_choose": [face]}
    spoken = finish(client, path, {**body, "watermark_info": {"enabled": True}})
    for name, ours in (("identify_face", faces), ("image_recognize", masks), ("init_selection", init)):
        assert keys(ours) == keys(documented[name]), name
    for name, ours in (("add_selection", add), ("preview_selection", preview)):
        price = {key: ours["data"].pop(key) for key in ("final_unit_deduction", "final_balance_deduction")}
        assert price == {
            "final_unit_deduction": "0",
            "final_balance_deduction": {"quota": "0", "list_price": "0"},
        }
        assert keys(ours) == keys(documented[name]), name
    assert keys(spoken) == keys(documented["advanced_lip_sync_query"]["data"])
