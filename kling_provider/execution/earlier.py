# SPDX-License-Identifier: Apache-2.0
"""Resume what an earlier try of this task instance submitted, and remember that its result was delivered."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from kling_provider import metrics
from kling_provider.exceptions import KlingTaskNotFound
from kling_provider.execution.at_once import is_answered_at_once, recover_answer
from kling_provider.hooks.kling import KlingHook
from kling_provider.submission import Find, ReadTask, Step, Submitted, Wait, drive_steps, state_machine
from kling_provider.submission.lookups import recover_earlier_submission
from kling_provider.submission.memory import PaidMemory
from kling_provider.submission.records import get_instance_record
from kling_provider.submission.sent import SentRequest, read_sent_request
from kling_provider.submission.steps import SubmissionRecord

log = logging.getLogger(__name__)


def get_unfinished_submission(record: SubmissionRecord | None, max_tries: int) -> SentRequest | None:
    """Return what an earlier automatic try submitted, if its result is not delivered yet; else ``None``.

    After a clear it returns ``None``: then the request counts as it is now.

    :param record: the record of the task instance.
    :param max_tries: Airflow's ``ti.max_tries``, which only a clear changes.
    """
    if (
        record is None
        or record.get("state") not in ("open", "created")
        or record.get("max_tries") != max_tries
    ):
        return None
    return read_sent_request(record)


def recover_submission(
    hook: KlingHook, record: SubmissionRecord, sent: SentRequest, *, dag_id: str
) -> Submitted | None:
    """Find the Kling task that an earlier try submitted; ``None`` if there is none to finish.

    :param sent: what that try submitted.
    :raises KlingError: if the task cannot be read.
    """
    if is_answered_at_once(sent.type):
        return _recover_answer(hook, record, sent, dag_id=dag_id)
    steps = recover_earlier_submission(
        record,
        what=sent.label,
        host=hook.connection.host,
        at_kling=hook.connection.profile.is_kling,
        can_find_by_external_id=hook.connection.profile.can_find_by_external_id,
        waits=state_machine.LOOKS,
    )
    found = drive_steps(steps, lambda step: run_free_step(hook, sent.type, step))
    if found is not None:
        log.info(
            "Kling task %s adopted, nothing paid; it is %s. An earlier try sent %s at %s, and this one finishes it, whatever "
            "the request says now. Clear the task to have a changed request made.",
            found.task.kling_task_id,
            found.task.word,
            sent.label,
            record.get("at", "an unknown time"),
        )
        metrics.count_adopted(instead_of_paying=False, dag_id=dag_id, type=sent.type, model=sent.model)
    return found


def _recover_answer(
    hook: KlingHook, record: SubmissionRecord, sent: SentRequest, *, dag_id: str
) -> Submitted | None:
    found = recover_answer(record, sent, host=hook.connection.host)
    if found is not None:
        log.info(
            "What Kling answered to an earlier try at %s for %s is delivered, nothing paid (%s).",
            record.get("at", "an unknown time"),
            sent.label,
            found.task.kling_task_id,
        )
        metrics.count_adopted(instead_of_paying=False, dag_id=dag_id, model=sent.model)
    return found


def run_free_step(hook: KlingHook, type: str, step: Step) -> Any:
    """Run a step that only reads or waits, so that it costs nothing."""
    match step:
        case Find(external_task_ids):
            return hook.find(external_task_ids, type=type)
        case ReadTask(kling_task_id):
            try:
                return hook.get_task(kling_task_id, type=type)
            except KlingTaskNotFound:
                return None
        case Wait(seconds):
            log.info("Kling is asked again for the task of an earlier try in %.0f s.", seconds)
            return time.sleep(seconds)
    raise TypeError(f"{step!r} must be a step that costs nothing")


def mark_delivered(context: Mapping[str, Any], sent: SentRequest, files: Sequence[str] = ()) -> None:
    """Remember where the result of ``sent`` was saved, for later runs. It never fails the task: the result is delivered."""
    try:
        records = get_instance_record(context)
        record = records.load()
        if record is None or record.get("identity") != sent.identity:
            return
        if files and (memory := PaidMemory.of_sent(context, sent)) is not None:
            memory.store({**record, "files": list(files)}, needed=False)
        if sent.locked:
            records.forget()
    except Exception as error:  # noqa: BLE001 - the result is there, and its task is remembered
        log.warning("The place of the result of %s could not be remembered: %s", sent.label, error)
