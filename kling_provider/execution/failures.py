# SPDX-License-Identifier: Apache-2.0
"""Report failures in the log, the XCom ``kling`` and the metrics, and add what they mean for paid work."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kling_provider import metrics
from kling_provider.api.codes import TaskState
from kling_provider.exceptions import KlingError, KlingTaskNotFound
from kling_provider.execution.progress import push_progress

log = logging.getLogger(__name__)

#: Between two sentences.
_SENTENCES = re.compile(r"(?<=[.!?]) +(?=[A-Z])")
#: Characters of a first line that is read at a glance.
_SHORT = 100

#: Of a request that was never checked here, what may be shown: no image is among it.
_SHOWN = ("name", "type", "prompt", "model", "duration", "take")


def _log_failure(error: KlingError) -> None:
    """Log a failure on lines of their own, before Airflow's trace: the first one is short."""
    for line in _split_lines(error):
        log.error("%s", line)


def _split_lines(error: KlingError) -> list[str]:
    """Return a failure's text in lines: a sentence each, or a problem of the request each."""
    text = str(error)
    problems = [str(problem) for problem in error.problems]
    if problems and (head := text.partition(problems[0])[0].strip(" :;\n")):
        return [f"{head}.", *(f"  {problem}" for problem in problems)]
    first, *others = [one for line in text.splitlines() for one in _SENTENCES.split(line.strip()) if one] or [
        text
    ]
    if len(first) <= _SHORT:
        return [first, *others]
    # Where it pauses last within a line's length.
    pause = max((first.rfind(sign, 30, _SHORT) for sign in (": ", "; ", ", ")), default=-1)
    return [first, *others] if pause < 0 else [first[: pause + 1], first[pause + 2 :], *others]


def describe_failure(error: KlingError, kling_task_id: str | None = None) -> dict[str, Any]:
    """Return what the XCom says of a failure.

    :param kling_task_id: where the error names none.
    """
    return {
        "state": "failed",
        "reason": str(error),
        "kling_task_id": error.kling_task_id or kling_task_id,
        "task_state": str(error.task_state),
    }


def add_what_is_paid(error: KlingError, kling_task_id: str) -> KlingError:
    """Add what is true of a result that was being delivered, where the error (of a read, a setting) knows of none.

    :param kling_task_id: the task that was made for this Airflow task.
    :returns: ``error`` itself where it says what exists, else a new one.
    """
    if error.task_state is not TaskState.NONE:
        return error
    about = error.kling_task_id or kling_task_id
    if isinstance(error, KlingTaskNotFound):
        return error.with_context(
            suffix=" It was made for this task and may be billed; nothing more was sent.",
            task_state=TaskState.MAY_EXIST,
            kling_task_id=about,
        )
    return error.with_context(
        prefix=f"Could not deliver Kling task {kling_task_id}, which is billed when it succeeds: ",
        suffix=f" {error.next_try} adopts it and pays nothing.",
        task_state=TaskState.EXISTS,
        kling_task_id=about,
    )


@contextmanager
def report_failures(
    context: Mapping[str, Any],
    *,
    complete: Callable[[KlingError], KlingError] | None = None,
    push: Callable[[KlingError], None] | None = None,
) -> Iterator[None]:
    """Report what fails within the block: count it, log it, and push it for the UI.

    :param complete: adds what is true of what was paid.
    :param push: pushes the failure to the XCom.
    """
    try:
        with metrics.count_failures(dag_id=context["ti"].dag_id):
            yield
    except KlingError as error:
        told = error if complete is None else complete(error)
        _log_failure(told)
        if push is not None:
            push(told)
        raise told from error.__cause__


@contextmanager
def report_failures_of_task(
    context: Mapping[str, Any], *, kling_task_id: Any, request: Mapping[str, Any] | None, conn_id: str
) -> Iterator[None]:
    """Report what fails within the block (count, log, push), in a task that waits for or saves what another one submitted.

    :param request: as its author wrote it.
    """

    def add_submitted_task(error: KlingError) -> KlingError:
        # A read that failed, or a wrong setting, says nothing of the task that was submitted and may be billed.
        unsaid = error.task_state is TaskState.NONE and not isinstance(error, KlingTaskNotFound)
        return error.with_context(task_state=TaskState.MAY_EXIST) if unsaid and kling_task_id else error

    def push_failure(error: KlingError) -> None:
        shown = request if isinstance(request, Mapping) else {}
        known = {key: shown[key] for key in _SHOWN if key in shown} or None
        value = {"request": known, "conn_id": conn_id, **describe_failure(error, str(kling_task_id))}
        push_progress(context, value)

    with report_failures(context, complete=add_submitted_task, push=push_failure):
        yield
