# SPDX-License-Identifier: Apache-2.0
"""The operators: have a video made, have it made and wait for it, save it.

Every worker start parses the DAG file, so nothing heavy is imported here at the top.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk import BaseOperator

from kling_provider.links.kling import KlingConsoleLink, KlingVideoLink

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kling_provider.api.tasks import KlingTask
    from kling_provider.operators.job import Job
    from kling_provider.submission import NoSlot, Submitted

#: Airflow's own limit on a deferral is a net below the trigger's deadline.
NET = timedelta(minutes=10)


class KlingSubmitOperator(BaseOperator):
    """Has Kling make one video, and pushes the Kling task id to XCom. Paid once, whatever dies.

    A retry, a clear or a second run adopts the task that exists. Where the account has no free slot the
    task defers and holds no worker.

    :param request: what to make, for example ``{"prompt": "A red panda", "duration": 5}``. (templated)
    :param kling_conn_id: the connection. (templated)
    :param pay_once_per: how far the same request is paid once: ``run``, ``dag`` or ``content`` (the account).
    :param on_ambiguous: at a host without a lock, when nobody knows whether a paid call made a task: ``stop``
        with the facts, or ``resubmit`` at the risk of paying twice.
    :param slot_timeout: the longest wait for a free slot, in seconds or as a timedelta.
    :param deferrable: ``False`` waits in the worker.
    """

    template_fields: Sequence[str] = ("request", "kling_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"request": "json"}
    operator_extra_links = (KlingVideoLink(), KlingConsoleLink())
    ui_color = "#e7f6ef"

    def __init__(
        self,
        *,
        request: Mapping[str, Any],
        kling_conn_id: str = "kling_default",
        pay_once_per: Literal["run", "dag", "content"] = "run",
        on_ambiguous: Literal["stop", "resubmit"] = "stop",
        slot_timeout: float | timedelta = timedelta(hours=24),
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.request = request
        self.kling_conn_id = kling_conn_id
        self.pay_once_per = pay_once_per
        self.on_ambiguous = on_ambiguous
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
        raise_if_failed(done.task, own_id=job.identity.own is not None)
        return done.task.kling_task_id

    def _job(self, context: Context) -> Job:
        from kling_provider.operators.job import Job

        return Job(
            context=context,
            data=self.request,
            kling_conn_id=self.kling_conn_id,
            pay_once_per=self.pay_once_per,
            on_ambiguous=self.on_ambiguous,
            sidecar=False,
        )

    def _submit(self, job: Job, context: Context, queue: Mapping[str, Any] | None = None) -> Any:
        from kling_provider.operators.waiting import slot_error
        from kling_provider.submission import NoSlot

        while True:
            if queue and (error := slot_error(queue, job)):
                raise error
            outcome = job.submit(resume=queue.get("external_task_id") if queue else None)
            if not isinstance(outcome, NoSlot):
                return self.finish(job, outcome, context)
            queue = self._queue_up(job, outcome, context, queue or {})

    def _queue_up(
        self, job: Job, refused: NoSlot, context: Context, before: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Wait for a free slot: deferred, or (``deferrable=False``) here."""
        from kling_provider.operators import waiting

        queue = waiting.queue_entry(job, refused, context, before, seconds(self.slot_timeout))
        self._push(context, job, state="waiting_for_slot", external_task_id=refused.external_task_id)
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

    def _guarded(self, context: Context, body: Any) -> Any:
        """Run ``body(job)``; what fails is also pushed for the UI, in one line."""
        from kling_provider.exceptions import KlingError

        job: Job | None = None
        try:
            job = self._job(context)
            if not self.retries:
                self.log.info("This task has retries=0: a transient failure then needs a clear.")
            return body(job)
        except KlingError as error:
            self._push(
                context,
                job,
                state="failed",
                reason=str(error),
                kling_task_id=error.kling_task_id,
                task_state=str(error.task_state),
            )
            raise

    def _tell(self, context: Context, job: Job, task: KlingTask, external_task_id: str | None) -> None:
        self._push(
            context,
            job,
            state=str(task.status),
            kling_task_id=task.kling_task_id,
            external_task_id=external_task_id,
            created_at=task.created_at.isoformat() if task.created_at else None,
            reason=task.message or None,
        )

    def _push(self, context: Context, job: Job | None, *, state: str, **known: Any) -> None:
        """The XCom ``kling``: what is known of the job, before a defer and before a failure."""
        request = job.shown if job is not None else None
        context["ti"].xcom_push(
            key="kling", value={"state": state, "request": request, "conn_id": self.kling_conn_id, **known}
        )


