# SPDX-License-Identifier: Apache-2.0
"""Handle one callback: is it Kling's, is it new, does it say that a task has ended, who waits for that.

It runs in the API server's event loop, beside everything else that Airflow does there: what waits for the database is done
in a few threads of its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from kling_provider import metrics
from kling_provider.api.callbacks import Callback, parse_callback
from kling_provider.plugins.callbacks.marks import Marks
from kling_provider.plugins.callbacks.settings import KnownSettings
from kling_provider.plugins.callbacks.verification import SeenMessages, find_refusal
from kling_provider.plugins.callbacks.waiting import WaitingTrigger, WaitingTriggers
from kling_provider.plugins.callbacks.waking import wake_task

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Threads, and so connections of the database, that callbacks take at most. Airflow's own requests have the others.
_THREADS = 3
#: Seconds that a trigger must be old before its task is woken; see ``FIRST_LOOK`` of the triggers.
_YOUNGEST = 10.0
#: Seconds after which it is looked again for who waits: the callback may come before the task has deferred.
_LOOK_AGAIN = (1.5, 4.0, 12.0)
#: Callbacks that wait for one of these moments; what is more is left to polling.
_MOST_LATER = 2_000
#: Seconds between two log lines about refused messages.
_QUIET = 60.0


class Answer(Enum):
    """What the sender is told. Why something is refused is in metrics and log alone."""

    TAKEN = 200
    REFUSED = 404
    #: The database does not answer: a sender that repeats may succeed.
    FAILED = 503


@dataclass(frozen=True, slots=True)
class _End:
    """A finished Kling task that a callback told of."""

    conn_id: str
    callback: Callback
    #: When it came: by the monotonic clock, and as an epoch in seconds.
    came: float
    came_at: float
    #: How often it was looked again for who waits.
    looks: int = 0
    #: Somebody who waited was found.
    was_found: bool = False


class Receiver:
    """Handles the callbacks of one process."""

    def __init__(self) -> None:
        self._settings = KnownSettings()
        self._seen = SeenMessages()
        self._waiting = WaitingTriggers()
        self._marks = Marks()
        self._refreshing = asyncio.Lock()
        self._threads: CapacityLimiter | None = None
        self._later: set[asyncio.Task[None]] = set()
        #: Triggers whose tasks will be woken when they are old enough.
        self._young: set[int] = set()
        self._told_at = -_QUIET

    async def handle(self, conn_id: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Handle one message to the URL of a connection.

        :param headers: names in small letters.
        :param body: as it came.
        """
        settings = self._settings.find_known(conn_id)
        if settings is None:
            settings = await self._run(lambda: self._settings.read(conn_id))
        refusal = find_refusal(settings.secrets, headers, body)
        if not settings.secrets:
            return self._refuse("off")
        if refusal is not None:
            return self._refuse(refusal, conn_id)
        metrics.count_callback("received", conn_id=conn_id)
        message_id = headers["webhook-id"]
        if not self._seen.is_new(conn_id, message_id):
            metrics.count_callback("repeated", conn_id=conn_id)
            return Answer.TAKEN
        callback = parse_callback(body, accepts_gateway_statuses=settings.accepts_gateway_statuses)
        if callback is None:
            return self._refuse("unreadable", conn_id)
        if not callback.status.ended:
            return Answer.TAKEN
        try:
            await self._tell(_End(conn_id, callback, time.monotonic(), time.time()))
        except Exception:
            self._seen.forget(conn_id, message_id)
            log.exception("A callback about Kling task %s could not be handled.", callback.kling_task_id)
            return Answer.FAILED
        return Answer.TAKEN

    def refuse_too_large(self) -> None:
        """Count a message that was larger than any of Kling's."""
        self._refuse("too_large")

    async def _tell(self, end: _End) -> None:
        """Wake whoever waits for the end of a Kling task, now or as soon as that may be."""
        was_found = await self._wake_known(end) or end.was_found
        if await self._refresh_if_due(end.came if was_found else time.monotonic()):
            was_found = await self._wake_known(end) or was_found
            if was_found:
                return
        # Others may wait since the last look, or the task has not deferred yet.
        if end.looks < len(_LOOK_AGAIN):
            later = replace(end, looks=end.looks + 1, was_found=was_found)
            self._do_later(_LOOK_AGAIN[end.looks], later, None)
        elif not was_found:
            metrics.count_callback("nobody_waits", conn_id=end.conn_id)

    async def _wake_known(self, end: _End) -> bool:
        """Wake those of whom this process knows that they wait; return ``False`` where it knows of nobody."""
        waiting = self._waiting.find(end.conn_id, end.callback.kling_task_id)
        if end.was_found:
            # Whoever it has woken may wait again; this message has said to them what it had to say.
            waiting = [one for one in waiting if one.made_at <= end.came_at]
        if waiting:
            await self._run(lambda: self._marks.write(end.conn_id, end.callback.design))
        for one in waiting:
            youth = min(_YOUNGEST - (time.time() - one.made_at), _YOUNGEST)
            if youth <= 0:
                await self._wake(end, one)
            elif one.trigger_id not in self._young:
                self._young.add(one.trigger_id)
                self._do_later(youth, end, one)
        return bool(waiting)

    async def _refresh_if_due(self, since: float) -> bool:
        """Look at the database unless that was done in the last second; tell whether it was done after ``since``."""
        async with self._refreshing:
            if self._waiting.looked_at < since and self._waiting.is_refresh_due():
                await self._run(self._waiting.refresh)
            return self._waiting.looked_at >= since

    async def _wake(self, end: _End, one: WaitingTrigger) -> None:
        payload = {
            "kling_task_id": one.kling_task_id,
            "status": end.callback.status.value,
            "woken_by": "callback",
            "deadline": one.deadline,
        }
        is_woken = await self._run(lambda: wake_task(one.trigger_id, payload))
        self._waiting.forget(one)
        if is_woken:
            metrics.count_callback("woke", conn_id=end.conn_id)
            log.info("A callback woke the task that waits for Kling task %s.", one.kling_task_id)
        else:
            metrics.count_callback("late", conn_id=end.conn_id)

    def _do_later(self, seconds: float, end: _End, one: WaitingTrigger | None) -> None:
        """Wake a task, or look for who waits, in so many seconds.

        :param one: whose task is to be woken; ``None`` where nobody was found.
        """
        if len(self._later) >= _MOST_LATER:
            self._forget_young(one)
            metrics.count_callback("dropped", conn_id=end.conn_id)
            return

        async def work() -> None:
            await asyncio.sleep(seconds)
            self._forget_young(one)
            try:
                await (self._tell(end) if one is None else self._wake(end, one))
            except Exception:
                log.exception(
                    "A callback about Kling task %s is left to polling.", end.callback.kling_task_id
                )

        task = asyncio.create_task(work())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    def _forget_young(self, one: WaitingTrigger | None) -> None:
        if one is not None:
            self._young.discard(one.trigger_id)

    async def _run(self, work: Callable[[], T]) -> T:
        """Do what waits for the database in one of the threads of callbacks."""
        if self._threads is None:
            self._threads = CapacityLimiter(_THREADS)
        return await to_thread.run_sync(work, limiter=self._threads)

    def _refuse(self, reason: str, conn_id: str | None = None) -> Answer:
        metrics.count_refused_callback(reason)
        now = time.monotonic()
        if conn_id is not None and now - self._told_at >= _QUIET:
            self._told_at = now
            log.warning(
                "A callback to connection %r was refused: %s. If the webhook secret was changed in Kling's console, the "
                "connection needs the new one.",
                conn_id,
                reason,
            )
        return Answer.REFUSED
