# SPDX-License-Identifier: Apache-2.0
"""A chain of four steps whose third worker dies in the paid call; then all is cleared; then with another take of the first."""

from __future__ import annotations

import os
import signal
from collections import Counter
from dataclasses import dataclass, field

from kling_provider.sandbox import Sandbox
from tests.support.stack import AirflowStack, wait_for

STEPS = ("first", "second", "third", "fourth")


@dataclass
class FourSteps:
    """How often each step was paid, and what it gave: after the kill, after a clear of all, after a new take and a clear."""

    paid: list[dict[str, int]] = field(default_factory=list)
    ids: list[dict[str, str]] = field(default_factory=list)
    states: list[dict[str, str | None]] = field(default_factory=list)
    tries_of_third: int = 0
    log_of_retry: str = ""


def play_four_steps(stack: AirflowStack, sandbox: Sandbox) -> FourSteps:
    """Play it, from the first run to the last clear."""
    api = stack.api
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
    processes = stack.task_processes(instance["id"])
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
