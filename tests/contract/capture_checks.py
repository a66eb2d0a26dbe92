# SPDX-License-Identifier: Apache-2.0
"""The checks of the recordings, by file name, and what all of them need."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from kling_provider.api.codes import ApiResponse, ErrorKind, parse_response
from kling_provider.api.dialects.reading import parse_task
from kling_provider.api.tasks import KlingTask, TaskStatus

Record = dict[str, Any]
CHECKS: dict[str, Callable[[Record], None]] = {}


def check(name: str) -> Callable[[Callable[[Record], None]], Callable[[Record], None]]:
    """Keep a function as the check of a recording."""

    def keep(function: Callable[[Record], None]) -> Callable[[Record], None]:
        assert name not in CHECKS
        CHECKS[name] = function
        return function

    return keep


def success(response: Record) -> ApiResponse:
    """The recorded answer, over the wire and back."""
    answer = parse_response(200, {}, json.dumps(response).encode())
    assert (answer.kind, answer.code, answer.request_id) == (ErrorKind.OK, 0, response.get("request_id"))
    return answer


def task(response: Record) -> KlingTask:
    return parse_task(success(response).data)


def at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def submitted(response: Record, external_task_id: str | None = None) -> None:
    """A create's answer: its ids, its time, and nothing else."""
    data = response["data"]
    created = data.get("created_at") or data["create_time"]
    assert task(response) == KlingTask(
        kling_task_id=data.get("task_id") or data["id"],
        status=TaskStatus.SUBMITTED,
        status_word="submitted",
        external_task_id=external_task_id,
        created_at=at(created),
        updated_at=at(created),
    )


def each(record: Record) -> list[tuple[str, Record]]:
    """What each answer of a newer recording is an answer to, and the answer."""
    return [(str(one.get("what") or one.get("page") or ""), one["response"]) for one in record["records"]]
