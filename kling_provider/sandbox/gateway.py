# SPDX-License-Identifier: Apache-2.0
"""
How resellers wrap Kling: the native legacy create and read by id, and nothing else.

``dmxapi``: the native bodies as they are. ``new-api``: ``{"code": "success", "data": {…}}`` with states in capitals
and the native answer nested, times in seconds. ``new-api-video``: the same reads, but a create that answers an
OpenAI-like video object, as newer versions of that software do.
"""

from __future__ import annotations

import math
from typing import Any

from kling_provider.sandbox.errors import Refusal
from kling_provider.sandbox.options import Options
from kling_provider.sandbox.tasks import Task
from kling_provider.sandbox.wire import Answer, Request, html, refusal

STATES = {"submitted": "SUBMITTED", "processing": "IN_PROGRESS", "succeeded": "SUCCESS", "failed": "FAILURE"}


def created(options: Options, task: Task, native: Answer) -> Answer:
    """The answer to a create."""
    if options.shape == "new-api":
        return _wrapped(task, native, task.created)
    if options.shape == "new-api-video":
        return Answer(
            payload={
                "id": task.id,
                "task_id": task.id,
                "object": "video",
                "model": task.order.model_name,
                "status": "queued",
                "progress": 0,
                "created_at": math.floor(task.created),
            }
        )
    return native


def fetched(options: Options, task: Task, native: Answer, now: float) -> Answer:
    """The answer to a read."""
    return native if options.shape == "dmxapi" else _wrapped(task, native, now)


def refused(options: Options, error: Refusal, *, read: bool) -> Answer:
    """An error; the new-api family has words in the place of numbers."""
    native = refusal(error)
    if options.shape == "dmxapi":
        return native
    if error.http_status == 401:
        payload: dict[str, Any] = {"error": {"message": "Invalid token", "type": "new_api_error"}}
        return Answer(status=401, payload=payload)
    code = "task_not_exist" if read else "fail_to_fetch_task"
    message = code if read else native.content().decode()
    return Answer(status=error.http_status, payload={"code": code, "message": message, "data": None})


def not_found(options: Options, request: Request) -> Answer:
    """Every path but the two: a page from DMXAPI, an object from the new-api family."""
    if options.shape == "dmxapi":
        return html(404, "Not Found")
    message = f"Invalid URL ({request.method} {request.path})"
    error = {"message": message, "type": "invalid_request_error", "param": "", "code": ""}
    return Answer(status=404, payload={"error": error})


def _wrapped(task: Task, native: Answer, now: float) -> Answer:
    state = task.state(now)
    ended = state in ("succeeded", "failed")
    videos = native.payload["data"].get("task_result", {}).get("videos", [{}])
    data = {
        "task_id": task.id,
        "platform": "kling",
        "action": "generate" if task.order.image else "textGenerate",
        "status": STATES[state],
        "fail_reason": task.message if state == "failed" else "",
        "submit_time": math.floor(task.created),
        "start_time": math.floor(task.starts) if now >= task.starts else 0,
        "finish_time": math.floor(task.ends) if ended else 0,
        "progress": f"{math.floor(task.progress(now) * 100)}%",
        "created_at": math.floor(task.created),
        "updated_at": math.floor(task.updated(now)),
        "data": native.payload,
    }
    if state == "succeeded":
        data["result_url"] = videos[0].get("url", "")
    return Answer(payload={"code": "success", "message": "", "data": data})
