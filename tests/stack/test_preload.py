# SPDX-License-Identifier: Apache-2.0
"""What a worker has in memory before it reads a Dag file: the scheduler, which forked it, has loaded our plugin."""

from __future__ import annotations

import pytest

from tests.support.stack import AirflowStack, wait_for


@pytest.mark.airflow_version
def test_a_worker_brings_what_tasks_import(stack: AirflowStack) -> None:
    stack.api.wait_for_dag("toy")
    run_id = stack.api.trigger("toy")
    stack.api.wait_task("toy", run_id, "numbers", ["success"])
    # What a task prints and that it has ended take different ways.
    said = "the worker brings KlingHook: "
    wait_for(lambda: said in stack.api.log("toy", run_id, "numbers"), timeout=30, what="the task's log")
    assert f"{said}True" in stack.api.log("toy", run_id, "numbers")
