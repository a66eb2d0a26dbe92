# SPDX-License-Identifier: Apache-2.0
"""Installs of new-api before August 2026, and what descends from them, as their public source builds answers.

``new-api``: a row of its database, ``{"code": "success", "data": {…}}``, with an id and a state of its own, times in
seconds, and in it what Kling said at its last look.
``new-api-video``: the same, with creates and reads as an OpenAI-like video object, the link in ``metadata.url``.
``crazyrouter``: ``{"code": "success", "data": {task_id, status, url, format, metadata, error}}``, which older installs
answer, too; the states ``queued``, ``processing``, ``succeeded`` and ``failed``, and a link of its own host.

All look at Kling's task every 15 seconds of its time, and answer what they saw last. External ids and callbacks are
dropped, except those in ``metadata``, whose fields go on to Kling.
"""

from __future__ import annotations

import math
from typing import Any

from kling_provider.sandbox.endpoints.gateways.base import (
    Gateway,
    build_openai_error,
    build_word_error,
    get_video_url,
)
from kling_provider.sandbox.endpoints.gateways.ids import PUBLIC
from kling_provider.sandbox.http.errors import ApiError
from kling_provider.sandbox.http.messages import Request, Response, build_error_response
from kling_provider.sandbox.state.tasks import Task

STATES = {"submitted": "SUBMITTED", "processing": "IN_PROGRESS", "succeeded": "SUCCESS", "failed": "FAILURE"}
_VIDEO_STATES = {
    "submitted": "queued",
    "processing": "in_progress",
    "succeeded": "completed",
    "failed": "failed",
}
_ROUTER_STATES = {**_VIDEO_STATES, "processing": "processing", "succeeded": "succeeded"}


class NewApi(Gateway):
    """A row of its database."""

    drops_ids = True
    echoes_ids = True  # those of the metadata, in what Kling said
    id_form = PUBLIC
    looks_every = 15.0
    gives_up = True

    def prepare_body(self, body: object) -> object:
        """Drop what it has no field for, and put what ``metadata`` holds beside the rest."""
        if not isinstance(body, dict):
            return body
        metadata = body.get("metadata")
        kept = {
            name: value for name, value in body.items() if name not in ("external_task_id", "callback_url")
        }
        return {**kept, **(metadata if isinstance(metadata, dict) else {})}

    def build_created(self, task: Task, native: Response) -> Response:
        """Build the answer to a create: what a read says at the same moment."""
        return self.build_read(task, native, task.created)

    def build_read(self, task: Task, native: Response, now: float, word: str | None = None) -> Response:
        """Build the gateway's row: its own id and state outside, Kling's answer inside."""
        seen, state = self.find_last_look(task, now), self.find_state(task, now)
        given_up = now >= task.given_up_at
        ended = state in ("succeeded", "failed")
        data = {
            "id": int(task.id) % 100_000,
            "created_at": math.floor(task.created),
            "updated_at": math.floor(task.given_up_at if given_up else seen),
            "task_id": self.get_public_id(task),
            "platform": "50",
            "user_id": 1,
            "group": "default",
            "channel_id": 7,
            "quota": math.ceil(task.price * 1000),
            "action": "generate" if task.request.image else "textGenerate",
            "status": word or ("NOT_START" if seen == task.created else STATES[state]),
            "fail_reason": _get_failure_reason(task, now) if state == "failed" else "",
            "submit_time": math.floor(task.created),
            "start_time": math.floor(task.starts) if seen >= task.starts else 0,
            "finish_time": math.floor(task.given_up_at if given_up else task.ends) if ended else 0,
            "progress": "100%" if ended else f"{math.floor(task.compute_progress(seen) * 100)}%",
            "properties": {},
            "data": native.payload,
        }
        if state == "succeeded":
            data["result_url"] = get_video_url(native.payload["data"])
        return Response(payload={"code": "success", "message": "", "data": data})

    def find_state(self, task: Task, now: float) -> str:
        """Return the state that the gateway answers: Kling's at the last look, or its own end."""
        return "failed" if now >= task.given_up_at else task.get_state(self.find_last_look(task, now))

    def build_error(self, error: ApiError, *, read: bool, model: str | None = None) -> Response:
        """Build an error: words instead of numbers, and failures of its own before Kling's."""
        if error.http_status == 401:
            return build_openai_error(401, "Invalid token", "")
        if not read and error.message == "model is not supported":
            return build_openai_error(
                503, f"No available channel for model {model} under group default", "model_not_found"
            )
        if read and "Task not found" in error.message:
            return build_word_error(400, "task_not_exist", "task_not_exist")
        if error.code == 1102:  # what is empty is the customer's quota there
            return build_word_error(403, "insufficient_user_quota", "user quota is not enough")
        return self.build_passed_error(error)

    def build_passed_error(self, error: ApiError) -> Response:
        """Build an error that Kling said: its answer as a text."""
        text = build_error_response(error).encode_body().decode()
        return build_word_error(error.http_status, "fail_to_fetch_task", text)

    def build_not_found(self, request: Request) -> Response:
        """Build the answer to every path but its own."""
        message = f"Invalid URL ({request.method} {request.path})"
        return build_openai_error(404, message, "", type="invalid_request_error")


class NewApiVideo(NewApi):
    """Tasks as OpenAI's API describes a video."""

    def build_read(self, task: Task, native: Response, now: float, word: str | None = None) -> Response:
        """Build a video object."""
        seen, state = self.find_last_look(task, now), self.find_state(task, now)
        public = self.get_public_id(task)
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
            payload["completed_at"] = math.floor(task.ends)
            payload["metadata"] = {"url": get_video_url(native.payload["data"])}
        elif state == "failed":
            payload["error"] = {"message": _get_failure_reason(task, now), "code": "task_failed"}
        return Response(payload=payload)


class CrazyRouter(NewApi):
    """A word as the code, its own states and its own link."""

    def build_read(self, task: Task, native: Response, now: float, word: str | None = None) -> Response:
        """Build the task in few words; the fields beside id, state and link are those of older installs."""
        state = self.find_state(task, now)
        data: dict[str, Any] = {
            "task_id": self.get_public_id(task),
            "status": word or _ROUTER_STATES[state],
            "url": get_video_url(native.payload["data"]) if state == "succeeded" else "",
            "format": "mp4" if state == "succeeded" else "",
            "metadata": None,
            "error": {"code": 0, "message": _get_failure_reason(task, now)} if state == "failed" else None,
        }
        return Response(payload={"code": "success", "message": "", "data": data})


def _get_failure_reason(task: Task, now: float) -> str:
    """Return why a task failed: the gateway's own words where it gave up."""
    return task.given_up_because if now >= task.given_up_at else task.message
