# SPDX-License-Identifier: Apache-2.0
"""Ours, where Kling says itself that a task has ended: the connection has a webhook secret."""

from __future__ import annotations

from airflow.sdk import dag, task

from kling_provider.operators.kling import KlingGenerateOperator


@dag("ours_callbacks", schedule=None)
def ours_callbacks():
    @task
    def requests(params):
        return [{"prompt": prompt} for prompt in params["prompts"]]

    KlingGenerateOperator.partial(task_id="video", kling_conn_id="kling_callbacks").expand(request=requests())


ours_callbacks()
