# SPDX-License-Identifier: Apache-2.0
"""What people do in the UI: clear, mark, delete, change prompts, run the same thing elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.faults.processes import talks_to
from tests.faults.scenario import HELD, Expect, Scenario
from tests.faults.stage import Run, Stage

SLOW = {"render_seconds": HELD}
ONCE = Expect(most_creates=20)


def finished(stage: Stage) -> Run:
    run = stage.start()
    stage.check(run.finish() == "success", "the first run did not succeed")
    return run


def clear_running(stage: Stage) -> None:
    """Twelve are in the middle of the paid call when they are cleared."""
    stage.sandbox.set_faults([{"kind": "slow", "seconds": 12, "times": 20}])
    run = stage.start()

    cleared: set[int] = set()

    def sending() -> bool:
        calls = {
            index
            for index, (instance, _, task) in run.processes().items()
            if instance.try_number == 1 and task and talks_to(task, stage.sandbox.url)
        }
        if new := calls - cleared:
            run.clear(new)
        cleared.update(new)
        return len(cleared) >= 12

    run.until(sending, "twelve instances in the paid call")
    stage.notes["cleared in the call"] = len(cleared)
    run.finish()


def clear_deferred(stage: Stage) -> None:
    run = stage.start()
    run.wait_for_videos()
    run.clear_videos()
    run.finish()


def clear_failed(stage: Stage) -> None:
    """They gave up waiting; the tasks went on at Kling."""
    run = stage.start()
    run.wait_for_videos()
    run.mark("failed", range(stage.scenario.videos))
    run.finish()
    stage.check(set(run.counts()) == {"failed"}, f"not all failed: {run.counts()}")
    run.clear_videos()
    run.finish()


def clear_finished(stage: Stage) -> None:
    run = finished(stage)
    run.clear_videos()
    run.finish()


def clear_run(stage: Stage) -> None:
    """In the middle, and once more at the end."""
    run = stage.start()
    run.until(lambda: stage.made >= 10, "ten tasks at Kling")
    run.clear()
    run.finish()
    run.clear()
    run.finish()


def marked(state: str) -> Callable[[Stage], None]:
    """Marked while the video renders; later cleared, which delivers what was paid."""

    def play(stage: Stage) -> None:
        run = stage.start()
        run.wait_for_videos()
        run.mark(state, range(stage.scenario.videos))
        run.finish()
        stage.end_of_all_tasks()
        stage.check(stage.creates == 20, f"{stage.creates} creates after the mark")
        run.clear_videos()
        run.finish()

    return play


def deleted_and_made_again(stage: Stage) -> None:
    """The same run id means the same videos."""
    first = finished(stage)
    run_id = first.run_id
    first.delete()
    stage.start(run_id=run_id).finish()


def two_dags_two_runs(scope: str) -> Callable[[Stage], None]:
    """The same prompts in two Dags, two runs each, all at once."""

    def play(stage: Stage) -> None:
        dags = (f"once_per_{scope}_one", f"once_per_{scope}_two")
        for run in [stage.start(dag) for dag in dags for _ in range(2)]:
            run.finish()

    return play


def write_prompt(stage: Stage, name: str) -> None:
    folder = stage.folder / "prompts"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.md").write_text(f"---\nduration: 3\n---\nA film of {name}\n", encoding="utf-8")


def prompt_inserted(stage: Stage) -> None:
    """Twenty files, and one more that comes before them all when the run is cleared: everybody stands at another map
    index then, and without a lock only the memory by identity knows what was paid there."""
    for number in range(20):
        write_prompt(stage, f"film-{number:02d}")
    run = stage.start(rows=stage.folder / "prompts")
    run.finish()
    stage.check(stage.made == 20, f"{stage.made} tasks before the insertion")
    stage.remember()
    write_prompt(stage, "a-new-one")
    run.clear()
    run.finish()


def stops_say_how_to_go_on(stage: Stage, reasons: dict[int, str]) -> None:
    for text in reasons.values():
        stage.check(
            text.startswith("Stopped") and "adopt" in text and 'on_ambiguous="resubmit"' in text,
            f"a stop does not say how to go on: {text}",
        )


GATEWAY: dict[str, Any] = {"profile": "gateway"}

SCENARIOS = (
    Scenario(name="clear-running", fault="clear of running tasks, in the paid call", play=clear_running),
    Scenario(
        name="clear-deferred", fault="clear of deferred tasks", play=clear_deferred, sandbox=SLOW, expect=ONCE
    ),
    Scenario(
        name="clear-failed", fault="clear of failed tasks", play=clear_failed, sandbox=SLOW, expect=ONCE
    ),
    Scenario(name="clear-finished", fault="clear of finished tasks", play=clear_finished, expect=ONCE),
    Scenario(name="clear-run", fault="the whole run cleared, in the middle and at the end", play=clear_run),
    Scenario(
        name="video-failed",
        fault="marked failed while the video renders, then cleared",
        play=marked("failed"),
        sandbox=SLOW,
        expect=ONCE,
    ),
    Scenario(
        name="video-success",
        fault="marked success while the video renders, then cleared",
        play=marked("success"),
        sandbox=SLOW,
        expect=ONCE,
    ),
    Scenario(
        name="run-again",
        fault="run deleted and made again with the same id",
        play=deleted_and_made_again,
        expect=Expect(most_creates=40),
    ),
    Scenario(
        name="once-per-run",
        fault='same prompts, two Dags, two runs each, pay_once_per="run"',
        play=two_dags_two_runs("run"),
        videos=5,
        copies=4,
    ),
    Scenario(
        name="once-per-dag",
        fault='same prompts, two Dags, two runs each, pay_once_per="dag"',
        play=two_dags_two_runs("dag"),
        videos=10,
        copies=2,
    ),
    Scenario(
        name="once-per-content",
        fault='same prompts, two Dags, two runs each, pay_once_per="account"',
        play=two_dags_two_runs("account"),
    ),
    Scenario(
        name="inserted-lock",
        fault="a prompt file inserted and the run cleared, with a lock",
        dag="prompt_files",
        play=prompt_inserted,
        videos=21,
        expect=Expect(most_creates=21),
    ),
    Scenario(
        name="inserted-files",
        fault="a prompt file inserted and the run cleared, without a lock, files saved",
        dag="prompt_files_saved",
        play=prompt_inserted,
        sandbox=GATEWAY,
        videos=21,
        expect=Expect(most_creates=21),
    ),
    Scenario(
        name="inserted-no-lock",
        fault="a prompt file inserted and the run cleared, without a lock or files",
        dag="prompt_files",
        play=prompt_inserted,
        sandbox=GATEWAY,
        videos=21,
        expect=Expect(most_creates=21),
    ),
)
