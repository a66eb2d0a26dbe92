# SPDX-License-Identifier: Apache-2.0
"""What somebody met who had just installed the package: an error of ours in every log, and no way to go on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import kling_provider

PACKAGES = Path(kling_provider.__file__).parents[1]


def run_as_newcomer(code: str, home: Path) -> tuple[str, str]:
    """Run Python in an Airflow with nothing but defaults; what it printed, and what it logged."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    # The newest installed copy must not stand in for the one that is tested.
    environment |= {"AIRFLOW_HOME": str(home), "PYTHONPATH": str(PACKAGES)}
    process = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=90
    )
    return process.stdout, process.stderr


def test_an_airflow_with_defaults_finds_the_examples_and_logs_no_error(tmp_path: Path) -> None:
    """Every process that looks at the bundles does this, so a failure stands on top of every task log."""
    code = (
        "import json\n"
        "from airflow.dag_processing.bundles.manager import DagBundlesManager\n"
        "bundles = {bundle.name: str(bundle.path) for bundle in DagBundlesManager().get_all_dag_bundles()}\n"
        "print('BUNDLES', json.dumps(bundles))\n"
    )
    printed, logged = run_as_newcomer(code, tmp_path)
    assert "airflow_provider_kling" not in logged + printed.split("BUNDLES")[0]
    bundles = json.loads(printed.split("BUNDLES")[1])
    folder = Path(bundles.get("airflow-provider-kling-example-dags", "none"))
    assert folder == PACKAGES / "airflow_provider_kling" / "example_dags"
    assert list(folder.glob("kling_*.py"))
