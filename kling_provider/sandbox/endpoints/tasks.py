# SPDX-License-Identifier: Apache-2.0
"""The standard design's reads and lists, which know the tasks of both designs."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence

from kling_provider.sandbox.endpoints.base import Endpoint
from kling_provider.sandbox.http.errors import invalid
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.http.messages import Response, success
from kling_provider.sandbox.state.faults import Attributes
from kling_provider.sandbox.state.tasks import Task, milliseconds

MOST_IDS = 20
LIST_DEFAULT, LIST_MOST = 100, 500
MONTH_MS = 30 * 86_400_000


class TasksRead(Endpoint):
    """``GET /tasks``: up to 20 tasks of either standard, by one kind of id."""

    operation = "read"

    def _ids(self, name: str) -> list[str]:
        return [part for part in self.request.parameters().get(name, "").split(",") if part]

    def subjects(self) -> Sequence[Attributes]:
        ids, external_ids = self._ids("task_ids"), self._ids("external_task_ids")
        backend = self.app.backend
        known: list[Attributes] = [task.attributes() for task in map(backend.task, ids) if task is not None]
        for account in backend.accounts:
            known += [task.attributes() for task in backend.by_external_ids(account, external_ids)]
        asked: list[Attributes] = [{"task_id": value} for value in ids]
        return [*known, *asked, *({"external_task_id": value} for value in external_ids)]

    def run(self) -> Response:
        account = self.authenticate()
        ids, external_ids = self._ids("task_ids"), self._ids("external_task_ids")
        if not ids and not external_ids:
            raise invalid("task_ids or external_task_ids is required")  # observed
        if len(ids) + len(external_ids) > MOST_IDS:
            raise invalid("task_ids and external_task_ids cannot exceed 20 in total")  # observed
        if ids and external_ids:
            raise invalid("only one of task_ids and external_task_ids can be set")
        backend = self.app.backend
        found = backend.by_ids(account, ids) if ids else backend.by_external_ids(account, external_ids)
        return success(self.describe(found, backend.clock(), "standard"))


class TasksList(Endpoint):
    """``POST /tasks``: the account's tasks of a window, newest first, page by page."""

    operation = "list"

    def run(self) -> Response:
        account, fields = self.authenticate(), Fields(self.request.json())
        now = self.app.backend.clock()
        limit = fields.whole("limit")
        limit = LIST_DEFAULT if limit is None else max(1, limit)
        if limit > LIST_MOST:
            raise invalid(f"limit cannot exceed {LIST_MOST}")
        wanted = self._filters(fields)
        cursor = fields.text("cursor")
        before: int | None = None
        if cursor is not None:
            start, end, before = _opened(cursor)
        else:
            end = _moment(fields, "end_time") or milliseconds(now)
            start = _moment(fields, "start_time") or end - MONTH_MS
            if start > end:
                raise invalid("start_time must be before end_time")
        found = [
            task
            for task in self.app.backend.listed(account)
            if start <= milliseconds(task.created) <= end
            and (before is None or int(task.id) < before)
            and all(check(task, now) for check in wanted)
        ]
        page = found[:limit]
        if not page:
            return success({"count": 0, "has_more": False})  # recorded: no other keys
        return success(
            {
                "result": self.describe(page, now, "standard"),
                "count": len(page),
                "next_cursor": _sealed(start, end, page[-1].id),
                "has_more": len(found) > limit,
            }
        )

    def _filters(self, fields: Fields) -> list[Callable[[Task, float], bool]]:
        """Values of one filter are alternatives, different filters must all fit."""
        checks: list[Callable[[Task, float], bool]] = []
        for index, entry in enumerate(fields.items("filters")):
            one = Fields(entry, f"filters[{index}]")
            values = [str(value) for value in one.items("values")]
            match one.text("key"):
                case "status":
                    checks.append(_has_status(values))
                case "product_type":
                    checks.append(self._has_product_type(values))
                case _:
                    raise invalid(f"{one.name('key')} must be one of status, product_type")
        return checks

    def _has_product_type(self, values: list[str]) -> Callable[[Task, float], bool]:
        return lambda task, now: self.app.product_of(task).product_type in values


def _has_status(values: list[str]) -> Callable[[Task, float], bool]:
    return lambda task, now: task.state(now) in values


def _moment(fields: Fields, key: str) -> int | None:
    """Milliseconds; a number and its text were both accepted (observed)."""
    value = fields.raw.get(key)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return fields.whole(key)


def _sealed(start: int, end: int, last: str) -> str:
    return base64.urlsafe_b64encode(f"{start}.{end}.{last}".encode()).decode()


def _opened(cursor: str) -> tuple[int, int, int]:
    try:
        start, end, last = base64.urlsafe_b64decode(cursor.encode()).decode().split(".")
        return int(start), int(end), int(last)
    except ValueError:
        raise invalid("cursor is invalid") from None
