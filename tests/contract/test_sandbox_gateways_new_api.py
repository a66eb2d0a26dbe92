# SPDX-License-Identifier: Apache-2.0
"""The sandbox as new-api beside its own tests: the plugin since August 2026, and what metadata is good for before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kling_provider.sandbox import Sandbox
from tests.contract.recordings import compare, recorded
from tests.contract.sandbox_client import Client

PICTURE = "https://images.example/a.png"


@pytest.fixture
def plugin() -> Iterator[Client]:
    with Sandbox(profile="gateway", shape="new-api-plugin", time_scale=1, concurrency=50) as sandbox:
        yield Client(sandbox, "sk-x", "/kling")


def test_the_plugins_envelopes(plugin: Client, captures: Path) -> None:
    create, query, early = (record["response"] for record in recorded(captures, "66")["records"])
    created = plugin.post("/text-to-video", {"model": "kling-3.0", "prompt": "x"}).json()
    compare(created, create)
    assert created["message"] == create["message"]
    plugin.sandbox.advance(120)
    # a real upstream tells id and length of an output, the test's did not
    compare(plugin.get(f"/tasks/{created['data']['id']}").json(), query, more={"duration", "id"})
    legacy = plugin.legacy().json()["data"]["task_id"]
    compare(plugin.get(f"/v1/videos/text2video/{legacy}").json(), early)


def test_the_plugin_puts_the_body_over_its_defaults(plugin: Client) -> None:
    answer = plugin.post("/v1/videos/text2video", {"model": "kling-v3", "prompt": "x", "mode": "pro"})
    assert answer.status_code == 200, answer.text
    (task,) = plugin.sandbox.backend.all()
    wanted = {
        "mode": "pro",
        "duration": "5",
        "aspect_ratio": "1:1",
        "cfg_scale": 0.5,
        "model_name": "kling-v3",
    }
    assert wanted.items() <= task.request.body.items()
    nameless = plugin.post("/v1/videos/text2video", {"prompt": "x"})
    assert nameless.status_code == 400
    assert nameless.json() == {"code": 1201, "message": "model_name is required"}


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("/text-to-video", {"model": "kling-3.0", "duration": 2}, "duration"),
        ("/text-to-video", {"model": "kling-3.0", "duration": "5"}, "duration"),
        ("/text-to-video", {"model": "kling-3.0", "settings": {"duration": 16}}, "duration"),
        ("/text-to-video", {"model": "kling-3.0-turbo", "resolution": "4k"}, "4k"),
        ("/text-to-video", {"model": "kling-3.0-turbo", "audio": "native"}, "audio"),
        ("/text-to-video", {"model": "kling-3.0-turbo", "settings": {"multi_shot": True}}, "multi_shot"),
        (
            "/image-to-video",
            {"model": "kling-3.0-turbo", "image": PICTURE, "image_tail": PICTURE},
            "last_frame",
        ),
    ],
)
def test_what_the_plugin_refuses_by_itself(
    path: str, body: dict[str, Any], text: str, plugin: Client
) -> None:
    answer = plugin.post(path, {"prompt": "x", **body})
    assert (answer.status_code, set(answer.json())) == (400, {"code", "message"})
    assert text in answer.json()["message"]


@pytest.mark.parametrize("shape", ["new-api", "new-api-video"])
def test_metadata_goes_on(shape: str) -> None:
    """External ids and callbacks are dropped, but for those in it, which meet the reseller's own account."""
    with Sandbox(profile="gateway", shape=shape, time_scale=1, concurrency=50) as sandbox:
        client = Client(sandbox, "sk-x", "/kling")
        inside = {"external_task_id": "inside", "callback_url": "http://127.0.0.1:9/x"}
        assert client.legacy(external_task_id="outside", metadata=inside).status_code == 200
        assert (
            client.legacy(external_task_id="outside", callback_url="http://127.0.0.1:9/x").status_code == 200
        )
        seen = [(task.request.external_id, task.request.callback_url) for task in sandbox.backend.all()]
        assert seen == [("inside", "http://127.0.0.1:9/x"), (None, None)]
        assert client.legacy(metadata=inside).status_code == 400
