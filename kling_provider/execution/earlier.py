# SPDX-License-Identifier: Apache-2.0
"""What an earlier try of a task instance submitted, and what a resume goes on with."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from kling_provider import metrics
from kling_provider.exceptions import KlingTaskNotFound
from kling_provider.hooks.kling import KlingHook
from kling_provider.submission import Find, ReadTask, Step, Submitted, Wait, drive_steps, state_machine
from kling_provider.submission.lookups import recover_earlier_submission
from kling_provider.submission.memory import PaidMemory
from kling_provider.submission.records import instance_record
from kling_provider.submission.sent import SentRequest, read_sent_request
from kling_provider.submission.steps import SubmissionRecord

log = logging.getLogger(__name__)


def sent_by_this_try(record: SubmissionRecord | None, max_tries: int) -> SentRequest | None:
    """Return what an earlier try of the same row of automatic retries submitted, while its result is not delivered.

    :param max_tries: Airflow's ``ti.max_tries``: it stays over automatic retries, and a clear changes it.
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
    """Find the Kling task of an earlier try; ``None`` where none is to be finished.

    :raises KlingError: where it cannot be read.
    """
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
    raise TypeError(f"{type!r} must be a step that costs nothing")


def mark_delivered(context: Mapping[str, Any], sent: SentRequest, files: Sequence[str] = ()) -> None:
    """Remember where the result of ``sent`` was saved, for later runs. It is delivered, so nothing here fails the task."""
    try:
        records = instance_record(context)
        record = records.load()
        if record is None or record.get("identity") != sent.identity:
            return
        if files and (memory := PaidMemory.of_sent(context, sent)) is not None:
            memory.store({**record, "files": list(files)}, needed=False)
        if sent.locked:
            records.forget()
    except Exception as error:  # noqa: BLE001 - the result is there, and its task is remembered
        log.warning("The place of the result of %s could not be remembered: %s", sent.label, error)
