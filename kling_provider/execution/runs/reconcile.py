# SPDX-License-Identifier: Apache-2.0
"""One try of a reconciliation: find what was paid and never saved, and save it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from kling_provider.api.result_facts import ResultFacts
from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.exceptions import KlingError
from kling_provider.execution.failures import report_failures
from kling_provider.execution.result_place import ResultPlace
from kling_provider.hooks.kling import KlingHook
from kling_provider.identity import is_ours
from kling_provider.storage import saved_task_ids
from kling_provider.submission.sent import OutputPlace

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kling_provider.operators.reconcile import KlingReconcileOperator

log = logging.getLogger(__name__)

#: Of a task, what the report says.
_REPORTED = ("kling_task_id", "external_task_id", "billing", "created_at", "finished_at")


def save_missed_videos(operator: KlingReconcileOperator, context: Context) -> dict[str, Any]:
    """Save what was paid and never saved, report the rest, and return the XCom."""
    with report_failures(context):
        operator.check_rendered()
        return _save_missed(operator, context, KlingHook(operator.kling_conn_id))


def _save_missed(operator: KlingReconcileOperator, context: Context, hook: KlingHook) -> dict[str, Any]:
    now, namespace = datetime.now(UTC), hook.connection.namespace
    since, grace = now - timedelta(seconds=operator.window), timedelta(seconds=operator.grace)
    tasks = [
        task
        for task in hook.list_tasks(since=since)
        if is_ours(task.external_task_id, namespace, operator.dag_ids)
    ]
    saved: set[str] = set()
    for place in (operator.destination, *operator.also):
        saved |= saved_task_ids(place, operator.destination_conn_id)
    report: dict[str, Any] = {"saved": [], "known": 0, "running": 0, "failed": [], "young": 0}
    faults = []
    for task in tasks:
        if task.status is TaskStatus.FAILED:
            report["failed"].append({**_describe_task(task), "message": task.message})
        elif task.status is not TaskStatus.SUCCEEDED:
            report["running"] += 1
        elif task.kling_task_id in saved:
            report["known"] += 1
        elif task.updated_at is not None and now - task.updated_at < grace:
            report["young"] += 1
        else:
            try:
                files = _save_task(operator, context, hook, task)
                report["saved"].append({**_describe_task(task), "files": files})
            except KlingError as error:
                faults.append(error)
                log.error("Kling task %s is paid and could not be saved: %s", task.kling_task_id, error)
    log.info(
        "%d tasks of this provider since %s: %d saved now, %d were saved, %d younger than %s, %d running, %d failed.",
        len(tasks),
        since.isoformat(timespec="seconds"),
        len(report["saved"]),
        report["known"],
        report["young"],
        grace,
        report["running"],
        len(report["failed"]),
    )
    for one in report["failed"]:
        log.info("Failed at Kling: %s, billed %s: %s", one["kling_task_id"], one["billing"], one["message"])
    if faults:
        raise faults[0]
    return report


def _save_task(
    operator: KlingReconcileOperator, context: Context, hook: KlingHook, task: KlingTask
) -> list[str]:
    place = OutputPlace(
        destination=operator.destination,
        conn_id=operator.destination_conn_id,
        filename=f"orphans/{task.kling_task_id}",
        replace=False,
    )
    result_place = ResultPlace.of_task(hook, task.kling_task_id, "text_to_video", None, None, place, context)
    files = [saved.file for saved in result_place.save(task).files]
    log.info("Saved Kling task %s, which was saved nowhere: %s", task.kling_task_id, ", ".join(files))
    return files


def _describe_task(task: KlingTask) -> dict[str, Any]:
    facts = ResultFacts().with_task(task).to_json()
    return {name: facts[name] for name in _REPORTED}
