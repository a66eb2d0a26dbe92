# SPDX-License-Identifier: Apache-2.0
"""Waiting holds no worker: not while Kling renders, not while the account is at its limit."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tests.stack.promises.sampling import Instance
from tests.stack.promises.stage import measured
from tests.stack.promises.world import World

# The first test waits for its scene, and all scenes play side by side.
pytestmark = pytest.mark.timeout(900)

MINUTE = 60
#: Of a worker slot for one video, on a machine with nothing else to do.
FEW_SECONDS = 15


@dataclass
class Rendered:
    state: str
    render_seconds: float
    waited_seconds: float
    running_meanwhile: list[Instance]
    slot_seconds: float
    load: float


def load() -> float:
    """How much longer computing takes because others compute as well; a worker start is computing."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def a_minute(world: World, *, dag_id: str) -> Rendered:
    prompt = f"{dag_id} takes a minute"
    run = world.run(dag_id, prompt=prompt)
    state = run.end()
    [task] = world.kling.tasks(prompt)
    deferred, ended = world.sampler.deferred_at(run.run_id), task["ended"] / 1000
    meanwhile = [look for look in world.sampler.looks(run.run_id) if deferred < look.at < ended]
    return Rendered(
        state,
        (task["ended"] - task["created"]) / 1000,
        sum(look.seconds for look in meanwhile),
        [one for look in meanwhile for one in look.running],
        world.sampler.slot_seconds(run.run_id),
        load(),
    )


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(measured(partial(a_minute, dag_id=dag_id)), id=dag_id)
        for dag_id in ("three_tasks", "one_task")
    ],
    indirect=True,
)
def test_no_task_runs_while_kling_renders(facts: Rendered) -> None:
    assert facts.state == "success"
    assert facts.render_seconds == pytest.approx(MINUTE, abs=1)
    assert facts.waited_seconds > 0
    assert facts.running_meanwhile == []
    print(
        f"{facts.slot_seconds:.1f} s of a worker slot for {facts.render_seconds:.0f} s of rendering "
        f"({facts.slot_seconds / facts.render_seconds:.0%}), {facts.waited_seconds:.0f} s of them without a worker"
    )
    assert facts.slot_seconds < FEW_SECONDS * facts.load


@dataclass
class Queued:
    state: str
    tries: list[int]
    results: list[dict[str, Any]]
    answers: list[str]
    most_in_flight: int
    slot_seconds: float
    load: float


def eight_with_a_limit_of_two(world: World) -> Queued:
    stand_in = world.stand_ins["two_at_once"]
    requests = [{"prompt": f"Video {number} in the queue", "duration": 3} for number in range(8)]
    run = world.run("many", conn="two_at_once", requests=requests)
    state = run.end()
    videos = run.instances("video")
    tasks = stand_in.tasks("in the queue")
    moments = [task["created"] for task in tasks]
    return Queued(
        state,
        [one["try_number"] for one in videos],
        [run.xcom("video", one["map_index"]) for one in videos],
        [one["answer"] for one in stand_in.creates("in the queue")],
        max(sum(task["created"] <= moment < task["ended"] for task in tasks) for moment in moments),
        world.sampler.slot_seconds(run.run_id),
        load(),
    )


@pytest.mark.parametrize("facts", [eight_with_a_limit_of_two], indirect=True)
def test_the_concurrency_limit_is_waiting_not_failure(facts: Queued) -> None:
    assert facts.state == "success"
    assert facts.tries == [1] * 8
    assert facts.answers.count("ok") == 8
    assert set(facts.answers) == {"ok", "concurrency"}  # it was refused, and nothing else happened
    assert facts.most_in_flight == 2
    assert all(one["outputs"][0]["file"] for one in facts.results)
    print(
        f"{len(facts.answers) / 8:.1f} creates a video, {facts.slot_seconds:.0f} s of worker slots for eight"
    )


@dataclass
class Forms:
    state: str
    tries: dict[str, int]
    results: dict[str, dict[str, Any]]
    creates: int
    tasks: int


def other_forms(world: World) -> Forms:
    run = world.run("other_forms", prompt="Another form")
    state = run.end()
    names = ("from_function", "in_the_worker", "poke", "reschedule")
    return Forms(
        state,
        {one["task_id"]: one["try_number"] for one in run.instances()},
        {name: run.xcom(name) for name in names},
        len(world.kling.creates("Another form")),
        len(world.kling.tasks("Another form")),
    )


@pytest.mark.parametrize("facts", [other_forms], indirect=True)
def test_the_decorator_and_waits_within_the_worker(facts: Forms) -> None:
    assert facts.state == "success"
    assert set(facts.tries.values()) == {1}
    assert facts.creates == facts.tasks == 3
    for name, result in facts.results.items():
        assert result["status"] == "succeeded", name
    assert facts.results["from_function"]["name"] == "from-function"
    assert facts.results["from_function"]["prompt"] == "Another form from a function"
    assert facts.results["from_function"]["outputs"][0]["file"].endswith("/from-function.mp4")
    assert facts.results["in_the_worker"]["outputs"][0]["file"].endswith(".mp4")
    assert facts.results["poke"]["kling_task_id"] == facts.results["reschedule"]["kling_task_id"]


def signed_in_by_access_key(world: World) -> dict[str, Any]:
    run = world.run("one_task", conn="access_key", prompt="By access key")
    return {"state": run.end(), "result": run.xcom("video")}


@pytest.mark.parametrize("facts", [signed_in_by_access_key], indirect=True)
def test_access_key_and_secret_key(facts: dict[str, Any]) -> None:
    assert facts["state"] == "success"
    assert facts["result"]["outputs"][0]["file"].endswith(".mp4")
