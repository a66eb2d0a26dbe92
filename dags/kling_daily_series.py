# SPDX-License-Identifier: Apache-2.0
"""### A new film every day from one prompt file

`series/` holds prompts with `{{ day }}` and `{{ season }}` in them; each run fills them and pays for one film per
prompt. A retry or a clear of that run adopts it, a new run makes a new one.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from airflow.configuration import AIRFLOW_HOME
from airflow.sdk import DAG, task

from kling_provider.operators.kling import KlingGenerateOperator
from kling_provider.prompts import load_prompts

VIDEOS = os.environ.get("KLING_VIDEOS", f"{AIRFLOW_HOME}/kling-videos")
SEASONS = "{{ ['winter', 'spring', 'summer', 'autumn'][dag_run.run_after.month % 12 // 3] }}"

with DAG(
    "kling_daily_series",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
    tags=["kling"],
):
    prompts = task(load_prompts)(
        str(Path(__file__).parent / "series"),
        conn_id="kling_default",
        values={"day": "{{ dag_run.run_after.strftime('%A, %d %B') }}", "season": SEASONS},
    )
    # A folder per run: a second run of the same day makes a film of its own.
    KlingGenerateOperator.partial(
        task_id="video",
        destination=f"{VIDEOS}/series",
        filename="{{ dag_run.run_after | ds }}/{name}-{run_id}",
        map_index_template="{{ task.request.name }}",
    ).expand(request=prompts)
