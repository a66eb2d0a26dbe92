# SPDX-License-Identifier: Apache-2.0
"""What triggers call: wait for a video, wait for a turn. One :class:`Account` per event loop and connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary

from kling_provider.polling import clock
from kling_provider.polling.desk import Desk
from kling_provider.polling.poller import Poller, start_apart
from kling_provider.polling.reader import Reader
from kling_provider.polling.slots import MEMORY, Entry
from kling_provider.polling.watch import Verdict, Watch

#: Seconds between two lines of progress, at first and in a long wait.
_PROGRESS = 30.0
_SLOW_PROGRESS = 300.0

_accounts: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Account]] = WeakKeyDictionary()
_closing: set[asyncio.Task[None]] = set()


class Account:
    """What all who wait on one connection share. Its HTTP session is closed when nobody waits."""

    def __init__(self, kling_conn_id: str) -> None:
        self.reader = Reader(kling_conn_id)
        self.poller = Poller(self.reader, self._rest)
        self.desk = Desk(self.reader, self.poller, self._rest)
        self.used_at = clock.now()

    @property
    def idle(self) -> bool:
        return self.poller.idle and self.desk.idle

    def _rest(self) -> None:
        self.used_at = clock.now()
        if self.idle:
            start_apart(self._close(), _closing)

    async def _close(self) -> None:
        # Somebody may have come in the meantime.
        if self.idle:
            await self.reader.close()


def account(kling_conn_id: str) -> Account:
    """The account of this connection in this event loop. Those that nobody has waited for in an hour are let go."""
    accounts = _accounts.setdefault(asyncio.get_running_loop(), {})
    now = clock.now()
    for name, known in list(accounts.items()):
        if known.idle and now - known.used_at >= MEMORY:
            del accounts[name]
    if kling_conn_id not in accounts:
        accounts[kling_conn_id] = Account(kling_conn_id)
    return accounts[kling_conn_id]


async def wait_for_video(
    kling_conn_id: str,
    watch: Watch,
    *,
    type: str,
    first_look: float,
    external_task_id: str | None = None,
    model: str | None = None,
    say: Callable[[str], None],
) -> Verdict:
    """Wait until the watch is over; the verdict is final. All times are those of :mod:`.clock`.

    :param type: the kind of request, for hosts whose reads are bound to it.
    :param first_look: nothing is read before.
    :param external_task_id: with ``model``, tells the queue for slots whose task this is.
    :param say: takes a line of progress, now and then.
    """
    poller = account(kling_conn_id).poller
    waiter = poller.join(
        watch, type=type, first_look=first_look, external_task_id=external_task_id, model=model
    )
    try:
        began = clock.now()
        while not waiter.verdict.done():
            await asyncio.wait({waiter.verdict}, timeout=_until_next_line(began))
            if not waiter.verdict.done():
                say(f"Waiting for task {watch.kling_task_id}: {watch.progress(clock.now())}.")
        return waiter.verdict.result()
    finally:
        poller.leave(waiter)


async def wait_for_turn(
    kling_conn_id: str, entry: Entry, *, deadline: float, say: Callable[[str], None]
) -> bool:
    """Wait until the account has room for this task and it is first in line; ``False`` after the deadline (a time of
    :mod:`.clock`).

    :raises KlingError: where what is in flight cannot be read for a reason that only a person can mend.
    """
    desk = account(kling_conn_id).desk
    place = desk.join(entry)
    try:
        began = clock.now()
        while not place.turn.done():
            left = max(deadline, entry.not_before) - clock.now()
            if left <= 0:
                return False
            await asyncio.wait({place.turn}, timeout=min(left, _until_next_line(began)))
            if not place.turn.done():
                # Not how many are before it: counted once for each of thousands, that is all the loop would do.
                since = clock.now() - clock.from_wall(entry.queued_at)
                say(f"Waiting for a free slot of {entry.model} since {since:.0f} s.")
        if (error := place.turn.result()) is not None:
            raise error
        return True
    finally:
        desk.leave(place)


def _until_next_line(began: float) -> float:
    return _PROGRESS if clock.now() - began < _SLOW_PROGRESS else _SLOW_PROGRESS