class KlingGenerateOperator(KlingSubmitOperator):
    """Has Kling make one video, waits for it without a worker, and saves it. One task instead of three.

    XCom: the result (ids, outputs with file and sidecar, billing, times), one JSON object.

    :param destination: a folder, or an ``ObjectStoragePath`` such as ``s3://bucket/videos``; without one the
        video stays at Kling, whose link dies after 30 days. (templated)
    :param filename: the file's name without suffix, from ``{name} {take} {type} {model} {run_id}``. (templated)
    :param destination_conn_id: the connection of the storage.
    :param replace: write over a file of another video.
    :param timeout: seconds or timedelta from the later of Kling's create time and the start of this try. The
        task goes on at Kling after it; a clear adopts it.
    :param poll_interval: seconds between two reads while deferred, shared by all waiting tasks.

    The other parameters are those of :class:`KlingSubmitOperator`.
    """

    template_fields: Sequence[str] = ("request", "destination", "filename", "kling_conn_id")

    def __init__(
        self,
        *,
        destination: str | None = None,
        filename: str = "{name}",
        destination_conn_id: str | None = None,
        replace: bool = False,
        timeout: float | timedelta = timedelta(hours=1),
        poll_interval: float = 10.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.destination = destination
        self.filename = filename
        self.destination_conn_id = destination_conn_id
        self.replace = replace
        self.timeout = timeout
        self.poll_interval = poll_interval

    def execute(self, context: Context) -> Any:
        def body(job: Job) -> Any:
            saving = self._saving(context, job)
            if saving is not None and (saved := saving.delivered()) is not None:
                return saved
            return self._submit(job, context)

        return self._guarded(context, body)

    def finish(self, job: Job, done: Submitted, context: Context) -> Any:
        from kling_provider.operators import waiting

        self._tell(context, job, done.task, done.external_task_id)
        if done.task.status.ended:
            return self._deliver(job, done.task, done.adopted, context)
        started = max(time.time(), done.task.created_at.timestamp() if done.task.created_at else 0.0)
        deadline = started + seconds(self.timeout)
        if not self.deferrable:
            task = waiting.wait_for_task_here(
                job.hook, done.task, job.request.type, deadline, self.poll_interval
            )
            return self._deliver(job, task, done.adopted, context)
        from kling_provider.triggers.kling import KlingTaskTrigger

        self.defer(
            trigger=KlingTaskTrigger(
                kling_conn_id=self.kling_conn_id,
                kling_task_id=done.task.kling_task_id,
                type=job.request.type,
                deadline=deadline,
                first_look=time.time() + waiting.FIRST_LOOK,
                poll_interval=self.poll_interval,
                adopted=done.adopted,
            ),
            method_name="resume_task",
            timeout=timedelta(seconds=max(0.0, deadline - time.time())) + NET,
        )

    def resume_task(self, context: Context, event: dict[str, Any]) -> Any:
        """The task trigger's event; the worker reads the task once more, for a fresh link and the truth."""
        from kling_provider.operators.waiting import confirmed

        def body(job: Job) -> Any:
            task = confirmed(job.hook, event, job.request.type)
            self._tell(context, job, task, task.external_task_id)
            return self._deliver(job, task, bool(event.get("adopted")), context)

        return self._guarded(context, body)

    def _job(self, context: Context) -> Job:
        from kling_provider.operators.job import Job

        return Job(
            context=context,
            data=self.request,
            kling_conn_id=self.kling_conn_id,
            pay_once_per=self.pay_once_per,
            on_ambiguous=self.on_ambiguous,
            sidecar=self.destination is not None,
        )

    def _saving(self, context: Context, job: Job) -> Any:
        if self.destination is None:
            return None
        from kling_provider.operators.saving import Saving

        return Saving.of_job(
            job,
            context,
            destination=self.destination,
            conn_id=self.destination_conn_id,
            filename=self.filename,
            replace=self.replace,
        )

    def _deliver(self, job: Job, task: KlingTask, adopted: bool, context: Context) -> Any:
        from kling_provider.operators.saving import result_of
        from kling_provider.operators.waiting import raise_if_failed

        raise_if_failed(task, own_id=job.identity.own is not None)
        saving = self._saving(context, job)
        files = saving.save(task) if saving is not None else []
        return result_of(task, job.request, adopted=adopted, files=files)


class KlingDownloadOperator(BaseOperator):
    """Saves what a finished Kling task made; free, and not repeated where the file is there and right.

    XCom: the result, as of :class:`KlingGenerateOperator`.

    :param kling_task_id: the finished task. (templated)
    :param destination: a folder, or an ``ObjectStoragePath`` such as ``s3://bucket/videos``. (templated)
    :param filename: the file's name without suffix, from ``{name} {take} {type} {model} {run_id}``. (templated)
    :param type: the kind of request that made the task; legacy reads are bound to it. (templated)
    :param request: the request, which brings name and prompt into result and sidecar. (templated)
    :param destination_conn_id: the connection of the storage.
    :param replace: write over a file of another video.
    :param kling_conn_id: the connection. (templated)
    """

    template_fields: Sequence[str] = (
        "kling_task_id",
        "destination",
        "filename",
        "type",
        "request",
        "kling_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"request": "json"}
    operator_extra_links = (KlingVideoLink(), KlingConsoleLink())
    ui_color = "#e7f6ef"

    def __init__(
        self,
        *,
        kling_task_id: str,
        destination: str,
        filename: str = "{name}",
        type: str | None = None,
        request: Mapping[str, Any] | None = None,
        destination_conn_id: str | None = None,
        replace: bool = False,
        kling_conn_id: str = "kling_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kling_task_id = kling_task_id
        self.destination = destination
        self.filename = filename
        self.type = type
        self.request = request
        self.destination_conn_id = destination_conn_id
        self.replace = replace
        self.kling_conn_id = kling_conn_id

    def execute(self, context: Context) -> Any:
        from kling_provider.hooks.kling import KlingHook
        from kling_provider.operators.saving import Saving, result_of
        from kling_provider.operators.waiting import finished_task

        hook = KlingHook(self.kling_conn_id)
        request = hook.request(self.request) if self.request else None
        type = self.type or (request.type if request else "text_to_video")
        task = finished_task(hook, self.kling_task_id, type)
        saving = Saving.of_task(
            hook,
            task,
            type,
            request,
            context,
            destination=self.destination,
            conn_id=self.destination_conn_id,
            filename=self.filename,
            replace=self.replace,
        )
        return result_of(task, request, adopted=True, files=saving.save(task), type=type)


def seconds(value: float | timedelta) -> float:
    """A duration as a user gives it, in seconds."""
    return value.total_seconds() if isinstance(value, timedelta) else float(value)
