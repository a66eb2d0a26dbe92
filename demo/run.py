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

from demo.films import differences, read_film
from demo.playground import REPOSITORY, VIDEOS, playground
from demo.progress import Progress, sentence, stages
from demo.stack import AirflowApi, AirflowStack, StackError
from demo.stopping import ended_by_signals

DAG_ID = "kling_prompt_files"
TASK_ID = "video"
TIMEOUT = 300.0


@dataclass(frozen=True)
class Row:
    """One line of the table, and what is wrong with it."""

    prompt: str
    kling_task_id: str
    seconds: str
    cost: str
    file: str
    problems: Sequence[str]


def main() -> int:
    videos = VIDEOS / "demo"
    if videos.exists():
        print(f"Removing the videos of the demo before this one ({_short(videos)})")
        shutil.rmtree(videos)
    videos.mkdir(parents=True)
    began = time.monotonic()
    with Progress() as progress:
        progress.show("starting the sandbox and Airflow (scheduler, triggerer, DAG processor, API server)")
        with playground(videos=videos, paused=True) as (sandbox, stack):
            progress.say(
                f"Sandbox on {sandbox.address}, Airflow on {stack.address}, both only until the demo ends"
            )
            run_id, state = run(stack, progress)
            rows = read_results(stack.api, run_id)
            failures = [] if state == "success" else explain(stack.api, run_id)
    print(table(rows))
    problems = [f"{row.prompt}: {problem}" for row in rows for problem in row.problems] + failures
    if not rows:
        problems.append("the run made no video")
    for problem in problems:
        print(f"WRONG: {problem}", file=sys.stderr)
    if not problems:
        print(
            f"{len(rows)} videos, each read back and right, in {time.monotonic() - began:.0f} s: {_short(videos)}/"
        )
    return 1 if problems else 0


def run(stack: AirflowStack, progress: Progress) -> tuple[str, str]:
    """One manual run, with its progress; returns run id and final state."""
    stack.api.wait_for_dag(DAG_ID)
    stack.api.pause(DAG_ID, False)
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


def read_results(api: AirflowApi, run_id: str) -> list[Row]:
    """A row for every instance of the video task, from its XCom, its sidecar and its file."""
    instances = sorted(api.task_instances(DAG_ID, run_id, TASK_ID), key=lambda one: one["map_index"])
    return [read_result(api.xcom(DAG_ID, run_id, TASK_ID, one["map_index"]), one) for one in instances]


def read_result(result: dict[str, Any] | None, instance: dict[str, Any]) -> Row:
    if not result:
        label = instance.get("rendered_map_index") or f"{TASK_ID}[{instance['map_index']}]"
        return Row(label, "", "", "", "", [f"no result; the task instance is {instance['state']}"])
    units = sum(
        (Decimal(item["amount"]) for item in result.get("billing") or [] if item.get("amount")), Decimal(0)
    )
    outputs = result.get("outputs") or []
    problems = [] if outputs else ["no output"]
    seconds = []
    for output in outputs:
        if not output.get("file"):
            problems.append("an output was not saved")
            continue
        file = Path(output["file"].removeprefix("file://"))
        try:
            request = json.loads(file.with_name(file.name + ".json").read_text(encoding="utf-8"))["request"]
            film = read_film(file)
        except Exception as error:  # noqa: BLE001 - whatever PyAV or the disk says, it belongs into the table
            problems.append(f"{file.name} cannot be read back: {error}")
            continue
        seconds.append(f"{film.seconds:.1f}")
        problems += [f"{file.name}: {difference}" for difference in differences(film, request)]
    return Row(
        prompt=_cut(f"{result.get('name') or ''}: {result.get('prompt') or ''}".removeprefix(": "), 48),
        kling_task_id=str(result.get("kling_task_id") or ""),
        seconds=" ".join(seconds),
        cost=f"{units.normalize():f} units",
        file=" ".join(_short(Path(o["file"].removeprefix("file://"))) for o in outputs if o.get("file")),
        problems=problems,
    )


def explain(api: AirflowApi, run_id: str) -> list[str]:
    """What the failed tasks say for themselves."""
    found = []
    for one in api.task_instances(DAG_ID, run_id):
        if one["state"] == "failed":
            log = api.log(DAG_ID, run_id, one["task_id"], one["try_number"], one["map_index"])
            errors = [line for line in log.splitlines() if " error " in line] or log.splitlines()[-10:]
            found.append(f"{one['task_id']}[{one['map_index']}] failed:\n" + "\n".join(errors))
    return found or [f"the run {run_id} did not succeed"]


def table(rows: Sequence[Row]) -> str:
    """The rows in columns."""
    lines = [
        ("prompt", "Kling task id", "seconds", "cost", "file"),
        *((row.prompt, row.kling_task_id, row.seconds, row.cost, row.file) for row in rows),
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([text[0], "  ".join("-" * width for width in widths), *text[1:]])


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
