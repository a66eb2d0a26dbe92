# SPDX-License-Identifier: Apache-2.0
"""Have Kling make a video, wait for it and save it, in one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from kling_provider.arguments import (
    Argument,
    accept_duration,
    accept_file_name,
    accept_flag,
    accept_folder,
    accept_interval,
    accept_text,
)
from kling_provider.file_names import PLACES
from kling_provider.operators.submit import KlingSubmitOperator

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from kling_provider.execution.runs.generate import GenerateRun


class KlingGenerateOperator(KlingSubmitOperator):
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
    _asset_among = "outlets"
    arguments: ClassVar[Mapping[str, Argument]] = {
        **KlingSubmitOperator.arguments,
        "destination": accept_folder(optional=True),
        "filename": accept_file_name(PLACES),
        "destination_conn_id": accept_text("the id of a connection", optional=True),
        "replace": accept_flag(),
        "timeout": accept_duration(),
        "poll_interval": accept_interval(),
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
        return self._run(context).resume(event, adopted=adopted, sent=sent)

    def _run(self, context: Context) -> GenerateRun:
        from kling_provider.execution.runs.generate import GenerateRun

        return GenerateRun(self, context)
