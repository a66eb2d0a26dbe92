# SPDX-License-Identifier: Apache-2.0
"""The sandbox as DMXAPI: its responses route in three forms, and the native route of 2025, beside what was recorded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from kling_provider.sandbox import Sandbox
from tests.contract.recordings import compare, recorded
from tests.contract.responses_client import (
    BAILIAN,
    FORMS,
    PICTURE,
    V3,
    V26,
    V26_IMAGE,
    Responses,
    id_of,
    open_responses,
    refused,
    said,
    told,
)
from tests.contract.sandbox_client import TIMEOUT, Client


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_responses() as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Responses:
    sandbox.reset()
    return Responses(sandbox, "sk-x")


# -- beside the recordings --------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["50", "52", "53"])
def test_every_recorded_create(number: str, client: Responses, captures: Path) -> None:
    """Forms of ids and texts, and the price as tokens."""
    for record in recorded(captures, number)["records"]:
        body = json.loads(json.dumps(record["request"]).replace("<raw base64 or URL>", PICTURE))
        ours, theirs = client.ask(body), record["response"]
        assert ours.status_code == 200, ours.text
        compare(ours.json(), theirs)
        assert ours.json()["usage"] == theirs["usage"]
        if number == "50":
            assert ours.json()["request_id"] == id_of(ours.json()), "one id for task and request"


def test_every_recorded_read_of_v3(client: Responses, captures: Path) -> None:
    for record in recorded(captures, "51")["records"]:
        theirs = record["text_parsed"]
        (video,) = theirs["data"]["task_result"]["videos"]
        seconds = str(int(float(video["duration"])))
        body = {**V3, "duration": seconds, "watermark_info": {"enabled": "watermark_url" in video}}
        body |= {"mode": "4k"} if seconds == "3" else {"mode": "pro", "sound": "on"}
        task_id = client.made(body)
        client.sandbox.advance(120)
        ours = client.read(body, task_id).json()
        compare(ours, record["response"])
        assert ours["usage"] == record["response"]["usage"]
        assert said(ours)["request_id"] == ours["request_id"]
        for key in ("task_status", "task_info", "task_status_msg", "final_unit_deduction"):
            assert said(ours)["data"][key] == theirs["data"][key]
        assert said(ours)["data"]["task_result"]["videos"][0]["duration"] == video["duration"]


def test_the_stream_of_v26(client: Responses, captures: Path) -> None:
    """Only its shape is known: the lines of id, link and seconds in the last object."""
    (record,) = recorded(captures, "52")["records_query_text"]
    task_id = client.made(V26)
    assert "http" not in told(client.read(V26, task_id)), "the stream is complete, the video is not"
    client.sandbox.advance(120)
    for text in (
        told(client.read(V26, task_id)),
        record["sse_final"]["response"]["output"][0]["content"][0]["text"],
    ):
        found = re.search(r"任务ID: (\d{18})\s[\s\S]*?(https?://\S+\.mp4\?\S+)[\s\S]*?时长: ([\d.]+)", text)
        assert found is not None, text
        assert found[3] == "5.041"
    assert task_id in told(client.read(V26, task_id))


def test_the_link_of_a_stream_has_a_video(client: Responses) -> None:
    task_id = client.made(V26)
    client.sandbox.advance(120)
    url = re.search(r"http\S+\.mp4\S*", told(client.read(V26, task_id)))
    assert url is not None
    assert requests.head(url[0], timeout=TIMEOUT).status_code == 200


# -- the three forms --------------------------------------------------------------------------------------


def test_states_of_bailian(client: Responses) -> None:
    watched = {**BAILIAN, "parameters": {"watermark": True}}
    task_id = client.made(watched)
    seen = []
    for seconds in (0, 20, 120):
        client.sandbox.advance(seconds)
        answer = client.read(watched, task_id).json()
        assert answer["usage"]["total_tokens"] == 0
        seen.append(said(answer))
    assert [one["task_status"] for one in seen] == ["PENDING", "RUNNING", "SUCCEEDED"]
    assert set(seen[0]) == {"task_id", "task_status"}
    assert set(seen[2]) == {"task_id", "task_status", "video_url", "watermark_video_url"}
    client.sandbox.advance(86_400)
    assert said(client.read(watched, task_id).json())["task_status"] == "UNKNOWN", "its id lives 24 hours"


def test_a_failed_task_of_each_form(client: Responses) -> None:
    client.sandbox.set_faults([{"kind": "task_fails", "message": "its own words"}])
    ids = {name: client.made(body) for name, body in FORMS.items()}
    client.sandbox.advance(120)
    assert "its own words" in told(client.read(V26, ids["v2.6"]))
    data = said(client.read(V3, ids["v3"]).json())["data"]
    assert (data["task_status"], data["task_status_msg"]) == ("failed", "its own words")
    bailian = said(client.read(BAILIAN, ids["bailian"]).json())
    assert (bailian["task_status"], bailian["message"]) == ("FAILED", "its own words")


def test_what_a_body_means(client: Responses) -> None:
    """Defaults of the pages, and which kind of video it is."""
    bodies: list[tuple[dict[str, Any], str, str, int, str, bool]] = [
        ({"model": V26["model"], "input": "x"}, "text-to-video", "kling-2.6", 5, "720p", False),
        (V26_IMAGE, "image-to-video", "kling-2.6", 10, "1080p", True),
        ({"model": "kling-v3", "input": "x"}, "text-to-video", "kling-3.0", 5, "720p", False),
        (
            {"model": "kling-v3", "input": "", "image_tail": PICTURE},
            "image-to-video",
            "kling-3.0",
            5,
            "720p",
            False,
        ),
        ({**BAILIAN, "parameters": {}}, "text-to-video", "kling-3.0", 5, "1080p", False),
        (
            {
                "model": "kling-v3-omni-video-generation",
                "input": {"prompt": "x", "media": [{"type": "first_frame", "url": PICTURE}]},
                "parameters": {"audio": True, "duration": 15, "mode": "std"},
            },
            "omni-video",
            "kling-3.0-omni",
            15,
            "720p",
            True,
        ),
    ]
    for body, product, model, seconds, resolution, sound in bodies:
        assert client.ask(body).status_code == 200, client.ask(body).text
        request = client.sandbox.backend.all()[-1].request
        settings = [request.settings[name] for name in ("duration", "resolution", "sound")]
        assert (request.product, request.model, *settings) == (product, model, seconds, resolution, sound)
        assert (request.model_name, request.body) == (body["model"], body)


# -- the route itself -------------------------------------------------------------------------------------


def test_both_spellings_of_the_key(client: Responses) -> None:
    for header in ("sk-x", "Bearer sk-x"):
        assert client.ask(V3, headers={"Authorization": header}).status_code == 200
    for header in (None, "", "nonsense", "Bearer", "Bearer nonsense", "Basic sk-x"):
        answer = client.ask(V3, headers={"Authorization": header})
        assert (answer.status_code, answer.json()["error"]["message"]) == (401, "Invalid token")
    with Sandbox(profile="gateway", shape="dmxapi-responses", api_key="sk-ours") as sandbox:
        own = Responses(sandbox, "sk-ours")
        assert own.ask(V3, headers={"Authorization": "sk-ours"}).status_code == 200
        assert own.ask(V3, headers={"Authorization": "sk-x"}).status_code == 401


def test_nothing_but_the_one_route(client: Responses) -> None:
    task_id = client.made(V26)
    for answer in (
        client.get("/v1/responses"),
        client.get(f"/v1/responses/{task_id}"),
        client.get("/tasks?task_ids=1"),
        client.get(f"/v1/videos/text2video/{task_id}"),
        client.legacy(),
        client.post("/kling/v1/videos/text2video", {"model_name": "kling-v3", "prompt": "x"}),
    ):
        assert answer.status_code == 404
    assert client.sandbox.base_url == client.sandbox.url


def test_the_native_route_beside_it() -> None:
    """Routes do not know each other's tasks."""
    with Sandbox(profile="gateway", shape="dmxapi", time_scale=1, concurrency=9) as sandbox:
        new, old = Responses(sandbox, "sk-x"), Client(sandbox, "sk-x", "/kling")
        theirs = old.legacy(model_name="kling-v1-6").json()["data"]["task_id"]
        mine = new.made(V26)
        refused(new.read(V26, theirs), "Task not found")
        assert old.get(f"/v1/videos/text2video/{mine}").status_code == 400
        assert old.get(f"/v1/videos/text2video/{theirs}").json()["data"]["task_id"] == theirs
        assert told(new.read(V26, mine))


