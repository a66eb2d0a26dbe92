# SPDX-License-Identifier: Apache-2.0
"""Two Dags that save where a run's conf says: in a bucket or on the disk, each by name of the request."""

from datetime import timedelta

from airflow.sdk import DAG, Param, task

from kling_provider.operators.kling import KlingGenerateOperator

SETTINGS = {
    "schedule": None,
    "default_args": {"retries": 2, "retry_delay": timedelta(seconds=5)},
    "params": {"place": Param("", type="string"), "requests": Param([], type="array")},
}

for dag_id in ("places", "places_of_others"):
    with DAG(dag_id, **SETTINGS):

        @task
        def requests(params=None):
            return params["requests"]

        KlingGenerateOperator.partial(task_id="video", destination="{{ params.place }}").expand(
            request=requests()
        )
