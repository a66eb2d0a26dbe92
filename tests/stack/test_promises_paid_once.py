# SPDX-License-Identifier: Apache-2.0
"""A worker that dies right after the paid call, and what the retry makes of it."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import pytest

from tests.stack.promises.world import Run, World
from tests.support.stack import TaskProcesses, wait_for

# The first test waits for its scene, and all scenes play side by side.
pytestmark = pytest.mark.timeout(900)

AIRFLOW = tuple(int(part) for part in version("apache-airflow-core").split(".")[:2])
#: The Variable that is the memory of a submission without a lock before Airflow 3.3 has a task state store.
RECORD = "kling_record_"


@dataclass
class Killed:
    """What came of it. ``before`` is the first end of the run, ``stopped_at`` the try that it ended with."""

    run: Run
    task_id: str
    before: str
    stopped_at: int
    tasks_then: int
    first: list[str]
    second: list[str]
    told: dict[str, Any]
    records: list[dict[str, Any]]
    tasks: list[dict[str, Any]]
    after: str | None = None
    third: list[str] | None = None


def killed(world: World, *, dag_id: str, task_id: str, supervisor: bool, conn: str) -> Killed:
    """The moment is certain: the stand-in has made the task and holds its answer back."""
    stand_in = world.stand_ins[conn]
    prompt = f"killed {dag_id} {'with its supervisor' if supervisor else 'alone'}"
    variable = f"adopt_{conn}_{dag_id}_{supervisor}"
    run = world.run(dag_id, conn=conn, prompt=prompt, adopt=variable)
    made = stand_in.made(prompt)
    [instance] = run.instances(task_id)
    processes = wait_for(
        lambda: _both(world.stack.task_processes(instance["id"])), timeout=30, what="a task's processes"
    )
    if supervisor:  # first, so that it cannot tell of its child's death
        os.kill(processes.supervisor, signal.SIGKILL)
    os.kill(processes.task, signal.SIGKILL)
    before = run.end()
    facts = Killed(
        run=run,
        task_id=task_id,
        before=before,
        stopped_at=run.instances(task_id)[0]["try_number"],
        tasks_then=len(stand_in.tasks(prompt)),
        first=run.ours(task_id, 1),
        second=run.ours(task_id, 2),
        told=run.xcom(task_id, key="kling"),
        records=[one for one in world.variables(RECORD) if run.run_id in one["description"]],
        tasks=[],
    )
    if before == "failed":
        world.set_variable(variable, made["id"])
        run.clear(only_failed=True)
        facts.after = run.end()
        facts.third = run.ours(task_id, 3)
    facts.tasks = stand_in.tasks(prompt)
    return facts


def _both(processes: TaskProcesses | None) -> Any:
    return processes if processes and processes.task else None


def _scene(dag_id: str, task_id: str, *, supervisor: bool, conn: str, marks: Any = ()) -> Any:
    play = partial(killed, dag_id=dag_id, task_id=task_id, supervisor=supervisor, conn=conn)
    who = "with supervisor" if supervisor else "alone"
    return pytest.param(play, id=f"{task_id}, {who}", marks=marks)


on_both = pytest.mark.airflow_version


@pytest.mark.parametrize(
    "facts",
    [
        _scene("three_tasks", "submit", supervisor=False, conn="kling_default", marks=on_both),
        _scene("three_tasks", "submit", supervisor=True, conn="kling_default"),
        _scene("one_task", "video", supervisor=False, conn="kling_default"),
        _scene("one_task", "video", supervisor=True, conn="kling_default"),
    ],
    indirect=True,
)
def test_the_retry_adopts_what_the_killed_worker_made(facts: Killed) -> None:
    assert [line.split()[0] for line in facts.first] == ["Sending"]  # and it never heard an answer
    assert "adopted, nothing paid" in facts.second[0]
    assert facts.before == "success"
    assert facts.stopped_at == 2
    [task] = facts.tasks
    assert task["external_task_id"].startswith("af-")
    [result] = [facts.run.xcom(name) for name in ("save", "video") if name in facts.run.states()]
    assert result["kling_task_id"] == task["id"]
    assert result["outputs"][0]["file"].endswith(".mp4")


@pytest.mark.parametrize(
    "facts",
    [
        _scene("three_tasks", "submit", supervisor=False, conn="dmxapi", marks=on_both),
        _scene("one_task", "video", supervisor=True, conn="dmxapi"),
    ],
    indirect=True,
)
def test_without_a_lock_the_retry_stops_and_adopt_goes_on(facts: Killed) -> None:
    assert [line.split()[0] for line in facts.first] == [
        "Profile",
        "Sending",
    ]  # nothing protects here, and the log says so
    assert facts.before == "failed"
    assert facts.stopped_at == 2  # of three: nothing is gained by a third
    assert facts.tasks_then == 1
    reason = facts.told["reason"]
    assert "Stopped, so that nothing is paid twice" in reason
    assert "an earlier try sent it at 20" in reason
    assert "write its id into the request as adopt and clear this task" in reason
    assert "\n" not in reason
    assert facts.told["task_state"] == "may_exist"
    [intent] = facts.records if AIRFLOW < (3, 3) else [None]
    if intent is not None:
        assert json.loads(intent["value"])["state"] == "open"
    assert facts.after == "success"
    assert any("adopted, nothing paid" in line for line in facts.third or [])
    [task] = facts.tasks
    [result] = [facts.run.xcom(name) for name in ("save", "video") if name in facts.run.states()]
    assert result["kling_task_id"] == task["id"]
    assert result["outputs"][0]["file"].endswith(".mp4")
