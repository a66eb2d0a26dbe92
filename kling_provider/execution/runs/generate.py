# SPDX-License-Identifier: Apache-2.0
"""One try of a task that generates: submit, wait without a worker, save."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.exceptions import KlingServerError, KlingTaskNotFound
from kling_provider.execution.at_once import has_ended
from kling_provider.execution.earlier import mark_delivered
from kling_provider.execution.failures import report_failures
from kling_provider.execution.outcome import TaskOutcome
from kling_provider.execution.plan import RequestPlan
from kling_provider.execution.progress import announce_result
from kling_provider.execution.reading import confirm_end, get_deadline, raise_if_failed, read_outputs
from kling_provider.execution.result_place import find_remembered_result
from kling_provider.execution.runs.submit import SubmitRun, to_seconds
from kling_provider.execution.submitter import Submitter
from kling_provider.execution.waits import (
    compute_deferral_timeout,
    count_delivered,
    expect_end,
    find_made_at,
    wait_for_task_here,
)
from kling_provider.hooks.kling import KlingHook
from kling_provider.submission import Submitted
from kling_provider.submission.records import get_instance_record
from kling_provider.submission.sent import OutputPlace, SentRequest, read_sent_request
from kling_provider.task_log import log_group, wait_title
from kling_provider.triggers.kling import FIRST_LOOK, KlingTaskTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kling_provider.operators.generate import KlingGenerateOperator

log = logging.getLogger(__name__)


class GenerateRun(SubmitRun):
    """One try of a task instance of ``operator``: its submission, or what follows the wait."""

    operator: KlingGenerateOperator

    def __init__(self, operator: KlingGenerateOperator, context: Context) -> None:
        super().__init__(operator, context, place=_place_of(operator))

    def finish(self, hook: KlingHook, sent: SentRequest, done: Submitted) -> Any:
        """Await the task and save what it made; a task that has ended is saved at once."""
        self.push_task(sent, done.task)
        if done.task.status.ended:
            return self._deliver_task(hook, sent, done.task, adopted=done.adopted)
        started = max(time.time(), done.task.created_at.timestamp() if done.task.created_at else 0.0)
        deadline = started + to_seconds(self.operator.timeout)
        if not self.operator.deferrable:
            expected_at = expect_end(done.task, sent.model, sent.duration)
            with log_group(log.info, wait_title(done.task.kling_task_id, expected_at)):
                task = wait_for_task_here(hook, done.task, sent.type, deadline, self.operator.poll_interval)
            return self._deliver_task(hook, sent, task, adopted=done.adopted)
        return self._defer_until_ended(
            sent,
            done.task,
            adopted=done.adopted,
            is_fresh=not done.adopted,
            deadline=deadline,
            external_task_id=done.external_task_id,
        )

    def _defer_until_ended(
        self,
        sent: SentRequest,
        task: KlingTask,
        *,
        adopted: bool,
        is_fresh: bool = False,
        deadline: float,
        external_task_id: str | None,
    ) -> NoReturn:
        """Wait for a task without a worker.

        :param is_fresh: it was made by a call of just now.
        """
        self.operator.defer(
            trigger=KlingTaskTrigger(
                kling_conn_id=sent.kling_conn_id,
                kling_task_id=task.kling_task_id,
                type=sent.type,
                deadline=deadline,
                first_look=time.time() + FIRST_LOOK,
                poll_interval=self.operator.poll_interval,
                external_task_id=external_task_id,
                model=sent.model,
                expected_at=expect_end(task, sent.model, sent.duration),
                seconds=sent.duration,
                resolution=sent.resolution,
                sound=sent.audio,
                made_at=find_made_at(task, is_fresh=is_fresh),
                created_at=task.created_at.timestamp() if task.created_at else None,
            ),
            method_name="execute_complete",
            # Not the trigger: its arguments are shown by the REST API of Airflow 3.1.
            kwargs={"adopted": adopted, "sent": sent.to_json()},
            timeout=compute_deferral_timeout(deadline),
        )
        raise AssertionError("unreachable: defer raises")

    def resume(self, event: Mapping[str, Any], *, adopted: bool, sent: Mapping[str, Any] | None) -> Any:
        """Deliver the task that the trigger's event names.

        The worker reads the task once more, for a fresh link and its status now.

        :param sent: what was submitted. The request of now may be another one, and does not count.
        """
        self.kling_task_id = kling_task_id = str(event["kling_task_id"])
        with report_failures(self.context, complete=self._add_what_is_paid, push=self._push_failure):
            this = self.sent = self._sent_before(kling_task_id, sent)
            hook = KlingHook(this.kling_conn_id)
            task = confirm_end(hook, event, this.type, dag_id=self.dag_id)
            self.push_task(this, task)
            if not task.status.ended:
                self._defer_until_ended(
                    this,
                    task,
                    adopted=adopted,
                    deadline=get_deadline(event) or time.time() + to_seconds(self.operator.timeout),
                    external_task_id=task.external_task_id,
                )
            return self._deliver_task(hook, this, task, adopted=adopted)

    def _check_type(self, plan: RequestPlan) -> None:
        """Accept every type: what Kling answers at once is delivered without a wait."""

    def _carry_out(self, submitter: Submitter, queue: Mapping[str, Any] | None) -> Any:
        try:
            return super()._carry_out(submitter, queue)
        except KlingTaskNotFound as gone:
            # Kling forgets after 30 days what it made; an earlier run may have kept it, in its own place.
            sent, conn_id = submitter.plan.sent, self.operator.destination_conn_id
            remembered = find_remembered_result(submitter.records.files, sent.identity, conn_id)
            if remembered is None:
                raise
            if has_ended(remembered, sent.type):
                raise
            log.info("%s The result is the files that were saved then.", gone)
            return self.deliver_saved(sent, remembered)

    def _sent_before(self, kling_task_id: str, sent: Mapping[str, Any] | None) -> SentRequest:
        if (known := SentRequest.from_json(sent)) is not None:
            return known
        record = get_instance_record(self.context).load()
        if (
            record is not None
            and record.get("kling_task_id") == kling_task_id
            and (known := read_sent_request(record))
        ):
            return known
        raise KlingServerError(
            f"It is not recorded here what was submitted as Kling task {kling_task_id}, and the request may have changed since. "
            "The next try looks for the task by the request as it is now."
        )

    def _deliver_task(self, hook: KlingHook, sent: SentRequest, task: KlingTask, *, adopted: bool) -> Any:
        task = sent.complete_billing(read_outputs(hook, task, sent.type))
        place = self.result_place(hook, sent)
        if task.status is TaskStatus.FAILED and place is not None:
            place.release()
        raise_if_failed(task, sent)
        saved = place.save(task) if place is not None else None
        mark_delivered(self.context, sent, [saved.manifest_file] if saved is not None else ())
        if saved is None or not saved.reused:
            count_delivered(task, sent.type, dag_id=self.dag_id, model=sent.model)
        outcome = TaskOutcome.of_task(task, sent, type=sent.type, adopted=adopted, saved=saved)
        return announce_result(self.operator, self.context, outcome, conn_id=sent.kling_conn_id)

    def _waits_for(self, sent: SentRequest, state: str) -> str | None:
        rendering = state in ("submitted", "processing")
        return "Kling to render it" if rendering else super()._waits_for(sent, state)


def _place_of(operator: KlingGenerateOperator) -> OutputPlace | None:
    if operator.destination is None:
        return None
    return OutputPlace(
        destination=operator.destination,
        filename=operator.filename,
        conn_id=operator.destination_conn_id,
        replace=operator.replace,
    )
