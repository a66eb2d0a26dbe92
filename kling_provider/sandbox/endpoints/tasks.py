# SPDX-License-Identifier: Apache-2.0
"""The standard design's reads and lists, which know the tasks of both designs."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from typing import ClassVar

from kling_provider.sandbox.endpoints.base import Endpoint
from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.http.messages import Response, build_success
from kling_provider.sandbox.state.faults import Attributes
from kling_provider.sandbox.state.tasks import Task, to_milliseconds

_MOST_IDS = 20
LIST_DEFAULT, LIST_MOST = 100, 500
_MONTH_MS = 30 * 86_400_000


class TasksRead(Endpoint):
    """``GET /tasks``: up to 20 tasks of either standard, by one kind of id."""

    operation = "read"
    of_solutions: ClassVar[bool] = False
    """It reads what solutions made, and nothing else."""

    def _list_ids(self, name: str) -> list[str]:
        return [part for part in self.request.parse_query().get(name, "").split(",") if part]

    def list_subjects(self) -> Sequence[Attributes]:
        """List the attributes of the tasks that are known, then each asked id itself."""
        ids, external_ids = self._list_ids("task_ids"), self._list_ids("external_task_ids")
        backend = self.app.backend
        known: list[Attributes] = [
            task.list_attributes() for task in map(backend.get_task, ids) if task is not None
        ]
        for account in backend.accounts:
            known += [task.list_attributes() for task in backend.find_by_external_ids(account, external_ids)]
        asked: list[Attributes] = [{"task_id": value} for value in ids]
        return [*known, *asked, *({"external_task_id": value} for value in external_ids)]

    def run_operation(self) -> Response:
        """Return the tasks that are found; ids that nobody knows are left out (observed).

        :raises ApiError: no ids, both kinds of them, or more than 20 (1201).
        """
        account = self.authenticate_caller()
        ids, external_ids = self._list_ids("task_ids"), self._list_ids("external_task_ids")
        if not ids and not external_ids:
            raise InvalidParameter("task_ids or external_task_ids is required")  # observed
        if len(ids) + len(external_ids) > _MOST_IDS:
            raise InvalidParameter("task_ids and external_task_ids cannot exceed 20 in total")  # observed
        if ids and external_ids:
            raise InvalidParameter("only one of task_ids and external_task_ids can be set")
        backend = self.app.backend
        found = (
            backend.find_by_ids(account, ids) if ids else backend.find_by_external_ids(account, external_ids)
        )
        found = [task for task in found if self.app.is_solution(task) is self.of_solutions]
        return build_success(self.describe_tasks(found, backend.clock(), "standard"))


class TasksList(Endpoint):
    """``POST /tasks``: the account's tasks of a window, newest first, page by page."""

    operation = "list"
    of_solutions: ClassVar[bool] = False
    """It lists what solutions made, and nothing else."""
    limit_default: ClassVar[int] = LIST_DEFAULT
    includes_end: ClassVar[bool] = True
    """Tasks that were made in the last millisecond of the window belong to it."""

    def run_operation(self) -> Response:
        """Return one page of the account's tasks.

        :raises ApiError: limit, window, filter or cursor is invalid (1201).
        """
        account, fields = self.authenticate_caller(), Fields(self.request.parse_json())
        now = self.app.backend.clock()
        limit = fields.read_integer("limit")
        limit = self.limit_default if limit is None else max(1, limit)
        if limit > LIST_MOST:
            raise InvalidParameter(f"limit cannot exceed {LIST_MOST}")
        filters = self.read_filters(fields)
        wanted, mark = [self._build_check(*one) for one in filters], self.mark_filters(filters)
        cursor = fields.read_text("cursor")
        before: int | None = None
        if cursor is not None:
            start, end, before, marked = _parse_cursor(cursor)
            if marked != mark:
                raise InvalidParameter("filters must be those that the cursor was made with")
        else:
            end = _read_moment(fields, "end_time") or to_milliseconds(now) + (not self.includes_end)
            start = _read_moment(fields, "start_time") or end - _MONTH_MS
            if start > end:
                raise InvalidParameter("start_time must be before end_time")
        found = [
            task
            for task in self.app.backend.list_tasks(account)
            if start <= to_milliseconds(task.created) < end + self.includes_end
            and self.app.is_solution(task) is self.of_solutions
            and (before is None or int(task.id) < before)
            and all(check(task, now) for check in wanted)
        ]
        page = found[:limit]
        if not page:
            return build_success({"count": 0, "has_more": False})  # recorded: no other keys
        return build_success(
            {
                "result": self.describe_tasks(page, now, "standard"),
                "count": len(page),
                "next_cursor": _build_cursor(start, end, page[-1].id, mark),
                "has_more": len(found) > limit,
            }
        )

    def read_filters(self, fields: Fields) -> list[tuple[str, list[str]]]:
        """Return the filters as key and values.

        :raises InvalidParameter: a key is unknown.
        """
        filters = []
        for index, entry in enumerate(fields.read_list("filters")):
            one = Fields(entry, f"filters[{index}]")
            key = one.read_text("key")
            if key not in ("status", "product_type"):
                raise InvalidParameter(f"{one.name_field('key')} must be one of status, product_type")
            filters.append((key, [str(value) for value in one.read_list("values")]))
        return filters

    def mark_filters(self, filters: list[tuple[str, list[str]]]) -> str:
        """Return what a cursor keeps of its filters: nothing, other ones may come with it."""
        return ""

    def _build_check(self, key: str, values: list[str]) -> Callable[[Task, float], bool]:
        """Build the check of a filter: its values are alternatives, and different filters must all fit."""
        if key == "status":
            return lambda task, now: self.get_state_word(task, now) in values
        return lambda task, now: self.app.get_product(task).product_type in values

    def get_state_word(self, task: Task, now: float) -> str:
        """Return the word of the filter for a task's state."""
        return task.get_state(now)


def _read_moment(fields: Fields, key: str) -> int | None:
    """Return milliseconds; a number and its text were both accepted (observed)."""
    value = fields.raw.get(key)
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
        return int(value)
    return fields.read_integer(key)


def _build_cursor(start: int, end: int, last: str, mark: str) -> str:
    """Pack window, last id and mark of the filters into the text that asks for the next page."""
    return base64.urlsafe_b64encode(f"{start}.{end}.{last}.{mark}".encode()).decode()


def _parse_cursor(cursor: str) -> tuple[int, int, int, str]:
    """Unpack a cursor: start and end in milliseconds, the last id, the mark.

    :raises InvalidParameter: it is none of ours.
    """
    try:
        start, end, last, mark = base64.urlsafe_b64decode(cursor.encode()).decode().split(".")
        return int(start), int(end), int(last), mark
    except ValueError:
        raise InvalidParameter("cursor is invalid") from None
