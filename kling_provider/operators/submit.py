# SPDX-License-Identifier: Apache-2.0
"""Have Kling make a video. Nothing heavy is imported at the top: every worker start parses the DAG file."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kling_provider import metrics
from kling_provider.arguments import Argument, amount, duration, flag, request_mapping, text, with_dicts, word
from kling_provider.links.kling import KlingConsoleLink, KlingGalleryLink, KlingVideoLink
from kling_provider.operators.announcing import TellsLineage
from kling_provider.task_log import log_call

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kling_provider.api.tasks import KlingTask
    from kling_provider.hooks.kling import KlingHook
    from kling_provider.operators.job import Job
    from kling_provider.submission import NoSlot, Outcome, Submitted
    from kling_provider.submission.sent import Place, SentRequest
    from kling_provider.submission.steps import Record

#: Airflow's own limit on a deferral is a net below the trigger's deadline.
NET = timedelta(minutes=10)


class KlingSubmitOperator(TellsLineage):
    """Has Kling make one video, and pushes the Kling task id to XCom. Paid once, whatever dies.

    A retry, a clear or a second run adopts the task that exists. Where the account has no free slot the
    task defers and holds no worker.

    Settings are checked when the operator is made, those of mapped tasks on the worker before anything is sent.

    :param request: what to make, for example ``{"prompt": "A red panda", "duration": 5}``. (templated)
    :param kling_conn_id: the connection. (templated)
    :param pay_once_per: how far the same request is paid once: ``run``, ``dag`` or ``content`` (the account).
    :param on_ambiguous: at a host without a lock, when nobody knows whether a paid call made a task: ``stop``
        with the facts, or ``resubmit`` at the risk of paying twice.
    :param max_units: the most that this video may cost at list price, in units; above it nothing is sent.
    :param plan_only: everything but the paid call: the XCom is the exact HTTP body and the price, or the task
        that exists already. (Airflow's own ``dry_run`` is a method of operators.)
    :param slot_timeout: the longest wait for a free slot: seconds or a timedelta, above 0 and at most 30 days.
    :param deferrable: ``False`` waits in the worker.
    """

    template_fields: Sequence[str] = ("request", "kling_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"request": "json"}
    operator_extra_links = (KlingVideoLink(), KlingGalleryLink(), KlingConsoleLink())
    ui_color = "#e7f6ef"
    arguments: ClassVar[Mapping[str, Argument]] = {
        "request": request_mapping(),
        "kling_conn_id": text("the id of a connection"),
        "pay_once_per": word("run", "dag", "content"),
        "on_ambiguous": word("stop", "resubmit"),
        "max_units": amount(),
        "plan_only": flag(),
        "slot_timeout": duration(),
        "deferrable": flag(),
    }

    #: What was submitted by this try or, after a resume or an automatic retry, by an earlier one.
    _sent: SentRequest | None = None
    #: The Kling task that exists.
    _kling_task_id: str | None = None

    def __init__(
        self,
        *,
        request: Mapping[str, Any],
        kling_conn_id: str = "kling_default",
        pay_once_per: Literal["run", "dag", "content"] = "run",
        on_ambiguous: Literal["stop", "resubmit"] = "stop",
        max_units: float | None = None,
        plan_only: bool = False,
        slot_timeout: float | timedelta = timedelta(hours=24),
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.request = with_dicts(request)
        self.kling_conn_id = kling_conn_id
        self.pay_once_per = pay_once_per
        self.on_ambiguous = on_ambiguous
        self.max_units = max_units
        self.plan_only = plan_only
        self.slot_timeout = slot_timeout
        self.deferrable = deferrable
        self._check_arguments()

    def execute(self, context: Context) -> Any:
        """Submit the request, or find what was submitted for it."""
        return self._guarded(context, lambda: self._submit(context))

    def resume_slot(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on after the wait for the account's concurrency: nothing was sent, so the request of now counts."""
        return self._guarded(context, lambda: self._submit(context, queue=event))

    def finish(self, hook: KlingHook, sent: SentRequest, done: Submitted, context: Context) -> Any:
        """Do what is to do once a task exists.

        :param sent: what was submitted; the request may have been rendered anew since.
        """
        from kling_provider.execution.outcome import TaskOutcome
        from kling_provider.operators.earlier import mark_delivered
        from kling_provider.operators.waiting import raise_if_failed

        self._tell(context, sent, done.task)
        raise_if_failed(done.task, sent)
        self._outcome = TaskOutcome.of_task(done.task, sent, type=sent.type, adopted=done.adopted)
        mark_delivered(context, sent)
        return done.task.kling_task_id

    def _read_request(self, context: Context) -> None:
        """Make ``self.request`` what is to be sent; called just before it is checked and priced."""

    def _place(self) -> Place | None:
        """Where this task saves the result, if it does."""
        return None

    def _find_saved(self, job: Job, context: Context) -> Any:
        """The result of a file that is saved already; ``None`` where the task has to be submitted or found."""
        return None

    def _submit(self, context: Context, queue: Mapping[str, Any] | None = None) -> Any:
        from kling_provider.hooks.kling import KlingHook
        from kling_provider.operators.earlier import recover_submission, sent_by_this_try
        from kling_provider.submission.records import instance_record

        record = instance_record(context).load()
        earlier = None if self.plan_only else sent_by_this_try(record, context["ti"].max_tries)
        if record is not None and earlier is not None:
            self._sent = earlier
            hook = KlingHook(earlier.kling_conn_id)
            if (saved := self._find_earlier_saved(hook, earlier, context)) is not None:
                return saved
            if (done := recover_submission(hook, record, earlier, dag_id=context["ti"].dag_id)) is not None:
                self._kling_task_id = done.task.kling_task_id
                return self.finish(hook, earlier.under(done.external_task_id), done, context)
            record = {**record, "state": "failed"} if record.get("kling_task_id") else record
        if queue is None:
            self._read_request(context)
        job = self._job(context, record)
        self._sent = job.sent
        if not self.retries:
            self.log.info("This task has retries=0: a transient failure then needs a clear.")
        if queue is None and (saved := self._find_saved(job, context)) is not None:
            return saved
        return self._submit_job(job, context, queue)

    def _find_earlier_saved(self, hook: KlingHook, sent: SentRequest, context: Context) -> Any:
        """The same for what an earlier try submitted."""
        return None

    def _job(self, context: Context, record: Record | None) -> Job:
        from kling_provider.operators.job import Job

        return Job(
            context=context,
            data=self.request,
            kling_conn_id=self.kling_conn_id,
            pay_once_per=self.pay_once_per,
            on_ambiguous=self.on_ambiguous,
            record=record,
            max_units=self.max_units,
            plan_only=self.plan_only,
            place=self._place(),
        )

    def _submit_job(self, job: Job, context: Context, queue: Mapping[str, Any] | None) -> Any:
        from kling_provider.operators.job import Planned
        from kling_provider.operators.waiting import slot_error
        from kling_provider.submission import NoSlot

        while True:
            if queue and (error := slot_error(queue, job)):
                raise error
            try:
                outcome = self._send(job, context, queue)
            except Planned as planned:
                return self._planned(job.plan(planned), context)
            self._kling_task_id = job.kling_task_id
            self._sent = job.sent
            if not isinstance(outcome, NoSlot):
                if self.plan_only:
                    return self._planned(job.plan_of(outcome.task), context)
                return self.finish(job.hook, job.sent.under(outcome.external_task_id), outcome, context)
            queue = self._queue_up(job, outcome, context, queue or {})

    def _send(self, job: Job, context: Context, queue: Mapping[str, Any] | None) -> Outcome:
        return job.submit(resume=queue.get("external_task_id") if queue else None)

    def _planned(self, plan: dict[str, Any], context: Context) -> dict[str, Any]:
        if plan["http"] is not None:
            log_call(self.log.info, plan["http"], "Request, not sent")
        self.log.info("Only planned, nothing sent: %s, %s.", self._label, plan["summary"])
        self._push(context, state="planned", plan=plan)
        self._made_no_video()
        return plan

    def _made_no_video(self) -> None:
        """For operators that announce videos."""

    def _queue_up(
        self, job: Job, refused: NoSlot, context: Context, before: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Wait for a free slot: deferred, or (``deferrable=False``) here."""
        from kling_provider.operators import waiting

        queue = waiting.queue_entry(job, refused, context, before, seconds(self.slot_timeout))
        self._push(
            context,
            state="waiting_for_slot",
            external_task_id=refused.external_task_id,
            queued_at=datetime.fromtimestamp(queue["queued_at"], UTC).isoformat(timespec="seconds"),
        )
        self.log.info(
            "%s: nothing was made. Waiting %s.",
            waiting.reason_to_queue(job, refused),
            "without a worker" if self.deferrable else "in this worker",
        )
        if not self.deferrable:
            return waiting.wait_for_slot_here(queue)
        from kling_provider.triggers.kling import KlingSlotTrigger

        self.defer(
            trigger=KlingSlotTrigger(**queue),
            method_name="resume_slot",
            timeout=timedelta(seconds=max(0.0, queue["slot_deadline"] - time.time())) + NET,
        )
        raise AssertionError("unreachable: defer raises")

    def _guarded(self, context: Context, body: Callable[[], Any], *, kling_task_id: str | None = None) -> Any:
        """Run ``body``; what fails is also pushed for the UI, in one line.

        :param kling_task_id: the task that exists already.
        """
        from kling_provider.exceptions import KlingError
        from kling_provider.operators.telling import add_what_is_paid, failure, log_failure

        self._sent, self._kling_task_id = None, kling_task_id
        try:
            with metrics.failures(dag_id=context["ti"].dag_id):
                return body()
        except KlingError as error:
            known = self._kling_task_id
            told = error if known is None else add_what_is_paid(error, known)
            log_failure(told)
            self._push(context, **failure(told))
            raise told from error.__cause__

    def _tell(self, context: Context, sent: SentRequest, task: KlingTask) -> None:
        from kling_provider.operators.waiting import expected_end

        expected = expected_end(task, sent)
        self._push(
            context,
            state=str(task.status),
            kling_task_id=task.kling_task_id,
            external_task_id=task.external_task_id or sent.external_task_id,
            created_at=task.created_at.isoformat() if task.created_at else None,
            expected_at=datetime.fromtimestamp(expected, UTC).isoformat(timespec="seconds")
            if expected
            else None,
            reason=task.message or None,
        )

    def _push(self, context: Context, *, state: str, **known: Any) -> None:
        """Push the XCom ``kling``: what is known of the request, before a defer and before a failure."""
        from kling_provider.operators.telling import push_job

        sent = self._sent
        request = dict(sent.shown) if sent is not None else None
        conn_id = sent.kling_conn_id if sent is not None else self.kling_conn_id
        waiting_for = self._waits_for(sent, state) if sent is not None else None
        value = {"state": state, "request": request, "conn_id": conn_id, **known}
        push_job(context, value, waiting_for=waiting_for, keep=sent is not None and not self.plan_only)

    @property
    def _label(self) -> str:
        return self._sent.label if self._sent is not None else "the video"

    def _waits_for(self, sent: SentRequest, state: str) -> str | None:
        return f"a free slot of the account for {sent.model}" if state == "waiting_for_slot" else None


def seconds(value: float | timedelta) -> float:
    """A duration as a user gives it, in seconds."""
    return value.total_seconds() if isinstance(value, timedelta) else float(value)
