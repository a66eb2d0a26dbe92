# SPDX-License-Identifier: Apache-2.0
"""Arrive before a place is free: look, at no cost, until the tasks that are expected to end have ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kling_provider.exceptions import KlingError
from kling_provider.hooks.kling import KlingHook

log = logging.getLogger(__name__)

#: Seconds for which a worker that came too early looks again, before it gives its place back.
PATIENCE = 15.0
#: Seconds between two looks of the worker that is next, and of those that come after it.
_PACE, _SLOW_PACE = 0.5, 1.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the event of the queue says about the place of the task that it woke.

    :param watch: tasks that were in flight, with how much of the account's limit each takes; empty where the place was free.
    :param needed: so much of it must have become free.
    :param granted_at: when the task was woken, as an epoch in seconds.
    """

    watch: Mapping[str, int]
    needed: int = 0
    granted_at: float | None = None

    @classmethod
    def of_event(cls, event: Mapping[str, Any] | None) -> Arrival:
        """Read the event; one of an earlier version tells nothing, and its place is free."""
        watch = (event or {}).get("watch") or {}
        return cls(watch, int((event or {}).get("needed") or 0), (event or {}).get("granted_at"))

    def measure_start(self) -> float | None:
        """Measure the seconds since the task was woken; ``None`` where that is not known."""
        return None if self.granted_at is None else max(0.0, time.time() - float(self.granted_at))

    def wait_for_place(self, hook: KlingHook, type: str) -> bool:
        """Look until the place is free, and return whether it is worth a try.

        It is not where none of the tasks has ended in :data:`PATIENCE` seconds, or no look was answered. Where fewer ended than
        expected, a task that was woken before may be gone, so this one tries.

        :param type: the type of the request.
        """
        if not self.watch:
            return True
        until = time.monotonic() + PATIENCE
        told = failed = False
        while True:
            try:
                free = self._count_free(hook, type)
            except KlingError as error:
                free = 0
                if not failed:
                    log.info("The tasks in flight cannot be read now: %s", error)
                failed = True
            if free >= self.needed:
                return True
            left = until - time.monotonic()
            if left <= 0:
                return free > 0
            if not told:
                log.info(
                    "The place of this task is expected to become free within seconds; it looks until then."
                )
                told = True
            time.sleep(min(_PACE if self.needed - free <= 1 and not failed else _SLOW_PACE, left))

    def _count_free(self, hook: KlingHook, type: str) -> int:
        """Count how much of the limit has become free."""
        found, complete = hook.get_batch(list(self.watch), type=type)
        return sum(
            takes
            for kling_task_id, takes in self.watch.items()
            # A complete answer leaves out what is unknown by now: that is in flight no more.
            if (found[kling_task_id].status.ended if kling_task_id in found else complete)
        )
