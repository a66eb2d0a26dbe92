# SPDX-License-Identifier: Apache-2.0
"""### One video in three tasks

Submit pushes the Kling task id, the sensor waits without a worker, the download saves the file. Put your own
tasks between them. The form of *Trigger* asks for the prompt.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.configuration import AIRFLOW_HOME
from airflow.sdk import DAG, Param

from kling_provider.operators.kling import KlingDownloadOperator, KlingSubmitOperator
from kling_provider.sensors.kling import KlingTaskSensor

VIDEOS = os.environ.get("KLING_VIDEOS", f"{AIRFLOW_HOME}/kling-videos")
REQUEST = {
    "prompt": "{{ params.prompt }}",
    "duration": "{{ params.duration }}",
    "aspect_ratio": "{{ params.aspect_ratio }}",
}

with DAG(
    "kling_submit_wait_save",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
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
    },
    doc_md=__doc__,
    tags=["kling"],
):
    submit = KlingSubmitOperator(task_id="submit", request=REQUEST)
    wait = KlingTaskSensor(task_id="wait", kling_task_id=submit.output, request=REQUEST)
    save = KlingDownloadOperator(
        task_id="save",
        kling_task_id=submit.output,
        request=REQUEST,
        destination=f"{VIDEOS}/single",
        filename="{run_id}",
    )
    submit >> wait >> save
