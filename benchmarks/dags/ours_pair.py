# SPDX-License-Identifier: Apache-2.0
"""Ours in two tasks: one submits, a sensor waits without a worker."""

from __future__ import annotations

from airflow.sdk import dag, task, task_group

from kling_provider.operators.kling import KlingSubmitOperator
from kling_provider.sensors.kling import KlingTaskSensor


@dag("ours_pair", schedule=None)
def ours_pair():
    @task
    def requests(params):
        return [{"prompt": prompt} for prompt in params["prompts"]]

    @task_group
    def video(request):
        submit = KlingSubmitOperator(task_id="submit", request=request)
        KlingTaskSensor(task_id="wait", kling_task_id=submit.output)

    video.expand(request=requests())


ours_pair()
