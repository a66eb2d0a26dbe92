# SPDX-License-Identifier: Apache-2.0
"""### One video in three tasks

Submit pushes the Kling task id, the sensor waits without a worker, the download saves the file. Put your own
tasks between them, as `paid` is here: with *Plan only*, which is on in the form of *Trigger*, the log of `submit`
shows the exact request and its price, nothing is sent, and the rest is skipped.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.configuration import AIRFLOW_HOME
from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import DAG, Param, task

from kling_provider.operators.kling import KlingDownloadOperator, KlingSubmitOperator
from kling_provider.sensors.kling import KlingTaskSensor

VIDEOS = os.environ.get("KLING_VIDEOS", f"{AIRFLOW_HOME}/kling-videos")
REQUEST = {
    "prompt": "{{ params.prompt }}",
    "duration": "{{ params.duration }}",
    "aspect_ratio": "{{ params.aspect_ratio }}",
}


def plan_or_pay(context):
    """Do what the form of the run says."""
    context["task"].plan_only = context["params"]["plan_only"]


with DAG(
    "kling_submit_wait_save",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    is_paused_upon_creation=True,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
    params={
        "prompt": Param(
            "A red panda brews tea on a wooden porch, rain behind it",
            type="string",
            format="multiline",
            minLength=1,
            maxLength=2500,
            title="Prompt",
        ),
        "duration": Param(5, type="integer", minimum=3, maximum=15, title="Seconds"),
        "aspect_ratio": Param("16:9", type="string", enum=["16:9", "9:16", "1:1"], title="Aspect ratio"),
        "plan_only": Param(
            True,
            type="boolean",
            title="Plan only",
            description="Show requests and prices; send and pay nothing.",
        ),
    },
    doc_md=__doc__,
    tags=["kling"],
):

    @task
    def paid(made):
        """Pass the Kling task id on; a plan is no task that somebody could wait for."""
        if isinstance(made, dict):
            raise AirflowSkipException(f"Only planned: {made['summary']}.")
        return made

    submit = KlingSubmitOperator(task_id="submit", request=REQUEST, pre_execute=plan_or_pay)
    kling_task_id = paid(submit.output)
    wait = KlingTaskSensor(task_id="wait", kling_task_id=kling_task_id, request=REQUEST)
    save = KlingDownloadOperator(
        task_id="save",
        kling_task_id=kling_task_id,
        request=REQUEST,
        destination=f"{VIDEOS}/single",
        filename="{run_id}",
    )
    wait >> save
