# SPDX-License-Identifier: Apache-2.0
"""Decide whether a list shows many waiting tasks in fewer calls than their ids, and which list. No I/O.

A page of a list has up to 500 tasks, a read by ids up to 20. There are two lists: *everything* that was made in the same
time as those that wait, ended or not; and what is *in flight*, which shows only who still waits, so that each task that has
ended is read by its id. Other clients' tasks are in both.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from kling_provider.api.dialects.standard import MAX_IDS
from kling_provider.hooks.operations import IN_FLIGHT
from kling_provider.polling.waiters import Waiter

#: From so many ids on, a list is tried.
_LIST_FROM = 3 * MAX_IDS
_PAGE = 500
#: Seconds around the times at which those that wait were made: rounding must not leave the first or the last one out.
_MARGIN = 0.05
#: The part of the calls by ids that pages may cost in vain.
_MAY_COST = 0.1
#: The part of those that wait that may end between two looks, whatever the last one found: ends come in crowds.
_MAY_END = 0.1
#: Rounds without a list after one that showed too few.
_ROUNDS_WITHOUT = 10


@dataclass(frozen=True, slots=True)
class TaskList:
    """One list.

    :param statuses: only tasks that stand so; empty: all.
    :param since: the first moment in which its tasks were made, by Kling's clock; ``until``: the last one.
    """

    statuses: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_everything(self) -> bool:
        """Return whether it shows tasks that have ended, too."""
        return not self.statuses


class ListChoice:
    """What the lists at one path have shown, and which one is the next."""

    def __init__(self) -> None:
        self._rounds_without = 0
        #: Tasks in the last list of everything, and how many of those that wait had ended at the last look.
        self._rows: int | None = None
        self._ended: int | None = None

    def choose_list(self, waiters: Collection[Waiter], count: int) -> TaskList | None:
        """Choose the list that shows ``count`` tasks in the fewest calls; ``None`` where reads by ids do.

        :param waiters: who waits for them.
        """
        if count < _LIST_FROM:
            return None
        if self._rounds_without:
            self._rounds_without -= 1
            return None
        made = [waiter.created_at for waiter in waiters if waiter.created_at is not None]
        if len(made) < len(waiters):
            return TaskList(statuses=tuple(IN_FLIGHT))
        since, until = (datetime.fromtimestamp(at, UTC) for at in (min(made) - _MARGIN, max(made) + _MARGIN))
        ended = count if self._ended is None else max(self._ended, count * _MAY_END)
        pages = max(self._rows or 0, count) / _PAGE
        is_everything = pages <= (count - min(ended, count)) / _PAGE + ended / MAX_IDS + 1
        return TaskList(() if is_everything else tuple(IN_FLIGHT), since, until)

    def is_worth_it(self, wanted: int, *, pages: int, shown: int) -> bool:
        """Tell whether the next page is worth its call: what the pages cost beyond what they saved is little so far.

        :param wanted: tasks that are waited for.
        :param pages: pages that were read.
        :param shown: tasks that are waited for in these.
        """
        return pages - shown / MAX_IDS < max(1.0, wanted / MAX_IDS * _MAY_COST)

    def note_list(self, chosen: TaskList, *, pages: int, rows: int, shown: int, ended: int) -> None:
        """Note what a list has shown.

        :param pages: pages that were read.
        :param rows: tasks in it.
        :param shown: those of them that are waited for.
        :param ended: those that were found to have ended, in the list or because a list of what is in flight lacks them.
        """
        self._ended = ended
        if chosen.is_everything:
            self._rows = rows
        if shown <= pages * MAX_IDS:
            self._rounds_without = _ROUNDS_WITHOUT
