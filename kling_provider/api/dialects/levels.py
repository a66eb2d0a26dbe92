# SPDX-License-Identifier: Apache-2.0
"""A task inside a task: gateways keep a state of their own, and nest what Kling last answered them.

``{"task_id": "task_public", "status": "IN_PROGRESS", "data": {"code": 0, "data": {"task_id": "8334…", …}}}``: the
outer object knows the id that the gateway answers to and what it decided on its own (a time-out), the inner one the
results. Where they differ, the newer state counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kling_provider.api.dialects.fields import find_first, read_id, read_time, read_web_url
from kling_provider.api.dialects.status_words import read_status
from kling_provider.api.tasks import TaskStatus

#: What is no reason of a failure, though it stands where reasons do.
_NO_REASONS = frozenset({"succeed", "success", "succeeded", "ok", "成功"})


@dataclass(frozen=True, slots=True)
class Level:
    """One object of an answer. ``word`` is as it came, empty where the object has no state."""

    fields: Mapping[str, Any]
    word: str
    status: TaskStatus

    @property
    def task_ids(self) -> list[str]:
        """Return the ids by which the host may know the task; a database's own number stands last."""
        found = (read_id(self.fields.get(name)) for name in ("task_id", "id"))
        return [one for one in found if one is not None]

    @property
    def updated_at(self) -> float | None:
        """Return when the object changed last, as an epoch in whole seconds."""
        moment = read_time(find_first(self.fields, "update_time", "updated_at", "finish_time"))
        return None if moment is None else float(int(moment.timestamp()))

    @property
    def failure_reason(self) -> str:
        """Return what the object says about a failure; empty where it says nothing."""
        error = self.fields.get("error")
        if isinstance(error, Mapping):
            error = error.get("message")
        names = ("fail_reason", "task_status_msg", "message", "reason", "failure_reason")
        said = [self.fields.get(name) for name in names]
        texts = (text for text in (*said, error) if isinstance(text, str) and not read_web_url(text))
        return next((text for text in texts if text and text.strip().lower() not in _NO_REASONS), "")


def read_levels(data: Any, *, accepts_gateway_statuses: bool) -> list[Level]:
    """Read the objects of a response from the outside in; none where it holds no object."""
    return [_read_level(fields, accepts_gateway_statuses) for fields in _walk_objects(data)]


def choose_deciding_level(levels: list[Level]) -> Level:
    """Choose the level whose state counts. A word beside no id is about the call, unless nothing is inside."""
    stated = [level for level in levels if level.word and (level.task_ids or level is levels[-1])] or levels[
        -1:
    ]
    outer, inner = stated[0], stated[-1]
    if outer is inner or outer.status is inner.status:
        return outer
    if TaskStatus.UNKNOWN in (outer.status, inner.status):
        return inner if outer.status is TaskStatus.UNKNOWN else outer
    later = _find_later(outer, inner)
    if outer.status.ended and inner.status.ended:
        # Both final: the later word. At the same moment a video that is there is one.
        return later or (outer if outer.status is TaskStatus.SUCCEEDED else inner)
    if outer.status.ended:
        return outer  # the gateway asks Kling no more
    if inner.status.ended:
        # What Kling made is made. That it failed may be older than another try of the gateway's.
        return outer if inner.status is TaskStatus.FAILED and later is outer else inner
    return inner if outer.status is TaskStatus.SUBMITTED else outer


def _find_later(outer: Level, inner: Level) -> Level | None:
    one, other = outer.updated_at, inner.updated_at
    if one is None or other is None or one == other:
        return None
    return outer if one > other else inner


def _walk_objects(data: Any) -> Iterator[Mapping[str, Any]]:
    while True:
        if isinstance(data, list) and len(data) == 1:
            data = data[0]
        if not isinstance(data, Mapping):
            return
        yield data
        data = data.get("data")


def _read_level(fields: Mapping[str, Any], accepts_gateway_statuses: bool) -> Level:
    given = find_first(fields, "status", "task_status")
    word = given if isinstance(given, str) else "" if given is None else str(given)
    return Level(fields, word, read_status(word, accepts_gateway_statuses=accepts_gateway_statuses))
