# SPDX-License-Identifier: Apache-2.0
"""Resellers: an address, a key, and create and read by id. Nothing else is offered, nothing else is needed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tests.stack.promises.world import World

# The first test waits for its scene, and all scenes play side by side.
pytestmark = pytest.mark.timeout(900)

CAMERAS: list[dict[str, Any]] = [
    {
        "type": "simple",
        "config": {"horizontal": 0, "vertical": 0, "pan": -2.5, "tilt": 0, "roll": 0, "zoom": 0},
    },
    {"type": "down_back"},
    {"type": "forward_up"},
    {"type": "right_turn_forward"},
    {"type": "left_turn_forward"},
]


def dmxapi_example(number: int, camera: dict[str, Any]) -> dict[str, Any]:
    """Every parameter of DMXAPI's page, spelt and typed as there."""
    return {
        "model_name": "kling-v1-6",
        "prompt": f"A gateway's film, number {number}",
        "negative_prompt": "blur, text",
        "cfg_scale": 0.5,
        "mode": "std",
        "aspect_ratio": "9:16",
        "duration": "5",
        "camera_control": camera,
        "callback_url": "http://127.0.0.1:9/done",
        "external_task_id": f"my-own-id-{number}",
    }


TEXTS = [dmxapi_example(number, camera) for number, camera in enumerate(CAMERAS)]
IMAGE = {
    "model_name": "kling-v1-6",
    "image": "https://pictures.example/kite.png",
    "prompt": "A gateway's film of a picture",
    "negative_prompt": "blur",
    "cfg_scale": 0.7,
    "mode": "pro",
    "duration": "5",
    "external_task_id": "my-own-id-of-a-picture",
}


@dataclass
class Asked:
    """What was asked, what came over the wire, and what was delivered."""

    state: str
    requests: list[dict[str, Any]]
    wire: list[dict[str, Any]]
    submitted: list[str]
    waited: list[dict[str, Any]]
    saved: list[dict[str, Any]]


def ask(world: World, *, conn: str, type: str, requests: list[dict[str, Any]]) -> Asked:
    sent = [{"type": type, **one} if type != "text_to_video" else one for one in requests]
    run = world.run("many_in_three_tasks", conn=conn, type=type, requests=sent)
    state = run.end()
    prompts = {one["prompt"] for one in requests}
    creates = [one for one in world.stand_ins[conn].get("requests") if one["operation"] == "create"]
    count = range(len(requests))
    return Asked(
        state,
        requests,
        [one for one in creates if json.loads(one["body"])["prompt"] in prompts],
        [run.xcom("clip.submit", index) for index in count],
        [run.xcom("clip.wait", index) for index in count],
        [run.xcom("clip.save", index) for index in count],
    )


SCENES = [
    pytest.param(partial(ask, conn=conn, type=kind, requests=requests), id=f"{conn}, {kind}")
    for conn, kind, requests in (
        ("dmxapi", "text_to_video", TEXTS),
        ("dmxapi", "image_to_video", [IMAGE]),
        ("new_api", "text_to_video", TEXTS[:1]),
        ("new_api", "image_to_video", [IMAGE]),
    )
]


@pytest.mark.parametrize("facts", SCENES, indirect=True)
def test_three_tasks_at_a_gateway(facts: Asked) -> None:
    assert facts.state == "success"
    paths = {"text2video" if "aspect_ratio" in one else "image2video" for one in facts.requests}
    assert {one["path"] for one in facts.wire} == {f"/kling/v1/videos/{path}" for path in paths}
    bodies = sorted((json.loads(one["body"]) for one in facts.wire), key=lambda body: body["prompt"])
    assert bodies == facts.requests
    for task_id, waited, saved in zip(facts.submitted, facts.waited, facts.saved, strict=True):
        assert waited["kling_task_id"] == saved["kling_task_id"] == task_id
        assert waited["status"] == "succeeded"
        assert saved["outputs"][0]["file"].endswith(".mp4")
