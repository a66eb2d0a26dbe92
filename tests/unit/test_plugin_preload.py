# SPDX-License-Identifier: Apache-2.0
"""What loading the plugin imports: much in a scheduler that forks its workers, next to nothing anywhere else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
sys.argv = {argv!r}
from airflow.plugins_manager import ensure_plugins_loaded
ensure_plugins_loaded()
print("LOADED", *(name for name in sys.modules if name.startswith("kling_provider.")))
"""


def load_plugins(*command: str, **settings: str) -> set[str]:
    """Load all plugins as the process of ``airflow <command>`` does; return which modules of ours are there then."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(argv=["airflow", *command])],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
        env={**os.environ, "AIRFLOW__CORE__EXECUTOR": "LocalExecutor", **settings},
    )
    return set(done.stdout.rpartition("LOADED")[2].split())


@pytest.mark.slow
@pytest.mark.airflow_version
def test_a_scheduler_with_local_workers_imports_what_tasks_import() -> None:
    assert {
        "kling_provider.plugins.plugin",
        "kling_provider.operators.kling",
        "kling_provider.hooks.kling",
        "kling_provider.storage.saving",
    } <= load_plugins("scheduler")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "settings"),
    [
        (["triggerer"], {}),
        (["api-server"], {}),
        (["dag-processor"], {}),
        (["scheduler"], {"AIRFLOW__CORE__EXECUTOR": "CeleryExecutor"}),
        (["scheduler"], {"AIRFLOW__KLING__PRELOAD": "False"}),
    ],
    ids=["triggerer", "API server", "Dag processor", "workers elsewhere", "switched off"],
)
def test_no_other_process_does(command: list[str], settings: dict[str, str]) -> None:
    found = load_plugins(*command, **settings)
    assert "kling_provider.plugins.plugin" in found
    assert (
        not {"kling_provider.operators.kling", "kling_provider.hooks.kling", "kling_provider.storage"} & found
    )
