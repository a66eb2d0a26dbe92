# SPDX-License-Identifier: Apache-2.0
"""Tasks that write about videos as ours do, and write something else than ours would."""

from __future__ import annotations

from airflow.sdk import DAG, Asset, task

ODD = Asset("kling://odd_clips/announce")
EVENTS = {
    "a year": {"kling_task_id": "odd-1", "prompt": 2024},
    "files": {"kling_task_id": "odd-2", "name": "files are a text", "files": "x"},
    "billing": {"kling_task_id": "odd-3", "name": "billing is a text", "billing": "abc"},
    "too long": {"kling_task_id": "odd-4", "prompt": "[" * 500_000},
    "nobody": {"kling_task_id": "None", "name": "no Kling task"},
}
JOBS = {
    "request": {"state": "failed", "request": "abc", "reason": "the request is a text"},
    "text": "[" * 1000,
    "number": 7,
}

with DAG("odd_clips", schedule=None, default_args={"retries": 0}):

    @task(outlets=[ODD])
    def announce(which, *, outlet_events):
        outlet_events[ODD].extra = EVENTS[which]

    @task
    def fail(which, *, ti):
        ti.xcom_push("kling", JOBS[which])
        raise ValueError("as it should")

    announce.expand(which=list(EVENTS))
    fail.expand(which=list(JOBS))
