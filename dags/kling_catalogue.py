# SPDX-License-Identifier: Apache-2.0
"""### A table of products becomes a film each

`catalogue/products.csv` names a picture and a movement per row. Submit, wait and save run in a mapped task
group, so that one refused picture does not keep the others from being saved. A row is paid once; a later run
delivers what is there.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from airflow.configuration import AIRFLOW_HOME
from airflow.sdk import DAG, task, task_group

from kling_provider.operators.kling import KlingDownloadOperator, KlingSubmitOperator
from kling_provider.prompts import load_prompts
from kling_provider.sensors.kling import KlingTaskSensor

VIDEOS = os.environ.get("KLING_VIDEOS", f"{AIRFLOW_HOME}/kling-videos")

with DAG(
    "kling_catalogue",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
    tags=["kling"],
):

    @task_group
    def film(row):
        submit = KlingSubmitOperator(
            task_id="submit", request=row, pay_once_per="dag", map_index_template="{{ task.request.name }}"
        )
        wait = KlingTaskSensor(task_id="wait", kling_task_id=submit.output, request=row)
        save = KlingDownloadOperator(
            task_id="save", kling_task_id=submit.output, request=row, destination=f"{VIDEOS}/catalogue"
        )
        submit >> wait >> save

    table = Path(__file__).parent / "catalogue" / "products.csv"
    film.expand(row=task(load_prompts)(str(table), conn_id="kling_default"))
