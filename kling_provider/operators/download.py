# SPDX-License-Identifier: Apache-2.0
"""Save the outputs of a finished Kling task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from kling_provider.arguments import (
    Argument,
    accept_file_name,
    accept_flag,
    accept_folder,
    accept_request,
    accept_text,
    with_dicts,
)
from kling_provider.file_names import PLACES_OF_TASKS
from kling_provider.operators.base import KlingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath


class KlingDownloadOperator(KlingOperator):
    """Save the outputs of a finished Kling task. This is free, and is not repeated if the file is there and intact.

    The XCom is the result, as that of :class:`KlingGenerateOperator`, and it is an event of the asset
    ``kling://<dag_id>/<task_id>``.

    :param kling_task_id: the id of the finished task. (templated)
    :param destination: the folder to save in: an absolute path or the URL of an object store such as ``s3://bucket/videos``, as
        text, ``Path`` or ``ObjectStoragePath``. (templated)
    :param filename: the file's name without suffix, from ``{name} {take} {type} {model} {run_id} {task_id} {map_index}
        {kling_task_id}``. By default each Kling task has a file of its own: ``{name}.{kling_task_id}``, or
        ``{kling_task_id}`` if ``request`` has no name. If another task has the file, the result, which is paid already,
        is saved beside it, with 8 hex digits added to the name. (templated)
    :param type: the type of the request that made the task; the legacy API needs it for reads. (templated)
    :param request: the request, for name and prompt in result and manifest. (templated)
    :param destination_conn_id: the id of the connection of the storage.
    :param replace: whether to overwrite an older file that the same Dag, task and name made.
    :param kling_conn_id: the id of the connection. (templated)
    """

    template_fields: Sequence[str] = (
        "kling_task_id",
        "destination",
        "filename",
        "type",
        "request",
        "kling_conn_id",
    )
    _asset_among = "outlets"
    arguments: ClassVar[Mapping[str, Argument]] = {
        "request": accept_request(optional=True),
        "destination": accept_folder(),
        "filename": accept_file_name(PLACES_OF_TASKS, optional=True),
        "destination_conn_id": accept_text("the id of a connection", optional=True),
        "replace": accept_flag(),
        "kling_conn_id": accept_text("the id of a connection"),
    }

    def __init__(
        self,
        *,
        kling_task_id: str,
        destination: str | PurePath | ObjectStoragePath,
        filename: str | None = None,
        type: str | None = None,
        request: Mapping[str, Any] | None = None,
        destination_conn_id: str | None = None,
        replace: bool = False,
        kling_conn_id: str = "kling_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kling_task_id = kling_task_id
        self.destination: Any = destination  # text, once it is checked
        self.filename = filename
        self.type = type
        self.request = with_dicts(request)
        self.destination_conn_id = destination_conn_id
        self.replace = replace
        self.kling_conn_id = kling_conn_id

    def execute(self, context: Context) -> Any:
        """Save the outputs, if they are not saved already; return the result."""
        from kling_provider.execution.runs.download import save_finished_task

        return save_finished_task(self, context)
