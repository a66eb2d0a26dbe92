# SPDX-License-Identifier: Apache-2.0
"""A part of the fault suite: one fault of each family, with fewer videos. ``make faults`` plays all of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import report
from tests.faults.all_scenarios import SCENARIOS
from tests.faults.runner import DAGS, CalmApi, play
from tests.faults.scenario import Expect, Scenario
from tests.support.stack import AirflowStack

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
VIDEOS = 5
#: The answer is lost; the worker dies in the paid call; the account is at its limit; Kling fails a task; nobody has a lock.
PART = (
    replace(BY_NAME["lost-after"], videos=VIDEOS),
    replace(BY_NAME["kill-during"], videos=VIDEOS),
    # The order in which they queued is for make faults, where nothing else runs: a worker may overtake another.
    replace(BY_NAME["1303-learned"], videos=VIDEOS, sandbox={"concurrency": 1, "render_seconds": 8}),
    replace(BY_NAME["task-fails"], videos=VIDEOS, expect=Expect(tasks=VIDEOS + 2)),
    replace(BY_NAME["gateway-lost"], videos=VIDEOS, expect=Expect(most_creates=VIDEOS)),
)


@pytest.fixture
def faults_stack(stack: AirflowStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[AirflowStack]:
    """The session's Airflow with the DAG of the faults."""
    dag = Path(stack.environment["AIRFLOW__CORE__DAGS_FOLDER"]) / "faults.py"
    shutil.copyfile(DAGS / "faults.py", dag)
    monkeypatch.setattr(stack, "api", CalmApi(stack.address))
    stack.api.wait_for_dag("pay", timeout=120)
    stack.api.pool("faults", 100)
    yield stack
    stack.api.close()


def test_nothing_is_paid_twice_and_nothing_is_lost(faults_stack: AirflowStack) -> None:
    def one(scenario: Scenario) -> str:
        line = play(scenario, faults_stack, suffix="_part")
        return "" if not line.problems else report.row(line)

    with ThreadPoolExecutor(len(PART)) as threads:
        wrong = "\n".join(filter(None, threads.map(one, PART)))
    assert not wrong, f"\n{report.header()}\n{wrong}"


def test_the_names_of_all_faults_differ() -> None:
    assert len(BY_NAME) == len(SCENARIOS)
