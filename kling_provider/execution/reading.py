# SPDX-License-Identifier: Apache-2.0
"""Read Kling tasks that exist: by the id that a user gave, and again after a wait, for the final state and fresh links."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kling_provider import metrics
from kling_provider.api.codes import TaskState
from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.arguments import POLL_INTERVAL
from kling_provider.exceptions import KlingRequestError, KlingServerError
from kling_provider.execution.at_once import is_answered_at_once
from kling_provider.hooks.kling import KlingHook
from kling_provider.polling.wait_state import WaitState
from kling_provider.submission import build_task_failure
from kling_provider.submission.sent import SentRequest

log = logging.getLogger(__name__)

#: Seconds until a success without a result is read again: the state may be written before the result.
LATE_OUTPUTS = 2.0

_RETRY_MAKES_NEXT = "The retry (or a clear) makes the next attempt, which is another paid Kling task."
_CLEAR_SUBMIT = (
    "Clear the task that submitted it: that makes the next attempt. A retry of this task cannot help."
)


def raise_if_failed(task: KlingTask, sent: SentRequest) -> None:
    """Raise the error of a failed task which this Airflow task submitted.

    A retry is the next attempt, except of what ``adopt`` named and under the user's own external id.
    """
    if task.status is not TaskStatus.FAILED:
        return
    advice = _RETRY_MAKES_NEXT
    if sent.adopt:
        advice = f"As long as the request says adopt: {sent.adopt}, a retry adopts the same task: remove adopt from it."
    elif sent.own_external_task_id:
        advice = "Choose another external_task_id: an id can be used once only."
    raise build_task_failure(task, final=advice is not _RETRY_MAKES_NEXT, advice=advice)


def raise_if_failed_finally(task: KlingTask) -> None:
    """Raise the error of a failed task which this Airflow task only waits for or saves: a retry cannot help."""
    if task.status is TaskStatus.FAILED:
        raise build_task_failure(task, final=True, advice=_CLEAR_SUBMIT)


def read_id(kling_task_id: Any) -> str:
    """Return the id of a task as text.

    :raises KlingRequestError: where it is none.
    """
    text = "" if isinstance(kling_task_id, bool) else str(kling_task_id).strip()
    # Jinja and XCom write nothing as one of these words.
    if not isinstance(kling_task_id, str | int) or text.lower() in ("", "none", "null", "nan"):
        raise KlingRequestError(
            f"kling_task_id must be the id of one Kling task, as text; found {kling_task_id!r}. Take the output of "
            "KlingSubmitOperator; a task that was skipped, or only planned, has none."
        )
    return text


def read_task(hook: KlingHook, kling_task_id: Any, type: str) -> KlingTask:
    """Read a task whose id came from the user or from XCom."""
    return hook.get_task(read_id(kling_task_id), type=type)


def read_finished_task(hook: KlingHook, kling_task_id: Any, type: str) -> KlingTask:
    """Read a task that must have succeeded by now: what a download starts from.

    :raises KlingTaskFailedFinally: where Kling failed it.
    :raises KlingServerError: where it is still running.
    """
    task = read_outputs(hook, read_task(hook, kling_task_id, type), type)
    raise_if_failed_finally(task)
    if task.status is not TaskStatus.SUCCEEDED:
        raise KlingServerError(
            f"Kling task {task.kling_task_id} is {task.word}, so there is nothing to save yet. "
            "Put a KlingTaskSensor before this task; the retry looks again.",
            task_state=TaskState.EXISTS,
            kling_task_id=task.kling_task_id,
        )
    return task


def read_outputs(hook: KlingHook, task: KlingTask, type: str) -> KlingTask:
    """Return ``task``, or where it succeeded and names nothing to deliver, what another read a little later shows.

    :raises KlingServerError: where it still names nothing: a success without anything is none.
    """
    if task.status is not TaskStatus.SUCCEEDED or _has_result(task) or is_answered_at_once(type):
        return task
    log.info("Kling task %s succeeded and names no result yet: reading once more.", task.kling_task_id)
    time.sleep(LATE_OUTPUTS)
    task = hook.get_task(task.kling_task_id, type=type)
    if task.status is TaskStatus.SUCCEEDED and not _has_result(task):
        raise KlingServerError(
            f"Kling task {task.kling_task_id} succeeded and names no result, in two reads. It was billed. The retry (or "
            "a clear) reads it again and pays nothing; if it stays so, ask the host with this id.",
            task_state=TaskState.EXISTS,
            kling_task_id=task.kling_task_id,
        )
    return task


def _has_result(task: KlingTask) -> bool:
    """Return whether all outputs are there: media have a URL; other outputs (an element, a voice) may be an id alone."""
    return any(
        output.url or (output.id and output.type not in ("video", "image", "audio"))
        for output in task.outputs
    )


def get_deadline(event: Mapping[str, Any]) -> float | None:
    """Return when the wait ends that a callback interrupted, as an epoch in seconds; ``None`` where that is not said."""
    deadline = event.get("deadline")
    return float(deadline) if isinstance(deadline, int | float) else None


def confirm_end(hook: KlingHook, event: Mapping[str, Any], type: str, *, dag_id: str) -> KlingTask:
    """Check what the event says by a read of this worker's own, which also gives a fresh link.

    :param event: of the trigger, or of a callback.
    :param dag_id: for the metric of how late the end was noticed.
    :return: a task that has ended; after a callback that was ahead of Kling's reads, one that still runs.

    :raises KlingTimeout: where the deadline passed and the task still runs.
    """
    kling_task_id = str(event["kling_task_id"])
    task = hook.get_task(kling_task_id, type=type)
    is_hint = event.get("woken_by") == "callback"
    if is_hint and not task.status.ended:
        time.sleep(LATE_OUTPUTS)
        task = hook.get_task(kling_task_id, type=type)
    if task.status.ended:
        if task.finished_at is not None:
            metrics.record_notice_delay(datetime.now(UTC) - task.finished_at, dag_id=dag_id)
        return task
    if is_hint:
        log.info("A callback said that Kling task %s has ended, and Kling says %s.", kling_task_id, task.word)
        return task
    if event.get("status") == "timeout":
        now = time.time()
        over = WaitState(kling_task_id=kling_task_id, deadline=now, since=now, poll_interval=POLL_INTERVAL)
        decision = over.note_task(task, now)
        if decision.error is not None:
            raise decision.error
    raise KlingServerError(
        str(event.get("message") or f"The wait for Kling task {kling_task_id} ended while it is {task.word}.")
        + " The retry adopts it and pays nothing.",
        task_state=TaskState.EXISTS,
        kling_task_id=kling_task_id,
    )
