# SPDX-License-Identifier: Apache-2.0
"""What is another one than before: the request while its video renders, the place of a file, the prompt under a name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.scenario import HELD, Expect, Scenario
from tests.faults.stage import Stage
from tests.faults.storage_faults import mount
from tests.faults.user_actions import write_prompt
from tests.faults.worker_kills import kill_in_call

SLOW = {"render_seconds": HELD}
GATEWAY: dict[str, Any] = {"profile": "gateway"}


def manifests(stage: Stage) -> dict[Path, dict[str, Any]]:
    """What manifests tell of files that are there."""
    found = {}
    for path in stage.place.rglob("*.kling.json"):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        for output in manifest["outputs"]:
            if (video := path.with_name(output["file"])).exists():
                found[video] = manifest
    return found


def files_tell_the_truth(stage: Stage) -> None:
    """What a manifest says of a video is what Kling was sent for it."""
    sent = {task.id: task for task in stage.sandbox.backend.all()}
    found = manifests(stage)
    stage.notes["files"] = len(found)
    for video, manifest in found.items():
        task = sent.get(str(manifest["kling_task_id"]))
        stage.check(task, f"{video.name} names a task that Kling does not know")
        if task is None:
            continue
        stage.check(
            manifest["prompt"] == task.request.prompt,
            f"{video.name} says {manifest['prompt']!r}, and Kling was sent {task.request.prompt!r}",
        )
        if task.request.external_id:
            stage.check(
                manifest["external_task_id"] == task.request.external_id
                and manifest["identity"] == task.request.external_id,
                f"{video.name} has the identity {manifest['identity']}, and Kling's task is {task.request.external_id}",
            )
        named = video.name == "the-one.mp4" or video.name.startswith(str(manifest["name"]))
        stage.check(named, f"{video.name} is called {manifest['name']!r}")


def variable(stage: Stage, value: str) -> str:
    """Set the Airflow Variable that the prompts of this scenario hold; returns its name."""
    name = f"{stage.conn_id}_word"
    stage.stack.api.set_variable(name, value)
    return name


def rows_with_variable(stage: Stage, videos: int) -> None:
    word = f"{{{{ var.value.get('{variable(stage, 'night')}') }}}}"
    stage.write_rows(
        [
            {
                "request": {
                    "name": f"film-{number:02d}",
                    "prompt": f"{word} {stage.scenario.name} {number:02d}",
                    "duration": 3,
                }
            }
            for number in range(videos)
        ]
    )


def variable_changed(stage: Stage) -> None:
    """The night's videos are the night's, and the next run makes the day's."""
    rows_with_variable(stage, stage.scenario.videos)
    run = stage.start()
    run.wait_for_videos()
    variable(stage, "day")
    run.finish()
    files_tell_the_truth(stage)
    stage.check(stage.made == stage.scenario.videos, f"{stage.made} tasks after the first run")
    stage.start().finish()
    files_tell_the_truth(stage)
    prompts = {str(manifest["prompt"]).split()[0] for manifest in manifests(stage).values()}
    stage.check(prompts == {"night", "day"}, f"files of {prompts}")


def disk_filled_and_variable_changed(stage: Stage) -> None:
    """The resume fails for want of space, and Airflow retries with another prompt: what was paid is finished."""
    rows_with_variable(stage, stage.scenario.videos)
    mount(stage, "mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs")
    try:
        run = stage.start()
        run.wait_for_videos()
        filler = stage.place / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        variable(stage, "day")
        run.until(
            lambda: all(one.state == "up_for_retry" or one.try_number > 1 for one in run.instances()),
            "every resume to meet the full disk",
        )
        stage.notes["met the full disk"] = len(run.instances())
        filler.unlink()
        mount(stage, "mount", "-o", "remount,size=200m")
        run.finish()
        files_tell_the_truth(stage)
        stage.check(stage.creates == stage.scenario.videos, f"{stage.creates} creates")
        stage.freeze()
    finally:
        mount(stage, "umount")


def dag_edited(stage: Stage) -> None:
    """The Dag file says another prompt and name while the video renders, and the next run makes that."""
    text = stage.stack.home / "edited.json"
    text.write_text(json.dumps({"prompt": "A red panda brews tea", "name": "panda", "duration": 3}))
    run = stage.start()
    run.wait_for_videos()
    text.write_text(json.dumps({"prompt": "A paper boat in the rain", "name": "boat", "duration": 3}))
    run.finish()
    files_tell_the_truth(stage)
    stage.start().finish()
    files_tell_the_truth(stage)
    names = sorted(video.name for video in manifests(stage))
    stage.check(names == ["boat.mp4", "panda.mp4"], f"files {names}")


def list_shifted(stage: Stage) -> None:
    """A prompt file comes before the others, and the loader alone is cleared while the videos render."""
    for name in ("boat", "panda"):
        write_prompt(stage, name)
    run = stage.start(rows=stage.folder / "prompts")
    run.wait_for_videos(2)
    write_prompt(stage, "aaa")
    stage.stack.api.clear(run.dag_id, run.run_id, ["load_prompts"], downstream=False)
    run.finish()
    files_tell_the_truth(stage)
    stage.start(rows=stage.folder / "prompts").finish()
    files_tell_the_truth(stage)
    names = sorted(video.name for video in manifests(stage))
    stage.check(names == ["aaa.mp4", "boat.mp4", "panda.mp4"], f"files {names}")


