# SPDX-License-Identifier: Apache-2.0
"""Kling's limits: too many calls (1302), the concurrency limit (1303), and what users do to tasks in the queue."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from tests.faults.scenario import HELD, Expect, Scenario
from tests.faults.stage import Stage
from tests.support.stack.api import ApiError

#: All the others queue up behind the first five.
SLOW = {"concurrency": 5, "render_seconds": HELD}
FEW = {"concurrency": 5, "render_seconds": 6}
LIMIT = 5
#: Seconds by which one worker may start faster than another.
OVERTAKING = 4.0


def quiet(stage: Stage, seconds: float) -> int:
    """Creates in the next seconds: none may come."""
    before = stage.creates
    time.sleep(seconds)
    return stage.creates - before


def limit_is_free(stage: Stage) -> None:
    """Wait until nothing is in flight, so that a task which still wanted to send would."""
    stage.until(lambda: stage.sandbox.stats()["live"] == 0, "the end of all tasks at Kling", 120)


def marked(state: str) -> Callable[[Stage], None]:
    """Those that wait in the queue are marked, and cleared when it is certain that none sends."""

    def play(stage: Stage) -> None:
        run = stage.start()
        waiting = run.wait_in_queue(stage.scenario.videos - LIMIT)
        made = stage.made
        run.mark(state, [one.map_index for one in waiting])
        limit_is_free(stage)
        sent = quiet(stage, 12)
        stage.check(not sent, f"{sent} creates by instances that were marked {state}")
        stage.check(stage.made == made, f"{stage.made - made} tasks made after the mark")
        run.finish()
        run.clear([one.map_index for one in waiting])
        run.finish()

    return play


def pool_closed(stage: Stage) -> None:
    """The pool goes to 0 while they wait in the queue, and is opened again."""
    run = stage.start()
    run.wait_in_queue(stage.scenario.videos - LIMIT)
    pool = stage.stack.api.pool
    pool("faults", 0)
    try:
        limit_is_free(stage)
        sent = quiet(stage, 20)
        stage.check(not sent, f"{sent} creates while the pool was 0")
    finally:
        pool("faults", 100)
    run.finish()
    in_their_order(stage)


def paused(stage: Stage) -> None:
    """The Dag is paused while they wait in the queue, and goes on."""
    run = stage.start()
    run.wait_in_queue(stage.scenario.videos - LIMIT)
    stage.stack.api.pause(run.dag_id)
    try:
        limit_is_free(stage)
        sent = quiet(stage, 20)
        stage.check(not sent, f"{sent} creates while the Dag was paused")
    finally:
        stage.stack.api.pause(run.dag_id, False)
    run.finish()
    in_their_order(stage)


def in_their_order(stage: Stage) -> None:
    """Whoever queued first is made first."""
    found = out_of_order(stage)
    stage.notes["out of order"] = found
    stage.check(not found, f"{found} were made before somebody who queued earlier")


def out_of_order(stage: Stage) -> int:
    """How many tasks were made before the task of somebody who was refused earlier, by more than the moments in
    which one worker overtakes another."""
    refused: dict[str, float] = {}
    made: list[tuple[float, float]] = []
    for create in stage.sandbox.stats()["create_log"]:
        name, at = create["external_task_id"], create["at"] / 1000
        if create["answer"] == "concurrency":
            refused.setdefault(name, at)
        elif create["task_id"] and name in refused:
            made.append((at, refused[name]))
    return sum(
        any(queued < mine - OVERTAKING and later > at + OVERTAKING for later, queued in made)
        for at, mine in made
    )


def woken_and_marked(stage: Stage) -> None:
    """Whoever is woken is marked failed before its worker has begun."""
    run = stage.start()
    run.wait_in_queue(10, then=12)
    struck: set[int] = set()
    waiting = {one.map_index for one in run.instances() if one.waits_in_queue}
    deadline = time.monotonic() + 90
    while waiting - struck and len(struck) < 8 and time.monotonic() < deadline:
        for one in run.instances():
            woken = one.map_index in waiting - struck and one.state in ("scheduled", "queued")
            if woken and one.next_method == "execute_after_queue":
                struck.add(one.map_index)
                with contextlib.suppress(ApiError):
                    run.mark("failed", [one.map_index])
        time.sleep(0.02)
    stage.notes["marked at the moment of waking"] = len(struck)
    stage.check(len(struck) >= 3, f"only {len(struck)} were met at the moment of waking")
    run.finish()
    run.clear(one.map_index for one in run.instances() if one.state == "failed")
    run.finish()


def limited(stage: Stage) -> None:
    """Most of them wait in the queue, and are sent in the order in which they came."""
    run = stage.start()
    run.finish()
    refused = {
        c["external_task_id"] for c in stage.sandbox.stats()["create_log"] if c["answer"] == "concurrency"
    }
    stage.notes["refused at first"] = len(refused)
    stage.check(refused, "nobody was refused: nothing was shown")
    in_their_order(stage)


SCENARIOS = (
    Scenario(
        name="1302",
        fault="1302 storms: three calls of five are refused for 30 s",
        faults=[{"kind": "rate_limited", "on": "any", "probability": 0.6, "for_seconds": 30}],
    ),
    Scenario(name="1303", fault="1303, limit 5", play=limited, sandbox=FEW, extra={"max_concurrency": 5}),
    Scenario(name="1303-learned", fault="1303, limit 5 that nobody states", sandbox={**FEW, "pack": "plain"}),
    Scenario(
        name="1303-worker",
        fault="1303, limit 5, waiting in the worker",
        dag="in_worker",
        sandbox=FEW,
    ),
    Scenario(
        name="queued-failed",
        fault="marked failed while waiting in the queue, then cleared",
        play=marked("failed"),
        videos=25,
        sandbox=SLOW,
    ),
    Scenario(
        name="queued-success",
        fault="marked success while waiting in the queue, then cleared",
        play=marked("success"),
        videos=25,
        sandbox=SLOW,
    ),
    Scenario(
        name="pool-0",
        fault="pool set to 0 slots while 20 wait in the queue",
        dag="pooled",
        play=pool_closed,
        videos=25,
        sandbox=SLOW,
    ),
    Scenario(
        name="paused",
        fault="Dag paused while 20 wait in the queue",
        dag="pausable",
        play=paused,
        videos=25,
        sandbox=SLOW,
    ),
    Scenario(
        name="woken-marked",
        fault="woken from the queue and marked failed at that moment",
        play=woken_and_marked,
        videos=25,
        sandbox=SLOW,
        expect=Expect(failed=0),
    ),
)
