# SPDX-License-Identifier: Apache-2.0
"""Find what was sent before: by the Kling task id of a record, or by the external id of a call without an answer.

Generators of steps, as the state machine's own: what they yield is free.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from kling_provider.api.codes import TaskState
from kling_provider.api.ids import explain_unknown
from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.exceptions import KlingError, KlingTaskNotFound
from kling_provider.submission.steps import Find, Read, Record, Step, Submitted, Wait

Lookup = Generator[Step, Any, KlingTask | None]


def read_recorded(
    record: Record, *, what: str, host: str, another: str, at_kling: bool = True
) -> Generator[Step, Any, KlingTask]:
    """Read the task that an earlier try made.

    :param another: what makes another, paid result, for the text where Kling has forgotten this one.
    :param at_kling: the host is Kling's own, and no gateway.
    :raises KlingTaskNotFound: where Kling does not know it any more; nothing was sent.
    """
    kling_task_id = str(record["kling_task_id"])
    try:
        task: KlingTask | None = yield Read(kling_task_id)
    except KlingError as error:
        raise error.with_context(
            prefix=f"An earlier try made task {kling_task_id} for {what}, and it could not be read now: ",
            suffix=" It is billed when it succeeds. Nothing was sent by this try. "
            f"{error.next_try} looks first and adopts it.",
            task_state=TaskState.EXISTS,
            kling_task_id=kling_task_id,
        ) from error.__cause__
    if task is None:
        raise KlingTaskNotFound(
            f"An earlier try made task {kling_task_id} at {record.get('at', 'an unknown time')} for {what}, "
            f"and {host} does not know it: it {explain_unknown(kling_task_id, at_kling=at_kling)}. Nothing was sent. "
            f"For a new, paid video {another}.",
            kling_task_id=kling_task_id,
            task_state=TaskState.MAY_EXIST,
        )
    return task


def look_up(external_task_id: str, waits: Sequence[float], before: str) -> Lookup:
    """Look for the task of an external id, several times.

    :param waits: seconds before each look.
    :param before: why it is looked for, for the case that the look fails.
    """
    for seconds in waits:
        if seconds:
            yield Wait(seconds)
        try:
            found: dict[str, list[KlingTask]] = yield Find((external_task_id,))
        except KlingError as error:
            raise error.with_context(
                prefix=f"{before}, and the look-up after it failed too: ",
                suffix=" A task may exist at Kling and may be billed. "
                f"{error.next_try} looks first and adopts it.",
                task_state=TaskState.MAY_EXIST,
            ) from error.__cause__
        if tasks := found.get(external_task_id):
            return best_of(tasks)
    return None


def recover(
    record: Record,
    *,
    what: str,
    host: str,
    can_find: bool,
    waits: Sequence[float],
    at_kling: bool = True,
) -> Generator[Step, Any, Submitted | None]:
    """Find what the same try's predecessor sent, whatever the request says by now.

    :param can_find: the host finds tasks by external id.
    :param waits: seconds before each look for a call whose end is unknown.
    :return: ``None`` where the host shows nothing, or where Kling failed it: then a request may be sent.
    """
    external = record.get("external_task_id")
    task: KlingTask | None = None
    if record.get("kling_task_id"):
        another = "clear the task: that makes the request as it is now"
        task = yield from read_recorded(record, what=what, host=host, another=another, at_kling=at_kling)
    elif can_find and external:
        sent = f"An earlier try sent {what} at {record.get('at')} and its end is unknown"
        task = yield from look_up(external, waits, sent)
    if task is None or task.status is TaskStatus.FAILED:
        return None
    return Submitted(task, external, int(record.get("attempt") or 0), adopted=True)


def best_of(tasks: Sequence[KlingTask]) -> KlingTask:
    """Choose of several tasks under one id (a host without a lock): succeeded before running before failed."""
    order = {TaskStatus.SUCCEEDED: 0, TaskStatus.FAILED: 2}
    return min(tasks, key=lambda task: order.get(task.status, 1))
