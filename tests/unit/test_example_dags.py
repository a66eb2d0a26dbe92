# SPDX-License-Identifier: Apache-2.0
"""The examples that come with the distribution: they must do no harm in an Airflow that nobody has set up for them."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import DAG

import airflow_provider_kling

EXAMPLES = Path(airflow_provider_kling.__file__).parent / "example_dags"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))
#: Of the modules that extras bring.
OF_EXTRAS = ("av", "PIL", "s3fs", "asyncpg", "playwright")


@pytest.fixture(scope="module")
def dags() -> dict[str, DAG]:
    """Every example as Airflow reads it."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # before Airflow 3.2
        from airflow.models.dagbag import DagBag
    bag = DagBag(EXAMPLES)
    assert bag.import_errors == {}
    return dict(bag.dags)


def paying(dag: DAG) -> list[Any]:
    """The tasks that would pay: those with the setting ``plan_only``."""
    found = []
    for task in dag.tasks:
        settings = task.partial_kwargs if task.is_mapped else vars(task)
        if task.task_type in ("KlingSubmitOperator", "KlingGenerateOperator"):
            found.append(settings)
    return found


@pytest.mark.airflow_version
def test_every_file_is_a_dag_that_nobody_starts(dags: dict[str, DAG]) -> None:
    assert sorted(dags) == NAMES
    assert len(NAMES) >= 10
    for dag in dags.values():
        assert dag.schedule is None
        assert not dag.timetable.can_be_scheduled
        assert dag.is_paused_upon_creation is True
        assert dag.catchup is False
        assert dag.doc_md
    watched = [asset for dag in dags.values() for task in dag.tasks for asset in task.outlets or ()]
    assert watched
    assert all(not asset.watchers for asset in watched)


@pytest.mark.airflow_version
def test_who_presses_trigger_without_a_look_pays_nothing(dags: dict[str, DAG]) -> None:
    with_payers = {dag_id for dag_id, dag in dags.items() if paying(dag)}
    assert with_payers == set(NAMES) - {"kling_on_video", "kling_reconcile"}
    for dag_id in with_payers:
        form = dags[dag_id].params
        assert form["plan_only"] is True
        assert form.get_param("plan_only").schema["type"] == "boolean"
        for settings in paying(dags[dag_id]):
            hook = settings.get("pre_execute") or settings["_pre_execute_hook"]
            task = type("Task", (), {"plan_only": None})()
            try:
                hook({"task": task, "params": {"plan_only": True}})
            except AirflowSkipException:
                # It needs what another task makes, and there is nothing yet.
                assert settings["inputs"]
            else:
                assert task.plan_only is True
            hook({"task": task, "params": {"plan_only": False}})
            assert not task.plan_only


@pytest.mark.slow
def test_no_extra_is_needed_to_read_them() -> None:
    code = (
        "import runpy, sys\n"
        f"for name in {OF_EXTRAS!r}: sys.modules[name] = None\n"
        "for file in sys.argv[1:]: runpy.run_path(file)\n"
    )
    files = [str(path) for path in EXAMPLES.glob("*.py")]
    subprocess.run([sys.executable, "-c", code, *files], check=True, timeout=60)


def test_the_wheel_takes_them_from_dags(repository: Path) -> None:
    """One source: in a checkout the folder is a link, in the wheel it is what the build is told to put there."""
    assert EXAMPLES.resolve() == (repository / "dags").resolve()
    build = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert build["wheel"]["force-include"] == {"dags": "airflow_provider_kling/example_dags"}
    assert "airflow_provider_kling" in build["wheel"]["packages"]
    assert {"dags", "airflow_provider_kling/__init__.py"} <= set(build["sdist"]["only-include"])
