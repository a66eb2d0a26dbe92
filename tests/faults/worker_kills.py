# SPDX-License-Identifier: Apache-2.0
"""SIGKILL of workers: before, during and after the paid call, and while the file comes."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable

from tests.faults.processes import talks_to
from tests.faults.scenario import Expect, Scenario
from tests.faults.stage import Run, Stage

#: Seconds in one call after which a process is surely in the slow one.
_IN_CALL = 1.0


def kill_in_call(run: Run, count: int, *, whole: bool = False, later_phase: bool = False) -> None:
    """Kill so many first tries while they wait for an answer of Kling.

    :param whole: the supervisor too, as when the machine dies; nobody reports the death then.
    :param later_phase: after the wait for the video, not before it.
    """
    stage, since, killed = run.stage, dict[int, float](), set[int]()

    def strike() -> bool:
        for index, (instance, supervisor, task) in run.processes().items():
            resumed = instance.next_method is not None
            if index in killed or instance.try_number > 1 or resumed != later_phase or not task:
                continue
            if not talks_to(task, stage.sandbox.url):
                since.pop(index, None)
            elif time.monotonic() - since.setdefault(index, time.monotonic()) >= _IN_CALL:
                kill([supervisor, task] if whole else [task])
                killed.add(index)
        return len(killed) >= count

    run.until(strike, f"{count} workers to kill")
    stage.notes["killed"] = len(killed)


def kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def in_call(*, whole: bool = False, later_phase: bool = False) -> Callable[[Stage], None]:
    """The first try of every instance is killed."""

    def play(stage: Stage) -> None:
        run = stage.start()
        kill_in_call(run, stage.scenario.videos, whole=whole, later_phase=later_phase)
        run.finish()

    return play


def after_call(stage: Stage) -> None:
    """They have their task and wait for it in the worker."""
    run = stage.start()
    killed: set[int] = set()

    def strike() -> bool:
        now = stage.sandbox.backend.clock()
        made = {
            int(str(task.request.prompt).rsplit(" ", 1)[1])
            for task in stage.sandbox.backend.all()
            if now - task.created > _IN_CALL
        }
        for index, (instance, _, task) in run.processes().items():
            if index in made - killed and instance.try_number == 1 and task:
                kill([task])
                killed.add(index)
        return len(killed) >= 15

    run.until(strike, "15 workers to kill")
    stage.notes["killed"] = len(killed)
    run.finish()


SCENARIOS = (
    Scenario(
        name="kill-before",
        fault="SIGKILL of the worker before the paid call (in the look-up)",
        dag="once_per_dag_one",
        play=in_call(),
        faults=[{"kind": "slow", "on": "read", "seconds": 20, "times": 20}],
        expect=Expect(most_creates=20),
    ),
    Scenario(
        name="kill-during",
        fault="SIGKILL of the worker during the paid call, before Kling makes the task",
        play=in_call(),
        faults=[{"kind": "slow", "seconds": 20, "before": True, "times": 20}],
    ),
    Scenario(
        name="kill-answer",
        fault="SIGKILL of the worker after the task was made, before the answer",
        play=in_call(),
        faults=[{"kind": "slow", "seconds": 20, "times": 20}],
        expect=Expect(most_creates=20),
    ),
    Scenario(
        name="kill-after",
        fault="SIGKILL of the worker after the paid call, while it waits",
        dag="in_worker",
        play=after_call,
        sandbox={"render_seconds": 25},
        expect=Expect(most_creates=20),
    ),
    Scenario(
        name="kill-download",
        fault="SIGKILL of the worker during the download",
        dag="saves",
        files=True,
        play=in_call(later_phase=True),
        faults=[{"kind": "slow", "on": "download", "seconds": 20, "times": 20}],
        expect=Expect(most_creates=20),
    ),
    Scenario(
        name="kill-machine",
        fault="SIGKILL of the worker and its supervisor during the paid call",
        play=in_call(whole=True),
        faults=[{"kind": "slow", "seconds": 8, "before": True, "times": 20}],
        alone=True,
    ),
)
