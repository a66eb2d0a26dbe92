# SPDX-License-Identifier: Apache-2.0
"""What DMXAPI's responses route answers -> the envelope of the legacy API.

The answer stands as text in ``output[].content[].text``: as the legacy envelope in JSON, as a few fields in JSON, or, in a
stream of events, as lines for people.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

#: The names by which the fields of a task are known, for those of this route.
_NAMES = {"taskId": "task_id", "watermark_video_url": "watermark_url", "taskStatus": "task_status"}

_ID = re.compile(r"任务\s*ID\s*[:：]\s*([\w-]{6,100})")
_VIDEO = re.compile(r"https?://[^\s\"'<>]+?\.mp4[^\s\"'<>)]*")
_SECONDS = re.compile(r"时长\s*[:：]\s*(\d{1,4}(?:\.\d{1,6})?)")
_FAILED = re.compile(r"失败|\bfail(?:ed|ure)?\b|\bcancell?ed\b|\brejected\b", re.IGNORECASE)
_STATED_FAILURE = re.compile(r"task_status\W{1,6}(FAILED|CANCELED)\b", re.IGNORECASE)


def read_events(text: bytes) -> Any:
    """Read a stream of server-sent events, and return its last object; ``None`` where it is no such stream."""
    if not text.startswith((b"data:", b"event:", b":", b"id:")):
        return None
    found = None
    for line in text.splitlines():
        if not line.startswith(b"data:") or (said := line[5:].strip()) == b"[DONE]":
            continue
        try:
            value = json.loads(said)
        except (ValueError, RecursionError):
            return None  # cut within
        found = value if isinstance(value, dict) else found
    return found


def unwrap_response(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an answer of the route as an envelope of the legacy API; any other answer as it is."""
    inner = value.get("response")
    if isinstance(inner, Mapping) and isinstance(inner.get("output"), list):
        value = {**inner, "request_id": value.get("request_id")}
    text = _find_text(value)
    if text is None:
        return value
    said = _parse_object(text)
    if said is None:
        return {"request_id": value.get("request_id"), "data": _read_lines(text)}
    if isinstance(said.get("output"), Mapping):
        said = said["output"]
    if "data" not in said and "code" not in said:
        said = {"request_id": value.get("request_id"), "data": rename_fields(said)}
    return {**said, "usage": value.get("usage"), "object": "response"}


def read_stated_failure(message: str, kling_task_id: str) -> dict[str, Any] | None:
    """Read what the text of an error says of the task that was read: failed tasks may be told with an error's status.

    :returns: the task's data, or ``None`` where the text states no failure.
    """
    stated = _STATED_FAILURE.search(message)
    return (
        {"task_id": kling_task_id, "task_status": stated[1], "task_status_msg": message} if stated else None
    )


def _find_text(value: Mapping[str, Any]) -> str | None:
    texts = [
        part["text"]
        for item in _list_mappings(value.get("output"))
        for part in _list_mappings(item.get("content"))
        if isinstance(part.get("text"), str) and part["text"].strip()
    ]
    return "\n".join(texts) if texts else None


def _list_mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _parse_object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def rename_fields(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a task under the names that Kling has for them."""
    return {_NAMES.get(key, key): value for key, value in said.items()}


def _read_lines(text: str) -> dict[str, Any]:
    """Read lines for people. Without a link the task has none yet, unless the text speaks of a failure."""
    named, link, seconds = _ID.search(text), _VIDEO.search(text), _SECONDS.search(text)
    data: dict[str, Any] = {"task_id": named[1]} if named else {}
    if link:
        video = {"url": link[0], **({"duration": seconds[1]} if seconds else {})}
        return {**data, "task_status": "succeed", "task_result": {"videos": [video]}}
    if _FAILED.search(text):
        return {**data, "task_status": "failed", "task_status_msg": text}
    return {**data, "task_status": "processing"}
