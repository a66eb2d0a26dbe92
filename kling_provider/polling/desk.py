# SPDX-License-Identifier: Apache-2.0
"""Where tasks wait for a free slot: reads what is in flight, and calls who is next."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from kling_provider.api.account import concurrency_of
from kling_provider.exceptions import (
    KlingAuthError,
    KlingConnectionMissing,
    KlingError,
    KlingRequestError,
)
from kling_provider.hooks.asynchronous import KlingAsyncHook
from kling_provider.hooks.operations import IN_FLIGHT
from kling_provider.polling import clock
from kling_provider.polling.poller import Poller, start_apart
from kling_provider.polling.reader import Reader
from kling_provider.polling.slots import Entry, Running, Slots
from kling_provider.polling.watch import FAULT_BUDGET, MISSING_BUDGET, asked_pause

log = logging.getLogger(__name__)

#: Seconds between two looks while anybody waits: one free list each, however many wait. An empty slot is worth
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


@dataclass(eq=False)
class Place:
    """Somebody in the queue. ``turn`` is done when his turn has come; with an error where no look can succeed."""

    entry: Entry
    turn: asyncio.Future[KlingError | None]


@dataclass(eq=False)
class Desk:
    """Looks as long as anybody waits; :attr:`on_idle` is called when the last one has left."""

    reader: Reader
    poller: Poller
    on_idle: Callable[[], None]
    #: Outlives the waiting: the next one who comes back finds his grant, and what was learned.
    slots: Slots = field(default_factory=Slots)
    _places: dict[Entry, Place] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _loop: asyncio.Task[None] | None = None
    _pack_limit: int | None = None
    _pack_read_at: float = float("-inf")
    _failing_since: float | None = None

    @property
    def idle(self) -> bool:
        return not self._places

    def join(self, entry: Entry) -> Place:
        """Stand in line."""
        place = Place(entry, asyncio.get_running_loop().create_future())
        self._places[entry] = place
        self.slots.join(entry, clock.now())
        if self._loop is None or self._loop.done():
            self._loop = start_apart(self._run(), self._tasks)
        return place

    def leave(self, place: Place) -> None:
        """Leave the line, called or not. Safe at any moment: it awaits nothing."""
        self._places.pop(place.entry, None)
        self.slots.leave(place.entry)
        if self.idle:
            self._loop = None
            for task in self._tasks:
                task.cancel()
            self.on_idle()

    async def _run(self) -> None:
        faults = 0
        while not self.idle:
            began = time.monotonic()
            pause = _TICK
            try:
                await self._tick()
                faults, self._failing_since = 0, None
            except KlingError as error:
                faults += 1
                pause = max(min(_TICK * 2.0 ** min(faults, 10), _MAX_PAUSE), asked_pause(error))
                self._failed(error, faults)
            except Exception:
                pause = _MAX_PAUSE
                log.exception("A look at the account's slots failed; the next one comes.")
            await asyncio.sleep(max(began + pause - time.monotonic(), _TICK / 4))

    async def _tick(self) -> None:
        hook = await self.reader.hook()
        connection = await hook.connection()
        complete = connection.profile.task_reads
        waited = self.poller.running()
        exist = {task.external_task_id for task in waited if task.external_task_id}
        if complete:
            models = {task.kling_task_id: task.model for task in waited}
            running = [
                Running(task.kling_task_id, task.external_task_id, models.get(task.kling_task_id))
                for task in await hook.list_tasks(
                    statuses=IN_FLIGHT, product_types=("video",), max_pages=_LIST_PAGES
                )
            ]
            if unseen := self.slots.unseen(clock.now(), age=_UNSEEN):
                exist |= (await hook.find(unseen)).keys()
        else:
            running = waited
        limit = connection.max_concurrency or await self._limit_of_pack(hook)
        granted = self.slots.tick(clock.now(), running, limit=limit, exist=exist, complete=complete)
        for entry in granted:
            place = self._places.get(entry)
            if place is not None and not place.turn.done():
                place.turn.set_result(None)

    async def _limit_of_pack(self, hook: KlingAsyncHook) -> int | None:
        """Best effort: a wrong or missing answer only means that the limit is learned."""
        if time.monotonic() - self._pack_read_at < _PACK_AGE:
            return self._pack_limit
        self._pack_read_at = time.monotonic()
        if (await hook.connection()).profile.account:
            try:
                self._pack_limit = concurrency_of(await hook.account())
            except KlingError as error:
                log.info("The account does not tell its limit now, it is learned meanwhile: %s", error)
                self._pack_read_at += _PACK_RETRY - _PACK_AGE
        return self._pack_limit

    def _failed(self, error: KlingError, faults: int) -> None:
        """Outages are waited out, as nothing is paid and nothing is lost; what a person has to mend is said."""
        if faults == 1:
            log.warning("Could not look for free slots: %s", error)
        if not isinstance(error, KlingAuthError | KlingRequestError):
            self._failing_since = None
            return
        self.reader.doubt()
        now = time.monotonic()
        self._failing_since = self._failing_since if self._failing_since is not None else now
        budget = MISSING_BUDGET if isinstance(error, KlingConnectionMissing) else FAULT_BUDGET
        if now - self._failing_since >= budget:
            for place in self._places.values():
                if not place.turn.done():
                    place.turn.set_result(error)
