# SPDX-License-Identifier: Apache-2.0
"""The sandbox as a reseller: create and read by id, nothing else; no lock; laxer types."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from kling_provider.sandbox import Sandbox
from tests.contract.sandbox_client import Client, refused

CAMERAS = [
    {"type": "simple", "config": {"pan": -10}},
    {"type": "simple", "config": {"zoom": 4.5, "roll": 0}},
    {"type": "down_back"},
    {"type": "forward_up"},
    {"type": "right_turn_forward"},
    {"type": "left_turn_forward", "config": {}},
]
BAD_CAMERAS = [
    {"type": "simple"},
    {"type": "simple", "config": {"pan": 1, "zoom": 1}},
    {"type": "simple", "config": {"pan": 11}},
    {"type": "simple", "config": {"pan": "1"}},
    {"type": "down_back", "config": {"pan": 1}},
    {"type": "orbit"},
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(profile="gateway", time_scale=1, concurrency=100) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    sandbox.reset()
    return Client(sandbox, "sk-x", "/kling")


def test_every_parameter_of_the_page(client: Client) -> None:
    body = {
        "model_name": "kling-v1-6",
        "prompt": "x",
        "negative_prompt": "blur",
        "cfg_scale": 0.5,
        "mode": "std",
        "aspect_ratio": "9:16",
        "duration": "10",
        "camera_control": CAMERAS[0],
        "callback_url": "https://example.org/cb",
        "external_task_id": "mine",
    }
    created = client.post("/v1/videos/text2video", body).json()
    assert created["data"]["task_info"] == {}  # not echoed
    client.sandbox.advance(120)
    task = client.get(f"/v1/videos/text2video/{created['data']['task_id']}").json()["data"]
    assert (task["task_status"], task["task_result"]["videos"][0]["duration"]) == ("succeed", "10.041")


@pytest.mark.parametrize("camera", CAMERAS)
def test_camera_control(client: Client, camera: dict[str, Any]) -> None:
    assert client.legacy(model_name="kling-v1-6", camera_control=camera).status_code == 200


@pytest.mark.parametrize("camera", BAD_CAMERAS)
def test_bad_camera_control(client: Client, camera: dict[str, Any]) -> None:
    refused(client.legacy(model_name="kling-v1-6", camera_control=camera), 400, 1201, "camera_control")


def test_numbers_are_durations_too(client: Client) -> None:
    assert client.legacy(duration=5).status_code == 200
    refused(client.legacy(duration=2), 400, 1201, "duration")


def test_nothing_but_create_and_read_by_id(client: Client) -> None:
    client.legacy(external_task_id="mine")
    for answer in (
        client.get("/tasks?task_ids=1"),
        client.post("/tasks", {}),
        client.create_video(),
        client.get("/v1/videos/text2video"),
        client.get("/account/costs?start_time=1&end_time=2"),
        Client(client.sandbox, "sk-x").legacy(),  # without the prefix
    ):
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html")
    refused(client.get("/v1/videos/text2video/mine"), 400, 1201, "Task not found")


def test_a_gateway_has_no_lock(client: Client) -> None:
    first, second = (client.legacy(external_task_id="same").json()["data"]["task_id"] for _ in range(2))
    assert first != second
    assert client.sandbox.stats()["tasks_by_external_id"] == {"same": 2}


def test_a_gateway_accepts_its_own_key_only(client: Client) -> None:
    refused(Client(client.sandbox, "api-key-kling", "/kling").legacy(), 401, 1002)
    with Sandbox(profile="gateway", api_key="sk-ours") as sandbox:
        refused(Client(sandbox, "sk-x", "/kling").legacy(), 401, 1002)
        assert Client(sandbox, "sk-ours", "/kling").legacy().status_code == 200


PUBLIC = re.compile("task_[0-9a-z]{32}")


def test_a_row_of_new_api() -> None:
    """Before August 2026: a row of its database, and in it what Kling said when it looked last, every 15 s."""
    with Sandbox(profile="gateway", shape="new-api", time_scale=1) as sandbox:
        client = Client(sandbox, "sk-x", "/kling")
        created = client.legacy(external_task_id="mine", callback_url="http://127.0.0.1:9/x").json()
        public = created["data"]["task_id"]
        assert (created["code"], created["data"]["status"]) == ("success", "NOT_START")
        assert PUBLIC.fullmatch(public)
        (request,) = [task.request for task in sandbox.backend.all()]
        assert (request.external_id, request.callback_url) == (None, None), "dropped"
        path = f"/v1/videos/text2video/{public}"
        assert client.get(path).json()["data"]["status"] == "NOT_START"
        rows = []
        for seconds in (20, 100):
            sandbox.advance(seconds)
            rows.append(client.get(path).json()["data"])
        assert [row["status"] for row in rows] == ["IN_PROGRESS", "SUCCESS"]
        for row in rows:
            native = row["data"]["data"]
            assert (row["task_id"], isinstance(row["id"], int)) == (public, True)
            assert native["task_id"] == sandbox.backend.all()[0].id != public
            assert row["finish_time"] < 1e11  # seconds
        assert native["task_result"]["videos"][0]["url"] == row["result_url"]
        for other in ("1", sandbox.backend.all()[0].id, f"task_{'0' * 32}"):
            missing = client.get(f"/v1/videos/text2video/{other}")
            assert (missing.status_code, missing.json()["code"]) == (400, "task_not_exist")
        unknown = client.get("/tasks")
        assert (unknown.status_code, unknown.json()["error"]["type"]) == (404, "invalid_request_error")


@pytest.mark.parametrize("shape", ["new-api", "new-api-video", "new-api-plugin"])
def test_failures_of_new_api(shape: str) -> None:
    """Kling's own, and what the gateway does by itself."""
    with Sandbox(profile="gateway", shape=shape, time_scale=1, concurrency=100) as sandbox:
        client = Client(sandbox, "sk-x", "/kling")

        def failed(fault: dict[str, Any]) -> dict[str, Any]:
            sandbox.set_faults([fault])
            answer = client.legacy().json()
            public = answer.get("task_id") or answer["data"]["task_id"]
            sandbox.advance(120)
            return client.get(f"/v1/videos/text2video/{public}").json()

        reasons = {
            "new-api": lambda body: (body["data"]["status"], body["data"]["fail_reason"]),
            "new-api-video": lambda body: (body["status"], body["error"]["message"]),
            "new-api-plugin": lambda body: (body["data"]["task_status"], body["data"]["task_status_msg"]),
        }
        word = {"new-api": "FAILURE"}.get(shape, "failed")
        assert reasons[shape](failed({"kind": "task_fails", "message": "why"})) == (word, "why")
        if shape == "new-api-plugin":
            return  # it passes on what Kling says
        swept = failed({"kind": "gateway_gives_up", "after": 0.6})
        assert reasons[shape](swept) == (word, "task timed out")
        if shape == "new-api":
            assert swept["data"]["data"]["data"]["task_status"] == "processing", "Kling goes on"


