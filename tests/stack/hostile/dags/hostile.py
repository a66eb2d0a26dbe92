# SPDX-License-Identifier: Apache-2.0
"""Waits at hosts that answer as nobody should, waits of others beside them, and runs whose end is told."""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import DAG, task

from kling_provider.notifications.kling import KlingNotifier
from kling_provider.operators.kling import KlingGenerateOperator, KlingSubmitOperator
from kling_provider.sensors.kling import KlingTaskSensor

VIDEOS = os.environ["KLING_VIDEOS"]
#: The longest wait for a hostile host: beyond the end of the others.
LONG = {"poll_interval": 1, "timeout": 150}

with DAG("hostile", schedule=None, default_args={"retries": 0}):
    for host in ("word", "flood", "list", "tomorrow"):
        KlingGenerateOperator(
            task_id=host, request={"prompt": f"A {host}", "duration": 3}, kling_conn_id=f"at_{host}", **LONG
        )

with DAG("refusals", schedule=None, default_args={"retries": 2, "retry_delay": timedelta(seconds=1)}):
    KlingSubmitOperator(
        task_id="refused", request={"prompt": "It is refused", "duration": 3}, kling_conn_id="at_word"
    )
    KlingGenerateOperator(
        task_id="failed", request={"prompt": "It fails", "duration": 3}, kling_conn_id="at_word", retries=0
    )

with DAG("innocent_videos", schedule=None, default_args={"retries": 0}):
    kite = {"prompt": "A kite, not saved", "duration": 3, "name": "kite"}
    submit = KlingSubmitOperator(task_id="submit", request=kite)
    submit >> KlingTaskSensor(
        task_id="wait", kling_task_id=submit.output, request=kite, poke_interval=1, timeout=120
    )
    KlingGenerateOperator(
        task_id="video",
        request={"prompt": "A lighthouse", "duration": 3, "name": "lighthouse"},
        destination=VIDEOS,
        timeout=120,
    )

with DAG("innocent_time", schedule=None, default_args={"retries": 0}):
    TimeDeltaSensor(task_id="wait", delta=timedelta(seconds=5), deferrable=True, timeout=120)

with DAG(
    "told",
    schedule=None,
    params={"fails": True},
    on_failure_callback=KlingNotifier(payload={"run": "{{ run_id }}"}),
    on_success_callback=KlingNotifier(payload={"run": "{{ run_id }}"}),
):

    @task(retries=0)
    def end(params=None):
        if params["fails"]:
            raise ValueError("no luck")

    end()
