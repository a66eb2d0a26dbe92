# SPDX-License-Identifier: Apache-2.0
"""Find what was sent before: by the Kling task id in a record, or by the external id of a call that got no response.

These are generators of steps, as in :mod:`.state_machine`. None of their steps is paid.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from kling_provider.api.codes import TaskState
from kling_provider.api.ids import explain_unknown
from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.exceptions import KlingError, KlingTaskNotFound
from kling_provider.submission.steps import Find, ReadTask, Step, SubmissionRecord, Submitted, Wait

Lookup = Generator[Step, Any, KlingTask | None]


def read_recorded(
    record: SubmissionRecord, *, what: str, host: str, another: str, at_kling: bool = True
) -> Generator[Step, Any, KlingTask]:
    """Read the task that an earlier try made.

    :param another: what makes another, paid result, for the text where Kling has forgotten this one.
    :param at_kling: the host is Kling's own, and no gateway.
    :raises KlingTaskNotFound: where Kling does not know it any more; nothing was sent.
    """
    kling_task_id = str(record["kling_task_id"])
    try:
        task: KlingTask | None = yield ReadTask(kling_task_id)
    except KlingError as error:
        raise error.with_context(
            prefix=f"An earlier try made task {kling_task_id} for {what}, and it could not be read now: ",
            suffix=" It is billed when it succeeds. Nothing was sent by this try. "
            f"{error.next_try} looks for it first and adopts it.",
            task_state=TaskState.EXISTS,
            kling_task_id=kling_task_id,
        ) from error.__cause__
    if task is None:
        raise KlingTaskNotFound(
            f"An earlier try made task {kling_task_id} at {record.get('at', 'an unknown time')} for {what}, "
            f"and {host} does not know it: it {explain_unknown(kling_task_id, at_kling=at_kling)}. Nothing was sent. "
            f"For a new, paid result, {another}.",
            kling_task_id=kling_task_id,
            task_state=TaskState.MAY_EXIST,
        )
    return task


def look_up(external_task_id: str, waits: Sequence[float], before: str) -> Lookup:
    """Find the task of an external id, looking several times; ``None`` where no look shows one.

    :param waits: seconds before each look.
    :param before: why it is looked for, for the text of a look that fails.
    :raises KlingError: where a look fails.
    """
    for seconds in waits:
        if seconds:
            yield Wait(seconds)
        try:
            found: dict[str, list[KlingTask]] = yield Find((external_task_id,))
        except KlingError as error:
            raise error.with_context(
                prefix=f"{before}, and the look-up after it failed, too: ",
                suffix=" A task may exist at Kling and may be billed. "
                f"{error.next_try} looks for it first and adopts it.",
                task_state=TaskState.MAY_EXIST,
            ) from error.__cause__
        if tasks := found.get(external_task_id):
            return choose_best(tasks)
    return None


def recover_earlier_submission(
    record: SubmissionRecord,
    *,
    what: str,
    host: str,
    can_find_by_external_id: bool,
    waits: Sequence[float],
    at_kling: bool = True,
) -> Generator[Step, Any, Submitted | None]:
    """Find what an earlier try of the same row of retries sent, whatever the request says by now.

    :param can_find_by_external_id: the host finds tasks by external id.
    :param waits: seconds before each look for an ambiguous call.
    :return: ``None`` where the host shows nothing, or where Kling failed it: then a request may be sent.
    """
    external = record.get("external_task_id")
    task: KlingTask | None = None
    if record.get("kling_task_id"):
        another = "clear the task: that makes the request as it is now"
        task = yield from read_recorded(record, what=what, host=host, another=another, at_kling=at_kling)
    elif can_find_by_external_id and external:
        sent = f"An earlier try sent {what} at {record.get('at')} and its outcome is unknown"
        task = yield from look_up(external, waits, sent)
    if task is None or task.status is TaskStatus.FAILED:
        return None
    return Submitted(task, external, int(record.get("attempt") or 0), adopted=True)


def choose_best(tasks: Sequence[KlingTask]) -> KlingTask:
    """Choose one of several tasks under one id (a host without a lock): succeeded before running before failed."""
    order = {TaskStatus.SUCCEEDED: 0, TaskStatus.FAILED: 2}
    return min(tasks, key=lambda task: order.get(task.status, 1))
