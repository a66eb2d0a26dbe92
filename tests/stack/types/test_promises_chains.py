# SPDX-License-Identifier: Apache-2.0
"""Chains pay each step once: when a worker dies in the paid call, when all is cleared, and in later runs without a lock."""

from __future__ import annotations

import os
import signal
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.stack.types.conftest import Runs
from tests.support.stack import wait_for

STEPS = ("first", "second", "third", "fourth")


@dataclass
class FourSteps:
    """How often each step was paid, and what it gave: after the kill, after a clear of all, after a new take and a clear."""

    paid: list[dict[str, int]] = field(default_factory=list)
    ids: list[dict[str, str]] = field(default_factory=list)
    states: list[dict[str, str | None]] = field(default_factory=list)
    tries_of_third: int = 0
    log_of_retry: str = ""


@pytest.fixture(scope="module")
def four_steps(runs: Runs) -> FourSteps:
    sandbox, api = runs.sandboxes["four_steps"], runs.stack.api
    # The task is made and its answer held back: the moment for a SIGKILL, for as long as this needs.
    sandbox.set_faults(
        [{"kind": "slow", "on": "create", "seconds": 120, "times": 1, "match": {"prompt_contains": "third"}}]
    )
    api.wait_for_dag("four_steps", timeout=150)
    run_id = api.trigger("four_steps", {"word": "chain"})
    facts = FourSteps()

    def note() -> None:
        api.wait_run("four_steps", run_id, timeout=400)
        # The paid calls that reached Kling, by the last word of their prompts.
        made = Counter(str(task.request.prompt).split()[-1] for task in sandbox.backend.all())
        facts.paid.append({step: made[step] for step in STEPS})
        facts.states.append(api.states("four_steps", run_id))
        facts.ids.append({step: api.xcom("four_steps", run_id, step)["kling_task_id"] for step in STEPS})

    def third_is_made() -> bool:
        return any(str(task.request.prompt).endswith("third") for task in sandbox.backend.all())

    wait_for(third_is_made, timeout=400, interval=0.1, what="the third step's task")
    instance = api.task_instance("four_steps", run_id, "third")
    processes = runs.stack.task_processes(instance["id"])
    assert processes is not None
    assert processes.task is not None
    os.kill(processes.task, signal.SIGKILL)
    note()
    facts.tries_of_third = api.task_instance("four_steps", run_id, "third")["try_number"]
    facts.log_of_retry = api.log("four_steps", run_id, "third", 2)
    api.clear("four_steps", run_id)
    note()
    api.set_variable("take_of_first", "1")
    api.clear("four_steps", run_id)
    note()
    return facts


def test_a_killed_worker_in_a_chain_pays_nothing_twice(four_steps: FourSteps) -> None:
    assert four_steps.states[0] == dict.fromkeys(STEPS, "success")
    assert four_steps.tries_of_third == 2
    assert "adopted, nothing paid" in four_steps.log_of_retry
    assert four_steps.paid[0] == dict.fromkeys(STEPS, 1)


def test_a_cleared_chain_pays_nothing(four_steps: FourSteps) -> None:
    assert four_steps.states[1] == dict.fromkeys(STEPS, "success")
    assert four_steps.paid[1] == dict.fromkeys(STEPS, 1)
    assert four_steps.ids[1] == four_steps.ids[0]


def test_another_take_of_the_first_step_pays_each_once_more(four_steps: FourSteps) -> None:
    assert four_steps.states[2] == dict.fromkeys(STEPS, "success")
    assert four_steps.paid[2] == dict.fromkeys(STEPS, 2)
    assert all(four_steps.ids[2][step] != four_steps.ids[0][step] for step in STEPS)


@pytest.mark.parametrize("dag_id", ["two_outputs", "two_outputs_saved"])
def test_two_outputs_feed_two_steps_and_a_second_run_pays_nothing(runs: Runs, dag_id: str) -> None:
    """At a host without a lock; with files, and with nothing but the memory of what was paid."""
    sandbox, api = runs.sandboxes[dag_id], runs.stack.api
    api.wait_for_dag(dag_id, timeout=150)
    made, frames = [], []
    for _ in range(2):
        run_id = api.trigger(dag_id)
        assert api.wait_run(dag_id, run_id, timeout=400) == "success", api.states(dag_id, run_id)
        made.append(
            {name: api.xcom(dag_id, run_id, name)["kling_task_id"] for name in ("images", "left", "right")}
        )
        frames.append([task.request.image for task in sandbox.backend.all()])
    creates = sandbox.stats()["creates"]
    assert creates["made"] == creates["received"] == 3
    assert made[0] == made[1]
    assert made[0]["left"] != made[0]["right"]
    # The two videos began with the two images, and not both with one.
    urls = {frame.url for frame in frames[0] if frame is not None}
    assert len(urls) == 2
