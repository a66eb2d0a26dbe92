# SPDX-License-Identifier: Apache-2.0
"""Plays scenarios on the Airflows that they need, several at once where they do not disturb each other."""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from demo.stack import AirflowStack
from tests.faults.counting import Line, count
from tests.faults.scenario import FRAGILE, POSTGRES, SHARED, Scenario
from tests.faults.stage import Stage

DAGS = Path(__file__).parent / "dags"
#: Scenarios at once on the shared stack: they mostly wait.
AT_ONCE = 5
_QUICK = {
    # Schedules are off, and a task that ends has its successor scheduled by the scheduler alone: several small
    # scheduler loops cost less than each worker's own.
    "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
}
#: What dies must be noticed in seconds here, not in minutes.
_WATCHFUL = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
}


@contextmanager
def airflow(kind: str, keep: bool = False) -> Iterator[AirflowStack]:
    """The Airflow that scenarios of this kind need."""
    if kind == POSTGRES:
        from demo.stack.postgres import postgres

        with postgres() as url, _airflow(kind, keep, url) as stack:
            yield stack
        return
    with _airflow(kind, keep) as stack:
        yield stack


@contextmanager
def _airflow(kind: str, keep: bool, database_url: str | None = None) -> Iterator[AirflowStack]:
    environment = _QUICK if kind == SHARED else {**_QUICK, **_WATCHFUL}
    with AirflowStack(
        dags_folder=DAGS, environment=environment, parallelism=24, keep=keep, database_url=database_url
    ) as stack:
        stack.api.wait_for_dag("pay")
        stack.api.pool("faults", 100)
        yield stack


def why_not(kind: str) -> str:
    """Why scenarios of this kind cannot be played here, or nothing."""
    if kind == POSTGRES:
        from demo.stack.postgres import why_not as why

        return why()
    return ""


def play(scenario: Scenario, stack: AirflowStack, suffix: str = "") -> Line:
    """Play one scenario and count. Never raises for what goes wrong in it."""
    began = time.monotonic()
    stage = Stage(scenario, stack, suffix)
    with stage:
        try:
            stage.play()
            stage.end_of_all_tasks()
        except Exception as error:  # noqa: BLE001 - whatever it is, it makes this line wrong and no other
            where = traceback.extract_tb(error.__traceback__)
            mine = [frame for frame in where if "tests/faults" in frame.filename] or where
            place = f"{Path(mine[-1].filename).name}:{mine[-1].lineno}"
            stage.problems.append(f"{type(error).__name__} at {place}: {str(error)[:1000]}")
        return count(stage, time.monotonic() - began)


def play_all(
    scenarios: Sequence[Scenario], tell: Callable[[Line], None], *, keep: bool = False, at_once: int = AT_ONCE
) -> list[Line]:
    """Play them all; ``tell`` is called with each line as it comes, by one thread at a time."""
    lines: list[Line] = []
    lock = threading.Lock()

    def note(line: Line) -> None:
        with lock:
            lines.append(line)
            tell(line)

    threads = [
        threading.Thread(target=_play_on, args=(kind, group, note, keep, at_once if kind == SHARED else 1))
        for kind in (SHARED, FRAGILE, POSTGRES)
        if (group := [scenario for scenario in scenarios if scenario.stack == kind])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    order = {scenario.name: number for number, scenario in enumerate(scenarios)}
    return sorted(lines, key=lambda line: order[line.name])


def _play_on(
    kind: str, scenarios: Sequence[Scenario], note: Callable[[Line], None], keep: bool, at_once: int
) -> None:
    if why := why_not(kind):
        for scenario in scenarios:
            note(Line(name=scenario.name, fault=scenario.fault, skipped=why))
        return
    waiting: queue.SimpleQueue[Scenario] = queue.SimpleQueue()
    for scenario in scenarios:
        waiting.put(scenario)

    def work(stack: AirflowStack) -> None:
        while True:
            try:
                scenario = waiting.get_nowait()
            except queue.Empty:
                return
            note(play(scenario, stack))

    try:
        with airflow(kind, keep) as stack:
            if keep:
                print(f"{kind}: {stack.home}", flush=True)
            workers = [threading.Thread(target=work, args=(stack,)) for _ in range(at_once)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
    except Exception as error:  # noqa: BLE001 - an Airflow that would not start makes its lines wrong
        while not waiting.empty():
            scenario = waiting.get_nowait()
            note(
                Line(name=scenario.name, fault=scenario.fault, problems=[f"no Airflow: {str(error)[:2000]}"])
            )
