# SPDX-License-Identifier: Apache-2.0
"""### A new video every day from one prompt file

`series/` holds prompts with `{{ day }}` and `{{ season }}` in them; each run fills them and pays for one video per
prompt. A retry or a clear of that run adopts it, a new run makes a new one.

It has no schedule: copy it and write `schedule="@daily"` for a video a day. Its form has *Plan only* switched on: then
the log shows the exact request and its price, and nothing is sent. Switch it off to make the video.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from airflow.configuration import AIRFLOW_HOME
from airflow.sdk import DAG, Param, task

from kling_provider.operators.kling import KlingGenerateOperator
from kling_provider.prompts import load_prompts

VIDEOS = os.environ.get("KLING_VIDEOS", f"{AIRFLOW_HOME}/kling-videos")
SEASONS = "{{ ['winter', 'spring', 'summer', 'autumn'][dag_run.run_after.month % 12 // 3] }}"


def plan_or_pay(context):
    """Do what the form of the run says."""
    context["task"].plan_only = context["params"]["plan_only"]


with DAG(
    "kling_daily_series",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
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
    prompts = task(load_prompts)(
        str(Path(__file__).parent / "series"),
        conn_id="kling_default",
        values={"day": "{{ dag_run.run_after.strftime('%A, %d %B') }}", "season": SEASONS},
    )
    # A folder per run: a second run of the same day makes a video of its own.
    KlingGenerateOperator.partial(
        task_id="video",
        destination=f"{VIDEOS}/series",
        filename="{{ dag_run.run_after | ds }}/{name}-{run_id}",
        map_index_template="{{ task.request.name }}",
        pre_execute=plan_or_pay,
    ).expand(request=prompts)
