# SPDX-License-Identifier: Apache-2.0
"""One trigger per task in a pool that has as many slots as the account has places, deferred tasks included."""

from __future__ import annotations

from airflow.sdk import dag, task

from benchmarks.alternatives.trigger_per_task import RemoteVideoOperator

POLL_SECONDS = 10


@dag("trigger_in_pool", schedule=None)
def trigger_in_pool():
    @task
    def prompts(params):
        return params["prompts"]

    RemoteVideoOperator.partial(task_id="video", pool="kling", poll_seconds=POLL_SECONDS).expand(
        prompt=prompts()
    )


trigger_in_pool()
