# SPDX-License-Identifier: Apache-2.0
"""Plays scenarios on the Airflows that they need, several at once where they do not disturb each other."""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.faults.counting import Line, count
from tests.faults.scenario import Scenario
from tests.faults.stage import STOPPING, Stage
from tests.support.stack import COMPONENTS, AirflowApi, AirflowStack
from tests.support.stack.postgres import postgres, why_not

DAGS = Path(__file__).parent / "dags"
#: Scenarios at once on the shared stack: they mostly wait.
AT_ONCE = 4
PARALLELISM = 16
_SETTINGS = {
    "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
    # What dies must be noticed in a minute here, not in five; but not sooner: on a busy machine a scheduler that
    # looks every few seconds takes itself for dead, and resets its own tasks.
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "3",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "60",
}


class CalmApi(AirflowApi):
    """One call at a time: on SQLite two writes of the public API may wait for each other (see ``tests.support.stack``)."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self._lock = threading.Lock()

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        with self._lock:
            return super().call(method, path, **arguments)


@contextmanager
def airflow(*, keep: bool = False) -> Iterator[AirflowStack]:
    """The Airflow that all scenarios share.

    On PostgreSQL where that is installed: SQLite has one writer, and scheduler and workers die of it in crowds.
    """
    with ExitStack() as stacked:
        url = None if why_not() else stacked.enter_context(postgres())
        stack = stacked.enter_context(
            AirflowStack(
                dags_folder=DAGS,
                environment=_SETTINGS,
                parallelism=PARALLELISM,
                keep=keep,
                database_url=url,
            )
        )
        stack.api = CalmApi(stack.address)
        stack.api.wait_for_dag("pay", timeout=120)
        stack.api.pool("faults", 100)
        yield stack


def play(scenario: Scenario, stack: AirflowStack, suffix: str = "") -> Line:
    """Play one scenario and count. Never raises for what goes wrong in it."""
    began = time.monotonic()
    stage = Stage(scenario, stack, suffix)
    with stage:
        try:
            stage.play()
            stage.end_of_all_tasks()
        except Exception as error:
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

    together, alone = queue.SimpleQueue[Scenario](), queue.SimpleQueue[Scenario]()
    for scenario in scenarios:
        if scenario.postgres and (why := why_not()):
            note(Line(name=scenario.name, fault=scenario.fault, skipped=why))
        else:
            (alone if scenario.alone else together).put(scenario)
    with airflow(keep=keep) as stack:
        if keep:
            print(f"Airflow's home: {stack.home}", flush=True)
        workers = [
            threading.Thread(target=_work, args=(together, stack, note))
            for _ in range(min(at_once, together.qsize()))
        ]
        for worker in workers:
            worker.start()
        try:
            for worker in workers:
                worker.join()
        except BaseException:
            STOPPING.set()
            for worker in workers:
                worker.join()
            raise
        _work(alone, stack, note)
    order = {scenario.name: number for number, scenario in enumerate(scenarios)}
    return sorted(lines, key=lambda line: order[line.name])


def _work(waiting: queue.SimpleQueue[Scenario], stack: AirflowStack, note: Callable[[Line], None]) -> None:
    while not STOPPING.is_set():
        try:
            scenario = waiting.get_nowait()
        except queue.Empty:
            return
        note(play(scenario, stack))
        if scenario.alone:
            _heal(stack)


def _heal(stack: AirflowStack) -> None:
    """A scenario that went wrong may have left a component dead; the next one needs it."""
    for name in COMPONENTS:
        if stack.components[name].process.poll() is not None:
            stack.start(name, timeout=180)
