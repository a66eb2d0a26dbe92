# SPDX-License-Identifier: Apache-2.0
"""Have Kling make a video, wait for it and save it, in one task."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from kling_provider.api.tasks import KlingTask
    from kling_provider.hooks.kling import KlingHook
    from kling_provider.operators.job import Job
    from kling_provider.operators.saving import Saving
    from kling_provider.storage import SavedResult
    from kling_provider.submission import Outcome, Submitted
    from kling_provider.submission.sent import Place, SentRequest

from kling_provider import metrics
from kling_provider.arguments import Argument, duration, file_name, flag, folder, interval, text
from kling_provider.file_names import PLACES
from kling_provider.operators.announcing import VideoOutlet
from kling_provider.operators.submit import NET, KlingSubmitOperator, seconds
from kling_provider.task_log import log_group, wait_title

log = logging.getLogger(__name__)


class KlingGenerateOperator(VideoOutlet, KlingSubmitOperator):
    """Has Kling make one video, waits for it without a worker, and saves it. One task instead of three.

    XCom: the result (ids, outputs with their files, manifest, billing, times), one JSON object. Each video is also an
    event of the asset ``kling://<dag_id>/<task_id>`` (:func:`kling_provider.assets.video_asset`), beside the
    ``outlets`` that you give.

    :param destination: a folder: an absolute path or the URL of an object store such as ``s3://bucket/videos``, as
        text, ``Path`` or ``ObjectStoragePath``; without one the video stays at Kling, whose link dies after 30 days.
        (templated)
    :param filename: the file's name without suffix, from ``{name} {take} {type} {model} {run_id} {task_id}
        {map_index}``. The place is claimed before the payment. Where another request of this Dag, task and name has
        it (a changed prompt, another run), the video is saved beside it as ``{name}.{8 hex of its identity}``;
        anybody else's place is refused before the payment. (templated)
    :param destination_conn_id: the connection of the storage.
    :param replace: take the plain name then, and write over the older file, if this very Dag, task and name made it.
    :param timeout: the longest wait for the video, from the later of Kling's create time and the start of this try:
        seconds or a timedelta, above 0 and at most 30 days. The task goes on at Kling after it; a clear adopts it.
    :param poll_interval: time between two reads of one task: seconds or a timedelta, at least 1 second. Tasks that
        wait on one connection share their reads.

    The other parameters are those of :class:`KlingSubmitOperator`.
    """

    template_fields: Sequence[str] = ("request", "destination", "filename", "kling_conn_id")
    arguments: ClassVar[Mapping[str, Argument]] = {
        **KlingSubmitOperator.arguments,
        "destination": folder(optional=True),
        "filename": file_name(PLACES),
        "destination_conn_id": text("the id of a connection", optional=True),
        "replace": flag(),
        "timeout": duration(),
        "poll_interval": interval(),
    }

    def __init__(
        self,
        *,
        destination: str | PurePath | ObjectStoragePath | None = None,
        filename: str = "{name}",
        destination_conn_id: str | None = None,
        replace: bool = False,
        timeout: float | timedelta = timedelta(hours=1),
        poll_interval: float | timedelta = 10.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.destination: Any = destination  # text, once it is checked
        self.filename = filename
        self.destination_conn_id = destination_conn_id
        self.replace = replace
        self.timeout = timeout
        self.poll_interval: Any = poll_interval  # seconds, once it is checked
        self._check_arguments()

    def finish(self, hook: KlingHook, sent: SentRequest, done: Submitted, context: Context) -> Any:
        """Wait for the task and save what it made; a task that has ended is saved at once."""
        from kling_provider.operators import waiting

        self._tell(context, sent, done.task)
        if done.task.status.ended:
            return self._deliver(hook, sent, done.task, done.adopted, context)
        started = max(time.time(), done.task.created_at.timestamp() if done.task.created_at else 0.0)
        deadline = started + seconds(self.timeout)
        expected_at = waiting.expected_end(done.task, sent)
        if not self.deferrable:
            with log_group(log.info, wait_title(done.task.kling_task_id, expected_at)):
                task = waiting.wait_for_task_here(hook, done.task, sent.type, deadline, self.poll_interval)
            return self._deliver(hook, sent, task, done.adopted, context)
        from kling_provider.triggers.kling import KlingTaskTrigger

        self.defer(
            trigger=KlingTaskTrigger(
                kling_conn_id=sent.kling_conn_id,
                kling_task_id=done.task.kling_task_id,
                type=sent.type,
                deadline=deadline,
                first_look=time.time() + waiting.FIRST_LOOK,
                poll_interval=self.poll_interval,
                external_task_id=done.external_task_id,
                model=sent.model,
                expected_at=expected_at,
            ),
            method_name="resume_task",
            # Not the trigger: its arguments are shown by the REST API of Airflow 3.1.
            kwargs={"adopted": done.adopted, "sent": sent.to_json()},
            timeout=timedelta(seconds=max(0.0, deadline - time.time())) + NET,
        )
        raise AssertionError("unreachable: defer raises")

    def resume_task(
        self,
        context: Context,
        event: dict[str, Any],
        adopted: bool = False,
        sent: Mapping[str, Any] | None = None,
        **_ignored: Any,
    ) -> Any:
        """Deliver what the trigger's event tells of; the worker reads the task once more, for a fresh link and the truth.

        ``airflow dags test`` passes the event alone; then the task instance's record says what was sent.

        :param sent: what was submitted. The request of now may be another one, and does not count.
        """
        from kling_provider.hooks.kling import KlingHook
        from kling_provider.operators.waiting import confirmed

        kling_task_id = str(event["kling_task_id"])

        def body() -> Any:
            this = self._sent = self._sent_before(context, kling_task_id, sent)
            hook = KlingHook(this.kling_conn_id)
            task = confirmed(hook, event, this.type)
            if task.finished_at is not None:
                metrics.noticed(datetime.now(UTC) - task.finished_at, dag_id=context["ti"].dag_id)
            self._tell(context, this, task)
            return self._deliver(hook, this, task, adopted, context)

        return self._guarded(context, body, kling_task_id=kling_task_id)

    def _sent_before(
        self, context: Context, kling_task_id: str, sent: Mapping[str, Any] | None
    ) -> SentRequest:
        from kling_provider.exceptions import KlingServerError
        from kling_provider.submission.records import instance_record
        from kling_provider.submission.sent import SentRequest, sent_of

        if (known := SentRequest.from_json(sent)) is not None:
            return known
        record = instance_record(context).load()
        if record is not None and record.get("kling_task_id") == kling_task_id and (known := sent_of(record)):
            return known
        raise KlingServerError(
            f"Nothing here says what was submitted as Kling task {kling_task_id}, and the request may have changed since. "
            "The next try looks the task up by the request of now."
        )

    def _place(self) -> Place | None:
        from kling_provider.submission.sent import Place

        if self.destination is None:
            return None
        return Place(
            destination=self.destination,
            filename=self.filename,
            conn_id=self.destination_conn_id,
            replace=self.replace,
        )

    def _saving(self, hook: KlingHook, sent: SentRequest, context: Context) -> Saving | None:
        if sent.place is None:
            return None
        from kling_provider.operators.saving import Saving

        return Saving.of_sent(hook, sent, context)

    def _find_saved(self, job: Job, context: Context) -> Any:
        return self._find_earlier_saved(job.hook, job.sent, context)

    def _find_earlier_saved(self, hook: KlingHook, sent: SentRequest, context: Context) -> Any:
        saver = self._saving(hook, sent, context)
        if saver is None or (saved := saver.find_saved(only_look=self.plan_only)) is None:
            return None
        return self._deliver_saved(sent, saved, context)

    def _submit_job(self, job: Job, context: Context, queue: Mapping[str, Any] | None) -> Any:
        from kling_provider.exceptions import KlingTaskNotFound
        from kling_provider.operators.saving import find_remembered_result

        try:
            return super()._submit_job(job, context, queue)
        except KlingTaskNotFound as gone:
            # Kling forgets after 30 days what it made; an earlier run may have kept it, in its own place.
            remembered = find_remembered_result(
                job.remembered_files, job.sent.identity, self.destination_conn_id
            )
            if remembered is None:
                raise
            log.info("%s What was saved then is delivered from where it lies.", gone)
            return self._deliver_saved(job.sent, remembered, context)

    def _send(self, job: Job, context: Context, queue: Mapping[str, Any] | None) -> Outcome:
        from kling_provider.api.codes import TaskState
        from kling_provider.exceptions import KlingError
        from kling_provider.submission import Submitted

        saver = self._saving(job.hook, job.sent, context)
        resume = queue.get("external_task_id") if queue else None
        if saver is None:
            return job.submit(resume=resume)
        try:
            outcome = job.submit(resume=resume, claim=saver.check if self.plan_only else saver.claim)
        except KlingError as error:
            if error.task_state is TaskState.NONE:
                saver.release()
            raise
        if not isinstance(outcome, Submitted):
            saver.release()
        elif not self.plan_only:
            job.place_at(saver.claim_for_paid())
        return outcome

    def _deliver(
        self, hook: KlingHook, sent: SentRequest, task: KlingTask, adopted: bool, context: Context
    ) -> Any:
        from kling_provider.api.tasks import TaskStatus
        from kling_provider.execution.outcome import TaskOutcome
        from kling_provider.operators.earlier import mark_delivered
        from kling_provider.operators.waiting import count_delivered, raise_if_failed, with_outputs

        task = with_outputs(hook, task, sent.type)
        saver = self._saving(hook, sent, context)
        if task.status is TaskStatus.FAILED and saver is not None:
            saver.release()
        raise_if_failed(task, sent)
        saved = saver.save(task) if saver is not None else None
        mark_delivered(context, sent, [saved.manifest_file] if saved is not None else ())
        if saved is None or not saved.reused:
            count_delivered(task, dag_id=context["ti"].dag_id, model=sent.model)
        outcome = TaskOutcome.of_task(task, sent, type=sent.type, adopted=adopted, saved=saved)
        return self._finished(context, outcome, conn_id=sent.kling_conn_id)

    def _deliver_saved(self, sent: SentRequest, saved: SavedResult, context: Context) -> Any:
        """What an earlier run or try saved; no call was made."""
        from kling_provider.execution.outcome import TaskOutcome
        from kling_provider.submission.sent import another_result_advice

        outcome = TaskOutcome.of_saved(saved, sent)
        facts = outcome.facts
        log.info(
            "Delivered the existing video of %s, nothing paid: %s. For a new one %s.",
            (facts.finished_at or saved.manifest.saved_at or "an unknown time")[:10],
            ", ".join(one.file for one in saved.files) or saved.manifest_file,
            another_result_advice(sent),
        )
        self._push(
            context,
            state=outcome.status,
            kling_task_id=facts.kling_task_id,
            external_task_id=facts.external_task_id,
            created_at=facts.created_at,
        )
        return self._finished(context, outcome, conn_id=sent.kling_conn_id)

    def _waits_for(self, sent: SentRequest, state: str) -> str | None:
        if state in ("submitted", "processing"):
            return "Kling to render it"
        return super()._waits_for(sent, state)
