# SPDX-License-Identifier: Apache-2.0
"""Ours: one operator that submits, waits without a worker and returns the result."""

from __future__ import annotations

from airflow.sdk import dag, task

from kling_provider.operators.kling import KlingGenerateOperator


@dag("ours", schedule=None)
def ours():
    @task
    def requests(params):
        return [{"prompt": prompt} for prompt in params["prompts"]]

    KlingGenerateOperator.partial(task_id="video").expand(request=requests())


ours()
