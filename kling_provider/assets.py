# SPDX-License-Identifier: Apache-2.0
"""The asset of a task that makes something with Kling. Other Dags can be scheduled by it, and the gallery reads its events."""

from __future__ import annotations

from urllib.parse import quote

from airflow.sdk import Asset

__all__ = ["video_asset"]


def video_asset(dag_id: str, task_id: str) -> Asset:
    """Return the asset that gets an event for every finished result of a task: ``kling://<dag_id>/<task_id>``.

    Write ``schedule=video_asset("kling_daily", "video")`` to run a Dag for each result that the task ``video`` of the Dag
    ``kling_daily`` makes. The event's ``extra`` describes it.

    :param dag_id: the id of the Dag of that task.
    :param task_id: the id of the task, including the ids of its task groups, as the UI shows it: ``group.video``.
    """
    # Name and URI are the same, so that a schedule that gives either finds it.
    uri = f"kling://{quote(dag_id, safe='')}/{quote(task_id, safe='')}"
    return Asset(name=uri, uri=uri)
