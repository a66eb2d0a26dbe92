# SPDX-License-Identifier: Apache-2.0
"""Generate a result, wait for it and save it, in one task."""

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
    """Generate a video, an image, a sound or what else Kling makes, wait for it without a worker, and save it, in one task.

    The XCom is the result, one JSON object: ids, outputs with their files, manifest, billing, times. Each result is also an
    event of the asset ``kling://<dag_id>/<task_id>`` (:func:`kling_provider.assets.video_asset`), beside the
    ``outlets`` that you give.

    :param destination: the folder to save in: an absolute path or the URL of an object store such as ``s3://bucket/videos``, as
        text, ``Path`` or ``ObjectStoragePath``; without one the result stays at Kling, whose link expires after 30
        days. (templated)
    :param filename: the file's name without suffix, from ``{name} {take} {type} {model} {run_id} {task_id}
        {map_index}``. The file is claimed before the payment. If another request of this Dag, task and name has
        it (a changed prompt, another run), the result is saved beside it as ``{name}.{8 hex digits}``; a file of another
        Dag, task or name is refused before the payment. (templated)
    :param destination_conn_id: the id of the connection of the storage.
    :param replace: whether to overwrite an older file that the same Dag, task and name made, instead of saving beside it.
    :param timeout: the longest wait for the result, from the later of Kling's create time and the start of this try:
        seconds or a timedelta, above 0 and at most 30 days. The task goes on at Kling after it; clear it to adopt that.
    :param poll_interval: the shortest time between two reads of the task: seconds or a timedelta, at least 1
        second. ``None`` leaves it to what the triggerer has learned of such tasks: it reads often while the end is likely, rarely
        before and long after. Tasks that wait on one connection share their reads.

    The other parameters are those of :class:`KlingSubmitOperator`.
    """

    template_fields: Sequence[str] = ("request", "inputs", "destination", "filename", "kling_conn_id")
    _asset_among = "outlets"
    arguments: ClassVar[Mapping[str, Argument]] = {
        **KlingSubmitOperator.arguments,
        "destination": accept_folder(optional=True),
        "filename": accept_file_name(PLACES),
        "destination_conn_id": accept_text("the id of a connection", optional=True),
        "replace": accept_flag(),
        "timeout": accept_duration(),
        "poll_interval": accept_interval(optional=True),
    }

    def __init__(
        self,
        *,
        destination: str | PurePath | ObjectStoragePath | None = None,
        filename: str = "{name}",
        destination_conn_id: str | None = None,
        replace: bool = False,
        timeout: float | timedelta = timedelta(hours=1),
        poll_interval: float | timedelta | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.destination: Any = destination  # text, once it is checked
        self.filename = filename
        self.destination_conn_id = destination_conn_id
        self.replace = replace
        self.timeout = timeout
        self.poll_interval: Any = poll_interval  # seconds, once it is checked

    def execute_complete(
        self,
        context: Context,
        event: dict[str, Any],
        adopted: bool = False,
        sent: Mapping[str, Any] | None = None,
        **_ignored: Any,
    ) -> Any:
        """Deliver the result after the wait; the worker reads the task once more, for a fresh link and its final state.

        ``airflow dags test`` passes the event alone; then the record of the task instance says what was sent.

        :param context: the context of the task instance.
        :param event: the event of :class:`~kling_provider.triggers.kling.KlingTaskTrigger`.
        :param adopted: whether an existing task was adopted, so that nothing was paid now.
        :param sent: the request that was submitted. The current one may have changed, and does not count.
        """
        return self._make_run(context).resume(event, adopted=adopted, sent=sent)

    def _make_run(self, context: Context) -> GenerateRun:
        from kling_provider.execution.runs.generate import GenerateRun

        return GenerateRun(self, context)
