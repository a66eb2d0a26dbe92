# SPDX-License-Identifier: Apache-2.0
"""Chains pay each step once: when a worker dies in the paid call, when all is cleared, and in later runs without a lock."""

from __future__ import annotations

import pytest

from tests.stack.types.conftest import WITHOUT_LOCK, Runs
from tests.stack.types.four_steps import STEPS, FourSteps


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


@pytest.mark.parametrize("dag_id", WITHOUT_LOCK)
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
