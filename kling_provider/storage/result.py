# SPDX-License-Identifier: Apache-2.0
"""The result: one JSON object per video, the XCom of Generate, Sensor and Download."""

from __future__ import annotations

from typing import Any

from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.storage.manifest import SavedResult, billing_facts, moment


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
    saved: SavedResult | None = None,
) -> dict[str, Any]:
    """Return what is known about a task; what is not known is ``None``.

    Times are ISO 8601 in UTC with milliseconds, amounts decimal text, durations seconds. ``url`` is a signed
    link: it belongs into the XCom and nowhere else, least of all into a log.

    :param type: the kind of request.
    :param external_task_id: ours, where Kling's answer carries none.
    :param saved: what was saved.
    """
    outputs = []
    for index, output in enumerate(task.outputs):
        file = saved.file_of(saved.manifest.outputs[index]) if saved else None
        outputs.append(
            {
                "type": output.type,
                "id": output.id,
                "url": output.url,
                "duration": output.duration,
                "watermark_url": output.watermark_url,
                "file": file.file if file else None,
                "poster": file.poster_file if file else None,
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
        "manifest": saved.manifest_file if saved else None,
        "billing": billing_facts(task.billing),
        "created_at": moment(task.created_at),
        "finished_at": moment(task.finished_at),
        "expires_at": moment(task.expires_at),
    }


def saved_result(saved: SavedResult) -> dict[str, Any]:
    """Return the same for what was saved earlier: no call was made, so there are no links."""
    manifest = saved.manifest
    outputs = []
    for output in manifest.outputs:
        file = saved.file_of(output)
        outputs.append(
            {
                "type": output.type,
                "id": output.id,
                "url": None,
                "duration": output.duration,
                "watermark_url": None,
                "file": file.file if file else None,
                "poster": file.poster_file if file else None,
            }
        )
    return {
        "name": manifest.name,
        "type": manifest.type,
        "prompt": manifest.prompt,
        "model": manifest.model,
        "take": manifest.take,
        "adopted": True,
        "kling_task_id": manifest.kling_task_id,
        "external_task_id": manifest.external_task_id,
        "status": TaskStatus.SUCCEEDED.value,
        "outputs": outputs,
        "manifest": saved.manifest_file,
        "billing": manifest.billing,
        "created_at": manifest.created_at,
        "finished_at": manifest.finished_at,
        "expires_at": manifest.expires_at,
    }