@pytest.mark.parametrize("shape", ["new-api", "new-api-video"])
def test_refusals_of_new_api(shape: str) -> None:
    with Sandbox(profile="gateway", shape=shape, time_scale=1, concurrency=1) as sandbox:
        client = Client(sandbox, "sk-x", "/kling")
        client.legacy()
        nested = client.legacy()
        assert (nested.status_code, nested.json()["code"]) == (429, "fail_to_fetch_task")
        assert json.loads(nested.json()["message"])["code"] == 1303
        none = client.legacy(model_name="kling-v9")
        assert (none.status_code, none.json()["error"]["code"]) == (503, "model_not_found")
        assert "kling-v9" in none.json()["error"]["message"]
        sandbox.set_faults([{"kind": "exhausted"}])
        quota = client.legacy()
        assert (quota.status_code, quota.json()["code"]) == (403, "insufficient_user_quota")


def test_a_video_object_of_new_api() -> None:
    with Sandbox(profile="gateway", shape="new-api-video", time_scale=1) as sandbox:
        client = Client(sandbox, "sk-x", "/kling")
        created = client.legacy().json()
        assert (created["object"], created["status"], created["id"]) == (
            "video",
            "queued",
            created["task_id"],
        )
        sandbox.advance(120)
        done = client.get(f"/v1/videos/text2video/{created['id']}").json()
        assert (done["id"], done["status"]) == (created["id"], "completed")
        assert done["metadata"]["url"].startswith(sandbox.url)


