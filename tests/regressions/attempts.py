# SPDX-License-Identifier: Apache-2.0
"""One try of a submitting task against a stand-in, and what came of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from kling_provider.operators.kling import KlingSubmitOperator
from kling_provider.sandbox import Sandbox
from tests.unit.instance import Instance

PANDA = {"prompt": "A red panda brews tea", "duration": 5}


def use_connection(monkeypatch: pytest.MonkeyPatch, host: str, **fields: Any) -> None:
    """Point ``kling_default`` to a host; ``extra`` is a mapping."""
    connection = {"conn_type": "kling", "host": host, "password": "sk-kling-sandbox", **fields}
    monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(connection))


def attempt(instance: Instance, **how: Any) -> Any:
    """Run one try: the Kling task id, the trigger that it deferred on, or the exception, whatever its kind."""
    try:
        return KlingSubmitOperator(task_id="video", **{"request": PANDA, **how}).execute(instance.context)
    except TaskDeferred as deferred:
        return deferred.trigger
    except Exception as error:
        return error
    finally:
        instance.ti.try_number += 1


def made(sandbox: Sandbox) -> int:
    """How many tasks were made, each of which is paid."""
    return int(sandbox.stats()["creates"]["made"])
