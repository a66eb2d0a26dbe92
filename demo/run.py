# SPDX-License-Identifier: Apache-2.0
"""``make demo``: the prompt files become videos, every file is read back, and nothing keeps running."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from demo.playground import REPOSITORY, VIDEOS, playground
from demo.progress import Progress, sentence, stages
from demo.videos import differences, read_video
from tests.support.stack import AirflowApi, AirflowStack, StackError
from tests.support.stopping import ended_by_signals

DAG_ID = "kling_prompt_files"
TASK_ID = "video"
TIMEOUT = 300.0
#: What a line of the table fits into.
COLUMNS = 100


@dataclass(frozen=True)
class Row:
    """One line of the table, and what is wrong with it."""

    file: str
    seconds: Sequence[float]
    units: Decimal
    kling_task_id: str
    prompt: str
    problems: Sequence[str]


def main() -> int:
    videos = VIDEOS / "demo"
    if videos.exists():
        print(f"Removing the videos of the demo before this one ({_short(videos)})")
        shutil.rmtree(videos)
    videos.mkdir(parents=True)
    began = time.monotonic()
    print("A sandbox that plays Kling, and a whole Airflow that makes the videos of dags/prompts with it.")
    with Progress() as progress, playground(videos=videos, tell=progress.show) as (sandbox, stack):
        progress.say(f"Sandbox on {sandbox.address}, Airflow on {stack.address}, both until the demo ends")
        run_id, state = run(stack, progress)
        rows = read_results(stack.api, run_id, videos)
        failures = [] if state == "success" else explain(stack.api, run_id)
        progress.show("stopping both")
    print(table(rows))
    problems = [f"{row.prompt}: {problem}" for row in rows for problem in row.problems] + failures
    if not rows:
        problems.append("the run made no video")
    for problem in problems:
        print(f"WRONG: {problem}", file=sys.stderr)
    if not problems:
        took = time.monotonic() - began
        print(
            f"\nEach was read back and is right. They are in {_short(videos)}/; all of it took {took:.0f} s."
        )
        print("next: make up   (the same, left running for your browser)")
    return 1 if problems else 0


def run(stack: AirflowStack, progress: Progress) -> tuple[str, str]:
    """One manual run, with its progress; returns run id and final state."""
    run_id = stack.api.trigger(DAG_ID, {"plan_only": False})
    deadline = time.monotonic() + TIMEOUT
    while (state := stack.api.run_state(DAG_ID, run_id)) not in ("success", "failed"):
        videos = stack.api.task_instances(DAG_ID, run_id, TASK_ID)
        mapped = [one for one in videos if one["map_index"] >= 0]
        progress.show(
            sentence(stages(mapped, stack.database.triggers())) if mapped else "reading the prompt files"
        )
        if time.monotonic() > deadline:
            raise TimeoutError(f"not done after {TIMEOUT:.0f} s: {stack.api.states(DAG_ID, run_id)}")
        time.sleep(0.5)
    progress.show(sentence(stages(stack.api.task_instances(DAG_ID, run_id, TASK_ID), [])))
    return run_id, state


def read_results(api: AirflowApi, run_id: str, videos: Path) -> list[Row]:
    """Build a row for every instance of the video task, from its XCom, its manifest and its files."""
    instances = sorted(api.task_instances(DAG_ID, run_id, TASK_ID), key=lambda one: one["map_index"])
    return [
        read_result(api.xcom(DAG_ID, run_id, TASK_ID, one["map_index"]), one, videos) for one in instances
    ]


def read_result(result: dict[str, Any] | None, instance: dict[str, Any], videos: Path) -> Row:
    """One row; a file below ``videos`` is named without that folder."""
    if not result:
        label = instance.get("rendered_map_index") or f"{TASK_ID}[{instance['map_index']}]"
        problem = f"no result; the task instance is {instance['state']}"
        return Row(label, [], Decimal(0), "", "", [problem])
    outputs = result.get("outputs") or []
    problems = [] if outputs else ["no output"]
    seconds, files = [], []
    manifest = Path(str(result.get("manifest")).removeprefix("file://"))
    for output in outputs:
        if not output.get("file"):
            problems.append("an output was not saved")
            continue
        file = Path(output["file"].removeprefix("file://"))
        files.append(str(file.relative_to(videos) if file.is_relative_to(videos) else file))
        try:
            request = json.loads(manifest.read_text(encoding="utf-8"))["request"]
            video = read_video(file)
        except Exception as error:  # noqa: BLE001 - whatever PyAV or the disk says, it belongs into the table
            problems.append(f"{file.name} cannot be read back: {error}")
            continue
        seconds.append(video.seconds)
        problems += [f"{file.name}: {difference}" for difference in differences(video, request)]
    return Row(
        file=" ".join(files) or str(result.get("name") or ""),
        seconds=seconds,
        units=sum(
            (Decimal(item["amount"]) for item in result.get("billing") or [] if item.get("amount")),
            Decimal(0),
        ),
        kling_task_id=str(result.get("kling_task_id") or ""),
        prompt=str(result.get("prompt") or ""),
        problems=problems,
    )


def explain(api: AirflowApi, run_id: str) -> list[str]:
    """Return what the failed tasks say for themselves, a line each."""
    found = []
    for one in api.task_instances(DAG_ID, run_id):
        if one["state"] == "failed":
            log = api.log(DAG_ID, run_id, one["task_id"], one["try_number"], one["map_index"])
            errors = [line for line in log.splitlines() if " error " in line] or log.splitlines()[-10:]
            found.append(f"{one['task_id']}[{one['map_index']}] failed:\n" + "\n".join(errors))
    return found or [f"the run {run_id} did not succeed"]


def table(rows: Sequence[Row]) -> str:
    """Lay out the rows in columns, and their sum; a line fits into a terminal of 100 columns."""
    cells = [
        (
            _cut(row.file, 30),
            " ".join(f"{seconds:.1f}" for seconds in row.seconds),
            _units(row.units),
            row.kling_task_id,
            row.prompt,
        )
        for row in rows
    ]
    heading = ("video", "seconds", "cost", "Kling task id", "prompt")
    total = (
        f"{len(rows)} video{'' if len(rows) == 1 else 's'}",
        f"{sum(sum(row.seconds) for row in rows):.1f}",
        _units(sum((row.units for row in rows), Decimal(0))),
        "",
        "",
    )
    widths = [max(len(line[column]) for line in (heading, *cells, total)) for column in range(4)]
    widths.append(max(len(heading[4]), COLUMNS - sum(widths) - 2 * len(widths)))

    def line(values: Sequence[str]) -> str:
        *left, prompt = values
        padded = [value.ljust(width) for value, width in zip(left, widths[:4], strict=True)]
        return "  ".join([*padded, _cut(prompt, widths[4])]).rstrip()

    ruler = "  ".join("-" * width for width in widths)
    return "\n".join([line(heading), ruler, *map(line, cells), ruler, line(total)])


def _units(amount: Decimal) -> str:
    return f"{amount.normalize():f} unit{'' if amount == 1 else 's'}"


def _cut(text: str, length: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def _short(path: Path) -> str:
    return str(path.relative_to(REPOSITORY)) if path.is_relative_to(REPOSITORY) else str(path)


if __name__ == "__main__":
    with ended_by_signals():
        try:
            sys.exit(main())
        except KeyboardInterrupt:
            print("\nStopped.", file=sys.stderr)
            sys.exit(130)
        except (StackError, TimeoutError) as error:
            print(f"\nThe demo did not get through: {error}", file=sys.stderr)
            sys.exit(1)
