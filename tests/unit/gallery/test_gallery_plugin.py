# SPDX-License-Identifier: Apache-2.0
"""Airflow loads the plugin by its entry point; before 3.3 it offers nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kling_provider.compat import has_gallery

_PROGRAM = """
from airflow import plugins_manager
[ours] = [one for one in plugins_manager.get_plugin_info() if one["name"] == "kling"]
failed = getattr(plugins_manager, "import_errors", {}) or getattr(plugins_manager, "_get_plugins", lambda: ((), {}))()[1]
print([one["destination"] for one in ours["react_apps"]], [one["url_prefix"] for one in ours["fastapi_apps"]], failed)
"""

_WHAT_A_PLUGIN_BRINGS = """
import airflow.providers.common.compat.sdk, sys
from airflow.plugins_manager import AirflowPlugin
before = set(sys.modules)
import kling_provider.plugins.plugin
print(sorted(name for name in set(sys.modules) - before if not name.startswith("kling_provider")))
"""


def output(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=100
    )
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.slow
@pytest.mark.airflow_version
def test_airflow_finds_the_plugin_and_what_it_offers() -> None:
    destinations = "['nav', 'dag_run', 'dag', 'task_instance']"
    offered = f"{destinations} ['/kling', '/kling-callbacks']" if has_gallery() else "[] []"
    assert output(_PROGRAM) == f"{offered} {{}}"


@pytest.mark.slow
@pytest.mark.airflow_version
def test_the_plugin_brings_nothing_along() -> None:
    """Workers and the triggerer load it too."""
    assert output(_WHAT_A_PLUGIN_BRINGS) == "[]"
