# SPDX-License-Identifier: Apache-2.0
"""DMXAPI's responses route on a real Airflow: one task and three tasks, from text and from images, in all its forms."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.stack.promises.world import World

# The first test waits for its scene, and all scenes play side by side.
pytestmark = pytest.mark.timeout(900)

CONN = "dmxapi_responses"
#: What the body says as its model -> the request.
TEXTS: dict[str, dict[str, Any]] = {
    "kling-v3": {"prompt": "a boat by the responses route", "duration": 3},
    "kling-v2-6-text2video": {"prompt": "a boat of 2.6", "model": "kling-2.6", "duration": 5},
    "kling-v3-video-generation": {
        "prompt": "a boat in other words",
        "model": "kling-v3-video-generation",
        "duration": 3,
    },
}
IMAGES: dict[str, dict[str, Any]] = {
    "kling-v3": {"prompt": "it drifts", "first_frame": "https://images.example/a.png", "duration": 3},
    "kling-v2-6-image2video": {
        "prompt": "it drifts off",
        "first_frame": "https://images.example/a.png",
        "model": "kling-2.6",
        "duration": 5,
    },
}


@dataclass
class Asked:
    state: str
    wire: list[dict[str, Any]]
    results: list[dict[str, Any]]
    models: list[str]


def ask(world: World, *, dag: str, type: str, requests: dict[str, dict[str, Any]]) -> Asked:
    # Every scene has prompts of its own, to tell whose call it was.
    rows = [{**one, "type": type, "prompt": f"{one['prompt']} ({dag})"} for one in requests.values()]
    run = world.run(dag, conn=CONN, type=type, requests=rows)
    state = run.end()
    prompts = {row["prompt"] for row in rows}
    log = world.stand_ins[CONN].get("requests")
    wire = [
        one for one in log if one["operation"] == "create" and any(text in one["body"] for text in prompts)
    ]
    task_id = "video" if dag == "many" else "clip.save"
    return Asked(state, wire, [run.xcom(task_id, index) for index in range(len(rows))], list(requests))


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(partial(ask, dag=dag, type=kind, requests=requests), id=f"{dag}, {kind}")
        for dag in ("many", "many_in_three_tasks")
        for kind, requests in (("text_to_video", TEXTS), ("image_to_video", IMAGES))
    ],
    indirect=True,
)
def test_videos_by_the_responses_route(facts: Asked) -> None:
    assert facts.state == "success"
    assert {one["path"] for one in facts.wire} == {"/v1/responses"}
    assert sorted(json.loads(one["body"])["model"] for one in facts.wire) == sorted(facts.models)
    for result in facts.results:
        assert result["status"] == "succeeded"
        assert Path(result["outputs"][0]["file"].removeprefix("file://")).stat().st_size > 1000
