# SPDX-License-Identifier: Apache-2.0
"""Mapped tasks that write down each time they go on after a wait."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, task

from kling_provider.operators.kling import KlingGenerateOperator

#: By Dag: seconds between two reads. Only where it is one does the triggerer notice an end by itself.
DAGS = {"by_callback": 600, "hints": 600, "young": 600, "at_once": 1}


class KlingWitness(KlingGenerateOperator):
    """Appends a line to a file of its own whenever it goes on after a wait."""

    def execute_complete(self, context: Any, event: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        ti = context["ti"]
        file = Path(os.environ["KLING_RESUMES"]) / ti.dag_id / f"{ti.map_index}.jsonl"
        file.parent.mkdir(exist_ok=True)
        with file.open("a") as lines:
            lines.write(json.dumps({"at": time.time(), "try": ti.try_number, **event}) + "\n")
        return super().execute_complete(context, event, *args, **kwargs)


for _name, _interval in DAGS.items():
    with DAG(_name, schedule=None, max_active_runs=1):

        @task
        def list_requests(dag_run: Any = None) -> list[dict[str, Any]]:
            return [{"prompt": f"boat {n}", "name": f"boat {n}"} for n in range(dag_run.conf["number"])]

        KlingWitness.partial(task_id="video", kling_conn_id=f"kling_{_name}", poll_interval=_interval).expand(
            request=list_requests()
        )
