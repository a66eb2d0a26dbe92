# SPDX-License-Identifier: Apache-2.0
"""Read the Kling tasks that many Airflow tasks wait for, together for each connection.

All reads happen on the ticks of one clock, so that the reads of one tick become calls of up to 20 ids. If very many tasks
wait, one list of what is in flight answers for most of them, and only the rest is read by id.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import math
import random
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

from kling_provider.api.dialects.standard import MAX_IDS
from kling_provider.api.tasks import KlingTask
from kling_provider.exceptions import (
    KlingAuthError,
    KlingError,
    KlingRequestError,
    KlingServerError,
    KlingTaskNotFound,
)
from kling_provider.hooks.asynchronous import KlingAsyncHook
from kling_provider.hooks.operations import IN_FLIGHT, find_tasks_path
from kling_provider.polling import clock
from kling_provider.polling.callback_pace import CallbackPace
from kling_provider.polling.queue import Running
from kling_provider.polling.shared_hook import SharedHook
from kling_provider.polling.wait_state import State, WaitDecision, WaitState, get_requested_pause

log = logging.getLogger(__name__)

#: Calls at the same time.
_AT_ONCE = 8
#: From so many ids in one tick on, a list of what is in flight is fewer calls: one or two pages of 500 (other
#: clients' tasks are in it, too), and a batch for those that have ended.
_LIST_FROM = 3 * MAX_IDS
_LIST_PAGES = 2
#: Ticks are aligned on one clock, at another place in every process.
_PHASE = random.random()  # noqa: S311 - spreads load, keeps no secret
#: The longest sleep, in seconds.
_NAP = 30.0
#: Seconds between two warnings about failing reads.
_QUIET = 30.0

#: Type and id: legacy reads are bound to the type.
Key = tuple[str, str]


@dataclass(eq=False)
class Waiter:
    """One task that waits for a result."""

    wait: WaitState
    type: str
    #: When it is to be read next.
    due: float
    decision: asyncio.Future[WaitDecision]
    external_task_id: str | None = None
    model: str | None = None

    @property
    def task_key(self) -> Key:
        """Return the type and id of the task that it waits for."""
        return self.type, self.wait.kling_task_id


@dataclass(eq=False)
class Poller:
    """Reads as long as any task waits; :attr:`on_idle` is called when the last one has left."""

    shared_hook: SharedHook
    on_idle: Callable[[], None]
    _waiters: dict[Key, list[Waiter]] = field(default_factory=dict)
    #: When each is due, earliest first; entries that no longer hold are passed over.
    _schedule: list[tuple[float, int, Waiter]] = field(default_factory=list)
    _count: Iterator[int] = field(default_factory=itertools.count)
    _reading: set[Key] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _loop: asyncio.Task[None] | None = None
    _warned_at: float = -math.inf
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    _callbacks: CallbackPace = field(init=False)

    def __post_init__(self) -> None:
        self._callbacks = CallbackPace(self.shared_hook.kling_conn_id)

    @property
    def is_idle(self) -> bool:
        """Return whether no task waits."""
        return not self._waiters

    def add_waiter(
        self,
        wait: WaitState,
        *,
        type: str,
        first_look: float,
        external_task_id: str | None = None,
        model: str | None = None,
    ) -> Waiter:
        """Add a wait for a result, read for the first time on the first tick after ``first_look`` (a time of :mod:`.clock`)."""
        first_read = max(first_look, clock.now() + self._callbacks.find_least_pause(type))
        due = _find_tick(max(first_read, clock.now()), wait.poll_interval)
        if wait.deadline is not None:
            due = min(due, max(first_look, wait.deadline))
        waiter = Waiter(wait, type, due, asyncio.get_running_loop().create_future(), external_task_id, model)
        self._waiters.setdefault(waiter.task_key, []).append(waiter)
        self._schedule_read(waiter)
        self._wake.set()
        if self._loop is None or self._loop.done():
            self._loop = self._start_work(self._poll_until_idle())
        return waiter

    def remove_waiter(self, waiter: Waiter) -> None:
        """Remove a wait. Safe at any moment, from a cancelled task as well: it awaits nothing."""
        others = self._waiters.get(waiter.task_key, [])
        if waiter in others:
            others.remove(waiter)
        if not others:
            self._waiters.pop(waiter.task_key, None)
        if self.is_idle:
            self._loop = None
            for task in self._tasks:
                task.cancel()
            self.on_idle()

    def list_running(self) -> list[Running]:
        """List the tasks that are waited for and, as far as is known, still run."""
        return [
            Running(
                waiters[0].wait.kling_task_id,
                waiters[0].external_task_id,
                waiters[0].model or waiters[0].type,
                type=waiters[0].type,
            )
            for waiters in self._waiters.values()
            if not waiters[0].decision.done()
        ]

    def _start_work(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return start_apart(work, self._tasks)

    def _schedule_read(self, waiter: Waiter) -> None:
        heapq.heappush(self._schedule, (waiter.due, next(self._count), waiter))

    async def _poll_until_idle(self) -> None:
        while not self.is_idle:
            if due := self._take_due(clock.now()):
                self._reading |= due
                self._start_work(self._read_due(due))
                continue
            pause = self._schedule[0][0] - clock.now() if self._schedule else _NAP
            self._wake.clear()
            try:
                async with asyncio.timeout(min(pause, _NAP)):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def _take_due(self, now: float) -> set[Key]:
        """Take what is to be read now from the schedule. What is being read is scheduled again when that is over."""
        due = set()
        while self._schedule and self._schedule[0][0] <= now:
            at, _, waiter = heapq.heappop(self._schedule)
            gone = (
                waiter.due != at
                or waiter.decision.done()
                or waiter not in self._waiters.get(waiter.task_key, ())
            )
            if not gone and waiter.task_key not in self._reading:
                due.add(waiter.task_key)
        return due

    async def _read_due(self, keys: set[Key]) -> None:
        """Read what is due in one tick. Whatever happens in it, the next one comes."""
        began = clock.now()
        try:
            hook = await self.shared_hook.get_hook()
            connection = await hook.connection()
            await self._callbacks.refresh(connection)
            lists: dict[str, set[Key]] = {}
            alone: list[Key] = []
            for key in keys:
                path = find_tasks_path(connection, key[0])
                if path is None:
                    alone.append(key)
                else:
                    lists.setdefault(path, set()).add(key)
            await asyncio.gather(
                *(self._read_shared(hook, together) for together in lists.values()),
                *(self._read_one(hook, key) for key in alone),
            )
        except KlingError as error:
            self._note_failure(self._find_unsettled(keys, began), error)
        except Exception:
            log.exception("A round of reads failed; the next round reads again.")
            inside = KlingServerError("the read failed inside this provider, see the triggerer's log")
            self._note_failure(self._find_unsettled(keys, began), inside)
        finally:
            self._reading -= keys
            for waiter in [waiter for key in keys for waiter in self._waiters.get(key, ())]:
                if not waiter.decision.done():
                    self._schedule_read(waiter)
            self._wake.set()

    async def _read_shared(self, hook: KlingAsyncHook, keys: set[Key]) -> None:
        """Read tasks of types that are read at the same path."""
        keys_of: dict[str, list[Key]] = {}
        for key in keys:
            keys_of.setdefault(key[1], []).append(key)
        if len(keys_of) >= _LIST_FROM:
            await self._read_list(hook, keys_of)
        ids = list(keys_of)
        batches = [ids[start : start + MAX_IDS] for start in range(0, len(ids), MAX_IDS)]
        await asyncio.gather(*(self._read_batch(hook, batch, keys_of) for batch in batches))

    async def _read_list(self, hook: KlingAsyncHook, keys_of: dict[str, list[Key]]) -> None:
        """Read a list of what is in flight and settle what it shows; the others are left in ``keys_of`` for a read by id."""
        try:
            kind = next(iter(keys_of.values()))[0][0]
            listed = await hook.list_tasks(statuses=IN_FLIGHT, max_pages=_LIST_PAGES, type=kind)
        except KlingError as error:
            log.info("The tasks could not be listed, so each is read by its id: %s", error)
            return
        for task in listed:
            if task.status.running:
                self._note_read(keys_of.pop(task.kling_task_id, ()), task)

    async def _read_batch(self, hook: KlingAsyncHook, ids: list[str], keys_of: dict[str, list[Key]]) -> None:
        try:
            async with self._gate:
                found, complete = await hook.get_batch(ids, type=keys_of[ids[0]][0][0])
        except KlingRequestError as error:
            if error.code is not None and len(ids) > 1:
                # One id that Kling refuses must not hold up the other nineteen.
                middle = len(ids) // 2
                await self._read_batch(hook, ids[:middle], keys_of)
                await self._read_batch(hook, ids[middle:], keys_of)
            else:
                self._note_failure([key for one in ids for key in keys_of[one]], error)
        except KlingError as error:
            self._note_failure([key for one in ids for key in keys_of[one]], error)
        else:
            for one in ids:
                if one in found or complete:
                    self._note_read(keys_of[one], found.get(one))
            if not complete:
                # An entry that cannot be read may be any of the missing ones, and holds up no other.
                await asyncio.gather(
                    *(self._read_one(hook, keys_of[one][0], keys_of[one]) for one in ids if one not in found)
                )

    async def _read_one(self, hook: KlingAsyncHook, key: Key, keys: Sequence[Key] = ()) -> None:
        """Read one task by its id.

        :param keys: all keys of this task, where they are several.
        """
        kind, kling_task_id = key
        keys = keys or [key]
        try:
            async with self._gate:
                task = await hook.get_task(kling_task_id, type=kind)
        except KlingTaskNotFound as error:
            if error.code is not None:
                self._note_read(keys, None, str(error))
            else:
                # A bare 404 is a proxy without its server rather than Kling's word about an id.
                self._note_failure(keys, error)
        except KlingError as error:
            self._note_failure(keys, error)
        else:
            self._note_read(keys, task)

    def _note_read(self, keys: Iterable[Key], task: KlingTask | None, said: str | None = None) -> None:
        if task is None:
            self.shared_hook.suspect_connection()
            self._settle_waiters(keys, lambda wait, now: wait.note_missing(now, said))
        else:
            self._settle_waiters(keys, lambda wait, now: wait.note_task(task, now), was_shown=True)

    def _note_failure(self, keys: Iterable[Key], error: KlingError) -> None:
        keys = list(keys)
        if isinstance(error, KlingAuthError | KlingTaskNotFound):
            self.shared_hook.suspect_connection()
        if time.monotonic() - self._warned_at >= _QUIET:
            self._warned_at = time.monotonic()
            log.warning("Could not read %d of the tasks that are waited for: %s", len(keys), error)
        self._settle_waiters(
            keys, lambda wait, now: wait.note_failure(error, now), get_requested_pause(error)
        )

    def _settle_waiters(
        self,
        keys: Iterable[Key],
        decide: Callable[[WaitState, float], WaitDecision],
        at_least: float = 0.0,
        *,
        was_shown: bool = False,
    ) -> None:
        """Decide what follows a read.

        :param at_least: seconds for which the host asks to be left alone.
        :param was_shown: the read showed the task: what failed is read again as if there were no callbacks.
        """
        now = clock.now()
        for waiter in [waiter for key in keys for waiter in self._waiters.get(key, ())]:
            if waiter.decision.done():
                continue
            decision = decide(waiter.wait, now)
            least_pause = self._callbacks.find_least_pause(waiter.type) if was_shown else 0.0
            if decision.is_final:
                if decision.state in (State.SUCCEEDED, State.FAILED):
                    self._callbacks.note_found_end(waiter.type)
                waiter.decision.set_result(decision)
            elif decision.delay < waiter.wait.poll_interval:
                waiter.due = now + decision.delay  # the deadline does not wait for a tick
            else:
                # From the tick that this read belongs to, so that the time it took does not add up.
                after = max(waiter.due + decision.delay, now + at_least, now + least_pause)
                waiter.due = _find_tick(after, waiter.wait.poll_interval)
                if waiter.wait.deadline is not None and now < waiter.wait.deadline:
                    waiter.due = min(waiter.due, waiter.wait.deadline)

    def _find_unsettled(self, keys: Iterable[Key], began: float) -> list[Key]:
        """Find those that the tick did not get to: they are still due."""
        return [key for key in keys if any(waiter.due <= began for waiter in self._waiters.get(key, ()))]


def start_apart(work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> asyncio.Task[None]:
    """Start shared work in an empty context, kept alive by ``tasks``.

    So its log lines belong to no task instance, least of all to whichever came first.
    """
    task = asyncio.get_running_loop().create_task(work, context=Context())
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


def _find_tick(at: float, interval: float) -> float:
    """Find the first tick at or after ``at``. Both in seconds of :mod:`.clock`."""
    phase = _PHASE * interval
    return math.ceil((at - phase) / interval - 1e-6) * interval + phase
