# SPDX-License-Identifier: Apache-2.0
"""What came out: tasks at Kling against videos wanted, and what of them is in somebody's hands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from kling_provider.sandbox.state.tasks import Task
from tests.faults.scenario import Scenario
from tests.faults.stage import FINISHED, Stage


@dataclass
class Line:
    """One line of the table."""

    name: str
    fault: str
    wanted: int = 0
    creates: int = 0
    tasks: int = 0
    delivered: int = 0
    duplicates: int = 0
    lost: int = 0
    failed: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    skipped: str = ""

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "right": not self.problems}


def count(stage: Stage, seconds: float) -> Line:
    """Count, and compare with what the scenario expects."""
    scenario = stage.scenario
    tasks = list(stage.sandbox.backend.all())
    now = stage.sandbox.backend.clock()
    succeeded = {stage.id_at_host(task) for task in tasks if task.get_state(now) == "succeeded"}
    named, files = stage.named() | stage.remembered, stage.saved()
    instances = [one for run in stage.runs for one in run.instances()]
    in_hand = files if scenario.files else named | files
    line = Line(
        name=scenario.name,
        fault=scenario.fault,
        wanted=scenario.wanted,
        creates=stage.creates,
        tasks=len(tasks),
        delivered=len(in_hand & succeeded),
        duplicates=duplicates(tasks, scenario.copies, now),
        lost=lost(stage, named | files) if scenario.expect.most_paid > 1 else len(succeeded - named - files),
        failed=sum(one.state in ("failed", "upstream_failed") for one in instances),
        seconds=round(seconds, 1),
        problems=list(stage.problems),
        notes=stage.notes,
    )
    unfinished = Counter(str(one.state) for one in instances if one.state not in FINISHED)
    if unfinished:
        line.problems.append(f"not finished: {dict(unfinished)}")
    line.problems += differences(line, scenario, replaced(tasks, now))
    line.problems += more_than_may_be_paid(tasks, scenario)
    if scenario.expect.outputs is not None and (found := stage.numbers_of_outputs()) - {
        scenario.expect.outputs
    }:
        line.problems.append(f"outputs of a result {found}, must be {scenario.expect.outputs}")
    return line


def lost(stage: Stage, in_hand: set[str]) -> int:
    """Wanted results that were paid, however often, and of which nobody has one."""
    tasks = list(stage.sandbox.backend.all())
    had = {task.request.prompt for task in tasks if stage.id_at_host(task) in in_hand}
    return len({task.request.prompt for task in tasks} - had)


def more_than_may_be_paid(tasks: Sequence[Task], scenario: Scenario) -> list[str]:
    """Results that were paid more often than the scenario says."""
    paid = Counter(str(task.request.prompt) for task in tasks)
    most = scenario.expect.most_paid
    return [f"{prompt} was paid {times} times" for prompt, times in paid.items() if times > most > 1]


def differences(line: Line, scenario: Scenario, replacements: int) -> list[str]:
    """What is not as it must be."""
    expect = scenario.expect
    wrong = []
    tasks = expect.tasks
    if tasks is None and expect.most_paid == 1:
        tasks = line.wanted + replacements
    for what, found, must in (
        ("tasks at Kling", line.tasks, tasks),
        ("delivered", line.delivered, line.wanted - expect.undelivered),
        ("duplicates", line.duplicates, 0 if expect.most_paid == 1 else None),
        ("lost", line.lost, expect.lost),
        ("failed Airflow tasks", line.failed, expect.failed),
    ):
        if must is not None and found != must:
            wrong.append(f"{what} {found}, must be {must}")
    if expect.most_creates is not None and line.creates > expect.most_creates:
        wrong.append(f"{line.creates} creates, must be at most {expect.most_creates}")
    return wrong


def duplicates(tasks: Sequence[Task], copies: int, now: float) -> int:
    """Tasks beyond those wanted that were not made after one that Kling failed."""
    by_prompt: dict[str, list[Task]] = {}
    for task in tasks:
        by_prompt.setdefault(str(task.request.prompt), []).append(task)
    return sum(max(0, len(same) - copies - replaced(same, now)) for same in by_prompt.values())


def replaced(tasks: Sequence[Task], now: float) -> int:
    """Tasks that Kling failed, and after which another was made for the same prompt."""
    return sum(
        task.get_state(now) == "failed"
        and any(o.request.prompt == task.request.prompt and o.created >= task.ends for o in tasks)
        for task in tasks
    )
