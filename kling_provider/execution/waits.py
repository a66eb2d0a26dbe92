# SPDX-License-Identifier: Apache-2.0
"""Wait for a Kling task in the worker (``deferrable=False``), and estimate when a task ends."""

from __future__ import annotations

import logging
import random
import time
from datetime import timedelta
from decimal import Decimal

from kling_provider import metrics
from kling_provider.api.models import expected_seconds
from kling_provider.api.result_facts import find_package
from kling_provider.api.tasks import KlingTask
from kling_provider.exceptions import KlingError, KlingTaskNotFound
from kling_provider.hooks.kling import KlingHook
from kling_provider.polling import clock
from kling_provider.polling.wait_state import WaitState

log = logging.getLogger(__name__)

#: Airflow's own limit on a deferral comes so much later than the deadline of the trigger: it ends only waits that the trigger
#: did not end.
_NET = timedelta(minutes=10)
#: Seconds that have passed at most since the call that made a fresh task was sent.
_JUST_NOW = 10.0


def compute_deferral_timeout(deadline: float) -> timedelta:
    """Compute Airflow's own limit on a deferral from the deadline of its trigger.

    :param deadline: an epoch in seconds.
    """
    return timedelta(seconds=max(0.0, deadline - time.time())) + _NET


def expect_end(task: KlingTask, model: str | None, seconds: int | None) -> float | None:
    """Estimate when Kling will finish a task, as an epoch in seconds; ``None`` if it ended or nothing is known.

    :param seconds: the duration of the video.
    """
    if task.created_at is None or task.status.ended or seconds is None or model is None:
        return None
    return task.created_at.timestamp() + expected_seconds(model, seconds)


def find_made_at(task: KlingTask, *, is_fresh: bool = False) -> float | None:
    """Find when Kling made a task by our clock, as an epoch in seconds; ``None`` where nothing tells.

    :param is_fresh: it was made by a call of just now, which corrects a clock that differs from Kling's.
    """
    now = time.time()
    if task.created_at is None:
        return now if is_fresh else None
    return min(max(task.created_at.timestamp(), now - _JUST_NOW if is_fresh else 0.0), now)


def count_delivered(task: KlingTask, type: str, **tags: str | None) -> None:
    """Count a finished result: what it cost, and how long Kling took.

    :param type: the type of the request that made the task.
    """
    units: dict[str | None, Decimal] = {}
    for one in task.billing:
        if one.charge_type == "unit":
            package = find_package(one.package_type, type)
            units[package] = units.get(package, Decimal(0)) + one.amount
    took = task.finished_at - task.created_at if task.finished_at and task.created_at else None
    metrics.count_delivered(units=units, render=took, type=type, **tags)


def wait_for_task_here(
    hook: KlingHook, task: KlingTask, type: str, deadline: float, poll_interval: float | None
) -> KlingTask:
    """Wait in this worker until a task ends, by the same rules as the trigger, and return the task.

    :param type: the type of the request that made the task.
    :param deadline: an epoch in seconds.
    :param poll_interval: seconds between two reads; ``None``: 10.
    :raises KlingError: if the wait ended before the task.
    """
    wait = WaitState(
        kling_task_id=task.kling_task_id,
        deadline=clock.convert_wall_time(deadline),
        since=clock.now(),
        poll_interval=poll_interval,
        spread=random.random(),  # noqa: S311 - jitter
    )
    told = 0.0
    while True:
        now = clock.now()
        try:
            decision = wait.note_task(hook.get_task(task.kling_task_id, type=type), now)
        except KlingTaskNotFound as error:
            decision = wait.note_missing(now, str(error))
        except KlingError as error:
            decision = wait.note_failure(error, now)
        if decision.error is not None:
            raise decision.error
        if decision.is_final and decision.task is not None:
            return decision.task
        if now - told >= 30:
            log.info("Kling task %s: %s.", task.kling_task_id, wait.describe_progress(now))
            told = now
        time.sleep(decision.delay)
