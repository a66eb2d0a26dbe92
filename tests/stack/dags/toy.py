# SPDX-License-Identifier: Apache-2.0
"""What the tests of the stack runner run: a mapped task, a task that defers, a task that takes long."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import Any

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import DAG, Asset, BaseOperator, Context, task

#: This file imports nothing of ours, so what is there came with the worker.
PRELOADED = "kling_provider.hooks.kling" in sys.modules


class Wait(BaseOperator):
    """Defers for some seconds."""

    def __init__(self, *, seconds: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seconds = seconds

    def execute(self, context: Context) -> None:
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=self.seconds)), method_name="resumed")

    def resumed(self, context: Context, event: Any = None) -> str:
        return "waited"


with DAG("toy", schedule=None):

    @task(outlets=[Asset("toy")])
    def numbers() -> list[int]:
        print("the worker brings KlingHook:", PRELOADED)
        return [1, 2, 3]

    @task
    def double(number: int) -> dict[str, int]:
        print("doubling", number)
        return {"number": 2 * number}

    double.expand(number=numbers()) >> Wait(
        task_id="wait",
        seconds=11,
        # Airflow may take a resumed task for a lost one when its scheduler is slow or was killed.
        retries=3,
        retry_delay=timedelta(seconds=1),
    )

with DAG("toy_long", schedule=None, default_args={"retries": 1, "retry_delay": timedelta(seconds=1)}):

    @task
    def long(ti: Any = None) -> int:
        if ti.try_number == 1:
            time.sleep(120)
        return int(ti.try_number)

    long()
