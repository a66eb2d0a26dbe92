# SPDX-License-Identifier: Apache-2.0
"""What triggers call: wait for a video, wait for a turn. One :class:`Account` per event loop and connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from weakref import WeakKeyDictionary

from kling_provider.polling.desk import Desk
from kling_provider.polling.poller import Poller, start_apart
from kling_provider.polling.reader import Reader
from kling_provider.polling.slots import Entry
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

    def _rest(self) -> None:
        if self.poller.idle and self.desk.idle:
            start_apart(self._close(), _closing)

    async def _close(self) -> None:
        # Somebody may have come in the meantime.
        if self.poller.idle and self.desk.idle:
            await self.reader.close()


def account(kling_conn_id: str) -> Account:
    """The account of this connection in this event loop."""
    accounts = _accounts.setdefault(asyncio.get_running_loop(), {})
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
    """Wait until the watch is over; the verdict is final.

    :param type: the kind of request, for hosts whose reads are bound to it.
    :param first_look: epoch before which nothing is read.
    :param external_task_id: with ``model``, tells the queue for slots whose task this is.
    :param say: takes a line of progress, now and then.
    """
    poller = account(kling_conn_id).poller
    waiter = poller.join(
        watch, type=type, first_look=first_look, external_task_id=external_task_id, model=model
    )
    try:
        began = time.time()
        while not waiter.verdict.done():
            await asyncio.wait({waiter.verdict}, timeout=_until_next_line(began))
            if not waiter.verdict.done():
                say(f"Waiting for task {watch.kling_task_id}: {watch.progress(time.time())}.")
        return waiter.verdict.result()
    finally:
        poller.leave(waiter)


async def wait_for_turn(
    kling_conn_id: str, entry: Entry, *, deadline: float, say: Callable[[str], None]
) -> bool:
    """Wait until the account has room for this task and it is first in line; ``False`` after the deadline.

    :raises KlingError: where what is in flight cannot be read for a reason that only a person can mend.
    """
    desk = account(kling_conn_id).desk
    place = desk.join(entry)
    try:
        began = time.time()
        while not place.turn.done():
            left = max(deadline, entry.not_before) - time.time()
            if left <= 0:
                return False
            await asyncio.wait({place.turn}, timeout=min(left, _until_next_line(began)))
            if not place.turn.done():
                say(
                    f"Waiting for a free slot of {entry.model} since {time.time() - entry.queued_at:.0f} s, "
                    f"{desk.slots.ahead(entry)} before it."
                )
        if (error := place.turn.result()) is not None:
            raise error
        return True
    finally:
        desk.leave(place)


def _until_next_line(began: float) -> float:
    return _PROGRESS if time.time() - began < _SLOW_PROGRESS else _SLOW_PROGRESS