def test_a_callback_of_v26(client: Responses) -> None:
    client.made({**V26, "callback_url": "http://127.0.0.1:9/done"})
    (task,) = client.sandbox.backend.all()
    assert task.request.callback_url == "http://127.0.0.1:9/done"
    assert client.made({**V26, "callback_url": ""})


def test_tasks_outlive_a_restart(tmp_path: Path) -> None:
    options: dict[str, Any] = {"profile": "gateway", "shape": "dmxapi-responses", "time_scale": 1}
    with Sandbox(state_dir=tmp_path, **options) as sandbox:
        ids = {name: Responses(sandbox, "sk-x").made(body) for name, body in FORMS.items()}
    with Sandbox(state_dir=tmp_path, **options) as sandbox:
        sandbox.advance(120)
        client = Responses(sandbox, "sk-x")
        assert ids["v2.6"] in told(client.read(V26, ids["v2.6"]))
        assert said(client.read(V3, ids["v3"]).json())["data"]["task_status"] == "succeed"
        assert said(client.read(BAILIAN, ids["bailian"]).json())["task_status"] == "SUCCEEDED"


# -- the native route of 2025 -----------------------------------------------------------------------------


def test_the_native_route_of_2025(captures: Path) -> None:
    records = recorded(captures, "54")["records"]
    seed = {**recorded(captures, "36")["request"], "prompt": "a boat", "negative_prompt": "blur"}
    with Sandbox(profile="gateway", shape="dmxapi-2025", time_scale=1, concurrency=9) as sandbox:
        client = Client(sandbox, "sk-x", "/kling")
        created = client.post("/v1/videos/text2video", seed).json()
        compare(created, records[0]["response"])
        image = {"model_name": "kling-v1-6", "image": PICTURE}
        compare(client.post("/v1/videos/image2video", image).json(), records[1]["response"])
        task_id = created["data"]["task_id"]
        assert created["request_id"] == task_id
        path = f"/v1/videos/text2video/{task_id}"
        compare(client.get(path).json(), records[3]["response"])
        sandbox.advance(120)
        done = client.get(path).json()
        old = recorded(captures, "55")["records"][1]["response"]
        compare(done, old)
        assert done["data"]["task_status"] == "succeed"
        assert client.get(f"/v1/videos/text2video/{sandbox.backend.all()[0].id}").status_code == 400
        later = client.legacy()
        assert (later.status_code, later.json()["error"]["code"]) == (503, "model_not_found")
        bare = client.call("POST", "/v1/videos/text2video", json=seed, headers={"Authorization": "sk-x"})
        assert bare.status_code == 200
