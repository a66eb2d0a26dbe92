# SPDX-License-Identifier: Apache-2.0
"""Read the Kling tasks that many Airflow tasks wait for, together for each connection.

When a task is due, all that may be read with it are, so that one look becomes few calls of up to 20 ids. If very many tasks
wait, one list answers for most of them (:mod:`.listing`), and only the rest is read by id.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

from kling_provider.api.dialects.standard import MAX_IDS
from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.exceptions import (
    KlingAuthError,
    KlingError,
    KlingRequestError,
    KlingServerError,
    KlingTaskNotFound,
)
from kling_provider.hooks.asynchronous import KlingAsyncHook
from kling_provider.hooks.operations import find_tasks_path
from kling_provider.polling import clock
from kling_provider.polling.callback_pace import CallbackPace
from kling_provider.polling.listing import ListChoice, TaskList
from kling_provider.polling.queue import Running
from kling_provider.polling.render_times import RenderKind, find_render_times
from kling_provider.polling.shared_hook import SharedHook
from kling_provider.polling.wait_state import State, WaitDecision, WaitState, get_requested_pause
from kling_provider.polling.waiters import Key, Schedule, Waiter

log = logging.getLogger(__name__)

#: Calls at the same time.
_AT_ONCE = 8
#: The longest sleep, in seconds.
_NAP = 30.0
#: Seconds between two warnings about failing reads.
_QUIET = 30.0
#: After so many waits that were told, or scheduled, the event loop is left to others; a wait that ends wakes its task, which
#: takes far longer than one that goes on.
_SLICE = 200
_ENDS_PER_SLICE = 10

#: What a read means for a wait: its state and the time -> the decision.
Decide = Callable[[WaitState, float], WaitDecision]


@dataclass(eq=False)
class Poller:
    """Reads as long as any task waits; :attr:`on_idle` is called when the last one has left."""

    shared_hook: SharedHook
    on_idle: Callable[[], None]
    schedule: Schedule = field(init=False)
    _lists: dict[str, ListChoice] = field(default_factory=dict)
    _reading: set[Key] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _loop: asyncio.Task[None] | None = None
    _warned_at: float = -math.inf
    #: What was done since the loop was last left to others, in waits that go on.
    _worked: float = 0.0
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _settling: asyncio.Lock = field(default_factory=asyncio.Lock)
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    _callbacks: CallbackPace = field(init=False)

    def __post_init__(self) -> None:
        conn_id = self.shared_hook.kling_conn_id
        self._callbacks = CallbackPace(conn_id)
        self.schedule = Schedule(find_render_times(conn_id), self._callbacks.find_least_pause)

    @property
    def is_idle(self) -> bool:
        """Return whether no task waits."""
        return not self.schedule.waiters

    def add_waiter(
        self,
        wait: WaitState,
        kind: RenderKind,
        *,
        first_look: float,
        made_at: float | None = None,
        created_at: float | None = None,
        external_task_id: str | None = None,
    ) -> Waiter:
        """Add a wait for a result. All times but ``created_at`` are those of :mod:`.clock`.

        :param kind: what was asked for, which tells when the end is likely.
        :param first_look: nothing is read before.
        :param made_at: when Kling made the task; without it the reads come at the wait's interval.
        :param created_at: the same by Kling's clock, as an epoch in seconds.
        :param external_task_id: tells the queue whose task this is.
        """
        waiter = Waiter(
            wait=wait,
            kind=kind,
            decision=asyncio.get_running_loop().create_future(),
            first_look=first_look,
            made_at=made_at,
            created_at=created_at,
            external_task_id=external_task_id,
        )
        self.schedule.add_waiter(waiter, clock.now())
        self._wake.set()
        if self._loop is None or self._loop.done():
            self._loop = self._start_work(self._poll_until_idle())
        return waiter

    def remove_waiter(self, waiter: Waiter) -> None:
        """Remove a wait. Safe at any moment, from a cancelled task as well: it awaits nothing."""
        self.schedule.remove_waiter(waiter)
        if self.is_idle:
            self._loop = None
            for task in self._tasks:
                task.cancel()
            # What was being read is read anew for whoever comes next.
            self._reading.clear()
            self.on_idle()

    def list_running(self) -> list[Running]:
        """List the tasks that are waited for and, as far as is known, still run."""
        return [
            Running(
                waiter.wait.kling_task_id,
                waiter.external_task_id,
                waiter.kind.model or waiter.kind.type,
                type=waiter.kind.type,
                kind=waiter.kind,
            )
            for (waiter, *_) in self.schedule.waiters.values()
            if not waiter.decision.done()
        ]

    def _start_work(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return start_apart(work, self._tasks)

    async def _poll_until_idle(self) -> None:
        while not self.is_idle:
            # Before anything is taken: whoever comes meanwhile may be due earlier.
            self._wake.clear()
            if due := await self._take_due():
                self._reading |= due
                self._start_work(self._read_due(due))
                continue
            next_time = self.schedule.find_next_time()
            pause = _NAP if next_time is None else next_time - clock.now()
            try:
                async with asyncio.timeout(min(pause, _NAP)):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _take_due(self) -> set[Key]:
        """Take what is to be read now from the schedule. What is being read is scheduled again when that is over."""
        due = set()
        for number, key in enumerate(self.schedule.take_due(clock.now()), start=1):
            if key is not None and key not in self._reading:
                due.add(key)
            if not number % _SLICE:
                await asyncio.sleep(0)
        return due

    async def _read_due(self, keys: set[Key]) -> None:
        """Read what is due. Whatever happens in it, the next look comes."""
        try:
            hook = await self.shared_hook.get_hook()
            connection = await hook.connection()
            await self._callbacks.refresh(connection)
            paths = {kind: find_tasks_path(connection, kind) for kind in {key.type for key in keys}}
            lists: dict[str, list[Key]] = {}
            alone: list[Key] = []
            for key in keys:
                path = paths[key.type]
                (alone if path is None else lists.setdefault(path, [])).append(key)
            await asyncio.gather(
                *(self._read_shared(hook, path, together) for path, together in lists.items()),
                *(self._read_one(hook, key) for key in alone),
            )
        except KlingError as error:
            await self._note_failure(self._find_unsettled(keys), error)
        except Exception:
            log.exception("A round of reads failed; the next round reads again.")
            inside = KlingServerError("the read failed inside this provider, see the triggerer's log")
            await self._note_failure(self._find_unsettled(keys), inside)
        await self._schedule_again(keys)

    async def _schedule_again(self, keys: set[Key]) -> None:
        """Schedule the next look at those that go on, by what was learned until now."""
        for number, key in enumerate(keys, start=1):
            self._reading.discard(key)
            for waiter in self.schedule.list_waiters([key]):
                self.schedule.plan_look(waiter, clock.now())
            if not number % _SLICE:
                await asyncio.sleep(0)
        self._wake.set()

    async def _read_shared(self, hook: KlingAsyncHook, path: str, keys: Sequence[Key]) -> None:
        """Read tasks of types that are read at the same path."""
        keys_of: dict[str, list[Key]] = {}
        for key in keys:
            keys_of.setdefault(key.kling_task_id, []).append(key)
        choice = self._lists.setdefault(path, ListChoice())
        chosen = choice.choose_list(self.schedule.list_waiters(keys), len(keys_of))
        if chosen is not None:
            await self._read_list(hook, choice, chosen, keys_of)
        ids = list(keys_of)
        batches = [ids[start : start + MAX_IDS] for start in range(0, len(ids), MAX_IDS)]
        await asyncio.gather(*(self._read_batch(hook, batch, keys_of) for batch in batches))

    async def _read_list(
        self, hook: KlingAsyncHook, choice: ListChoice, chosen: TaskList, keys_of: dict[str, list[Key]]
    ) -> None:
        """Read a list page by page and settle what it shows; the others are left in ``keys_of`` for a read by id."""
        kind, wanted = next(iter(keys_of.values()))[0].type, len(keys_of)
        pages = rows = shown = ended = 0
        cursor: str | None = None
        try:
            while keys_of:
                page, cursor = await hook.list_page(
                    chosen.since, chosen.until, statuses=chosen.statuses, cursor=cursor, type=kind
                )
                # A list of what is in flight may show an end that came meanwhile, and not its result.
                ours = [
                    task
                    for task in page
                    if task.kling_task_id in keys_of and (chosen.is_everything or task.status.running)
                ]
                pages, rows, shown = pages + 1, rows + len(page), shown + len(ours)
                for task in ours:
                    ended += task.status.ended
                    await self._note_read(keys_of.pop(task.kling_task_id), task)
                if cursor is None or not choice.is_worth_it(wanted, pages=pages, shown=shown):
                    break
        except KlingError as error:
            log.info("The tasks could not be listed, so each is read by its id: %s", error)
            return
        choice.note_list(
            chosen,
            pages=pages,
            rows=rows,
            shown=shown,
            ended=ended if chosen.is_everything else wanted - shown,
        )

    async def _read_batch(self, hook: KlingAsyncHook, ids: list[str], keys_of: dict[str, list[Key]]) -> None:
        try:
            async with self._gate:
                found, complete = await hook.get_batch(ids, type=keys_of[ids[0]][0].type)
        except KlingRequestError as error:
            if error.code is not None and len(ids) > 1:
                # One id that Kling refuses must not hold up the other nineteen.
                middle = len(ids) // 2
                await self._read_batch(hook, ids[:middle], keys_of)
                await self._read_batch(hook, ids[middle:], keys_of)
            else:
                await self._note_failure([key for one in ids for key in keys_of[one]], error)
        except KlingError as error:
            await self._note_failure([key for one in ids for key in keys_of[one]], error)
        else:
            for one in ids:
                if one in found or complete:
                    await self._note_read(keys_of[one], found.get(one))
            if not complete:
                # An entry that cannot be read may be any of the missing ones, and holds up no other.
                await asyncio.gather(
                    *(self._read_one(hook, keys_of[one][0], keys_of[one]) for one in ids if one not in found)
                )

    async def _read_one(self, hook: KlingAsyncHook, key: Key, keys: Sequence[Key] = ()) -> None:
        """Read one task by its id.

        :param keys: all keys of this task, where they are several.
        """
        keys = keys or [key]
        try:
            async with self._gate:
                task = await hook.get_task(key.kling_task_id, type=key.type)
        except KlingTaskNotFound as error:
            if error.code is not None:
                await self._note_read(keys, None, str(error))
            else:
                # A bare 404 is a proxy without its server rather than Kling's word about an id.
                await self._note_failure(keys, error)
        except KlingError as error:
            await self._note_failure(keys, error)
        else:
            await self._note_read(keys, task)

    async def _note_read(self, keys: Sequence[Key], task: KlingTask | None, said: str | None = None) -> None:
        if task is None:
            self.shared_hook.suspect_connection()
            await self._settle_waiters(keys, lambda wait, now: wait.note_missing(now, said))
            return
        waiters = self.schedule.list_waiters(keys)
        if task.status is TaskStatus.SUCCEEDED and task.created_at and task.finished_at:
            took = (task.finished_at - task.created_at).total_seconds()
            for kind in {waiter.kind for waiter in waiters}:
                self.schedule.render_times.record(kind, took)
        for waiter in waiters:
            waiter.note_task(task)
        await self._settle_waiters(keys, lambda wait, now: wait.note_task(task, now))

    async def _note_failure(self, keys: Sequence[Key], error: KlingError) -> None:
        if isinstance(error, KlingAuthError | KlingTaskNotFound):
            self.shared_hook.suspect_connection()
        if time.monotonic() - self._warned_at >= _QUIET:
            self._warned_at = time.monotonic()
            log.warning("Could not read %d of the tasks that are waited for: %s", len(keys), error)
        await self._settle_waiters(
            keys, lambda wait, now: wait.note_failure(error, now), get_requested_pause(error)
        )

    async def _settle_waiters(self, keys: Iterable[Key], decide: Decide, at_least: float = 0.0) -> None:
        # One read after the other: together, those that end at the same time would hold up the loop.
        async with self._settling:
            for waiter in self.schedule.list_waiters(keys):
                now = clock.now()
                if waiter.decision.done():
                    continue  # it was cancelled while the loop was left to others
                decision = decide(waiter.wait, now)
                if decision.is_final:
                    if decision.state in (State.SUCCEEDED, State.FAILED):
                        self._callbacks.note_found_end(waiter.kind.type)
                    waiter.decision.set_result(decision)
                else:
                    waiter.last, waiter.not_before = decision, now + at_least
                self._worked += _SLICE / _ENDS_PER_SLICE if decision.is_final else 1
                if self._worked >= _SLICE:
                    self._worked = 0.0
                    await asyncio.sleep(0)

    def _find_unsettled(self, keys: Iterable[Key]) -> list[Key]:
        """Find those that the round did not get to."""
        return [key for key in keys if any(one.last is None for one in self.schedule.list_waiters([key]))]


def start_apart(work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> asyncio.Task[None]:
    """Start shared work in an empty context, kept alive by ``tasks``.

    So its log lines belong to no task instance, least of all to whichever came first.
    """
    task = asyncio.get_running_loop().create_task(work, context=Context())
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task
