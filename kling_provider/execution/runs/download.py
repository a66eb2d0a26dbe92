# SPDX-License-Identifier: Apache-2.0
"""One try of a task that saves what another Airflow task had made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kling_provider.execution.failures import report_failures_of_task
from kling_provider.execution.outcome import TaskOutcome
from kling_provider.execution.progress import announce_result
from kling_provider.execution.reading import read_finished_task, read_id
from kling_provider.execution.result_place import ResultPlace
from kling_provider.hooks.kling import KlingHook
from kling_provider.submission.sent import OutputPlace

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kling_provider.operators.download import KlingDownloadOperator


def save_finished_task(operator: KlingDownloadOperator, context: Context) -> dict[str, Any]:
    """Save what the finished task made; returns the XCom."""
    with report_failures_of_task(
        context,
        kling_task_id=operator.kling_task_id,
        request=operator.request,
        conn_id=operator.kling_conn_id,
    ):
        operator.check_rendered()
        hook = KlingHook(operator.kling_conn_id)
        request = hook.validate_request(operator.request) if operator.request else None
        kind = operator.type or (request.type if request else "text_to_video")
        named = "{name}.{kling_task_id}" if request and request.name else "{kling_task_id}"
        place = OutputPlace(
            destination=operator.destination,
            conn_id=operator.destination_conn_id,
            filename=operator.filename or named,
            replace=operator.replace,
        )
        # The place before the task is read: what is wrong with it is wrong in any case.
        result_place = ResultPlace.of_task(
            hook, read_id(operator.kling_task_id), kind, request, operator.request, place, context
        )
        task = read_finished_task(hook, operator.kling_task_id, kind)
        saved = result_place.save(task)
        outcome = TaskOutcome.of_task(task, request, type=kind, saved=saved)
        return announce_result(operator, context, outcome, conn_id=operator.kling_conn_id)
