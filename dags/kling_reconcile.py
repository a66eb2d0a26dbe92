# SPDX-License-Identifier: Apache-2.0
"""### Save what was paid and never saved

Looks for videos of this provider that Kling finished and nobody saved (a run that was deleted, a task that
was given up), and saves them under `orphans/` before their links die after 30 days. Its log also lists what
Kling failed, and what that was billed. It pays nothing.

As an example it waits for *Trigger*. In a Dag of your own write `schedule="@daily"`.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.configuration import AIRFLOW_HOME
from airflow.sdk import DAG

from kling_provider.operators.kling import KlingReconcileOperator

VIDEOS = os.environ.get("KLING_VIDEOS", f"{AIRFLOW_HOME}/kling-videos")

with DAG(
    "kling_reconcile",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=True,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["kling"],
):
    KlingReconcileOperator(task_id="reconcile", destination=VIDEOS)