@pytest.fixture
def plugin() -> Iterator[Client]:
    with Sandbox(profile="gateway", shape="new-api-plugin", time_scale=1) as sandbox:
        yield Client(sandbox, "sk-x", "/kling")


def test_the_plugin_passes_the_whole_body_on(plugin: Client) -> None:
    """Since August 2026: Kling's envelope with the public id, and external ids reach the reseller's account."""
    answer = plugin.legacy(external_task_id="mine", callback_url="http://127.0.0.1:9/x").json()
    public = answer["data"]["task_id"]
    assert (answer["code"], bool(PUBLIC.fullmatch(public))) == (0, True)
    assert answer["data"]["task_info"] == {"external_task_id": "mine"}
    (request,) = [task.request for task in plugin.sandbox.backend.all()]
    assert (request.external_id, request.settings["aspect_ratio"]) == ("mine", "1:1"), (
        "its own default, not Kling's"
    )
    again = plugin.legacy(external_task_id="mine")
    assert (again.status_code, again.json()["code"]) == (400, 1201), "another customer's id may be in the way"
    path = f"/v1/videos/text2video/{public}"
    early = plugin.get(path).json()
    assert early == {
        "code": 0,
        "data": {"task_id": public, "task_status": "submitted", "task_status_msg": ""},
    }
    plugin.sandbox.advance(120)
    done = plugin.get(path).json()["data"]
    assert (done["task_id"], done["task_status"]) == (public, "succeed")


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "x", "duration": 7, "resolution": "1080p", "audio": "native", "external_task_id": "e"},
        {
            "prompt": "x",
            "settings": {"duration": 7, "resolution": "1080p", "audio": "native"},
            "options": {"external_task_id": "e"},
        },
    ],
)
def test_the_plugins_new_routes(plugin: Client, body: dict[str, Any]) -> None:
    answer = plugin.post("/text-to-video", {"model": "kling-3.0", **body}).json()
    public = answer["data"]["id"]
    assert answer == {"code": 0, "message": "ok", "data": {"id": public, "status": "submitted"}}
    (request,) = [task.request for task in plugin.sandbox.backend.all()]
    chosen = [request.settings[name] for name in ("duration", "resolution", "sound")]
    assert (chosen, request.external_id) == ([7, "1080p", True], "e")
    plugin.sandbox.advance(120)
    (done,) = plugin.get(f"/tasks/{public}").json()["data"]
    assert (done["id"], done["status"], done["outputs"][0]["type"]) == (public, "succeeded", "video")
    assert plugin.get("/tasks/1").json()["code"] == "task_not_exist"


def test_the_plugins_new_routes_know_two_models(plugin: Client) -> None:
    image_data = f"{plugin.sandbox.url}/_sandbox/image.png"
    body = {"model": "kling-3.0-turbo", "prompt": "x", "image": image_data, "aspect_ratio": "9:16"}
    assert plugin.post("/image-to-video", body).json()["message"] == "ok"
    refusal = plugin.post("/text-to-video", {"model": "kling-2.6", "prompt": "x"})
    assert (refusal.status_code, refusal.json()["code"]) == (400, 1201)
    assert refusal.json()["message"] == (
        "model kling-2.6 is not supported on this route; supported: kling-3.0, kling-3.0-turbo"
    )
