# SPDX-License-Identifier: Apache-2.0
"""A deferrable operator with a trigger of its own per task, as providers of paid remote jobs have it."""

from __future__ import annotations

from airflow.sdk import dag, task

from benchmarks.alternatives.trigger_per_task import RemoteVideoOperator

POLL_SECONDS = 10


@dag("trigger_per_task", schedule=None)
def trigger_per_task():
    @task
    def prompts(params):
        return params["prompts"]

    RemoteVideoOperator.partial(task_id="video", poll_seconds=POLL_SECONDS).expand(prompt=prompts())


trigger_per_task()
