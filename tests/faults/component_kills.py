# SPDX-License-Identifier: Apache-2.0
"""Airflow's own processes die and come back, and its database goes back in time."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.faults import database
from tests.faults.scenario import HELD, Expect, Scenario
from tests.faults.stage import Run, Stage
from tests.support.stack import COMPONENTS

SLOW = {"render_seconds": HELD}
FEW = {"concurrency": 5, "render_seconds": 12}
FULL = {"concurrency": 5, "render_seconds": HELD}
ONCE = Expect(most_creates=20)


def waiting(stage: Stage, queued: bool) -> Run:
    """Twenty that wait: for their videos, or fifteen of them in the queue."""
    run = stage.start()
    if queued:
        run.wait_in_queue(15, then=12)
    else:
        run.wait_for_videos()
    return run


def killed(*names: str, queued: bool) -> Callable[[Stage], None]:
    """Killed with all they have forked, and started again after some seconds."""

    def play(stage: Stage) -> None:
        run = waiting(stage, queued)
        stage.kill(*names)
        time.sleep(5)
        stage.revive(*names)
        run.finish()

    return play


def scheduler_dies_in_call(stage: Stage) -> None:
    """While workers are in the paid call and others wait in the queue."""
    run = stage.start()
    run.until(lambda: stage.made >= 3, "three tasks at Kling")
    stage.kill("scheduler")
    time.sleep(3)
    stage.revive("scheduler")
    run.finish()


def database_restored(stage: Stage) -> None:
    """Airflow forgets the run, tasks at Kling and all; the same run is made again."""
    copy = stage.folder / "before"
    database.copy(stage.stack.database.url, copy)
    run = stage.start()
    run.wait_for_videos(15)
    stage.kill(*stage.stack.components)
    database.restore(stage.stack.database.url, copy)
    stage.revive(*COMPONENTS)
    stage.check(run.state() == "deleted", "the run is still known")
    stage.runs.remove(run)
    stage.start(run_id=run.run_id).finish()


def two_triggerers(stage: Stage) -> None:
    """One is killed, the other takes over; then that one is stopped, and the first does."""
    stack = stage.stack
    stack.start("triggerer", name="triggerer-2", timeout=120)
    run = stage.start()
    run.until(lambda: any(one.waits_in_queue for one in run.instances()), "one that waits in the queue")
    run.until(lambda: any(one.waits_for_video for one in run.instances()), "one that waits for its video")
    time.sleep(3)
    stage.kill("triggerer")
    made = stage.made
    run.until(lambda: stage.made >= made + 3, "three more tasks, by the other triggerer")
    stage.revive("triggerer")
    stage.killed.add("triggerer-2")
    stack.stop("triggerer-2")
    run.finish()


SCENARIOS = (
    Scenario(
        name="triggerer-result",
        fault="SIGKILL of the triggerer while tasks wait for a result",
        play=killed("triggerer", queued=False),
        sandbox=SLOW,
        expect=ONCE,
        alone=True,
    ),
    Scenario(
        name="triggerer-queue",
        fault="SIGKILL of the triggerer while tasks wait in the queue",
        play=killed("triggerer", queued=True),
        sandbox=FULL,
        alone=True,
    ),
    Scenario(
        name="api-restart",
        fault="API servers killed and restarted while tasks wait in the queue and for results",
        play=killed("api-server", "execution-api", queued=True),
        sandbox=FULL,
        alone=True,
    ),
    Scenario(
        name="scheduler-restart",
        fault="scheduler and workers killed in the middle, restarted",
        play=scheduler_dies_in_call,
        sandbox=FEW,
        faults=[{"kind": "slow", "seconds": 3}],
        alone=True,
    ),
    Scenario(
        name="database-restored",
        fault="metadata database restored from a copy before the run",
        play=database_restored,
        sandbox=SLOW,
        alone=True,
    ),
    Scenario(
        name="two-triggerers",
        fault="two triggerers, one killed and one stopped (PostgreSQL)",
        play=two_triggerers,
        sandbox=FEW,
        alone=True,
        postgres=True,
    ),
)
