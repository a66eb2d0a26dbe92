# SPDX-License-Identifier: Apache-2.0
"""An Airflow of its own that makes every type of request once, in one run, and plays the examples of chains beside it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kling_provider.sandbox import Sandbox
from tests.stack.promises.world import OneAtATime
from tests.stack.types.four_steps import FourSteps, play_four_steps
from tests.support.stack import AirflowStack

HERE = Path(__file__).parent
#: The shorter side of every video, in pixels: they are made and decoded faster.
SHORT_SIDE = 144
#: Dags at a host that ignores external ids: it makes a second task for the same id, and finds none by it.
WITHOUT_LOCK = ("two_outputs", "two_outputs_saved")
_SANDBOX: dict[str, Any] = {
    "time_scale": 30,
    "render_seconds": 30,
    "concurrency": 50,
    "short_side": SHORT_SIDE,
}
#: The examples that make chains.
EXAMPLES = ("kling_image_video_sound", "kling_talking_avatar", "kling_lip_sync", "kling_character_shots")


@pytest.hookimpl(tryfirst=True)  # before those of tests/stack are put on the one worker of the one stack
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("types"))
            item.add_marker(pytest.mark.timeout(900))


@dataclass
class Run:
    """A finished run, and what its tasks made."""

    stack: AirflowStack
    sandbox: Sandbox
    dag_id: str
    run_id: str
    states: dict[str, str | None]
    _results: dict[tuple[str, int], Any] = field(default_factory=dict)

    def result(self, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """What a task told."""
        if (task_id, map_index) not in self._results:
            label = task_id if map_index < 0 else f"{task_id}[{map_index}]"
            if self.states[label] != "success":
                log = self.stack.api.log(self.dag_id, self.run_id, task_id, map_index=map_index)
                raise AssertionError(f"{label} is {self.states[label]}: {log[-3000:]}")
            told = self.stack.api.xcom(self.dag_id, self.run_id, task_id, map_index)
            self._results[task_id, map_index] = told
        found: dict[str, Any] = self._results[task_id, map_index]
        return found

    def files(self, task_id: str, map_index: int = -1) -> list[Path]:
        """The saved files of a task, in the order of its outputs; outputs that are facts have none."""
        outputs = self.result(task_id, map_index)["outputs"]
        return [Path(one["file"].removeprefix("file://")) for one in outputs if one["file"]]


class Runs:
    """Runs that play side by side in one Airflow: everybody waits for the one that they look at.

    :param sandboxes: by Dag; that of all examples by ``examples``.
    """

    def __init__(self, stack: AirflowStack, sandboxes: dict[str, Sandbox]) -> None:
        self.stack = stack
        self.sandboxes = sandboxes
        self.four_steps: Future[FourSteps] | None = None
        self._started: dict[str, tuple[str, str]] = {}

    def start(self, name: str, dag_id: str, conf: dict[str, Any]) -> None:
        self.stack.api.wait_for_dag(dag_id, timeout=150)
        self.stack.api.pause(dag_id, False)
        self._started[name] = (dag_id, self.stack.api.trigger(dag_id, conf))

    def end(self, name: str) -> Run:
        dag_id, run_id = self._started[name]
        self.stack.api.wait_run(dag_id, run_id, timeout=840)
        sandbox = self.sandboxes.get(dag_id, self.sandboxes["examples"])
        return Run(self.stack, sandbox, dag_id, run_id, self.stack.api.states(dag_id, run_id))


@pytest.fixture(scope="session")
def runs(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """All of them: every type once, each example as it pays, each example as it only plans."""
    videos, dags = tmp_path_factory.mktemp("videos"), tmp_path_factory.mktemp("dags")
    for source in (*(HERE / "dags").iterdir(), *(repository / "dags" / f"{name}.py" for name in EXAMPLES)):
        if source.is_file():
            shutil.copy(source, dags)
    with ExitStack() as running:
        sandboxes = {
            name: running.enter_context(Sandbox(**_SANDBOX))
            for name in ("every_type", "examples", "four_steps", *WITHOUT_LOCK)
        }
        for name in WITHOUT_LOCK:
            sandboxes[name].set_faults([{"kind": "ids_ignored"}])
        connections = {
            f"kling_{'default' if name == 'examples' else name}": {
                "conn_type": "kling",
                "host": sandbox.base_url,
                "password": sandbox.api_key,
                "extra": {"profile": "gateway" if name in WITHOUT_LOCK else "kling"},
            }
            for name, sandbox in sandboxes.items()
        }
        stack = running.enter_context(
            AirflowStack(
                dags_folder=dags,
                connections=connections,
                environment={
                    "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
                    "KLING_REQUESTS": str(repository / "dags" / "requests"),
                    "KLING_VIDEOS": f"file://{videos}",
                },
            )
        )
        stack.api = OneAtATime(stack.address)
        stack.api.dag("every_type")  # signs in, before threads share the session
        runs = Runs(stack, sandboxes)
        runs.start("every_type", "every_type", {})
        for name in EXAMPLES:
            runs.start(f"{name}, planned", name, {"plan_only": True})
            runs.start(name, name, {"plan_only": False})
        # It watches for its moment, so it has a thread of its own.
        playing = running.enter_context(ThreadPoolExecutor(1))
        runs.four_steps = playing.submit(play_four_steps, stack, sandboxes["four_steps"])
        yield runs


@pytest.fixture(scope="session")
def four_steps(runs: Runs) -> FourSteps:
    assert runs.four_steps is not None
    return runs.four_steps.result()


@pytest.fixture(scope="session")
def every_type(runs: Runs) -> Run:
    return runs.end("every_type")


@pytest.fixture(scope="session")
def examples(runs: Runs) -> dict[str, Run]:
    """The examples' runs, by Dag; those that only planned as ``name, planned``."""
    return {name: runs.end(name) for dag_id in EXAMPLES for name in (dag_id, f"{dag_id}, planned")}
