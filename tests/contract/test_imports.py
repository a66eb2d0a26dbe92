# SPDX-License-Identifier: Apache-2.0
"""What importing our parts loads: every worker start parses the DAG file, and so does the DAG processor."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

#: Loaded before ours: what a DAG file loads anyway, and the bases of Airflow that operators have.
BASES = """
import airflow.sdk
from airflow.sdk import BaseOperator, BaseOperatorLink, BaseSensorOperator, PokeReturnValue, task
import airflow.sdk.bases.decorator
import airflow.providers.common.compat.sdk as compat
compat.DecoratedOperator, compat.task_decorator_factory, compat.context_merge, compat.determine_kwargs
"""
PROGRAM = """
import importlib, json, sys
{bases}
found = {{}}
for module in {modules!r}:
    before = set(sys.modules)
    importlib.import_module(module)
    found[module] = sorted(set(sys.modules) - before)
print("LOADED" + json.dumps(found))
"""
#: 500 ms between them; and what would make the sandbox a part of production.
NEVER = {
    *(
        "requests",
        "urllib3",
        "aiohttp",
        "httpx",
        "jwt",
        "frontmatter",
        "av",
        "PIL",
        "fsspec",
        "upath",
        "pydantic_core",
    ),
    *(
        "kling_provider.sandbox",
        "kling_provider.hooks.kling",
        "kling_provider.submission",
        "kling_provider.storage",
    ),
    *("kling_provider.exceptions", "kling_provider.polling", "kling_provider.api.requests.base"),
    "airflow.providers.http.hooks",
}
MODULES = [
    "kling_provider.links.kling",
    "kling_provider.prompts",
    "kling_provider.operators.kling",
    "kling_provider.sensors.kling",
    "kling_provider.decorators.kling",
]


def loaded(*modules: str, bases: str = BASES) -> dict[str, list[str]]:
    """Which modules each import adds to what was there before it, one after the other in a fresh interpreter."""
    program = PROGRAM.format(bases=bases, modules=modules)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
        env=os.environ,
    )
    found: dict[str, list[str]] = json.loads(done.stdout.rpartition("LOADED")[2])
    return found


@pytest.mark.airflow_version
def test_a_dag_file_loads_next_to_nothing() -> None:
    for module, found in loaded(*MODULES).items():
        assert module in found
        heavy = [name for name in found for never in NEVER if name == never or name.startswith(f"{never}.")]
        assert (module, heavy) == (module, [])
        packages = {name.partition(".")[0] for name in found} - set(sys.stdlib_module_names)
        assert packages <= {"kling_provider", "airflow"}, "packages of others that airflow.sdk had not loaded"


def test_provider_info_loads_the_form_and_no_more() -> None:
    program = (
        "import sys; from kling_provider.get_provider_info import get_provider_info; get_provider_info(); "
        "print(*(name for name in sys.modules if name.startswith(('kling_provider', 'airflow', 'pydantic'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == [
        "kling_provider",
        "kling_provider.get_provider_info",
        "kling_provider.hooks",
        "kling_provider.hooks.connection_form",
    ]


def test_the_guard_sees_what_is_heavy() -> None:
    (found,) = loaded("kling_provider.hooks.kling").values()
    assert {"requests", "kling_provider.hooks.kling"} <= set(found)


def test_a_worker_does_not_load_what_only_the_triggerer_uses() -> None:
    of_a_task = (
        "kling_provider.hooks.kling",
        "kling_provider.execution.queue",
        "kling_provider.execution.found",
    )
    for module, found in loaded(*of_a_task).items():
        assert module in found
        assert not {"aiohttp", "airflow.providers.http.hooks.http"} & set(found), module
