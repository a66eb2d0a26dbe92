# SPDX-License-Identifier: Apache-2.0
"""What tasks tell the UI: the XCom ``kling``, with the reason of a failure in one line.

To fail to tell never ends a wait, never fails a task whose video is saved, and never replaces a failure that was to
be told of.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kling_provider import metrics
from kling_provider.api.redaction import redact_urls

if TYPE_CHECKING:
    from kling_provider.exceptions import KlingError

log = logging.getLogger(__name__)

#: Between two sentences.
_SENTENCES = re.compile(r"(?<=[.!?]) +(?=[A-Z])")
#: Characters of a first line that is read at a glance.
_SHORT = 100

#: Of a request that was never checked here, what may be shown: no picture is among it.
_SHOWN = ("name", "type", "prompt", "model", "duration", "take")


@contextmanager
def undisturbed(what: str) -> Iterator[None]:
    """Tell within the block; what fails in it is a warning.

    :param what: could not be done, for the warning: ``"send the asset event"``.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - see the module's docstring
        said = redact_urls(" ".join(str(error).split()))[:300]
        log.warning("Could not %s (%s: %s). The video is not affected.", what, type(error).__name__, said)


def push_job(
    context: Mapping[str, Any], value: Mapping[str, Any], *, waiting_for: str | None = None, keep: bool = True
) -> None:
    """Push the XCom ``kling``, where a job stands.

    :param waiting_for: in words, for the task's Storage tab.
    :param keep: it stands there too, where the gallery finds it wherever XComs are kept.
    """
    from kling_provider.submission.records import show_progress

    with undisturbed("push the XCom kling"):
        context["ti"].xcom_push(key="kling", value=dict(value))
    if keep:
        show_progress(context, value, waiting_for=waiting_for)


def log_failure(error: KlingError) -> None:
    """Log a failure on lines of their own, before Airflow's trace: the first one is short."""
    for line in lines_of(error):
        log.error("%s", line)


@contextmanager
def logged_failures() -> Iterator[None]:
    """Log what fails within the block as :func:`log_failure` does."""
    from kling_provider.exceptions import KlingError

    try:
        yield
    except KlingError as error:
        log_failure(error)
        raise


def lines_of(error: KlingError) -> list[str]:
    """A failure's text in lines: a sentence each, or a problem of the request each."""
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


def failure(error: KlingError, kling_task_id: str | None = None) -> dict[str, Any]:
    """What the XCom says of a failure.

    :param kling_task_id: where the error names none.
    """
    return {
        "state": "failed",
        "reason": str(error),
        "kling_task_id": error.kling_task_id or kling_task_id,
        "task_state": str(error.task_state),
    }


def add_what_is_paid(error: KlingError, kling_task_id: str) -> KlingError:
    """Add what is true of a video that was being delivered, where the error (of a read, a setting) knows of none.

    :param kling_task_id: the task that was made for this Airflow task.
    :returns: ``error`` itself where it says what exists, else a new one.
    """
    from kling_provider.api.codes import TaskState
    from kling_provider.exceptions import KlingTaskNotFound

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
def told_failures(
    context: Mapping[str, Any], *, kling_task_id: Any, request: Mapping[str, Any] | None, conn_id: str
) -> Iterator[None]:
    """For tasks that wait for or save what another one submitted: what fails is counted and pushed."""
    from kling_provider.api.codes import TaskState
    from kling_provider.exceptions import KlingError, KlingTaskNotFound

    try:
        with metrics.failures(dag_id=context["ti"].dag_id):
            yield
    except KlingError as error:
        told = error
        if error.task_state is TaskState.NONE and kling_task_id and not isinstance(error, KlingTaskNotFound):
            # A read that failed, or a wrong setting, says nothing of the task that was submitted and may be billed.
            told = error.with_context(task_state=TaskState.MAY_EXIST)
        shown = request if isinstance(request, Mapping) else {}
        known = {key: shown[key] for key in _SHOWN if key in shown} or None
        log_failure(told)
        push_job(context, {"request": known, "conn_id": conn_id, **failure(told, str(kling_task_id))})
        raise told from error.__cause__