def three_runs(stage: Stage) -> None:
    """Each run has a folder of its own, and pays for nothing that another one paid."""
    for _ in range(3):
        run = stage.start()
        run.finish()
        stage.remember()
    files_tell_the_truth(stage)


def prompt_changed(stage: Stage) -> None:
    """The README's ten lines: one prompt file is edited, and the Dag runs again."""
    names = ("boat", "panda", "tea")
    for name in names:
        write_prompt(stage, name)
    run = stage.start(rows=stage.folder / "prompts")
    stage.check(run.finish() == "success", f"the first run failed: {run.reasons()}")
    before = {video: video.read_bytes() for video in manifests(stage)}
    stage.remember()
    (stage.folder / "prompts" / "panda.md").write_text(
        "---\nduration: 3\n---\nA red panda sleeps\n", encoding="utf-8"
    )
    run = stage.start(rows=stage.folder / "prompts")
    stage.check(run.finish() == "success", f"the second run failed: {run.reasons()}")
    after = manifests(stage)
    stage.check(all(video.read_bytes() == data for video, data in before.items()), "an old file changed")
    new = [video for video in after if video not in before]
    stage.check(len(new) == 1, f"new files: {[video.name for video in new]}")
    stage.check(
        new and after[new[0]]["prompt"] == "A red panda sleeps", "the new file is not of the new prompt"
    )
    stage.notes["new file"] = new[0].name if new else None
    files_tell_the_truth(stage)


def one_place(*, killed: str | None = None) -> Callable[[Stage], None]:
    """Entries of two names want one file: one is paid and saved, the others are refused before they pay.

    :param killed: ``before`` or ``during`` the paid call of whoever came first.
    """

    def play(stage: Stage) -> None:
        if killed:
            stage.sandbox.set_faults(
                [{"kind": "slow", "on": "create", "seconds": 25, "times": 1, "before": killed == "before"}]
            )
        run = stage.start()
        if killed:
            kill_in_call(run, 1)
        run.finish()
        refused = run.reasons()
        stage.notes["refused"] = len(refused)
        for text in refused.values():
            stage.check(
                "Nothing was sent" in text and "Dag" in text, f"a refusal does not say whose it is: {text}"
            )
        stage.check(len(refused) == stage.scenario.videos - 1, f"{len(refused)} refused: {refused}")
        stage.check(stage.made == 1, f"{stage.made} paid for one place")
        files_tell_the_truth(stage)

    return play


def _once(videos: int, **more: Any) -> Expect:
    return Expect(most_creates=videos, **more)


SCENARIOS = (
    Scenario(
        name="variable-changed",
        fault="a Variable in the prompt changes while the videos render; then a second run",
        dag="with_variable",
        play=variable_changed,
        sandbox=SLOW,
        videos=8,
        lists=2,
        expect=_once(16),
        files=True,
    ),
    Scenario(
        name="disk-and-variable",
        fault="the disk is full at the resume, the Variable changed; Airflow retries",
        dag="with_variable",
        play=disk_filled_and_variable_changed,
        sandbox=SLOW,
        videos=4,
        expect=_once(4),
        files=True,
    ),
    Scenario(
        name="disk-and-variable-no-lock",
        fault="the same without a lock",
        dag="with_variable",
        play=disk_filled_and_variable_changed,
        sandbox={**SLOW, **GATEWAY},
        videos=4,
        expect=_once(4),
        files=True,
    ),
    Scenario(
        name="dag-edited",
        fault="the Dag file is edited while the video renders; then a second run",
        dag="edited",
        play=dag_edited,
        sandbox=SLOW,
        videos=1,
        lists=2,
        expect=_once(2),
        files=True,
    ),
    Scenario(
        name="list-shifted",
        fault="a prompt file is added and the loader alone cleared while the videos render; then a second run",
        dag="prompt_files_shifted",
        play=list_shifted,
        sandbox=SLOW,
        videos=3,
        expect=_once(3),
        files=True,
    ),
    Scenario(
        name="dated-places",
        fault="three runs with a folder of their own, without a lock",
        dag="dated",
        play=three_runs,
        sandbox=GATEWAY,
        videos=6,
        expect=_once(6),
        files=True,
    ),
    Scenario(
        name="prompt-changed",
        fault="one prompt file edited, and the Dag run again",
        dag="prompt_files_changed",
        play=prompt_changed,
        videos=4,
        expect=_once(4),
        files=True,
    ),
    Scenario(
        name="one-place",
        fault="three entries want one file at once",
        dag="one_place",
        play=one_place(),
        videos=3,
        expect=Expect(failed=2, undelivered=2, tasks=1, most_creates=1),
        files=True,
    ),
    Scenario(
        name="one-place-killed-before",
        fault="the same, and the first one's worker is killed before Kling made its task",
        dag="one_place",
        play=one_place(killed="before"),
        videos=3,
        expect=Expect(failed=2, undelivered=2, tasks=1, most_creates=2),
        files=True,
    ),
    Scenario(
        name="one-place-killed-after",
        fault="the same, and it is killed after Kling made its task",
        dag="one_place",
        play=one_place(killed="during"),
        videos=3,
        expect=Expect(failed=2, undelivered=2, tasks=1, most_creates=1),
        files=True,
    ),
)
