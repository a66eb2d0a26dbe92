# SPDX-License-Identifier: Apache-2.0
"""The tasks that wait on one connection, and when each of them is to be read next. No I/O."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from kling_provider.api.tasks import KlingTask
from kling_provider.polling.looks import SHORTEST_PACE, Window, find_next_look
from kling_provider.polling.render_times import RenderKind, RenderTimes
from kling_provider.polling.wait_state import WaitDecision, WaitState

#: The part of a pause after which a task is looked at first if no other look comes before.
_FALL_IN = 0.75
#: Reads with an interval are aligned on one clock, at another place in every process.
_PHASE = random.random()  # noqa: S311 - spreads load, keeps no secret


class Key(NamedTuple):
    """What is read: legacy reads are bound to the type."""

    type: str
    kling_task_id: str


@dataclass(eq=False, slots=True)
class Waiter:
    """One task that waits for a result. Times are those of :mod:`.clock`, where nothing else is said.

    :param first_look: nothing is read before.
    :param kind: what was asked for, as far as it is known.
    :param made_at: when Kling made the task; ``None`` where that is not known.
    :param created_at: the same by Kling's clock, as an epoch in seconds.
    """

    wait: WaitState
    kind: RenderKind
    decision: asyncio.Future[WaitDecision]
    first_look: float
    made_at: float | None = None
    created_at: float | None = None
    external_task_id: str | None = None
    #: When it is to be read next, and from when on it may be, together with others.
    due: float = 0.0
    ready: float = 0.0
    #: Nothing is read when it is due: by then it is known how many share the looks.
    is_opening: bool = False
    #: It is being read, or has left: it is not in the schedule.
    is_taken: bool = False
    #: What the last read decided; ``None`` while it is being read.
    last: WaitDecision | None = None
    #: The host asked to be left alone until then.
    not_before: float = -math.inf
    key: Key = field(init=False)

    def __post_init__(self) -> None:
        self.key = Key(self.kind.type, self.wait.kling_task_id)

    def note_task(self, task: KlingTask) -> None:
        """Note what a read showed that decides when to look: when Kling made the task."""
        if task.created_at is not None:
            self.created_at = task.created_at.timestamp()


class Schedule:
    """Who waits, and in which order they are read. Nothing here takes longer for one wait because many others wait.

    :param render_times: what this process learns of how long Kling takes.
    :param find_least_pause: the type of a request -> the least seconds between two reads of its task, as long as it runs as
        expected: more than 0 while callbacks come.
    """

    def __init__(
        self, render_times: RenderTimes, find_least_pause: Callable[[str], float] = lambda _: 0.0
    ) -> None:
        self.render_times = render_times
        self._find_least_pause = find_least_pause
        self.waiters: dict[Key, list[Waiter]] = {}
        #: By when each is due, and by when each may be read with others; entries that no longer hold are passed over.
        self._due: list[tuple[float, int, Waiter]] = []
        self._ready: list[tuple[float, int, Waiter]] = []
        self._count = itertools.count()
        #: Those whose end is likely now.
        self._open: set[Waiter] = set()

    def add_waiter(self, waiter: Waiter, now: float) -> None:
        """Add a wait, read for the first time when its end is likely, else soon after its ``first_look``."""
        self.waiters.setdefault(waiter.key, []).append(waiter)
        self.plan_look(waiter, now)

    def remove_waiter(self, waiter: Waiter) -> None:
        """Remove a wait."""
        waiter.is_taken = True
        self._open.discard(waiter)
        others = self.waiters.get(waiter.key, [])
        if waiter in others:
            others.remove(waiter)
        if not others:
            self.waiters.pop(waiter.key, None)

    def list_waiters(self, keys: Iterable[Key]) -> list[Waiter]:
        """List those that wait for any of ``keys`` and were told nothing final."""
        return [waiter for key in keys for waiter in self.waiters.get(key, ()) if not waiter.decision.done()]

    def find_next_time(self) -> float | None:
        """Return when the next one is due; ``None`` where none is."""
        return self._due[0][0] if self._due else None

    def take_due(self, now: float) -> Iterator[Key | None]:
        """Take from the schedule what is to be read now: what is due, and what may be read together with it.

        :return: keys, and ``None`` where there was something to do and nothing to read.
        """
        read = False
        for waiter in _pop_until(self._due, now, "due"):
            if waiter.is_opening and not waiter.decision.done():
                self.plan_look(waiter, now)
                yield None
            elif not waiter.decision.done():
                read = True
                yield self._take(waiter)
        if read:
            for waiter in _pop_until(self._ready, now, "ready"):
                if not waiter.decision.done():
                    yield self._take(waiter)

    def plan_look(self, waiter: Waiter, now: float) -> None:
        """Decide when to look at a task next. All that makes reads rarer or more frequent is decided here."""
        window = self._find_window(waiter)
        was_opening, waiter.is_opening, waiter.is_taken = waiter.is_opening, False, False
        if window is None or (waiter.last is not None and not waiter.last.as_expected):
            waiter.due = waiter.ready = self._find_flat_look(waiter, now)
        else:
            self._plan_by_window(waiter, window, now, is_new=was_opening or waiter.last is None)
        if waiter.last is None or waiter.last.as_expected:
            self._slow_down(waiter, now)
        deadline = waiter.wait.deadline
        if deadline is not None and deadline < waiter.due and (now < deadline or waiter.last is None):
            # The last read falls on the deadline, neither before nor a whole pause after it.
            waiter.due, waiter.is_opening = max(deadline, waiter.first_look), False
        heapq.heappush(self._due, (waiter.due, next(self._count), waiter))
        if not waiter.is_opening and waiter.ready < waiter.due:
            heapq.heappush(self._ready, (waiter.ready, next(self._count), waiter))

    def _slow_down(self, waiter: Waiter, now: float) -> None:
        """Look no sooner than after the least pause, if there is one."""
        if (pause := self._find_least_pause(waiter.kind.type)) <= 0:
            return
        waiter.ready = max(waiter.ready, now + pause)
        if waiter.due < now + pause:
            waiter.due, waiter.is_opening = now + pause, False

    def _plan_by_window(self, waiter: Waiter, window: Window, now: float, *, is_new: bool) -> None:
        """Plan the next look where it is known when the end is likely.

        :param is_new: the task was not looked at since its end is likely.
        """
        interval = waiter.wait.interval
        is_open = window.opens <= now
        (self._open.add if is_open else self._open.discard)(waiter)
        sharing = len(self._open) if is_open else len(self.waiters)
        earliest = max(now, waiter.first_look, waiter.not_before)
        since = now
        if waiter.last is None:
            since = window.opens if is_open else now
        elif interval is not None:
            # From the tick that a read belongs to, so that the time it took does not add up.
            since = min(waiter.due, now)
        look = find_next_look(since, window, sharing, interval)
        if interval is not None and is_new and is_open:
            look = window.opens
        due = max(look, earliest)
        if not is_open and look == window.opens:
            waiter.is_opening = True
            waiter.due = waiter.ready = due
        elif interval is not None or (waiter.last is None and not window.is_learned):
            waiter.due = waiter.ready = _find_tick(due, waiter.wait.poll_interval)
        elif look < earliest:
            # Thousands may come at once when a triggerer starts: they are read together.
            waiter.due = waiter.ready = _find_tick(due, SHORTEST_PACE)
        elif is_new and sharing > 1 and is_open:
            # It falls in with the next look of others, and asks for none of its own.
            waiter.due = max(now + max(_FALL_IN * (due - now), 1.5 * SHORTEST_PACE), earliest)
            waiter.ready = earliest
        else:
            waiter.due, waiter.ready = due, max((now + due) / 2, earliest)

    def _find_flat_look(self, waiter: Waiter, now: float) -> float:
        """Find the next look where nothing is known of how long it takes, or a read was not what it should be."""
        last, interval = waiter.last, waiter.wait.poll_interval
        if last is None:
            return _find_tick(max(now, waiter.first_look), interval)
        if last.delay < interval:
            return now + last.delay
        # From the tick that the read belongs to, so that the time it took does not add up.
        return _find_tick(max(waiter.due + last.delay, waiter.not_before, now), interval)

    def _find_window(self, waiter: Waiter) -> Window | None:
        if waiter.made_at is None:
            return None
        estimate = self.render_times.estimate(waiter.kind)
        return None if estimate is None else Window.of_estimate(waiter.made_at, estimate)

    def _take(self, waiter: Waiter) -> Key:
        waiter.is_taken = True
        for one in self.waiters.get(waiter.key, ()):
            one.last = None
        return waiter.key


def _pop_until(heap: list[tuple[float, int, Waiter]], now: float, name: str) -> Iterator[Waiter]:
    """Pop the entries up to ``now`` that still hold."""
    while heap and heap[0][0] <= now:
        at, _, waiter = heapq.heappop(heap)
        if not waiter.is_taken and getattr(waiter, name) == at:
            yield waiter


def _find_tick(at: float, interval: float) -> float:
    """Find the first tick at or after ``at``. Both in seconds of :mod:`.clock`."""
    phase = _PHASE * interval
    return math.ceil((at - phase) / interval - 1e-6) * interval + phase
