# SPDX-License-Identifier: Apache-2.0
"""What the tests of the promises run. Connection, request and the rest come with each run's conf."""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.sdk import DAG, Param, task, task_group

from kling_provider.operators.kling import KlingDownloadOperator, KlingGenerateOperator, KlingSubmitOperator
from kling_provider.sensors.kling import KlingTaskSensor

VIDEOS = os.environ.get("KLING_VIDEOS", "/tmp/kling-videos")
PLACE = f"{VIDEOS}/{{{{ dag.dag_id }}}}/{{{{ run_id }}}}"
CONN = "{{ params.conn }}"
TYPE = "{{ params.type }}"
# A clear takes no conf, so what a person adds before a clear comes from a Variable, as the README says.
REQUEST = {"prompt": "{{ params.prompt }}", "duration": 3, "adopt": "{{ var.value.get(params.adopt, '') }}"}
SETTINGS = {
    "schedule": None,
    "default_args": {"retries": 2, "retry_delay": timedelta(seconds=1)},
    "params": {
        "conn": Param("kling_default", type="string"),
        "prompt": Param("", type="string"),
        "requests": Param([], type="array"),
        "type": Param("text_to_video", type="string"),
        "adopt": Param("nobody_sets_this", type="string"),
    },
}

with DAG("three_tasks", **SETTINGS):
    submit = KlingSubmitOperator(task_id="submit", request=REQUEST, kling_conn_id=CONN)
    wait = KlingTaskSensor(task_id="wait", kling_task_id=submit.output, kling_conn_id=CONN)
    save = KlingDownloadOperator(
        task_id="save", kling_task_id=submit.output, destination=PLACE, kling_conn_id=CONN
    )
    submit >> wait >> save

with DAG("one_task", **SETTINGS):
    KlingGenerateOperator(task_id="video", request=REQUEST, destination=PLACE, kling_conn_id=CONN)

with DAG("many", **SETTINGS):

    @task
    def requests(params=None):
        return params["requests"]

    KlingGenerateOperator.partial(task_id="video", destination=PLACE, kling_conn_id=CONN).expand(
        request=requests()
    )

with DAG("many_in_three_tasks", **SETTINGS):

    @task
    def rows(params=None):
        return params["requests"]

    @task_group
    def clip(row):
        submit = KlingSubmitOperator(task_id="submit", request=row, kling_conn_id=CONN)
        wait = KlingTaskSensor(task_id="wait", kling_task_id=submit.output, type=TYPE, kling_conn_id=CONN)
        save = KlingDownloadOperator(
            task_id="save", kling_task_id=submit.output, type=TYPE, destination=PLACE, kling_conn_id=CONN
        )
        submit >> wait >> save

    clip.expand(row=rows())

with DAG("other_forms", **SETTINGS):

    @task.kling(destination=PLACE, kling_conn_id=CONN)
    def from_function(params=None):
        return {"prompt": f"{params['prompt']} from a function", "duration": 3, "name": "from-function"}

    from_function()

    KlingGenerateOperator(
        task_id="in_the_worker",
        request={"prompt": "{{ params.prompt }} in the worker", "duration": 3},
        destination=PLACE,
        kling_conn_id=CONN,
        deferrable=False,
        poll_interval=1,
    )

    asked = KlingSubmitOperator(
        task_id="submit",
        request={"prompt": "{{ params.prompt }} for sensors", "duration": 3},
        kling_conn_id=CONN,
    )
    for mode in ("poke", "reschedule"):
        asked >> KlingTaskSensor(
            task_id=mode,
            kling_task_id=asked.output,
            kling_conn_id=CONN,
            deferrable=False,
            mode=mode,
            poke_interval=2,
        )
