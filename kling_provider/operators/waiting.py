# SPDX-License-Identifier: Apache-2.0
"""How operators and the sensor wait: what a trigger's event means, and the same waits within a worker.

Imported when a task runs, never at DAG-parse time.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kling_provider import metrics
from kling_provider.api.codes import TaskState
from kling_provider.api.models import expected_seconds
from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.exceptions import (
    KlingError,
    KlingRequestError,
    KlingServerError,
    KlingTaskNotFound,
    KlingTimeout,
)
from kling_provider.polling import clock
from kling_provider.polling.watch import Watch
from kling_provider.submission import NoSlot, failure_of

if TYPE_CHECKING:
    from kling_provider.hooks.kling import KlingHook
    from kling_provider.operators.job import Job
    from kling_provider.submission.sent import SentRequest

log = logging.getLogger(__name__)

#: No trigger fires earlier after its defer: Airflow would fail the task (#66374).
FIRST_LOOK = 10.0

#: Seconds until a success without a result is read again: the state may be written before the result.
_LATE_OUTPUTS = 2.0

_RETRY_MAKES_NEXT = (
    "The retry (or a clear) has the next attempt made; Kling says whether this one was billed."
)
_CLEAR_SUBMIT = "Clear the task that submitted it: that has the next attempt made. A retry here cannot help."


def raise_if_failed(task: KlingTask, sent: SentRequest) -> None:
    """For tasks that submit: a retry is the next attempt, except of what ``adopt`` named and under the user's own
    external id."""
    if task.status is not TaskStatus.FAILED:
        return
    advice = _RETRY_MAKES_NEXT
    if sent.adopt:
        advice = f"As long as the request says adopt: {sent.adopt}, a retry takes over the same one: take adopt out of it."
    elif sent.own_external_task_id:
        advice = "Choose another external_task_id: an id can be used once only."
    raise failure_of(task, final=advice is not _RETRY_MAKES_NEXT, advice=advice)


def raise_if_failed_finally(task: KlingTask) -> None:
    """For tasks that only wait or save: a retry cannot help."""
    if task.status is TaskStatus.FAILED:
        raise failure_of(task, final=True, advice=_CLEAR_SUBMIT)


def finished_task(hook: KlingHook, kling_task_id: Any, type: str) -> KlingTask:
    """A task that must have succeeded by now: what a download starts from.

    :raises KlingTaskFailedFinally: where Kling failed it.
    :raises KlingServerError: where it is still running.
    """
    task = with_outputs(hook, read_task(hook, kling_task_id, type), type)
    raise_if_failed_finally(task)
    if task.status is not TaskStatus.SUCCEEDED:
        raise KlingServerError(
            f"Kling task {task.kling_task_id} is {task.word}, so there is nothing to save yet. "
            "Put a KlingTaskSensor before this task; the retry looks again.",
            task_state=TaskState.EXISTS,
            kling_task_id=task.kling_task_id,
        )
    return task


def with_outputs(hook: KlingHook, task: KlingTask, type: str) -> KlingTask:
    """``task``, or where it succeeded and names nothing to deliver, what another read a little later shows.

    :raises KlingServerError: where it still names nothing: a success without anything is none.
    """
    if task.status is not TaskStatus.SUCCEEDED or _delivers(task):
        return task
    log.info("Kling task %s succeeded and names no result yet: reading once more.", task.kling_task_id)
    time.sleep(_LATE_OUTPUTS)
    task = hook.get_task(task.kling_task_id, type=type)
    if task.status is TaskStatus.SUCCEEDED and not _delivers(task):
        raise KlingServerError(
            f"Kling task {task.kling_task_id} succeeded and names no result, in two reads. It was billed. The retry (or "
            "a clear) reads it again and pays nothing; if it stays so, ask the host with this id.",
            task_state=TaskState.EXISTS,
            kling_task_id=task.kling_task_id,
        )
    return task


def _delivers(task: KlingTask) -> bool:
    """Media have a URL; other outputs (an element, a voice) may be an id alone."""
    return any(
        output.url or (output.id and output.type not in ("video", "image", "audio"))
        for output in task.outputs
    )


def read_task(hook: KlingHook, kling_task_id: Any, type: str) -> KlingTask:
    """Read a task whose id came from the user or from XCom."""
    return hook.get_task(read_id(kling_task_id), type=type)


def read_id(kling_task_id: Any) -> str:
    """The id of a task as text.

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


