# SPDX-License-Identifier: Apache-2.0
"""### Prompt files in, videos out

Every prompt in `prompts/` becomes a video, one mapped task instance per prompt. A run pays for what is new or
changed (`pay_once_per="dag"`); everything else is delivered as it is. Raise `take` in a file for another video
of the same prompt. The budget task prices the list before anything is paid, and stops it above its limits.

It has no schedule, and its form has *Plan only* switched on: then the log of each task shows the exact request and its
price, and nothing is sent. Switch it off to make the videos. `only` (names, separated by commas; `*` allowed) makes
some of them.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from airflow.configuration import AIRFLOW_HOME
from airflow.sdk import DAG, Param, task

from kling_provider.operators.kling import KlingBudgetOperator, KlingGenerateOperator
from kling_provider.prompts import load_prompts

VIDEOS = os.environ.get("KLING_VIDEOS", f"{AIRFLOW_HOME}/kling-videos")


def plan_or_pay(context):
    """Do what the form of the run says."""
    context["task"].plan_only = context["params"]["plan_only"]


with DAG(
    "kling_prompt_files",
    schedule=None,  # "@daily" in a Dag of your own: each run then pays for what is new or changed
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
        ),
        "only": Param("", type=["string", "null"], description="Names of prompts; empty makes all."),
    },
    doc_md=__doc__,
    tags=["kling"],
):
    prompts = task(load_prompts)(
        str(Path(__file__).parent / "prompts"), conn_id="kling_default", only="{{ params.only }}"
    )
    # Prices the whole list, with what is paid already left out, before the first paid call.
    budget = KlingBudgetOperator(task_id="budget", requests=prompts, max_requests=50, max_units=100)
    KlingGenerateOperator.partial(
        task_id="video",
        pay_once_per="dag",
        destination=VIDEOS,
        map_index_template="{{ task.request.name }}",
        pre_execute=plan_or_pay,
    ).expand(request=budget.output)
