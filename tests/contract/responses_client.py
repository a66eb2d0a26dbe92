# SPDX-License-Identifier: Apache-2.0
"""A bare client of DMXAPI's one route, bodies of its three forms, and what its answers say."""

from __future__ import annotations

import json
from typing import Any

import requests

from kling_provider.sandbox import Sandbox
from tests.contract.sandbox_client import Client

PICTURE = "https://images.example/a.png"
V26 = {"model": "kling-v2-6-text2video", "input": "a boat", "mode": "pro", "sound": "off", "duration": 5}
V26_IMAGE = {
    "model": "kling-v2-6-image2video",
    "input": "it drifts",
    "image": PICTURE,
    "mode": "pro",
    "duration": 10,
}
V3 = {"model": "kling-v3", "input": "a boat", "mode": "std", "sound": "off", "duration": "5"}
V3_IMAGE = {**V3, "image": PICTURE}
BAILIAN = {
    "model": "kling-v3-video-generation",
    "input": {"prompt": "a boat"},
    "parameters": {"mode": "pro", "duration": 5},
}
FORMS = {"v2.6": V26, "v3": V3, "bailian": BAILIAN}
READERS = {
    "kling-v2-6-text2video": "kling-text2video-get",
    "kling-v2-6-image2video": "kling-image2video-get",
    "kling-v3": "kling-v3-get-all",
    "kling-v3-video-generation": "kling-v3-get",
    "kling-v3-omni-video-generation": "kling-v3-get",
}


class Responses(Client):
    """One key at the one route."""

    def ask(self, body: object, **arguments: Any) -> requests.Response:
        return self.call("POST", "/v1/responses", json=body, **arguments)

    def made(self, body: dict[str, Any]) -> str:  # type: ignore[override]
        """The id of a new task."""
        answer = self.ask(body)
        assert answer.status_code == 200, answer.text
        return id_of(answer.json())

    def read(self, body: dict[str, Any], task_id: str) -> requests.Response:
        """The read of a task that a body like this made."""
        stream = {"stream": True} if "v2-6" in body["model"] else {}
        return self.ask({"model": READERS[body["model"]], "input": task_id, **stream})


def said(payload: dict[str, Any]) -> dict[str, Any]:
    """What the text of an answer says."""
    return json.loads(payload["output"][0]["content"][0]["text"])


def id_of(payload: dict[str, Any]) -> str:
    """The id of the task that was made."""
    if "data" in payload:
        return payload["data"]["task_id"]
    return said(payload).get("taskId") or said(payload)["task_id"]


def told(answer: requests.Response) -> str:
    """The text of the last object of a stream."""
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    lines = [line.strip() for line in answer.content.decode().split("\n\n") if line.strip()]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    last = json.loads(lines[-2].removeprefix("data: "))
    assert last["response"]["status"] == "completed"
    return last["response"]["output"][0]["content"][0]["text"]


def open_responses() -> Sandbox:
    """A DMXAPI whose only route is that one, with small videos."""
    options: dict[str, Any] = {"shape": "dmxapi-responses", "concurrency": 500, "short_side": 144}
    return Sandbox(profile="gateway", time_scale=1, **options)


def refused(answer: requests.Response, text: str, code: str = "dmxapi_kling_error_1201") -> None:
    """Check a refusal: an error in OpenAI's shape with Kling's code in DMXAPI's word."""
    assert answer.status_code == 400, answer.text
    assert set(answer.json()) == {"error"}
    assert answer.json()["error"]["code"] == code
    assert text in answer.json()["error"]["message"], answer.text
