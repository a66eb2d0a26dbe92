# SPDX-License-Identifier: Apache-2.0
"""A whole Airflow and a sandbox, started once per test session.

All tests of this folder are marked ``stack`` and stay on one xdist worker, so that they share the one stack; a test
that needs an Airflow of its own says so with ``@pytest.mark.xdist_group("name")``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stack.promises.stage import Stage
from tests.stack.promises.world import world_of
from tests.support.sandbox_process import SandboxProcess
from tests.support.stack import AirflowStack

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("stack")
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(300))
            if not item.get_closest_marker("xdist_group"):
                item.add_marker(pytest.mark.xdist_group("stack"))
    # The stack's tests take longest and stay on one worker: they begin first.
    items.sort(key=lambda item: item.get_closest_marker("stack") is None)


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[SandboxProcess]:
    """The sandbox at 30 times the speed: a 90 s render takes 3."""
    with SandboxProcess(
        key="api-key-of-the-stack-47d1",
        render_seconds=90,
        time_scale=30,
        units=100_000,
        concurrency=50,
        short_side=144,
    ) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the DAGs of the session's stack save their videos."""
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="session")
def stack(
    repository: Path, sandbox_process: SandboxProcess, videos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowStack]:
    """A whole Airflow with the example DAGs and those of ``tests/stack/dags``, connected to the sandbox.

    Its schedules are off: a run is made by the test that wants it.
    """
    dags = tmp_path_factory.mktemp("dags")
    for source in (repository / "dags", HERE / "dags"):
        if source.is_dir():
            shutil.copytree(source, dags, dirs_exist_ok=True)
    with AirflowStack(
        dags_folder=dags,
        connections={"kling_default": sandbox_process.connection},
        environment={
            "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
            # For tasks that are killed with their supervisor; Airflow's own is 300 s.
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "25",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "KLING_VIDEOS": str(videos),
        },
    ) as running:
        yield running


@pytest.fixture(scope="session")
def stage(
    request: pytest.FixtureRequest, stack: AirflowStack, sandbox_process: SandboxProcess, videos: Path
) -> Iterator[Stage]:
    """The promises' scenes, playing side by side in the session's stack."""
    with (
        world_of(stack, sandbox_process, videos) as world,
        Stage(world, request.session.items) as playing,
    ):
        yield playing


@pytest.fixture
def facts(request: pytest.FixtureRequest, stage: Stage) -> Any:
    """What the scene of this test came to."""
    return stage.facts(request.param)
