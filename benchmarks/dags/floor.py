# SPDX-License-Identifier: Apache-2.0
"""Nobody can do better: a task that knows beforehand when its video will be ready, and reads once, for a fresh link."""

from __future__ import annotations

from airflow.sdk import dag, task

from benchmarks.alternatives.floor import ForeknowingVideoOperator


@dag("floor", schedule=None)
def floor():
    @task
    def videos(params):
        return [
            {"prompt": prompt, "seconds": seconds}
            for prompt, seconds in zip(params["prompts"], params["seconds"], strict=True)
        ]

    ForeknowingVideoOperator.partial(task_id="video").expand_kwargs(videos())


floor()
