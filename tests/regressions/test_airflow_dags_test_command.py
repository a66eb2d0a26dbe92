# SPDX-License-Identifier: Apache-2.0
"""``airflow dags test`` with a connection that is in Airflow's database: its triggers run in the command itself, where
Airflow's asynchronous look-up finds no such connection."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kling_provider.sandbox import Sandbox

DAG = """
from datetime import datetime
from airflow.sdk import DAG
from kling_provider.operators.kling import KlingGenerateOperator

with DAG("of_a_test", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    KlingGenerateOperator(
        task_id="video", kling_conn_id="{conn_id}", request={{"prompt": "A red panda"}}, poll_interval=1
    )
"""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=10, render_seconds=30) as running:
        yield running


def airflow(*arguments: str, seconds: float, dags: Path, home: Path) -> str:
    """Airflow's command line, in this process's home; its output, or that it hangs."""
    environment = {
        **os.environ,
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    command = [sys.executable, "-m", "airflow", *arguments]
    try:
        done = subprocess.run(
            command, env=environment, cwd=home, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as late:
        return f"it hangs: {(late.stdout or b'')[-3000:]!r}"
    return done.stdout + done.stderr


@pytest.mark.airflow_version
@pytest.mark.timeout(400)
def test_a_connection_in_the_database_is_found(
    sandbox: Sandbox, metadata_db: Path, airflow_home: Path, tmp_path: Path
) -> None:
    assert metadata_db.exists()
    (tmp_path / "dag.py").write_text(DAG.format(conn_id="kling_in_database"))
    where = {"dags": tmp_path, "home": airflow_home}
    added = airflow(
        *("connections", "add", "kling_in_database", "--conn-type", "kling", "--conn-host", sandbox.url),
        *("--conn-password", sandbox.api_key, "--conn-extra", '{"profile": "kling"}'),
        seconds=120,
        **where,
    )
    assert "kling_in_database" in added, added
    said = airflow("dags", "test", "of_a_test", seconds=200, **where)
    assert "it hangs" not in said[:20], said
    assert sandbox.stats()["creates"]["made"] == 1, said[-3000:]
    assert "state=success" in said, said[-3000:]
