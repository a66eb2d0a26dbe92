# SPDX-License-Identifier: Apache-2.0
"""The sandbox as a reseller: create and read by id, nothing else; no lock; laxer types."""

from __future__ import annotations

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
        client.film(),
        client.get("/v1/videos/text2video"),
        client.get("/account/costs?start_time=1&end_time=2"),
        Client(client.sandbox, "sk-x").legacy(),  # without the prefix
    ):
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html")
    refused(client.get("/v1/videos/text2video/mine"), 400, 1201, "Task not found")


def test_no_lock(client: Client) -> None:
    first, second = (client.legacy(external_task_id="same").json()["data"]["task_id"] for _ in range(2))
    assert first != second
    assert client.sandbox.stats()["tasks_by_external_id"] == {"same": 2}


def test_keys(client: Client) -> None:
    refused(Client(client.sandbox, "api-key-kling", "/kling").legacy(), 401, 1002)
    with Sandbox(profile="gateway", api_key="sk-ours") as sandbox:
        refused(Client(sandbox, "sk-x", "/kling").legacy(), 401, 1002)
        assert Client(sandbox, "sk-ours", "/kling").legacy().status_code == 200


@pytest.mark.parametrize("shape", ["new-api", "new-api-video"])
def test_the_new_api_family(shape: str) -> None:
    with Sandbox(profile="gateway", shape=shape, time_scale=1) as sandbox:
        client = Client(sandbox, "sk-x", "/kling")
        created = client.legacy().json()
        if shape == "new-api":
            assert (created["code"], created["data"]["status"]) == ("success", "SUBMITTED")
            created = created["data"]
        path = f"/v1/videos/text2video/{created['task_id']}"
        sandbox.advance(20)
        states = [client.get(path).json()["data"]["status"]]
        sandbox.advance(100)
        done = client.get(path).json()
        states.append(done["data"]["status"])
        assert states == ["IN_PROGRESS", "SUCCESS"]
        native = done["data"]["data"]["data"]
        assert native["task_result"]["videos"][0]["url"] == done["data"]["result_url"]
        assert done["data"]["finish_time"] < 1e11  # seconds
        missing = client.get("/v1/videos/text2video/1")
        assert (missing.status_code, missing.json()["code"]) == (400, "task_not_exist")
        unknown = client.get("/tasks")
        assert (unknown.status_code, unknown.json()["error"]["type"]) == (404, "invalid_request_error")
        sandbox.set_faults([{"kind": "task_fails", "message": "why"}])
        failed = client.legacy().json()
        sandbox.advance(100)
        path = f"/v1/videos/text2video/{(failed.get('data') or failed)['task_id']}"
        assert client.get(path).json()["data"]["fail_reason"] == "why"
