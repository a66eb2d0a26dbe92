# SPDX-License-Identifier: Apache-2.0
"""What Kling does to tasks: it fails them, refuses them, never ends them, forgets them."""

from __future__ import annotations

from collections.abc import Callable

from tests.faults.scenario import Expect, Scenario
from tests.faults.stage import Stage

FIVE = [1, 5, 9, 13, 17]


def moderated(stage: Stage) -> None:
    """Fails at once, nothing is sent again; a person clears it, and the next attempt is made."""
    run = stage.start()
    run.finish()
    failed = [one for one in run.instances() if one.state == "failed"]
    stage.check(len(failed) == 10, f"{len(failed)} failed, must be 10")
    stage.check(all(one.try_number == 1 for one in failed), "a refusal was retried")
    stage.check(stage.creates == 20, f"{stage.creates} creates before the clear")
    for text in run.reasons().values():
        stage.check("clear" in text and "prompt" in text, f"the message does not say what to do: {text}")
    stage.sandbox.set_faults([])
    run.clear(one.map_index for one in failed)
    run.finish()


def endless(stage: Stage) -> None:
    """They time out try after try, adopt each time, and no second task is made."""
    run = stage.start()
    run.finish()
    failed = [one for one in run.instances() if one.state == "failed"]
    stage.check(len(failed) == 5, f"{len(failed)} timed out, must be 5")
    for text in run.reasons().values():
        stage.check("goes on" in text and "adopts" in text, f"the message does not say what to do: {text}")


def forgotten(run_again: bool) -> Callable[[Stage], None]:
    """The tasks are found no more: 30 days have passed."""

    def play(stage: Stage) -> None:
        run = stage.start()
        run.finish()
        stage.remember()
        for task in stage.sandbox.backend.all():
            task.forgotten_from = stage.sandbox.backend.clock()
        if run_again:
            run_id = run.run_id
            run.delete()
            stage.runs.remove(run)
            run = stage.start(run_id=run_id)
        else:
            run.clear_videos()
        run.finish()
        reasons = run.reasons()
        stage.check(len(reasons) == 20, f"{len(reasons)} stops with a reason, must be 20")
        for text in reasons.values():
            stage.check("raise take (now 0)" in text, f"the message does not name take: {text}")

    return play


SCENARIOS = (
    Scenario(
        name="task-fails",
        fault="Kling fails five tasks: the retry is the next attempt",
        faults=[{"kind": "task_fails", "message": "Internal render error", "match": {"nth": FIVE}}],
        expect=Expect(tasks=25, most_creates=25),
    ),
    Scenario(
        name="moderation",
        fault="moderation refuses five at the call and five tasks; later cleared",
        play=moderated,
        faults=[
            {"kind": "moderation", "match": {"nth": FIVE}},
            {"kind": "task_fails", "match": {"nth": [1, 4, 7, 10, 13]}},
        ],
        expect=Expect(tasks=25),
    ),
    Scenario(
        name="endless",
        fault="five tasks that never end",
        dag="impatient",
        play=endless,
        faults=[{"kind": "stuck", "match": {"nth": FIVE}}],
        expect=Expect(failed=5, undelivered=5, most_creates=20),
    ),
    Scenario(
        name="forgotten-clear",
        fault="finished tasks cleared that Kling has forgotten",
        play=forgotten(run_again=False),
        expect=Expect(failed=20, most_creates=20),
    ),
    Scenario(
        name="forgotten-refused",
        fault="run made again, ids refused and nothing found under them",
        play=forgotten(run_again=True),
        expect=Expect(failed=20, most_creates=40),
    ),
)
