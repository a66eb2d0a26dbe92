# SPDX-License-Identifier: Apache-2.0
"""One try of a task that submits: find what was submitted for it, or submit it, and wait for the account's concurrency."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from kling_provider.api.catalog import find_noun
from kling_provider.api.codes import TaskState
from kling_provider.api.tasks import KlingTask
from kling_provider.exceptions import KlingError, KlingModelUnavailable, KlingRequestError
from kling_provider.execution.arrival import Arrival
from kling_provider.execution.at_once import is_answered_at_once, raise_if_ended
from kling_provider.execution.earlier import get_unfinished_submission, mark_delivered, recover_submission
from kling_provider.execution.failures import add_what_is_paid, describe_failure, report_failures
from kling_provider.execution.model_fallbacks import plan_next_model
from kling_provider.execution.outcome import TaskOutcome
from kling_provider.execution.plan import RequestPlan, describe_existing, plan_request
from kling_provider.execution.progress import announce_result, push_progress
from kling_provider.execution.queue import enter_queue, explain_queue, raise_if_not_woken, wait_in_queue_here
from kling_provider.execution.reading import raise_if_failed
from kling_provider.execution.result_place import ResultPlace
from kling_provider.execution.submitter import Submitter
from kling_provider.execution.waits import compute_deferral_timeout, expect_end
from kling_provider.hooks.kling import KlingHook
from kling_provider.storage import SavedResult
from kling_provider.submission import MustQueue, Outcome, Permit, Submitted
from kling_provider.submission.records import get_instance_record
from kling_provider.submission.sent import OutputPlace, SentRequest, explain_another_result
from kling_provider.submission.steps import SubmissionRecord
from kling_provider.task_log import log_call
from kling_provider.triggers.kling import KlingConcurrencyTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kling_provider.operators.submit import KlingSubmitOperator

log = logging.getLogger(__name__)


class SubmitRun:
    """One try of a task instance of ``operator``.

    :param place: where the result is saved, if this task saves it.
    """

    def __init__(
        self, operator: KlingSubmitOperator, context: Context, *, place: OutputPlace | None = None
    ) -> None:
        self.operator = operator
        self.context = context
        self.dag_id: str = context["ti"].dag_id
        self._place = place
        #: What was submitted by this try or, after a resume or an automatic retry, by an earlier one.
        self.sent: SentRequest | None = None
        #: The Kling task that exists.
        self.kling_task_id: str | None = None

    def submit(self, queue: Mapping[str, Any] | None = None) -> Any:
        """Submit the request, or find what was submitted for it, and return the XCom.

        :param queue: the event that ended a wait in the queue. Nothing was sent then, so the request of now counts.
        """
        with report_failures(self.context, complete=self._add_what_is_paid, push=self._push_failure):
            return self._submit_or_adopt(queue)

    def finish(self, hook: KlingHook, sent: SentRequest, done: Submitted) -> Any:
        """Finish the run once a task exists, and return the XCom.

        :param sent: what was submitted; the request may have been rendered anew since.
        """
        self.push_task(sent, done.task)
        raise_if_failed(done.task, sent)
        self.operator.outcome = TaskOutcome.of_task(done.task, sent, type=sent.type, adopted=done.adopted)
        mark_delivered(self.context, sent)
        return done.task.kling_task_id

    # -- steps ----------------------------------------------------------------------------------------------------

    def _submit_or_adopt(self, queue: Mapping[str, Any] | None) -> Any:
        operator, context = self.operator, self.context
        record = get_instance_record(context).load()
        earlier = None if operator.plan_only else get_unfinished_submission(record, context["ti"].max_tries)
        if record is not None and earlier is not None:
            self.sent = earlier
            hook = KlingHook(earlier.kling_conn_id)
            if (saved := self._find_saved(hook, earlier)) is not None:
                return self.deliver_saved(earlier, saved)
            if (done := recover_submission(hook, record, earlier, dag_id=self.dag_id)) is not None:
                self.kling_task_id = done.task.kling_task_id
                return self.finish(hook, earlier.with_outcome(done), done)
            record = {**record, "state": "failed"} if record.get("kling_task_id") else record
        hook = KlingHook(operator.kling_conn_id)
        plan = plan_request(
            hook,
            operator.make_request(context),
            context,
            pay_once_per=operator.pay_once_per,
            inputs=operator.inputs,
            place=self._place,
        )
        self.sent = plan.sent
        self._check_type(plan)
        if not operator.retries:
            log.info("This task has retries=0: a transient failure then needs a clear.")
        if queue is None and (saved := self._find_saved(hook, plan.sent)) is not None:
            return self.deliver_saved(plan.sent, saved)
        return self._carry_out(self._make_submitter(plan, hook, record), queue)

    def _check_type(self, plan: RequestPlan) -> None:
        """Check that this operator can make such a result.

        :raises KlingRequestError: where it cannot; nothing was sent.
        """
        if is_answered_at_once(plan.request.type):
            raise KlingRequestError(
                f"type must be one that Kling makes a task for; found {plan.request.type!r}, which Kling answers at once: there is "
                "no task to wait for, and the answer is the result. Use KlingGenerateOperator, whose XCom is the result. "
                "Nothing was sent."
            )

    def _make_submitter(
        self, plan: RequestPlan, hook: KlingHook, record: SubmissionRecord | None
    ) -> Submitter:
        return Submitter(
            plan,
            hook,
            self.context,
            record=record,
            on_ambiguous=self.operator.on_ambiguous,
            max_units=self.operator.max_units,
        )

    def _carry_out(self, submitter: Submitter, queue: Mapping[str, Any] | None) -> Any:
        return (
            self._look_ahead(submitter)
            if self.operator.plan_only
            else self._submit_until_accepted(submitter, queue)
        )

    def _submit_until_accepted(self, submitter: Submitter, queue: Mapping[str, Any] | None) -> Any:
        first = submitter.plan
        while True:
            if queue:
                raise_if_not_woken(queue, submitter.plan.label)
            try:
                outcome = self._send_request(submitter, queue)
            except KlingModelUnavailable:
                if (fallback := self._plan_fallback(submitter, first)) is None:
                    raise
                record = get_instance_record(self.context).load()
                submitter = self._make_submitter(fallback, submitter.hook, record)
                continue
            self.kling_task_id, self.sent = submitter.kling_task_id, submitter.plan.sent
            if not isinstance(outcome, MustQueue):
                return self.finish(submitter.hook, self.sent.with_outcome(outcome), outcome)
            queue = self._wait_in_queue(submitter, outcome, queue or {})

    def _plan_fallback(self, submitter: Submitter, first: RequestPlan) -> RequestPlan | None:
        return plan_next_model(
            submitter.hook,
            submitter.plan,
            self.operator.model_fallbacks,
            first=first,
            max_units=submitter.max_units,
        )

    def _send_request(self, submitter: Submitter, queue: Mapping[str, Any] | None) -> Outcome:
        resume = queue.get("external_task_id") if queue else None
        arrival = Arrival.of_event(queue) if queue else None
        place = self.result_place(submitter.hook, submitter.plan.sent)
        if place is None:
            return submitter.submit(resume=resume, arrival=arrival)
        try:
            outcome = submitter.submit(resume=resume, arrival=arrival, claim=place.claim)
        except KlingError as error:
            if error.task_state is TaskState.NONE:
                place.release()
            raise
        if isinstance(outcome, Submitted):
            submitter.plan = submitter.plan.with_stem(place.claim_for_paid())
        else:
            place.release()
        return outcome

    def _look_ahead(self, submitter: Submitter) -> Any:
        place = self.result_place(submitter.hook, submitter.plan.sent)
        found = submitter.look_ahead(check_place=place.check if place is not None else None)
        self.kling_task_id = submitter.kling_task_id
        if isinstance(found, MustQueue):
            raise TypeError("nothing was sent, so nothing can have been refused")
        if isinstance(found, Permit):
            plan = submitter.plan.describe(
                submitter.hook.connection,
                found.external_task_id,
                found.attempt,
                most_calls=submitter.most_calls,
            )
            for call in plan.get("preparation", ()):
                log_call(log.info, call, "Request before it, not sent")
            log_call(log.info, plan["http"], "Request, not sent")
        else:
            plan = describe_existing(found.task)
        log.info("Only planned, nothing sent: %s, %s.", submitter.plan.label, plan["summary"])
        self.push_state(state="planned", plan=plan)
        self.operator.update_nothing()
        return plan

    def _wait_in_queue(
        self, submitter: Submitter, refused: MustQueue, before: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Await the account's concurrency: deferred, or (``deferrable=False``) here."""
        patience: timedelta | float = self.operator.queue_timeout
        queue = enter_queue(
            submitter,
            refused,
            before,
            dag_id=self.dag_id,
            priority_weight=self.operator.priority_weight,
            patience=to_seconds(patience),
        )
        self.push_state(
            state="waiting_for_concurrency",
            external_task_id=refused.external_task_id,
            queued_at=datetime.fromtimestamp(queue["queued_at"], UTC).isoformat(timespec="seconds"),
        )
        log.info(
            "%s: nothing was made. Waiting %s.",
            explain_queue(submitter, refused),
            "without a worker" if self.operator.deferrable else "in this worker",
        )
        if not self.operator.deferrable:
            return wait_in_queue_here(queue)
        self.operator.defer(
            trigger=KlingConcurrencyTrigger(**queue),
            method_name="execute_after_queue",
            timeout=compute_deferral_timeout(queue["queue_deadline"]),
        )
        raise AssertionError("unreachable: defer raises")

    # -- what is saved already ------------------------------------------------------------------------------------

    def result_place(self, hook: KlingHook, sent: SentRequest) -> ResultPlace | None:
        """Return where the result of ``sent`` goes, if this task saves it."""
        return None if sent.place is None else ResultPlace.of_sent(hook, sent, self.context)

    def _find_saved(self, hook: KlingHook, sent: SentRequest) -> SavedResult | None:
        place = self.result_place(hook, sent)
        saved = None if place is None else place.find_saved(only_look=self.operator.plan_only)
        if saved is not None:
            raise_if_ended(saved, sent)
        return saved

    def deliver_saved(self, sent: SentRequest, saved: SavedResult) -> Any:
        """Deliver what an earlier run or try saved; no call was made."""
        outcome = TaskOutcome.of_saved(saved, sent)
        facts = outcome.facts
        log.info(
            "Delivered the existing %s of %s, nothing paid: %s. For a new one %s.",
            find_noun(sent.type),
            (facts.finished_at or saved.manifest.saved_at or "an unknown time")[:10],
            ", ".join(one.file for one in saved.files) or saved.manifest_file,
            explain_another_result(sent),
        )
        self.push_state(
            state=outcome.status,
            kling_task_id=facts.kling_task_id,
            external_task_id=facts.external_task_id,
            created_at=facts.created_at,
        )
        return announce_result(self.operator, self.context, outcome, conn_id=sent.kling_conn_id)

    # -- what is told ---------------------------------------------------------------------------------------------

    def push_task(self, sent: SentRequest, task: KlingTask) -> None:
        """Push where the task at Kling stands."""
        expected = expect_end(task, sent.model, sent.duration)
        self.push_state(
            state=str(task.status),
            kling_task_id=task.kling_task_id,
            external_task_id=task.external_task_id or sent.external_task_id,
            created_at=task.created_at.isoformat() if task.created_at else None,
            expected_at=datetime.fromtimestamp(expected, UTC).isoformat(timespec="seconds")
            if expected
            else None,
            reason=task.message or None,
        )

    def push_state(self, *, state: str, **known: Any) -> None:
        """Push the XCom ``kling``: what is known of the request, before a defer and before a failure."""
        sent = self.sent
        request = dict(sent.shown) if sent is not None else None
        conn_id = sent.kling_conn_id if sent is not None else self.operator.kling_conn_id
        waiting_for = self._waits_for(sent, state) if sent is not None else None
        value = {"state": state, "request": request, "conn_id": conn_id, **known}
        keep = sent is not None and not self.operator.plan_only
        push_progress(self.context, value, waiting_for=waiting_for, keep=keep)

    def _waits_for(self, sent: SentRequest, state: str) -> str | None:
        return (
            f"the concurrency limit of the account for {sent.model or sent.type}"
            if state == "waiting_for_concurrency"
            else None
        )

    def _add_what_is_paid(self, error: KlingError) -> KlingError:
        return error if self.kling_task_id is None else add_what_is_paid(error, self.kling_task_id)

    def _push_failure(self, error: KlingError) -> None:
        self.push_state(**describe_failure(error))


def to_seconds(value: float | timedelta) -> float:
    """Return a duration as a user gives it, in seconds."""
    return value.total_seconds() if isinstance(value, timedelta) else float(value)
