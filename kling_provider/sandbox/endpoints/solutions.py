# SPDX-License-Identifier: Apache-2.0
"""The reads and lists of all solutions, which know no other tasks (documented; they are the twins of ``/tasks``)."""

from __future__ import annotations

import hashlib
import json

from kling_provider.sandbox.endpoints.tasks import TasksList, TasksRead
from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.state.tasks import Task

_STATES = ("submitted", "processing", "succeeded", "succeed", "failed")


class SolutionsRead(TasksRead):
    """``GET /solutions``: up to 20 solutions, by one kind of id."""

    of_solutions = True


class SolutionsList(TasksList):
    """``POST /solutions``: the account's solutions of a window, newest first, page by page.

    It differs from ``POST /tasks``: 500 a page by default, 0 and below count as 1, the end of the window does not
    belong to it, and a cursor wants the filters that it was made with.
    """

    of_solutions = True
    limit_default = 500
    includes_end = False

    def read_filters(self, fields: Fields) -> list[tuple[str, list[str]]]:
        """Return the filters, of which there is one key.

        :raises InvalidParameter: another key, or a value that is no state.
        """
        filters = []
        for index, entry in enumerate(fields.read_list("filters")):
            one = Fields(entry, f"filters[{index}]")
            key = one.read_choice("key", ("status",), "")
            if not key:
                raise InvalidParameter(f"{one.name_field('key')} must be one of status")
            values = [str(value) for value in one.read_list("values")]
            for value in values:
                if value not in _STATES:
                    raise InvalidParameter(f"{one.name_field('values')} must be of {', '.join(_STATES)}")
            filters.append((key, values))
        return filters

    def get_state_word(self, task: Task, now: float) -> str:
        """Return the state in the word of its solution: the filter uses the same."""
        return self.app.get_product(task).get_state_word(task, now) or task.get_state(now)

    def mark_filters(self, filters: list[tuple[str, list[str]]]) -> str:
        """Return a mark of the filters for the cursor."""
        text = json.dumps([[key, sorted(values)] for key, values in filters])
        return hashlib.sha256(text.encode()).hexdigest()[:16]
