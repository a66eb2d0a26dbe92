# SPDX-License-Identifier: Apache-2.0
"""Wait for a result or for capacity: the functions that triggers call.

Waits of one event loop and connection share one :class:`ConnectionPollers`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary

from kling_provider.exceptions import KlingError
from kling_provider.polling import clock
from kling_provider.polling.clock import convert_wall_time
from kling_provider.polling.lines import Entry
from kling_provider.polling.poller import Poller, start_apart
from kling_provider.polling.progress_lines import find_pause_to_next_line
from kling_provider.polling.queue import MEMORY, Grant
from kling_provider.polling.queue_poller import QueuePoller
from kling_provider.polling.render_times import RenderKind, find_render_times
from kling_provider.polling.shared_hook import SharedHook
from kling_provider.polling.wait_state import WaitDecision, WaitState

#: Triggers import these together and in a thread, because importing them loads aiohttp.
__all__ = [
    "Entry",
    "KlingError",
    "RenderKind",
    "WaitState",
    "convert_wall_time",
    "find_render_times",
    "wait_for_capacity",
    "wait_for_video",
]

_pollers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, ConnectionPollers]] = WeakKeyDictionary()
_closing: set[asyncio.Task[None]] = set()


class ConnectionPollers:
    """The pollers that all waits on one connection share. Their HTTP session is closed when no task waits."""

    def __init__(self, kling_conn_id: str) -> None:
        self.shared_hook = SharedHook(kling_conn_id)
        self.poller = Poller(self.shared_hook, self._start_closing)
        self.queue_poller = QueuePoller(self.shared_hook, self.poller, self._start_closing)
        self.used_at = clock.now()

    @property
    def is_idle(self) -> bool:
        """Return whether no task waits on the connection."""
        return self.poller.is_idle and self.queue_poller.is_idle

    def _start_closing(self) -> None:
        self.used_at = clock.now()
        if self.is_idle:
            start_apart(self._close_if_idle(), _closing)

    async def _close_if_idle(self) -> None:
        # A task may have come in the meantime.
        if self.is_idle:
            await self.shared_hook.close_hooks()


def get_pollers(kling_conn_id: str) -> ConnectionPollers:
    """Return the pollers of a connection in this event loop; those without a wait in the last hour are dropped."""
    pollers = _pollers.setdefault(asyncio.get_running_loop(), {})
    now = clock.now()
    for name, known in list(pollers.items()):
        if known.is_idle and now - known.used_at >= MEMORY:
            del pollers[name]
    if kling_conn_id not in pollers:
        pollers[kling_conn_id] = ConnectionPollers(kling_conn_id)
    return pollers[kling_conn_id]


async def wait_for_video(
    kling_conn_id: str,
    wait: WaitState,
    *,
    kind: RenderKind,
    first_look: float,
    made_at: float | None = None,
    created_at: float | None = None,
    external_task_id: str | None = None,
    say: Callable[[str], None],
) -> WaitDecision:
    """Wait until the wait is over, and return its final decision. All times but ``created_at`` are those of :mod:`.clock`.

    :param kind: what was asked for, which tells when the end is likely; some hosts' reads are bound to its type.
    :param first_look: nothing is read before.
    :param made_at: when Kling made the task, where that is known.
    :param created_at: the same by Kling's clock, as an epoch in seconds.
    :param external_task_id: tells the queue whose task this is.
    :param say: takes a line of progress, now and then.
    """
    poller = get_pollers(kling_conn_id).poller
    waiter = poller.add_waiter(
        wait,
        kind,
        first_look=first_look,
        made_at=made_at,
        created_at=created_at,
        external_task_id=external_task_id,
    )
    progress = _Progress(wait, say)
    try:
        return await waiter.decision
    finally:
        progress.stop()
        poller.remove_waiter(waiter)


async def wait_for_capacity(
    kling_conn_id: str, entry: Entry, *, deadline: float, say: Callable[[str], None]
) -> Grant | None:
    """Wait until the account accepts one more and this task is the next in the queue.

    :param deadline: a time of :mod:`.clock`.
    :return: ``None`` where the deadline came first.

    :raises KlingError: where what is in flight cannot be read for a reason that only a person can correct.
    """
    poller = get_pollers(kling_conn_id).queue_poller
    ticket = poller.add_entry(entry, deadline=deadline, say=say)
    try:
        granted = await ticket.granted
        if isinstance(granted, KlingError):
            raise granted
        return granted
    finally:
        poller.remove_ticket(ticket)


class _Progress:
    """Writes a line of progress now and then. A timer alone: a task or a future for each of thousands costs far more."""

    __slots__ = ("_began", "_say", "_timer", "_wait")

    def __init__(self, wait: WaitState, say: Callable[[str], None]) -> None:
        self._began = clock.now()
        self._wait = wait
        self._say = say
        self._timer = self._start_timer()

    def stop(self) -> None:
        """Write no more."""
        self._timer.cancel()

    def _start_timer(self) -> asyncio.TimerHandle:
        # It runs in the context of the caller, whose log its lines belong to.
        return asyncio.get_running_loop().call_later(
            find_pause_to_next_line(clock.now() - self._began), self._tell
        )

    def _tell(self) -> None:
        self._say(
            f"Waiting for task {self._wait.kling_task_id}: {self._wait.describe_progress(clock.now())}."
        )
        self._timer = self._start_timer()
