# SPDX-License-Identifier: Apache-2.0
"""The answers of DMXAPI's ``POST /v1/responses``.

The answers to creates and the finished one of ``v3`` were printed by its pages. Not printed, and so chosen here: the
HTTP status of a success (200), the whole of a ``bailian`` read, what a stream says of a task that has not succeeded, and
the body of a refusal, whose code follows the one that clients report, ``dmxapi_kling_error_0``.
"""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

from kling_provider.sandbox.endpoints.gateways.base import build_openai_error, get_video_url
from kling_provider.sandbox.endpoints.gateways.ids import MDA
from kling_provider.sandbox.http.errors import ApiError
from kling_provider.sandbox.http.messages import Response
from kling_provider.sandbox.state.tasks import Task

_CODE = "dmxapi_kling_error_"
NOTHING = Decimal(0)
_BAILIAN_STATES = {
    "submitted": "PENDING",
    "processing": "RUNNING",
    "succeeded": "SUCCEEDED",
    "succeed": "SUCCEEDED",
    "failed": "FAILED",
}


def build_usage(units: Decimal, tokens: int) -> dict[str, Any]:
    """Build ``usage``, which is the price in disguise."""
    count = int(units * tokens)
    return {
        "total_tokens": count,
        "input_tokens": 0,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": count,
        "output_tokens_details": {"reasoning_tokens": 0},
    }


def build_output(request_id: str, said: dict[str, Any], usage: dict[str, Any]) -> dict[str, Any]:
    """Build an answer of ``v3`` or ``bailian``: what is said is JSON as a text."""
    content = {"type": "output_text", "text": write_json(said)}
    return {
        "request_id": request_id,
        "output": [{"type": "message", "content": [content]}],
        "usage": usage,
    }


def describe_v3(task: Task, data: dict[str, Any], public_id: str, request_id: str) -> dict[str, Any]:
    """Return Kling's legacy envelope with the ids of Baidu's resale in it."""
    data = {**data, "task_id": public_id}
    videos = data["task_result"].get("videos", [])
    for output_id, video in zip(task.output_ids, videos, strict=False):
        if video.get("id") == output_id:
            video["id"] = MDA.encode(output_id)
    return {"code": 0, "message": "SUCCEED", "data": data, "request_id": request_id}


def describe_bailian(data: dict[str, Any], public_id: str) -> dict[str, Any]:
    """Return a task in Bailian's words: a link and, where a watermark was asked for, another."""
    state = data["task_status"]
    said = {"task_id": public_id, "task_status": _BAILIAN_STATES.get(state, state)}
    if url := get_video_url(data):
        said["video_url"] = url
        if marked := data["task_result"]["videos"][0].get("watermark_url"):
            said["watermark_video_url"] = marked
    if data["task_status_msg"]:
        said["message"] = data["task_status_msg"]
    return said


def describe_for_people(data: dict[str, Any]) -> str:
    """Return a task of ``v2.6`` as a text; the lines of id, link and length are known, those of the state are chosen."""
    lines = [f"任务ID: {data['task_id']}", f"任务状态: {data['task_status']}"]
    if data["task_status_msg"]:
        lines.append(f"失败原因: {data['task_status_msg']}")
    for video in data["task_result"].get("videos", []):
        if "url" in video:
            lines.append(f"视频链接: {video['url']}")
        if "duration" in video:
            lines.append(f"时长: {video['duration']} 秒")
    return "\n".join(lines)


def build_stream(text: str) -> Response:
    """Build server-sent events whose last object has the text.

    Its status is that of the stream, so it is ``completed`` before the video is.
    """
    parts = [
        {"response": {"status": "in_progress", "output": []}},
        {"response": {"status": "completed", "output": [{"content": [{"text": text}]}]}},
    ]
    lines = [*map(write_json, parts), "[DONE]"]
    body = "".join(f"data: {line}\n\n" for line in lines)
    return Response(body=body.encode(), content_type="text/event-stream; charset=utf-8")


def build_refusal(error: ApiError, model: str | None) -> Response:
    """Build a refusal: the gateway's own for keys, models and quotas, else Kling's code in its word."""
    if error.http_status == 401:
        return build_openai_error(401, "Invalid token", "")
    if error.message == "model is not supported":
        return build_openai_error(
            503, f"No available channel for model {model} under group default", "model_not_found"
        )
    if error.code in (1101, 1102):
        return build_openai_error(403, "user quota is not enough", "insufficient_user_quota")
    return build_openai_error(error.http_status, error.message, f"{_CODE}{error.code}", type="upstream_error")


def build_accepted_error(answer: Response, *, status: int, place: str) -> Response:
    """Build the answer to an accepted create that looks like an error.

    :param place: where the usual answer is: ``beside`` the error, in its ``message`` as a text, or nowhere (``none``).
    """
    text = write_json(answer.payload) if place == "message" else "SUCCEED"
    error = build_openai_error(status, text, f"{_CODE}0", type="upstream_error")
    return replace(error, payload={**answer.payload, **error.payload}) if place == "beside" else error


def build_failed_error(text: str, *, status: int) -> Response:
    """Build the answer to a read of a failed task that looks like an error, with the state in its text."""
    return build_openai_error(status, text, "task_failed", type="upstream_error")


def write_json(value: object) -> str:
    """Write JSON as the recorded texts have it: no blanks, other writing as it is."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
