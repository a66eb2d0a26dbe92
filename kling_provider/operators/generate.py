# SPDX-License-Identifier: Apache-2.0
"""Have Kling make a video, wait for it and save it, in one task."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kling_provider.api.tasks import KlingTask
    from kling_provider.operators.job import Job
    from kling_provider.operators.saving import Saving
    from kling_provider.storage import SavedFile
    from kling_provider.submission import Submitted

from kling_provider import metrics
from kling_provider.operators.announcing import VideoOutlet
from kling_provider.operators.submit import NET, KlingSubmitOperator, seconds
from kling_provider.task_log import log_group, wait_title

log = logging.getLogger(__name__)


class KlingGenerateOperator(VideoOutlet, KlingSubmitOperator):
    """Has Kling make one video, waits for it without a worker, and saves it. One task instead of three.

    XCom: the result (ids, outputs with file and sidecar, billing, times), one JSON object. Each video is also an
    event of the asset ``kling://<dag_id>/<task_id>`` (:func:`kling_provider.assets.video_asset`), beside the
    ``outlets`` that you give.

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
        self._declare_video()

    def execute(self, context: Context) -> Any:
        def body(job: Job) -> Any:
            saving = self._saving(context, job)
            if saving is not None and (saved := saving.delivered()) is not None:
                return self._deliver_saved(job, *saved, context)
            return self._submit(job, context)

        return self._guarded(context, body)

    def finish(self, job: Job, done: Submitted, context: Context) -> Any:
        from kling_provider.operators import waiting

        self._tell(context, job, done.task, done.external_task_id)
        if done.task.status.ended:
            return self._deliver(job, done.task, done.adopted, context)
        started = max(time.time(), done.task.created_at.timestamp() if done.task.created_at else 0.0)
        deadline = started + seconds(self.timeout)
        expected_at = job.expected_at(done.task)
        if not self.deferrable:
            with log_group(log.info, wait_title(done.task.kling_task_id, expected_at)):
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
                external_task_id=done.external_task_id,
                model=job.request.model,
                expected_at=expected_at,
            ),
            method_name="resume_task",
            kwargs={"adopted": done.adopted, "images": dict(job.images)},
            timeout=timedelta(seconds=max(0.0, deadline - time.time())) + NET,
        )
        raise AssertionError("unreachable: defer raises")

    def resume_task(
        self,
        context: Context,
        event: dict[str, Any],
        adopted: bool = False,
        images: Mapping[str, str] | None = None,
    ) -> Any:
        """The task trigger's event; the worker reads the task once more, for a fresh link and the truth.

        The last two have defaults because ``airflow dags test`` passes the event alone.

        :param images: what stood for each image at the call: their files may be another worker's, or gone.
        """
        from kling_provider.operators.waiting import confirmed

        def body(job: Job) -> Any:
            task = confirmed(job.hook, event, job.request.type)
            if task.finished_at is not None:
                metrics.noticed(datetime.now(UTC) - task.finished_at, dag_id=context["ti"].dag_id)
            self._tell(context, job, task, task.external_task_id)
            return self._deliver(job, task, adopted, context)

        return self._guarded(context, body, images=images, kling_task_id=str(event["kling_task_id"]))

    @property
    def _leaves_sidecar(self) -> bool:
        return self.destination is not None

    def _saving(self, context: Context, job: Job) -> Saving | None:
        if self.destination is None:
            return None
        from kling_provider.operators.saving import Place, Saving

        place = Place(
            destination=self.destination,
            conn_id=self.destination_conn_id,
            filename=self.filename,
            replace=self.replace,
        )
        return Saving.of_job(job, self.request, place, context)

    def _deliver(self, job: Job, task: KlingTask, adopted: bool, context: Context) -> Any:
        from kling_provider.operators.saving import result_of
        from kling_provider.operators.waiting import count_delivered, raise_if_failed

        raise_if_failed(task, job.request)
        saving = self._saving(context, job)
        files = saving.save(task) if saving is not None else {}
        if files:
            job.saved()
        result = result_of(task, job.request, type=job.request.type, adopted=adopted, files=files)
        there = bool(files) and all(saved.reused for saved in files.values())
        if not there:
            count_delivered(task, dag_id=context["ti"].dag_id, model=job.request.model)
        return self._finished(context, result, list(files.values()), request=job.request, delivered=there)

    def _deliver_saved(self, job: Job, result: dict[str, Any], saved: SavedFile, context: Context) -> Any:
        """What an earlier run or try saved; no call was made."""
        log.info(
            "Delivered the existing video of %s, nothing paid: %s. For a new one raise take (now %d).",
            (result["finished_at"] or saved.sidecar.saved_at or "an unknown time")[:10],
            saved.file,
            job.request.take,
        )
        self._push(
            context,
            job,
            state=result["status"],
            kling_task_id=result["kling_task_id"],
            external_task_id=result["external_task_id"],
            created_at=result["created_at"],
        )
        return self._finished(context, result, [saved], request=job.request, delivered=True)

    def _waits_for(self, job: Job, state: str) -> str | None:
        return (
            "Kling to render it" if state in ("submitted", "processing") else super()._waits_for(job, state)
        )
