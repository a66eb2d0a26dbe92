# SPDX-License-Identifier: Apache-2.0
"""Wait for the account's concurrency: enter the queue, say why, and handle the event that ends the wait."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any

from kling_provider.exceptions import KlingError, KlingServerError, KlingTimeout
from kling_provider.execution.submitter import Submitter
from kling_provider.submission import MustQueue
from kling_provider.triggers.kling import FIRST_LOOK


def enter_queue(
    submitter: Submitter,
    refused: MustQueue,
    before: Mapping[str, Any],
    *,
    dag_id: str,
    priority_weight: int,
    patience: float,
) -> dict[str, Any]:
    """Return a place in the queue: the arguments of ``KlingConcurrencyTrigger``. A refusal keeps the old place.

    :param before: the place until now, if there was one.
    :param priority_weight: the weight that the task was given. What Airflow makes of it by ``weight_rule`` no worker is told.
    :param patience: the longest wait, in seconds.
    """
    now = time.time()
    queued_at = float(before.get("queued_at") or now)
    deadline = queued_at + patience
    # A host that wants to be left alone for longer than the task may wait cannot keep it waiting longer.
    not_before = min(refused.not_before or 0.0, deadline)
    sent = submitter.plan.sent
    return {
        "kling_conn_id": submitter.hook.kling_conn_id,
        "external_task_id": refused.external_task_id,
        "model": submitter.plan.request.model or submitter.plan.request.type,
        "type": submitter.plan.request.type,
        "takes": submitter.plan.request.concurrency_taken,
        "dag_id": dag_id,
        "queued_at": queued_at,
        "refusals": int(before.get("refusals") or 0) + 1,
        "queue_deadline": deadline,
        "first_look": max(now + FIRST_LOOK, not_before),
        "full": refused.full,
        "priority_weight": priority_weight,
        "worker_start": submitter.worker_start,
        "seconds": sent.duration,
        "resolution": sent.resolution,
        "sound": sent.audio,
    }


def explain_queue(submitter: Submitter, refused: MustQueue) -> str:
    """Say why nothing could be sent."""
    connection, request = submitter.hook.connection, submitter.plan.request
    model = request.model or request.type
    if submitter.came_early:
        return f"None of the tasks in flight for {model} has ended yet, against what was expected"
    if not refused.refused:
        return (
            f"As many tasks are in flight as the connection says that the account allows ({connection.max_concurrency} "
            f"for {model})"
        )
    if refused.full:
        return f"The account is at its concurrency limit for {model} (1303)"
    return f"{connection.host} accepts no more requests for now"


def raise_if_not_woken(event: Mapping[str, Any], label: str) -> None:
    """Raise the error of a queue event whose status is not ``room``.

    :param label: the request, in a few words.
    """
    if event.get("status") == "room":
        return
    error: KlingError
    if event.get("status") == "timeout":
        error = KlingTimeout(
            f"The account stayed at its concurrency limit for the whole queue_timeout of {label}: nothing was made, nothing is "
            "billed. A retry or a clear queues again. A longer queue_timeout waits longer; a "
            "larger pack, or fewer requests at once, make the queue shorter."
        )
    else:
        error = KlingServerError(
            f"The wait in the queue failed: {event.get('message') or 'no reason given'} Nothing was made, nothing is "
            "billed; the retry queues again."
        )
    raise error


def wait_in_queue_here(queue: Mapping[str, Any]) -> Mapping[str, Any]:
    """Wait within this worker, a little longer after each refusal and as long as the host says, then try again."""
    now = time.time()
    pause = FIRST_LOOK * min(4.0, 1.5 ** (int(queue["refusals"]) - 1)) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
    if (told := float(queue["first_look"]) - now) > FIRST_LOOK:
        pause = max(pause, told)
    left = float(queue["queue_deadline"]) - now
    if left <= 0:
        return {**queue, "status": "timeout"}
    time.sleep(min(pause, left))
    return {**queue, "status": "room"}
