# SPDX-License-Identifier: Apache-2.0
"""An Airflow of its own that makes every type of request once, in one run, against a sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kling_provider.sandbox import Sandbox
from tests.support.stack import AirflowStack

HERE = Path(__file__).parent
#: The shorter side of every video, in pixels: they are made and decoded faster.
SHORT_SIDE = 144


@pytest.hookimpl(tryfirst=True)  # before those of tests/stack are put on the one worker of the one stack
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("types"))
            item.add_marker(pytest.mark.timeout(900))


@dataclass
class EveryType:
    """The run, and what it made.

    :param states: how its tasks ended.
    """

    stack: AirflowStack
    sandbox: Sandbox
    run_id: str
    states: dict[str, str | None]
    _results: dict[str, Any] = field(default_factory=dict)

    def result(self, type_: str) -> dict[str, Any]:
        """What the task of a type told."""
        if type_ not in self._results:
            assert self.states[type_] == "success", self.stack.api.log("every_type", self.run_id, type_)[
                -3000:
            ]
            self._results[type_] = self.stack.api.xcom("every_type", self.run_id, type_)
        found: dict[str, Any] = self._results[type_]
        return found

    def files(self, type_: str) -> list[Path]:
        """The saved files of a type, in the order of its outputs; outputs that are facts have none."""
        outputs = self.result(type_)["outputs"]
        return [Path(one["file"].removeprefix("file://")) for one in outputs if one["file"]]


@pytest.fixture(scope="session")
def every_type(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EveryType]:
    videos = tmp_path_factory.mktemp("videos")
    with (
        Sandbox(time_scale=30, render_seconds=30, concurrency=50, short_side=SHORT_SIDE) as sandbox,
        AirflowStack(
            dags_folder=HERE / "dags",
            connections={
                "kling_default": {
                    "conn_type": "kling",
                    "host": sandbox.base_url,
                    "password": sandbox.api_key,
                    "extra": {"profile": "kling"},
                }
            },
            environment={
                "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
                "KLING_REQUESTS": str(repository / "dags" / "requests"),
                "KLING_VIDEOS": f"file://{videos}",
            },
        ) as stack,
    ):
        stack.api.wait_for_dag("every_type", timeout=150)
        run_id = stack.api.trigger("every_type")
        stack.api.wait_run("every_type", run_id, timeout=700)
        yield EveryType(stack, sandbox, run_id, stack.api.states("every_type", run_id))
