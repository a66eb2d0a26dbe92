# SPDX-License-Identifier: Apache-2.0
"""Tasks whose videos are asset events, in every form that Airflow has for a task."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Asset, task, task_group

from kling_provider.assets import video_asset
from kling_provider.notifications.kling import KlingNotifier
from kling_provider.operators.kling import (
    KlingDownloadOperator,
    KlingGenerateOperator,
    KlingReconcileOperator,
    KlingSubmitOperator,
)
from kling_provider.sensors.kling import KlingTaskSensor

PLACE = f"{os.environ.get('KLING_VIDEOS', '/tmp/kling-videos')}/{{{{ dag.dag_id }}}}/{{{{ run_id }}}}"
SETTINGS = {"schedule": None, "default_args": {"retries": 2, "retry_delay": timedelta(seconds=1)}}


def request(name):
    return {"prompt": f"A film called {name}", "name": name, "duration": 3}


# Twenty instances that wait for the same moment, and whose asset has no event yet.
with DAG("outlets_at_once", **SETTINGS):
    KlingGenerateOperator.partial(task_id="video", destination=PLACE).expand(
        request=[request(f"film-{number}") for number in range(20)]
    )

with DAG("outlets_forms", **SETTINGS):
    KlingGenerateOperator(
        task_id="plain",
        request=request("plain"),
        destination=PLACE,
        outlets=[Asset("the-users-own")],
        on_success_callback=KlingNotifier(payload={"channel": "#{{ dag.dag_id }}"}),
    )
    KlingGenerateOperator(
        task_id="from_picture",
        request={
            **request("from-picture"),
            "type": "image_to_video",
            "first_frame": str(Path(__file__).parent / "prompts/images/kite.jpg"),
        },
        destination=PLACE,
    )
    KlingGenerateOperator(task_id="planned", request=request("planned"), plan_only=True)
    KlingGenerateOperator(task_id="unsaved", request=request("unsaved"))

    @task.kling(destination=PLACE)
    def mapped_function(name):
        return request(name)

    mapped_function.expand(name=["one", "two"])

    @task_group
    def clip(one):
        submitted = KlingSubmitOperator(task_id="submit", request=one)
        rendered = KlingTaskSensor(task_id="wait", kling_task_id=submitted.output, request=one)
        saved = KlingDownloadOperator(
            task_id="save", kling_task_id=submitted.output, destination=PLACE, request=one
        )
        submitted >> rendered >> saved

    clip.expand(one=[request("grouped")])

with DAG("outlets_refused", schedule=None):
    KlingGenerateOperator(
        task_id="too_dear",
        request=request("<!channel> dear"),
        max_units=0.1,
        on_failure_callback=KlingNotifier(text="{{ kling.state }} {{ kling.name }}: {{ kling.reason }}"),
    )

with DAG("outlets_consumer", schedule=video_asset("outlets_forms", "plain")):

    @task
    def received(triggering_asset_events=None):
        return [event.extra for events in triggering_asset_events.values() for event in events]

    received()

# A video that is paid and that nobody saves, and who finds it (without the hours that the example leaves to others).
with DAG("outlets_orphaned", **SETTINGS):
    KlingSubmitOperator(task_id="submit", request=request("orphan"))
with DAG("outlets_reconcile", **SETTINGS):
    KlingReconcileOperator(
        task_id="reconcile", destination=PLACE, grace=timedelta(0), dag_ids=["outlets_orphaned"]
    )