def confirmed(hook: KlingHook, event: Mapping[str, Any], type: str) -> KlingTask:
    """What the trigger's event says, checked by a read of this worker's own (and for a fresh link).

    :raises KlingTimeout: where the deadline passed and the task still runs.
    """
    kling_task_id = str(event["kling_task_id"])
    task = hook.get_task(kling_task_id, type=type)
    if task.status.ended:
        return task
    if event.get("status") == "timeout":
        now = time.time()
        verdict = Watch(kling_task_id=kling_task_id, deadline=now, since=now).saw(task, now)
        if verdict.error is not None:
            raise verdict.error
    raise KlingServerError(
        str(event.get("message") or f"The wait for Kling task {kling_task_id} ended while it is {task.word}.")
        + " The retry adopts it and pays nothing.",
        task_state=TaskState.EXISTS,
        kling_task_id=kling_task_id,
    )


def expected_end(task: KlingTask, sent: SentRequest) -> float | None:
    """Return when ``task`` will be finished, roughly: an epoch."""
    if task.created_at is None or task.status.ended or sent.duration is None:
        return None
    return task.created_at.timestamp() + expected_seconds(sent.model, sent.duration)


def count_delivered(task: KlingTask, **tags: str | None) -> None:
    """A finished video came back to Airflow: what it cost, and how long Kling took."""
    units = sum((one.amount for one in task.billing if one.charge_type == "unit"), Decimal(0))
    took = task.finished_at - task.created_at if task.finished_at and task.created_at else None
    metrics.delivered(units=units, render=took, **tags)


def wait_for_task_here(
    hook: KlingHook, task: KlingTask, type: str, deadline: float, poll_interval: float
) -> KlingTask:
    """Wait within this worker, by the same rules as the trigger.

    :raises KlingError: where the wait ended without an end of the task.
    """
    watch = Watch(
        kling_task_id=task.kling_task_id,
        deadline=clock.from_wall(deadline),
        since=clock.now(),
        poll_interval=poll_interval,
        spread=random.random(),  # noqa: S311 - jitter
    )
    told = 0.0
    while True:
        now = clock.now()
        try:
            verdict = watch.saw(hook.get_task(task.kling_task_id, type=type), now)
        except KlingTaskNotFound as error:
            verdict = watch.missed(now, str(error))
        except KlingError as error:
            verdict = watch.failed(error, now)
        if verdict.error is not None:
            raise verdict.error
        if verdict.final and verdict.task is not None:
            return verdict.task
        if now - told >= 30:
            log.info("Kling task %s: %s.", task.kling_task_id, watch.progress(now))
            told = now
        time.sleep(verdict.delay)


def queue_entry(
    job: Job, refused: NoSlot, context: Mapping[str, Any], before: Mapping[str, Any], patience: float
) -> dict[str, Any]:
    """A place in the queue for a slot: the slot trigger's arguments. A refusal keeps the old place."""
    now = time.time()
    queued_at = float(before.get("queued_at") or now)
    deadline = queued_at + patience
    # A host that wants to be left alone for longer than the task may wait cannot keep it waiting longer.
    not_before = min(refused.not_before or 0.0, deadline)
    return {
        "kling_conn_id": job.hook.kling_conn_id,
        "external_task_id": refused.external_task_id,
        "model": job.request.model,
        "dag_id": context["ti"].dag_id,
        "queued_at": queued_at,
        "refusals": int(before.get("refusals") or 0) + 1,
        "slot_deadline": deadline,
        "first_look": max(now + FIRST_LOOK, not_before),
        "full": refused.full,
    }


def reason_to_queue(job: Job, refused: NoSlot) -> str:
    """Say why nothing could be sent."""
    connection, model = job.hook.connection, job.request.model
    if not refused.refused:
        return (
            f"As many tasks are in flight as the connection says that the account allows ({connection.max_concurrency} "
            f"for {model})"
        )
    if refused.full:
        return f"The account has no free slot for {model} (1303)"
    return f"{connection.host} takes no more requests for now"


def slot_error(event: Mapping[str, Any], job: Job) -> KlingError | None:
    """The exception for a slot event that is not "room"."""
    if event.get("status") == "room":
        return None
    if event.get("status") == "timeout":
        return KlingTimeout(
            f"No free slot for {job.name} within slot_timeout: nothing was made, nothing is billed. A retry or a "
            "clear queues again. More slots: a larger pack, or fewer videos at once."
        )
    return KlingServerError(
        f"The wait for a free slot failed: {event.get('message') or 'no reason given'} Nothing was made, nothing is "
        "billed; the retry queues again."
    )


def wait_for_slot_here(queue: Mapping[str, Any]) -> Mapping[str, Any]:
    """Wait within this worker, a little longer after each refusal and as long as the host says, then try again."""
    now = time.time()
    pause = FIRST_LOOK * min(4.0, 1.5 ** (int(queue["refusals"]) - 1)) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
    if (told := float(queue["first_look"]) - now) > FIRST_LOOK:
        pause = max(pause, told)
    left = float(queue["slot_deadline"]) - now
    if left <= 0:
        return {**queue, "status": "timeout"}
    time.sleep(min(pause, left))
    return {**queue, "status": "room"}
