# SPDX-License-Identifier: Apache-2.0
"""The result: one JSON object per video, the XCom of Generate, Sensor and Download."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.storage.sidecar import SavedFile, Sidecar, billing_facts, moment, sidecar_path

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath


def result(
    task: KlingTask,
    *,
    name: str | None,
    type: str,
    prompt: str | None,
    model: str | None,
    take: int,
    adopted: bool | None,
    external_task_id: str | None,
    files: Mapping[int, SavedFile] | None = None,
) -> dict[str, Any]:
    """What is known about a task, as design section 3 shapes it; what is not known is ``None``.

    Times are ISO 8601 in UTC with milliseconds, amounts decimal text, durations seconds. ``url`` is a signed
    link: it belongs into the XCom and nowhere else, least of all into a log.

    :param type: the kind of request.
    :param external_task_id: ours, where Kling's answer carries none.
    :param files: what was saved, by the output's index.
    """
    files = files or {}
    outputs = []
    for index, output in enumerate(task.outputs):
        saved = files.get(index)
        outputs.append(
            {
                "type": output.type,
                "id": output.id,
                "url": output.url,
                "duration": output.duration,
                "watermark_url": output.watermark_url,
                "file": saved.file if saved else None,
                "sidecar": saved.sidecar_file if saved else None,
                "poster": saved.poster_file if saved else None,
            }
        )
    return {
        "name": name,
        "type": type,
        "prompt": prompt,
        "model": model,
        "take": take,
        "adopted": adopted,
        "kling_task_id": task.kling_task_id,
        "external_task_id": task.external_task_id or external_task_id,
        "status": task.status.value,
        "outputs": outputs,
        "billing": billing_facts(task.billing),
        "created_at": moment(task.created_at),
        "finished_at": moment(task.finished_at),
        "expires_at": moment(task.expires_at),
    }


def saved_result(files: Sequence[tuple[ObjectStoragePath, Sidecar]]) -> dict[str, Any]:
    """The same for what :func:`find_delivered` found: no call was made, so there are no links.

    :param files: at least one, in the order of the outputs.
    """
    _, saved = files[0]
    return {
        "name": saved.name,
        "type": saved.type,
        "prompt": saved.prompt,
        "model": saved.model,
        "take": saved.take,
        "adopted": True,
        "kling_task_id": saved.kling_task_id,
        "external_task_id": saved.external_task_id,
        "status": TaskStatus.SUCCEEDED.value,
        "outputs": [
            {
                "type": sidecar.output_type,
                "id": sidecar.output_id,
                "url": None,
                "duration": sidecar.duration,
                "watermark_url": None,
                "file": str(path),
                "sidecar": str(sidecar_path(path)),
                "poster": str(path.parent / sidecar.poster) if sidecar.poster else None,
            }
            for path, sidecar in files
        ],
        "billing": saved.billing,
        "created_at": saved.created_at,
        "finished_at": saved.finished_at,
        "expires_at": saved.expires_at,
    }
