# SPDX-License-Identifier: Apache-2.0
"""Ask about the tasks whose results go into a request: read one that is known by its id alone, and compare accounts."""

from __future__ import annotations

import logging
from typing import Any

from kling_provider.api.catalog import DEFAULT_TYPE
from kling_provider.api.codes import TaskState
from kling_provider.api.tasks import TaskStatus
from kling_provider.exceptions import KlingError, KlingRequestError, KlingServerError, KlingTaskNotFound
from kling_provider.execution.outcome import TaskOutcome
from kling_provider.hooks.kling import KlingHook

log = logging.getLogger(__name__)


def read_input_task(hook: KlingHook, kling_task_id: str, type: str | None) -> dict[str, Any]:
    """Read a finished task at Kling, as the result that an input takes. Reads are free.

    :param type: the type of the request that made it; the legacy API reads by it.
    :raises KlingRequestError: where there is no such task, or Kling failed it; nothing was sent.
    :raises KlingServerError: where it still runs; a retry may help.
    """
    made_by = type or DEFAULT_TYPE
    try:
        task = hook.get_task(kling_task_id, type=made_by)
    except KlingTaskNotFound as error:
        raise KlingRequestError(
            f"An input must be a task that Kling knows, and nothing was sent. {error} If another type of request made it, write "
            f"{{'kling_task_id': {kling_task_id!r}, 'type': 'image_generation'}}."
        ) from None
    if task.status is TaskStatus.FAILED:
        raise KlingRequestError(
            f"An input must be a task that succeeded; Kling failed task {kling_task_id}: {task.message}. Nothing was sent. "
            "Clear the task that submitted it: that makes the next attempt."
        )
    if task.status is not TaskStatus.SUCCEEDED:
        raise KlingServerError(
            f"An input must be a finished task; Kling task {kling_task_id} is {task.word}. Nothing was sent. Put a "
            "KlingTaskSensor between the two, and take its output; the retry looks again.",
            task_state=TaskState.NONE,
        )
    return TaskOutcome.of_task(task, None, type=made_by).to_xcom(conn_id=hook.kling_conn_id)


def is_same_account(hook: KlingHook, conn_id: str) -> bool:
    """Tell whether another connection leads to the account of ``hook``: by its host and its key.

    A connection that there is no more, or that is wrong, leads nowhere.
    """
    if conn_id == hook.kling_conn_id:
        return True
    try:
        other = KlingHook(conn_id).connection
    except KlingError as error:
        log.info(
            "Connection %s of an input cannot be read, so it counts as another account: %s", conn_id, error
        )
        return False
    own = hook.connection
    return (other.host, other.credential) == (own.host, own.credential)
