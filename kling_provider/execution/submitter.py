# SPDX-License-Identifier: Apache-2.0
"""Carry out the steps of :class:`~kling_provider.submission.Submission` for one plan of one task instance."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from kling_provider import metrics
from kling_provider.api.account import units_left
from kling_provider.api.billing import format_amount
from kling_provider.api.catalog import find_noun, spec_of
from kling_provider.api.hosts import Lock
from kling_provider.exceptions import KlingBalanceError, KlingError
from kling_provider.execution.arrival import Arrival
from kling_provider.execution.at_once import count_most_calls, is_answered_at_once
from kling_provider.execution.earlier import run_free_step
from kling_provider.execution.limits import check_max_units
from kling_provider.execution.model_fallbacks import describe_successor
from kling_provider.execution.paid_records import PaidRecords
from kling_provider.execution.plan import RequestPlan
from kling_provider.execution.preparation import Preparer
from kling_provider.execution.sending import prepare_wire
from kling_provider.hooks.kling import KlingHook
from kling_provider.hooks.operations import IN_FLIGHT
from kling_provider.hooks.transport import PreparedCall
from kling_provider.submission import (
    Outcome,
    Permit,
    Prepare,
    Send,
    Sent,
    Step,
    StoreRecord,
    Submission,
    Submitted,
    drive_steps,
    drive_steps_until,
)
from kling_provider.submission.at_once import AtOnceSubmission
from kling_provider.submission.sent import explain_another_result
from kling_provider.submission.steps import SubmissionRecord
from kling_provider.task_log import log_call

log = logging.getLogger(__name__)


class Submitter:
    """Submits the request of one plan once, or finds what was paid for it.

    :param record: what an earlier try of this task instance left.
    :param on_ambiguous: ``stop`` or ``resubmit``, where there is no lock; ``None`` where the user wrote neither.
    :param max_units: the most that this one result may cost at list price.
    """

    def __init__(
        self,
        plan: RequestPlan,
        hook: KlingHook,
        context: Mapping[str, Any],
        *,
        record: SubmissionRecord | None = None,
        on_ambiguous: str | None = None,
        max_units: float | None = None,
    ) -> None:
        ti, dag_run = context["ti"], context["dag_run"]
        #: What is to be made; with its claimed place, once there is one.
        self.plan = plan
        self.hook = hook
        #: The task that was made or found.
        self.kling_task_id: str | None = None
        self.records = PaidRecords(plan, context, record, host=hook.connection.host)
        self.max_units = None if max_units is None else Decimal(str(max_units))
        self.most_calls = count_most_calls(plan.request, on_ambiguous)
        self._preparer = Preparer(plan, hook, context, on_ambiguous=on_ambiguous)
        self._on_ambiguous = on_ambiguous
        self._resubmit = on_ambiguous == "resubmit"
        first_try = ti.try_number <= 1
        # The first try of an instance that a cleared run has got: its video may have been paid at another map index.
        # To a memory by identity no instance is new.
        cleared = ti.map_index >= 0 and (dag_run.clear_number or 0) > 0
        self._new_in_cleared_run = first_try and cleared and not self.records.is_shared
        self._look_first = not first_try or plan.pay_once_per != "run" or self._new_in_cleared_run
        self._tags = {"dag_id": ti.dag_id, "type": plan.request.type, "model": plan.request.model}
        self._sent = False
        self._told_lock = False
        self._claim: Callable[[], str] | None = None
        self._arrival: Arrival | None = None
        #: Seconds from the wake to this worker, where it was woken from the queue.
        self.worker_start: float | None = None
        #: It was woken before a place was free, and none became free.
        self.came_early = False

    def submit(
        self,
        *,
        resume: str | None = None,
        arrival: Arrival | None = None,
        claim: Callable[[], str] | None = None,
    ) -> Outcome:
        """Submit the request, or find what was paid for it.

        :param resume: the external id of this try, after a wait for the account's concurrency.
        :param arrival: what that wait says of its place; some models take no external id.
        :param claim: claims the place of the result just before money is spent, and returns its file name.
        """
        self._log_lock()
        record = self.records.load()
        self._claim, self._arrival = claim, arrival
        try:
            outcome = drive_steps(self._build_submission(record, resume).plan_steps(), self._carry_out_step)
        except KlingBalanceError as error:
            raise error.with_context(suffix=self._describe_units_left()) from error.__cause__
        if isinstance(outcome, Submitted):
            self.kling_task_id = outcome.task.kling_task_id
            sent = self.plan.sent.with_outcome(outcome)
            self.records.keep(outcome, record, sent)
            if outcome.adopted:
                self._log_adopted(outcome)
                metrics.count_adopted(instead_of_paying=self._sent, **self._tags)
            else:
                metrics.count_submitted(**self._tags)
        return outcome

    def look_ahead(self, *, check_place: Callable[[], str] | None = None) -> Outcome | Permit:
        """Do all of :meth:`submit` up to the paid call, and store nothing.

        :returns: what would be sent, or the task that exists already.
        """
        self._log_lock()
        record = self.records.load()
        end = drive_steps_until(
            self._build_submission(record, None).plan_steps(), self._carry_out_without_storing, stop=Permit
        )
        if isinstance(end, Permit):
            check_max_units(self.plan, self.max_units, self._on_ambiguous)
            prepare_wire(self.plan, self.hook)
            if check_place is not None:
                check_place()
        elif isinstance(end, Submitted):
            self.kling_task_id = end.task.kling_task_id
        return end

    def _build_submission(
        self, record: SubmissionRecord | None, resume: str | None
    ) -> Submission | AtOnceSubmission:
        plan, connection = self.plan, self.hook.connection
        if is_answered_at_once(plan.request.type):
            return AtOnceSubmission(
                identity=plan.identity,
                most_calls=self.most_calls,
                resubmit=self._resubmit,
                record=record,
                new_in_cleared_run=self._new_in_cleared_run,
                cleared=self.records.was_cleared_since(record),
                what=plan.label,
                host=connection.host,
                prompt=plan.request.summary.prompt or "",
            )
        return Submission(
            identity=plan.identity,
            lock=plan.lock,
            can_find_by_external_id=connection.can_find(plan.request),
            at_kling=connection.profile.is_kling,
            batch=connection.profile.task_reads,
            look_first=self._look_first,
            record=record,
            adopt=plan.sent.adopt,
            resubmit=self._resubmit,
            new_in_cleared_run=self._new_in_cleared_run,
            resume=resume,
            cleared=self.records.was_cleared_since(record),
            what=plan.label,
            prompt=plan.request.summary.prompt or "",
            host=connection.host,
        )

    def _log_lock(self) -> None:
        if self.plan.lock is Lock.LOCKED or self._told_lock:
            return
        self._told_lock = True
        if notice := self.hook.connection.profile.notice:
            log.warning("%s.", notice)
        profile = self.hook.connection.profile
        log.info(
            "Profile %s: no lock against paying twice for %s (%s).",
            profile.name,
            self.plan.request.model or self.plan.request.type,
            "Kling has none for it" if profile.is_kling else self.hook.connection.profile_reason,
        )

    def _carry_out_step(self, step: Step) -> Any:
        match step:
            case Permit():
                return self._permit_call()
            case Prepare(external_task_id):
                return self.hook.prepare_create(
                    self._preparer.prepare_request(prepare_wire(self.plan, self.hook)),
                    external_task_id=external_task_id,
                )
            case Send(external_task_id, prepared):
                return self._send_call(external_task_id, prepared)
            case StoreRecord(record):
                return self.records.store(record, self.plan.sent)
        return run_free_step(self.hook, self.plan.request.type, step)

    def _carry_out_without_storing(self, step: Step) -> Any:
        return (
            None if isinstance(step, StoreRecord) else run_free_step(self.hook, self.plan.request.type, step)
        )

    def _permit_call(self) -> bool:
        check_max_units(self.plan, self.max_units, self._on_ambiguous)
        if self._arrival is None:
            if self._is_at_limit():
                return False
        elif not self._has_arrived(self._arrival):
            return False
        if self._claim is not None:
            self.plan = self.plan.with_stem(self._claim())
        return True

    def _has_arrived(self, arrival: Arrival) -> bool:
        """Return whether the place of a task that was woken is free now."""
        self.worker_start = arrival.measure_start()
        free = arrival.wait_for_place(self.hook, self.plan.request.type)
        self.came_early = not free
        return free

    def _is_at_limit(self) -> bool:
        """Return whether as many tasks are in flight as the connection states.

        Then the queue is the place to wait, without a paid call that Kling would refuse. A task that comes from the
        queue was woken because one more fits, and is not asked.
        """
        connection = self.hook.connection
        limit, product_type = connection.max_concurrency, spec_of(self.plan.request).concurrency
        if limit is None or product_type is None or not connection.profile.task_reads:
            return False
        try:
            running = self.hook.list_tasks(
                statuses=IN_FLIGHT, product_types=(product_type,), max_pages=1, type=self.plan.request.type
            )
        except KlingError as error:
            log.info("The tasks in flight cannot be read now, so the request is sent: %s", error)
            return False
        # Kling counts per model and its list names none: tasks of other models make it queue too early, and the
        # queue finds that out with one try.
        # What takes more than the account allows is tried where nothing else is in flight.
        return len(running) + min(self.plan.request.concurrency_taken, limit) > limit

    def _send_call(self, external_task_id: str | None, prepared: PreparedCall) -> Sent:
        log_call(log.info, self.plan.show_call(self.hook.connection, external_task_id), "Request")
        self._sent = True
        log.info(
            "Sending %s to %s (external id %s): %s",
            self.plan.label,
            self.hook.connection.host,
            external_task_id or "none",
            self.plan.price.as_text(),
        )
        answer, task = self.hook.create(prepared)
        about_model = task is None and answer.is_about_model
        if about_model and (successor := describe_successor(self.hook, self.plan)) is not None:
            answer = replace(answer, message=f"{answer.message}; {successor}")
        if task is not None and answer.ok:
            made = "answered" if is_answered_at_once(self.plan.request.type) else "made task"
            log.info("Kling %s %s.", made, task.kling_task_id)
        else:
            log.info("Kling answered: %s (code %s).", answer.message or "nothing readable", answer.code)
        return Sent(answer, task)

    def _log_adopted(self, done: Submitted) -> None:
        task = done.task
        if done.times_sent is not None:
            log.info(
                "What Kling answered to an earlier call is delivered, nothing paid (%s). For another result %s.",
                task.kling_task_id,
                explain_another_result(self.plan.sent),
            )
            return
        made = f" of {task.created_at:%d %B %Y %H:%M} UTC" if task.created_at else ""
        # After a call of this very try it is unknown which of the two paid for it.
        paid = "nothing more paid" if self._sent else "nothing paid"
        log.info(
            "Kling task %s%s adopted, %s; it is %s. For another %s of this request %s.",
            task.kling_task_id,
            made,
            paid,
            task.word,
            find_noun(self.plan.sent.type),
            explain_another_result(self.plan.sent),
        )

    def _describe_units_left(self) -> str:
        """Describe the units left, for the text of a refusal; empty where the account does not answer."""
        if not self.hook.connection.profile.account:
            return ""
        try:
            left = units_left(self.hook.account())
        except KlingError:
            return ""
        package = self.plan.price.package
        return f" The account has {format_amount(left[package])} {package} units left."
