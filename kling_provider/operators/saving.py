# SPDX-License-Identifier: Apache-2.0
"""Where a task instance's video goes, and the result that it pushes.

Imported when a task runs, never at DAG-parse time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kling_provider.api.tasks import KlingTask, Output
from kling_provider.storage import (
    SUFFIXES,
    Origin,
    SavedFile,
    check_free,
    destination_path,
    file_name,
    find_saved,
    result,
    save_output,
    saved_result,
)

if TYPE_CHECKING:
    from kling_provider.api.requests import Request
    from kling_provider.hooks.kling import KlingHook
    from kling_provider.submission.sent import Place, SentRequest


class Saving:
    """Saves the outputs of one Kling task for one task instance."""

    def __init__(
        self,
        hook: KlingHook,
        place: Place,
        origin: Origin,
        context: Mapping[str, Any],
        *,
        type: str,
        model: str | None,
    ) -> None:
        self._hook = hook
        self._place = place
        self._origin = origin
        self._type = type
        ti = context["ti"]
        self._names: dict[str, Any] = {
            "name": origin.name,
            "take": origin.take,
            "type": type,
            "model": model or "",
            "run_id": ti.run_id,
            "task_id": ti.task_id,
            "map_index": ti.map_index,
        }

    @classmethod
    def of_sent(cls, hook: KlingHook, sent: SentRequest, context: Mapping[str, Any]) -> Saving:
        """For a task that submits: what was submitted says whose the result is, and where it goes."""
        if sent.place is None:
            raise ValueError("sent must say where its result is saved")
        origin = _origin(sent.identity, sent, sent.shown, sent.type, context)
        return cls(hook, sent.place, origin, context, type=sent.type, model=sent.model)

    @classmethod
    def of_task(
        cls,
        hook: KlingHook,
        kling_task_id: str,
        type: str,
        request: Request | None,
        data: Mapping[str, Any] | None,
        place: Place,
        context: Mapping[str, Any],
    ) -> Saving:
        """For a download: the Kling task is all that says whose video it is."""
        origin = _origin(f"kling:{kling_task_id}", request, data, type, context)
        return cls(hook, place, origin, context, type=type, model=request.model if request else None)

    def delivered(self) -> tuple[dict[str, Any], SavedFile] | None:
        """Result and file of a video that is saved already; otherwise ``None``, and the place is free.

        :raises KlingRequestError: where it is another video's; nothing was sent.
        """
        path = self._path(0, 1, "video")
        # With replace too: it is for the files of others, and our own may be the only memory of what was paid.
        saved = find_saved(path, self._origin.identity)
        if saved is not None:
            return saved_result(saved, path), SavedFile.at(path, saved, reused=True)
        check_free(path, self._origin.identity, replace=self._place.replace)
        return None

    def claim(self) -> str:
        return ""

    def release(self) -> None:
        pass

    def save(self, task: KlingTask) -> dict[int, SavedFile]:
        """Save every output of ``task``, with its sidecar. A finished task has one at least: without any,
        :func:`save_output` says so of the first, for what was paid must not end as a success without a file."""
        outputs = task.outputs or (Output("video"),)
        return {
            index: save_output(
                task,
                self._path(index, len(task.outputs), output.type),
                origin=self._origin,
                index=index,
                replace=self._place.replace,
                refresh=lambda: self._hook.get_task(task.kling_task_id, type=self._type),
                http_extras=self._hook.connection.http_extras,
            )
            for index, output in enumerate(outputs)
        }

    def _path(self, index: int, outputs: int, output_type: str) -> Any:
        name = file_name(
            self._place.filename, **self._names, index=index, outputs=outputs, suffix=SUFFIXES[output_type]
        )
        return destination_path(self._place.destination, self._place.conn_id) / name


def find_remembered_result(
    files: Sequence[str], identity: str, conn_id: str | None
) -> tuple[dict[str, Any], SavedFile] | None:
    """Find a result where an earlier run saved it, which may be another place than this run's.

    :param files: what the memory of that run names.
    """
    from airflow.sdk import ObjectStoragePath

    for file in files:
        path = ObjectStoragePath(file, conn_id=conn_id) if conn_id else ObjectStoragePath(file)
        if (sidecar := find_saved(path, identity)) is not None:
            return saved_result(sidecar, path), SavedFile.at(path, sidecar, reused=True)
    return None


def result_of(
    task: KlingTask,
    request: Request | SentRequest | None,
    *,
    type: str,
    adopted: bool | None = None,
    external_task_id: str | None = None,
    files: Mapping[int, SavedFile] | None = None,
) -> dict[str, Any]:
    """The XCom of Generate, Sensor and Download: one JSON object."""
    return result(
        task,
        name=request.name if request else None,
        type=type,
        prompt=request.prompt if request else None,
        model=request.model if request else None,
        take=request.take if request else 0,
        adopted=adopted,
        external_task_id=external_task_id,
        files=files,
    )


def _origin(
    identity: str,
    request: Request | SentRequest | None,
    data: Mapping[str, Any] | None,
    type: str,
    context: Mapping[str, Any],
) -> Origin:
    ti = context["ti"]
    return Origin(
        identity=identity,
        type=type,
        name=request.name if request else None,
        prompt=request.prompt if request else None,
        model=request.model if request else None,
        take=request.take if request else 0,
        request=data,
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=ti.map_index,
    )
