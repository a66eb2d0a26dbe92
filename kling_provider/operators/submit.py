# SPDX-License-Identifier: Apache-2.0
"""Have Kling make a video. Nothing heavy is imported at the top: every worker start parses the DAG file."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kling_provider import metrics
from kling_provider.links.kling import KlingConsoleLink, KlingGalleryLink, KlingVideoLink
from kling_provider.operators.announcing import Made, TellsLineage

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kling_provider.api.tasks import KlingTask
    from kling_provider.operators.job import Job
    from kling_provider.submission import NoSlot, Submitted

#: Airflow's own limit on a deferral is a net below the trigger's deadline.
NET = timedelta(minutes=10)


class KlingSubmitOperator(TellsLineage):
    """Has Kling make one video, and pushes the Kling task id to XCom. Paid once, whatever dies.

    A retry, a clear or a second run adopts the task that exists. Where the account has no free slot the
    task defers and holds no worker.

    :param request: what to make, for example ``{"prompt": "A red panda", "duration": 5}``. (templated)
    :param kling_conn_id: the connection. (templated)
    :param pay_once_per: how far the same request is paid once: ``run``, ``dag`` or ``content`` (the account).
    :param on_ambiguous: at a host without a lock, when nobody knows whether a paid call made a task: ``stop``
        with the facts, or ``resubmit`` at the risk of paying twice.
    :param max_units: the most that this video may cost at list price, in units; above it nothing is sent.
    :param plan_only: everything but the paid call: the XCom is the exact HTTP body and the price, or the task
        that exists already. (Airflow's own ``dry_run`` is a method of operators.)
    :param slot_timeout: the longest wait for a free slot, in seconds or as a timedelta.
    :param deferrable: ``False`` waits in the worker.
    """

    template_fields: Sequence[str] = ("request", "kling_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"request": "json"}
    operator_extra_links = (KlingVideoLink(), KlingGalleryLink(), KlingConsoleLink())
    ui_color = "#e7f6ef"

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
        self.request = request
        self.kling_conn_id = kling_conn_id
        self.pay_once_per = pay_once_per
        self.on_ambiguous = on_ambiguous
        self.max_units = max_units
        self.plan_only = plan_only
        self.slot_timeout = slot_timeout
        self.deferrable = deferrable

    def execute(self, context: Context) -> Any:
        return self._guarded(context, lambda job: self._submit(job, context))

    def resume_slot(self, context: Context, event: dict[str, Any]) -> Any:
        """The slot trigger's event: room, the end of patience, or a fault of the wait."""
        return self._guarded(context, lambda job: self._submit(job, context, queue=event))

    def finish(self, job: Job, done: Submitted, context: Context) -> Any:
        """What to do once a task exists."""
        from kling_provider.operators.waiting import raise_if_failed

        self._tell(context, job, done.task, done.external_task_id)
        raise_if_failed(done.task, job.request)
        self._made = Made(
            facts={
                "kling_task_id": done.task.kling_task_id,
                "external_task_id": done.external_task_id,
                "name": job.request.name,
                "type": job.request.type,
                "prompt": job.request.prompt,
                "model": job.request.model,
                "take": job.request.take,
                "adopted": done.adopted,
            },
            images=job.image_addresses,
        )
        return done.task.kling_task_id

    @property
    def _leaves_sidecar(self) -> bool:
        """Whether finished videos are remembered by a file that this task looks at first."""
        return False

    def _job(self, context: Context, images: Mapping[str, str] | None = None) -> Job:
        from kling_provider.operators.job import Job

        return Job(
            context=context,
            data=self.request,
            kling_conn_id=self.kling_conn_id,
            pay_once_per=self.pay_once_per,
            on_ambiguous=self.on_ambiguous,
            max_units=self.max_units,
            plan_only=self.plan_only,
            sidecar=self._leaves_sidecar,
            images=images,
        )

    def _submit(self, job: Job, context: Context, queue: Mapping[str, Any] | None = None) -> Any:
        from kling_provider.operators.job import Planned
        from kling_provider.operators.waiting import slot_error
        from kling_provider.submission import NoSlot

        while True:
            if queue and (error := slot_error(queue, job)):
                raise error
            try:
                outcome = job.submit(resume=queue.get("external_task_id") if queue else None)
            except Planned as planned:
                return self._planned(job, job.plan(planned), context)
            if not isinstance(outcome, NoSlot):
                if self.plan_only:
                    return self._planned(job, job.plan_of(outcome.task), context)
                return self.finish(job, outcome, context)
            queue = self._queue_up(job, outcome, context, queue or {})

    def _planned(self, job: Job, plan: dict[str, Any], context: Context) -> dict[str, Any]:
        self.log.info("Only planned, nothing sent: %s, %s.", job.name, plan["summary"])
        self._push(context, job, state="planned", plan=plan)
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
            job,
            state="waiting_for_slot",
            external_task_id=refused.external_task_id,
            queued_at=datetime.fromtimestamp(queue["queued_at"], UTC).isoformat(timespec="seconds"),
        )
        self.log.info(
            "The account has no free slot for %s (1303): nothing was made. Waiting for one %s.",
            job.request.model,
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

    def _guarded(
        self,
        context: Context,
        body: Any,
        *,
        images: Mapping[str, str] | None = None,
        kling_task_id: str | None = None,
    ) -> Any:
        """Run ``body(job)``; what fails is also pushed for the UI, in one line.

        :param kling_task_id: the task that exists already.
        """
        from kling_provider.exceptions import KlingError
        from kling_provider.operators.telling import failure, still_paid

        job: Job | None = None
        try:
            with metrics.failures(dag_id=context["ti"].dag_id):
                job = self._job(context, images)
                if not self.retries:
                    self.log.info("This task has retries=0: a transient failure then needs a clear.")
                return body(job)
        except KlingError as error:
            if paid := kling_task_id or (job.kling_task_id if job is not None else None):
                still_paid(error, paid)
            self._push(context, job, **failure(error))
            raise

    def _tell(self, context: Context, job: Job, task: KlingTask, external_task_id: str | None) -> None:
        expected = job.expected_at(task)
        self._push(
            context,
            job,
            state=str(task.status),
            kling_task_id=task.kling_task_id,
            external_task_id=external_task_id,
            created_at=task.created_at.isoformat() if task.created_at else None,
            expected_at=datetime.fromtimestamp(expected, UTC).isoformat(timespec="seconds")
            if expected
            else None,
            reason=task.message or None,
        )

    def _push(self, context: Context, job: Job | None, *, state: str, **known: Any) -> None:
        """The XCom ``kling``: what is known of the job, before a defer and before a failure."""
        from kling_provider.records import show_progress

        request = job.shown if job is not None else None
        context["ti"].xcom_push(
            key="kling", value={"state": state, "request": request, "conn_id": self.kling_conn_id, **known}
        )
        if job is not None and not self.plan_only:
            show_progress(
                context,
                state=state,
                waiting_for=self._waits_for(job, state),
                kling_task_id=known.get("kling_task_id"),
            )

    def _waits_for(self, job: Job, state: str) -> str | None:
        return f"a free slot of the account for {job.request.model}" if state == "waiting_for_slot" else None


def seconds(value: float | timedelta) -> float:
    """A duration as a user gives it, in seconds."""
    return value.total_seconds() if isinstance(value, timedelta) else float(value)
