# SPDX-License-Identifier: Apache-2.0
"""How resellers wrap Kling: the native legacy create and read by id, and nothing else.

``dmxapi``: the native bodies as they are. The other three are what the public source of new-api builds:

``new-api`` (installs before August 2026): a row of its database, ``{"code": "success", "data": {…}}``, with an id and a
state of its own, times in seconds, and in it what Kling said at its last look. External ids and callbacks are dropped.
``new-api-video``: the same, with creates and reads as an OpenAI-like video object, the link in ``metadata.url``.
``new-api-plugin`` (since August 2026): Kling's envelope with the public id in it. The whole body goes on to Kling, so
external ids and callbacks reach the reseller's account, where an id can be used once. See :mod:`.gateway_plugin`.

All three look at Kling's task every 15 seconds of its time, and answer what they saw last.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

from kling_provider.sandbox.http.errors import ApiError
from kling_provider.sandbox.http.messages import Request, Response, build_error_response, build_html_page
from kling_provider.sandbox.options import Options
from kling_provider.sandbox.state.tasks import Task

STATES = {"submitted": "SUBMITTED", "processing": "IN_PROGRESS", "succeeded": "SUCCESS", "failed": "FAILURE"}
_VIDEO_STATES = {
    "submitted": "queued",
    "processing": "in_progress",
    "succeeded": "completed",
    "failed": "failed",
}
_LOOKS_EVERY = 15.0
"""Seconds of Kling's time between two looks of a gateway at a task."""
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_NUMBER = 12
"""Characters of a public id that hold Kling's: 36 to the twelfth is more than its ids have."""


def get_public_id(options: Options, task: Task) -> str:
    """Return the id that the gateway answers to: in the new-api family its own, ``task_`` and 32 characters."""
    if options.shape == "dmxapi":
        return task.id
    number, digits = int(task.id), ""
    for _ in range(_NUMBER):
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return f"task_{hashlib.sha256(task.id.encode()).hexdigest()[: 32 - _NUMBER]}{digits}"


def get_kling_id(options: Options, asked: str) -> str:
    """Return Kling's id behind a public one; in the new-api family Kling's own id is none, and matches no task."""
    if options.shape == "dmxapi":
        return asked
    digits = asked[-_NUMBER:]
    if len(asked) != 37 or not asked.startswith("task_") or set(digits) - set(_DIGITS):
        return f"not {asked}"
    return str(int(digits, 36))


def find_last_look(options: Options, task: Task, now: float) -> float:
    """Return when (epoch seconds) the gateway last looked at the task; before its first look, when it was made."""
    if options.shape == "dmxapi":
        return now
    every = _LOOKS_EVERY / options.time_scale
    # The plugin gives nothing up.
    until = now if options.shape == "new-api-plugin" else min(now, task.given_up_at)
    return task.created + math.floor((until - task.created) / every) * every


def build_created(options: Options, task: Task, native: Response) -> Response:
    """Build the answer to a create."""
    if options.shape == "new-api":
        return _build_row(options, task, native, task.created)
    if options.shape == "new-api-video":
        return _build_video(options, task, native, task.created)
    if options.shape == "new-api-plugin":
        native.payload["data"]["task_id"] = get_public_id(options, task)
    return native


def build_read(
    options: Options, task: Task, native: Response, now: float, word: str | None = None
) -> Response:
    """Build the answer to a read.

    :param native: what Kling said at the gateway's last look.
    :param word: a state in the place of the gateway's own.
    """
    if options.shape == "new-api":
        return _build_row(options, task, native, now, word)
    if options.shape == "new-api-video":
        return _build_video(options, task, native, now, word)
    if options.shape == "new-api-plugin":
        native.payload["data"]["task_id"] = get_public_id(options, task)
        if find_last_look(options, task, now) == task.created:
            known = ("task_id", "task_status", "task_status_msg")
            return Response(
                payload={"code": 0, "data": {name: native.payload["data"][name] for name in known}}
            )
    return native


