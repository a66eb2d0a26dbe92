# SPDX-License-Identifier: Apache-2.0
"""What the fault suite runs. Connection, requests and folder come with each run's conf.

Retries are those of the example DAGs, with a shorter pause.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Param, task

from kling_provider.operators.kling import KlingGenerateOperator, KlingSubmitOperator
from kling_provider.prompts import load_prompts

CONN = "{{ params.conn }}"
SETTINGS = {
    "schedule": None,
    "max_active_runs": 16,
    "default_args": {"retries": 3, "retry_delay": timedelta(seconds=5)},
    "params": {
        "conn": Param("kling_default", type="string"),
        "rows": Param("", type="string"),
        "place": Param("", type="string"),
    },
}


@task
def rows(params=None):
    """The requests, read anew at each try: a run's conf cannot be changed by a clear."""
    return json.loads(Path(params["rows"]).read_text(encoding="utf-8"))


def mapped(dag_id, operator, requests=None, **arguments):
    with DAG(dag_id, **SETTINGS):
        source = rows() if requests is None else requests()
        operator.partial(task_id="video", kling_conn_id=CONN, **arguments).expand(request=source)


# A video is delivered as the result of its task: what is counted are paid tasks, and files would only take time.
for name in ("pay", "pausable"):
    mapped(name, KlingGenerateOperator, poll_interval=3)
mapped("pooled", KlingGenerateOperator, poll_interval=3, pool="faults")
mapped("submit", KlingSubmitOperator)
for scope in ("run", "dag", "account"):
    for name in ("one", "two"):
        mapped(f"once_per_{scope}_{name}", KlingSubmitOperator, pay_once_per=scope)
mapped("impatient", KlingGenerateOperator, poll_interval=3, timeout=12)
mapped("in_worker", KlingGenerateOperator, poll_interval=2, deferrable=False)
mapped("resubmits", KlingGenerateOperator, poll_interval=3, on_ambiguous="resubmit")
# And here files are the point.
mapped("saves", KlingGenerateOperator, poll_interval=3, destination="{{ params.place }}")
mapped("daily", KlingGenerateOperator, poll_interval=3, destination="{{ params.place }}", pay_once_per="dag")

for name, saved in (("prompt_files", {}), ("prompt_files_saved", {"destination": "{{ params.place }}"})):
    mapped(
        name,
        KlingGenerateOperator,
        lambda: task(load_prompts)("{{ params.rows }}", conn_id=CONN),
        poll_interval=3,
        **saved,
    )

# What changes between the paid call and the saved file.
with DAG("with_variable", **SETTINGS):
    KlingGenerateOperator.partial(
        task_id="video",
        kling_conn_id=CONN,
        poll_interval=3,
        destination="{{ params.place }}",
        pay_once_per="dag",
    ).expand_kwargs(rows())  # unlike those of expand, its values are rendered

edited = Path(os.environ["AIRFLOW_HOME"]) / "edited.json"
with DAG("edited", **SETTINGS):
    KlingGenerateOperator.partial(
        task_id="video",
        kling_conn_id=CONN,
        poll_interval=3,
        destination="{{ params.place }}",
        pay_once_per="dag",
    ).expand(request=[json.loads(edited.read_text()) if edited.exists() else {"prompt": "not written yet"}])

# What a Dag has paid it knows in all its runs, so each scenario has one of its own.
for name in ("shifted", "changed"):
    mapped(
        f"prompt_files_{name}",
        KlingGenerateOperator,
        lambda: task(load_prompts)("{{ params.rows }}", conn_id=CONN),
        poll_interval=3,
        destination="{{ params.place }}",
        pay_once_per="dag",
    )
mapped(
    "dated",
    KlingGenerateOperator,
    poll_interval=3,
    destination="{{ params.place }}/{{ run_id }}",
    pay_once_per="dag",
)
mapped(
    "one_place", KlingGenerateOperator, poll_interval=3, destination="{{ params.place }}", filename="the-one"
)
