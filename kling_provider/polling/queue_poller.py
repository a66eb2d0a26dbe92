# SPDX-License-Identifier: Apache-2.0
"""Poll for the queue below the concurrency limit: read what is in flight, and wake the tasks that are next."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass, field, replace
from functools import cache

from kling_provider.api.account import concurrency_of
from kling_provider.api.catalog import DEFAULT_TYPE, find_spec
from kling_provider.api.tasks import KlingTask
from kling_provider.exceptions import (
    KlingAuthError,
    KlingConnectionMissing,
    KlingError,
    KlingRequestError,
)
from kling_provider.hooks.asynchronous import KlingAsyncHook
from kling_provider.hooks.operations import IN_FLIGHT, find_tasks_path
from kling_provider.polling import clock
from kling_provider.polling.forecast import WorkerStarts
from kling_provider.polling.lines import Entry
from kling_provider.polling.poller import Poller, start_apart
from kling_provider.polling.progress_lines import find_pause_to_next_line
from kling_provider.polling.queue import ConcurrencyQueue, Grant, Running
from kling_provider.polling.render_times import find_render_times
from kling_provider.polling.shared_hook import SharedHook
from kling_provider.polling.wait_state import FAULT_BUDGET, MISSING_BUDGET, get_requested_pause

log = logging.getLogger(__name__)

#: Seconds between two looks while any task waits: one free list each, however many wait. Unused concurrency costs
#: more than the call: a video that could render does not.
_TICK = 2.0
#: The longest pause while looks fail.
_MAX_PAUSE = 30.0
#: Seconds after which a grant that no list has shown is looked up by its external id.
_UNSEEN = 6.0
#: Seconds that the limit in the pack's name is believed.
_PACK_AGE = 600.0
#: Seconds after which it is asked for again where it could not be read: Kling allows one such read a second (1302).
_PACK_RETRY = 30.0
_LIST_PAGES = 4
#: Waits that end with an error at the same time, before the loop does other work.
_FAIL_TOGETHER = 100
#: Seconds between two looks at the clock for deadlines and lines of progress, and how many there are in one go.
_RING, _RING_TOGETHER = 0.25, 20


@dataclass(frozen=True, slots=True)
class _Limit:
    """One of the account's limits: of its packs for videos or for images (Kling's concurrency page), and where it is read.

    :param product_type: what the list calls what counts against it; ``None`` where it is not filtered.
    :param path: the list. The solutions have one of their own.
    :param type: any type of request that counts against it.
    """

    product_type: str | None
    path: str | None
    type: str = field(compare=False)


@cache
def _find_limit(type: str) -> _Limit:
    """Find the limit that a type of request counts against; kept, so that thousands of tickets share one."""
    spec = find_spec(type)
    return (
        _Limit(None, None, DEFAULT_TYPE)
        if spec is None
        else _Limit(spec.concurrency, spec.tasks_path, spec.type)
    )


@dataclass(eq=False, slots=True)
class QueueTicket:
    """One task in the queue.

    :param granted: is done when the task may try; with an error where no look can succeed, with ``None`` at the deadline.
    :param deadline: when the wait ends, in the time of :mod:`.clock`.
    :param say: takes a line of progress, now and then; called in ``context``, which leads it to the log of its task.
    """

    entry: Entry
    limit: _Limit
    granted: asyncio.Future[Grant | KlingError | None]
    deadline: float
    say: Callable[[str], None]
    context: Context
    since: float


@dataclass(eq=False)
class QueuePoller:
    """Looks as long as any task waits; :attr:`on_idle` is called when the last one has left."""

    shared_hook: SharedHook
    poller: Poller
    on_idle: Callable[[], None]
    #: One for each of the account's limits. They outlive the waiting: a task that comes back finds its grant, and what was
    #: learned.
    queues: dict[_Limit, ConcurrencyQueue] = field(default_factory=dict)
    _starts: WorkerStarts = field(default_factory=WorkerStarts)
    _tickets: dict[Entry, QueueTicket] = field(default_factory=dict)
    #: How many wait below each limit.
    _counts: Counter[_Limit] = field(default_factory=Counter)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    #: When each ticket's next line of progress, or its deadline, is due.
    _alarms: list[tuple[float, int, QueueTicket]] = field(default_factory=list)
    _count: Iterator[int] = field(default_factory=itertools.count)
    _loop: asyncio.Task[None] | None = None
    _pack_limit: int | None = None
    _pack_read_at: float = float("-inf")
    _failing_since: float | None = None

    @property
    def is_idle(self) -> bool:
        """Return whether no task waits."""
        return not self._tickets

    def add_entry(self, entry: Entry, *, deadline: float, say: Callable[[str], None]) -> QueueTicket:
        """Add a task to the queue.

        :param deadline: when its wait ends, in the time of :mod:`.clock`; not before its ``not_before``.
        :param say: takes a line of progress, now and then.
        """
        now = clock.now()
        ticket = QueueTicket(
            entry,
            _find_limit(entry.type),
            asyncio.get_running_loop().create_future(),
            deadline=max(deadline, entry.not_before),
            say=say,
            context=copy_context(),
            since=now,
        )
        self._tickets[entry] = ticket
        self._schedule_alarm(ticket, now)
        self._counts[ticket.limit] += 1
        if ticket.limit not in self.queues:
            times = find_render_times(self.shared_hook.kling_conn_id)
            self.queues[ticket.limit] = ConcurrencyQueue(starts=self._starts, times=times)
        self.queues[ticket.limit].add_entry(entry, now)
        if self._loop is None or self._loop.done():
            self._loop = start_apart(self._poll_until_idle(), self._tasks)
            start_apart(self._ring_until_idle(), self._tasks)
        return ticket

    def remove_ticket(self, ticket: QueueTicket) -> None:
        """Remove a task from the queue, with a grant or without. Safe at any moment: it awaits nothing."""
        if self._tickets.pop(ticket.entry, None) is not None:
            self._counts[ticket.limit] -= 1
        self.queues[ticket.limit].remove_entry(ticket.entry)
        if self.is_idle:
            self._loop = None
            self._alarms.clear()
            for task in self._tasks:
                task.cancel()
            self.on_idle()

    async def _poll_until_idle(self) -> None:
        faults = 0
        while not self.is_idle:
            began = time.monotonic()
            pause = _TICK
            try:
                await self._poll_once()
                faults, self._failing_since = 0, None
            except KlingError as error:
                faults += 1
                pause = max(min(_TICK * 2.0 ** min(faults, 10), _MAX_PAUSE), get_requested_pause(error))
                await self._handle_failure(error, faults)
            except Exception:
                pause = _MAX_PAUSE
                log.exception("The tasks in flight could not be read; the next round reads them again.")
            await asyncio.sleep(max(began + pause - time.monotonic(), _TICK / 4))

    async def _ring_until_idle(self) -> None:
        """End the waits whose deadline has come, and write the lines of progress: one timer for all."""
        while not self.is_idle:
            now = clock.now()
            for _ in range(_RING_TOGETHER):
                if not self._alarms or self._alarms[0][0] > now:
                    break
                self._ring(heapq.heappop(self._alarms)[2], now)
            is_behind = bool(self._alarms) and self._alarms[0][0] <= now
            await asyncio.sleep(0 if is_behind else _RING)

    def _ring(self, ticket: QueueTicket, now: float) -> None:
        if ticket.granted.done() or ticket.entry not in self._tickets:
            return
        if now >= ticket.deadline:
            ticket.granted.set_result(None)
            return
        # Not how many are before it: counted once for each of thousands, that is all the loop would do.
        since = now - clock.convert_wall_time(ticket.entry.queued_at)
        line = f"Queued at the concurrency limit of {ticket.entry.model} for {since:.0f} s."
        ticket.context.run(ticket.say, line)
        self._schedule_alarm(ticket, now)

    def _schedule_alarm(self, ticket: QueueTicket, now: float) -> None:
        at = min(now + find_pause_to_next_line(now - ticket.since), ticket.deadline)
        heapq.heappush(self._alarms, (at, next(self._count), ticket))

    async def _poll_once(self) -> None:
        hook = await self.shared_hook.get_hook()
        for limit in [limit for limit, count in self._counts.items() if count]:
            await self._poll_limit(hook, limit)

    async def _poll_limit(self, hook: KlingAsyncHook, limit: _Limit) -> None:
        """Read what counts against one of the limits, and wake the tasks that are next below it."""
        connection, queue = await hook.connection(), self.queues[limit]
        running = self.poller.list_running()
        types = {one for one in {task.type for task in running} if _find_limit(one or "") == limit}
        waited = [task for task in running if task.type in types]
        exist = {task.external_task_id for task in waited if task.external_task_id}
        complete = find_tasks_path(connection, limit.type) is not None
        if complete:
            known = {task.kling_task_id: task for task in waited}
            listed = await hook.list_tasks(
                statuses=IN_FLIGHT,
                product_types=(limit.product_type,) if limit.product_type else (),
                max_pages=_LIST_PAGES,
                type=limit.type,
            )
            running = [_describe_running(task, known.get(task.kling_task_id)) for task in listed]
            if unseen := queue.list_unseen(clock.now(), age=_UNSEEN):
                found = await hook.find(unseen, type=limit.type)
                exist |= found.keys()
                # Made since the list was read: in flight as well, or its place would count as free.
                listed_ids = {task.kling_task_id for task in listed}
                running += [
                    _describe_running(task, known.get(task.kling_task_id))
                    for tasks in found.values()
                    for task in tasks
                    if task.status.running and task.kling_task_id not in listed_ids
                ]
        else:
            running = waited
        most = connection.max_concurrency or await self._read_pack_limit(hook, limit)
        granted = queue.grant_capacity(clock.now(), running, limit=most, exist=exist, complete=complete)
        for grant in granted:
            ticket = self._tickets.get(grant.entry)
            if ticket is not None and not ticket.granted.done():
                ticket.granted.set_result(grant)

    async def _read_pack_limit(self, hook: KlingAsyncHook, limit: _Limit) -> int | None:
        """Read the concurrency limit in the name of the account's pack; ``None`` where it cannot be read.

        A wrong or missing one only means that the limit is learned, as that of images is: only names of video packs were
        seen.
        """
        if limit.product_type == "image":
            return None
        if time.monotonic() - self._pack_read_at < _PACK_AGE:
            return self._pack_limit
        self._pack_read_at = time.monotonic()
        if (await hook.connection()).profile.account:
            try:
                self._pack_limit = concurrency_of(await hook.account())
            except KlingError as error:
                log.info(
                    "The account does not tell its concurrency limit now, so it is learned meanwhile: %s",
                    error,
                )
                self._pack_read_at += _PACK_RETRY - _PACK_AGE
        return self._pack_limit

    async def _handle_failure(self, error: KlingError, faults: int) -> None:
        """Wait outages out, as nothing is paid and nothing is lost; end the waits with what a person has to correct."""
        if faults == 1:
            log.warning("The tasks in flight of the account could not be read: %s", error)
        if not isinstance(error, KlingAuthError | KlingRequestError):
            self._failing_since = None
            return
        self.shared_hook.suspect_connection()
        now = time.monotonic()
        self._failing_since = self._failing_since if self._failing_since is not None else now
        budget = MISSING_BUDGET if isinstance(error, KlingConnectionMissing) else FAULT_BUDGET
        if now - self._failing_since >= budget:
            for number, ticket in enumerate(list(self._tickets.values()), 1):
                if not ticket.granted.done():
                    ticket.granted.set_result(error)
                if number % _FAIL_TOGETHER == 0:
                    await asyncio.sleep(0)


def _describe_running(task: KlingTask, known: Running | None) -> Running:
    """Describe a task of the list, with what is known of it where this process waits for it."""
    made_at = None if task.created_at is None else clock.convert_wall_time(task.created_at.timestamp())
    if known is None:
        return Running(task.kling_task_id, task.external_task_id, made_at=made_at)
    return replace(known, made_at=made_at)
