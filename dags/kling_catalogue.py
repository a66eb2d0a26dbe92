# SPDX-License-Identifier: Apache-2.0
"""### A table of products becomes a video each

`catalogue/products.csv` names an image and a movement per row. Submit, wait and save run in a mapped task
group, so that one refused image does not keep the others from being saved. A row is paid once; a later run
delivers what is there.

Its form has *Plan only* switched on: then the log of each `submit` shows the exact request and its price, nothing is
sent, and the rest is skipped. Switch it off to make the videos.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from airflow.configuration import AIRFLOW_HOME
from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import DAG, Param, task, task_group

from kling_provider.operators.kling import KlingDownloadOperator, KlingSubmitOperator
from kling_provider.prompts import load_prompts
from kling_provider.sensors.kling import KlingTaskSensor

VIDEOS = os.environ.get("KLING_VIDEOS", f"{AIRFLOW_HOME}/kling-videos")


def plan_or_pay(context):
    """Do what the form of the run says."""
    context["task"].plan_only = context["params"]["plan_only"]


with DAG(
    "kling_catalogue",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=True,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
    params={
        "plan_only": Param(
            True,
            type="boolean",
            title="Plan only",
            description="Show requests and prices; send and pay nothing.",
        )
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

    @task_group
    def product(row):
        submit = KlingSubmitOperator(
            task_id="submit",
            request=row,
            pay_once_per="dag",
            map_index_template="{{ task.request.name }}",
            pre_execute=plan_or_pay,
        )
        kling_task_id = paid(submit.output)
        wait = KlingTaskSensor(task_id="wait", kling_task_id=kling_task_id, request=row)
        save = KlingDownloadOperator(
            task_id="save", kling_task_id=kling_task_id, request=row, destination=f"{VIDEOS}/catalogue"
        )
        wait >> save

    table = Path(__file__).parent / "catalogue" / "products.csv"
    product.expand(row=task(load_prompts)(str(table), conn_id="kling_default"))