def _build_row(
    options: Options, task: Task, native: Response, now: float, word: str | None = None
) -> Response:
    """Build the gateway's row: its own id and state outside, Kling's answer inside."""
    seen = find_last_look(options, task, now)
    given_up = now >= task.given_up_at
    state = "failed" if given_up else task.get_state(seen)
    ended = state in ("succeeded", "failed")
    data = {
        "id": int(task.id) % 100_000,
        "created_at": math.floor(task.created),
        "updated_at": math.floor(task.given_up_at if given_up else seen),
        "task_id": get_public_id(options, task),
        "platform": "50",
        "user_id": 1,
        "group": "default",
        "channel_id": 7,
        "quota": math.ceil(task.price * 1000),
        "action": "generate" if task.request.image else "textGenerate",
        "status": word or ("NOT_START" if seen == task.created else STATES[state]),
        "fail_reason": _get_failure_reason(task, given_up) if state == "failed" else "",
        "submit_time": math.floor(task.created),
        "start_time": math.floor(task.starts) if seen >= task.starts else 0,
        "finish_time": math.floor(task.given_up_at if given_up else task.ends) if ended else 0,
        "progress": "100%" if ended else f"{math.floor(task.compute_progress(seen) * 100)}%",
        "properties": {},
        "data": native.payload,
    }
    if state == "succeeded":
        data["result_url"] = _get_video_url(native)
    return Response(payload={"code": "success", "message": "", "data": data})


def _build_video(
    options: Options, task: Task, native: Response, now: float, word: str | None = None
) -> Response:
    """Build the task as OpenAI's API describes a video."""
    seen = find_last_look(options, task, now)
    given_up = now >= task.given_up_at
    state = "failed" if given_up else task.get_state(seen)
    public = get_public_id(options, task)
    payload: dict[str, Any] = {
        "id": public,
        "task_id": public,
        "object": "video",
        "model": task.request.model_name,
        "status": word or _VIDEO_STATES[state],
        "progress": math.floor(task.compute_progress(seen) * 100),
        "created_at": math.floor(task.created),
    }
    if state == "succeeded":
        payload |= {"completed_at": math.floor(task.ends), "metadata": {"url": _get_video_url(native)}}
    elif state == "failed":
        payload["error"] = {"message": _get_failure_reason(task, given_up), "code": "task_failed"}
    return Response(payload=payload)


def build_error(options: Options, error: ApiError, *, read: bool, model: str | None = None) -> Response:
    """Build an error; the new-api family has words instead of numbers, and failures of its own before Kling's."""
    native = build_error_response(error)
    if options.shape == "dmxapi":
        return native
    if error.http_status == 401:
        return _build_own_error(401, "Invalid token", "")
    if not read and error.message == "model is not supported":
        return _build_own_error(
            503, f"No available channel for model {model} under group default", "model_not_found"
        )
    if read and "Task not found" in error.message:
        return _build_word_error(400, "task_not_exist", "task_not_exist")
    if error.code == 1102:  # what is empty is the customer's quota there
        return _build_word_error(403, "insufficient_user_quota", "user quota is not enough")
    if options.shape == "new-api-plugin":
        return Response(status=error.http_status, payload={"code": error.code, "message": error.message})
    return _build_word_error(error.http_status, "fail_to_fetch_task", native.encode_body().decode())


def build_not_found(options: Options, request: Request) -> Response:
    """Build the answer to every path but those: a page from DMXAPI, an object from the new-api family."""
    if options.shape == "dmxapi":
        return build_html_page(404, "Not Found")
    message = f"Invalid URL ({request.method} {request.path})"
    error = {"message": message, "type": "invalid_request_error", "param": "", "code": ""}
    return Response(status=404, payload={"error": error})


def _build_own_error(status: int, message: str, code: str) -> Response:
    error = {"message": message, "type": "new_api_error", "param": "", "code": code}
    return Response(status=status, payload={"error": error})


def _build_word_error(status: int, code: str, message: str) -> Response:
    return Response(status=status, payload={"code": code, "message": message, "data": None})


def _get_failure_reason(task: Task, given_up: bool) -> str:
    return task.given_up_because if given_up else task.message


def _get_video_url(native: Response) -> str:
    videos = native.payload["data"].get("task_result", {}).get("videos") or [{}]
    return str(videos[0].get("url", ""))
