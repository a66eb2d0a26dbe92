# SPDX-License-Identifier: Apache-2.0
"""Which triggers wait for which Kling task: read from the rows of Airflow's database, kept by this process."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select
from sqlalchemy.orm import lazyload

log = logging.getLogger(__name__)

#: The class whose rows these are, as Airflow stores it. Not imported: triggers are none of the API server's business.
_CLASSPATH = "kling_provider.triggers.kling.KlingTaskTrigger"
#: Rows that are kept. Of more, the newest: the others are found by polling.
_MOST = 20_000
#: Rows that are decrypted in one go.
_AT_ONCE = 500
#: Seconds between two looks at the database.
_LOOK_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class WaitingTrigger:
    """One row: a deferred task instance waits by it."""

    trigger_id: int
    kling_conn_id: str
    kling_task_id: str
    #: When it was made, as an epoch in seconds.
    made_at: float
    #: When the wait ends, as an epoch in seconds; ``None`` waits for ever.
    deadline: float | None = None


class WaitingTriggers:
    """A map from connection and Kling id to the triggers that wait for it. One thread at a time may refresh it."""

    def __init__(self) -> None:
        self._by_id: dict[int, WaitingTrigger] = {}
        self._by_task: dict[tuple[str, str], list[WaitingTrigger]] = {}
        #: Rows that say nothing usable; not to be decrypted at each look.
        self._unusable: set[int] = set()
        #: When the database was last looked at, by the monotonic clock: the start of that look.
        self.looked_at = -_LOOK_EVERY

    def find(self, kling_conn_id: str, kling_task_id: str) -> list[WaitingTrigger]:
        """Return the known triggers that wait for a Kling task of a connection. They may be gone by now."""
        return list(self._by_task.get((kling_conn_id, kling_task_id), ()))

    def forget(self, one: WaitingTrigger) -> None:
        """Forget a trigger whose task goes on."""
        self._by_id.pop(one.trigger_id, None)
        others = self._by_task.get((one.kling_conn_id, one.kling_task_id), [])
        if one in others:
            others.remove(one)

    def is_refresh_due(self) -> bool:
        """Tell whether the last look at the database was long enough ago for another one."""
        return time.monotonic() - self.looked_at >= _LOOK_EVERY

    def refresh(self) -> None:
        """Read the rows that are new, and forget those that are gone. Waits for the database."""
        began = time.monotonic()
        with create_session(scoped=False) as session:
            waiting = (
                select(Trigger.id)
                .join(TaskInstance, TaskInstance.trigger_id == Trigger.id)
                .where(Trigger.classpath == _CLASSPATH, TaskInstance.state == TaskInstanceState.DEFERRED)
                .order_by(Trigger.id.desc())
                .limit(_MOST)
            )
            ids = set(session.scalars(waiting))
            new = sorted(ids - self._by_id.keys() - self._unusable)
            found = [row for some in _split(new) for row in _read_rows(session, some)]
        self._unusable = (self._unusable & ids) | (set(new) - {row.trigger_id for row in found})
        # A copy, because others are forgotten meanwhile in the event loop.
        by_id = {one: row for one, row in self._by_id.copy().items() if one in ids}
        by_id.update((row.trigger_id, row) for row in found)
        by_task: dict[tuple[str, str], list[WaitingTrigger]] = {}
        for row in by_id.values():
            by_task.setdefault((row.kling_conn_id, row.kling_task_id), []).append(row)
        self._by_id, self._by_task = by_id, by_task
        self.looked_at = began


def _split(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), _AT_ONCE):
        yield ids[start : start + _AT_ONCE]


def _read_rows(session: Any, ids: list[int]) -> Iterator[WaitingTrigger]:
    # Its task instance would be loaded with each.
    for row in session.scalars(select(Trigger).where(Trigger.id.in_(ids)).options(lazyload("*"))):
        try:
            kwargs = row.kwargs
            kling_task_id, deadline = kwargs.get("kling_task_id"), kwargs.get("deadline")
            if isinstance(kling_task_id, str) and kling_task_id:
                yield WaitingTrigger(
                    row.id,
                    str(kwargs.get("kling_conn_id")),
                    kling_task_id,
                    row.created_date.timestamp(),
                    float(deadline) if deadline is not None else None,
                )
        except Exception as error:  # noqa: BLE001 - another key, or the row of another version: it is found by polling
            log.debug("The row of trigger %d cannot be read: %s", row.id, type(error).__name__)
