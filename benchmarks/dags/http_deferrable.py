# SPDX-License-Identifier: Apache-2.0
"""The same with ``deferrable=True``: a sensor that has a ``response_check`` pokes all the same (providers-http 6.3)."""

from __future__ import annotations

import json

from airflow.providers.http.operators.http import HttpOperator
from airflow.providers.http.sensors.http import HttpSensor
from airflow.sdk import dag, task, task_group

POLL_SECONDS = 10


def read_id(response):
    return response.json()["data"]["id"]


def has_succeeded(response):
    status = response.json()["data"][0]["status"]
    if status == "failed":
        raise RuntimeError("Kling failed the task")
    return status == "succeeded"


@dag("http_deferrable", schedule=None)
def http_deferrable():
    @task
    def bodies(params):
        return [json.dumps({"prompt": prompt}) for prompt in params["prompts"]]

    @task_group
    def video(body):
        submit = HttpOperator(
            task_id="submit",
            http_conn_id="kling_http",
            endpoint="text-to-video/kling-3.0",
            data=body,
            response_filter=read_id,
        )
        HttpSensor(
            task_id="wait",
            http_conn_id="kling_http",
            endpoint="tasks",
            request_params={"task_ids": submit.output},
            response_check=has_succeeded,
            poke_interval=POLL_SECONDS,
            deferrable=True,
        )

    video.expand(body=bodies())


http_deferrable()
