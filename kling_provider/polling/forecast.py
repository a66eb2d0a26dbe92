# SPDX-License-Identifier: Apache-2.0
"""When the tasks in flight are likely to end, and how long a woken worker takes to its call. No I/O, no clock.

Both are learned. With them the queue wakes a task before a place becomes free, so that its worker arrives as it does.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from statistics import median

#: Seconds between two lists up to which it is known well enough when a task ended between them.
_LONGEST_GAP = 6.0
#: How many of the last ones count.
_LAST_STARTS = 9
_LAST_TIMES = 60
#: So many must have been seen before anything is expected of a kind.
_FEWEST_TIMES = 3
#: Kinds of which durations are kept.
_MOST_KINDS = 200
#: Of all tasks, how many end before ``early``, ``likely`` and ``late``.
_EARLY, _LIKELY, _LATE = 0.1, 0.5, 0.9


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long a kind of task takes, in seconds: one in ten is done by ``early``, half by ``likely``, nine in ten by ``late``."""

    likely: float
    early: float
    late: float

    def compute_share_ended(self, age: float) -> float:
        """Compute which share of such tasks has ended at this age (0 to 1)."""
        low = max(self.likely - self.early, 0.5)
        high = max(self.late - self.likely, 0.5)
        if age <= self.likely:
            # On from ``early`` with a quarter of the slope, to the shortest.
            share = _LIKELY - (self.likely - age) / low * (_LIKELY - _EARLY)
            return max(share, 0.0)
        if age <= self.likely + high:
            return _LIKELY + (age - self.likely) / high * (_LATE - _LIKELY)
        # Fewer and fewer, but never all: whatever is late may still take long.
        return 1.0 - (1.0 - _LATE) * math.exp(-(age - self.likely - high) / high)


class WorkerStarts:
    """How long woken workers take to their calls, of one connection: the median of the last ones."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=_LAST_STARTS)

    @property
    def likely(self) -> float | None:
        """Return the seconds from a wake to the worker's call; ``None`` before the first was seen."""
        return median(self._last) if self._last else None

    def record(self, seconds: float) -> None:
        """Note how long one worker took."""
        if seconds >= 0.0:
            self._last.append(seconds)

    def record_at_most(self, seconds: float) -> None:
        """Note that one worker took so long or less: it came early and waited for its place."""
        if self.likely is None or seconds < self.likely:
            self.record(seconds)


class RenderTimes:
    """How long tasks were in flight, by kind."""

    def __init__(self) -> None:
        self._last: dict[Hashable, deque[float]] = {}

    def record(self, kind: Hashable, seconds: float) -> None:
        """Note how long one took."""
        times = self._last.setdefault(kind, deque(maxlen=_LAST_TIMES))
        times.append(seconds)
        if len(self._last) > _MOST_KINDS:
            del self._last[next(iter(self._last))]

    def estimate(self, kind: Hashable) -> Estimate | None:
        """Estimate how long the next one takes; ``None`` where too few were seen."""
        times = sorted(self._last.get(kind, ()))
        if len(times) < _FEWEST_TIMES:
            return None

        def at(share: float) -> float:
            return times[round(share * (len(times) - 1))]

        return Estimate(at(_LIKELY), at(_EARLY), at(_LATE))


@dataclass(slots=True)
class _Known:
    began: float
    kind: Hashable


class Forecast:
    """Follows the tasks of one list from their begin to their end."""

    def __init__(self) -> None:
        self.times = RenderTimes()
        self._known: dict[str, _Known] = {}
        self._looked_at: float | None = None

    def observe(self, now: float, running: Iterable[tuple[str, float | None, Hashable]]) -> None:
        """Note what is in flight: the complete list.

        :param running: id, when Kling says that it was made, and its kind.
        """
        before, self._looked_at = self._looked_at, now
        is_close = before is not None and now - before <= _LONGEST_GAP
        present: dict[str, _Known] = {}
        for kling_task_id, made_at, kind in running:
            known = self._known.get(kling_task_id)
            if known is None:
                began = now if made_at is None else made_at
                if before is not None:
                    # Whatever Kling's clock says: it was not in the list before.
                    began = max(began, before) if is_close else began
                known = _Known(min(began, now), kind)
            known.kind = kind
            present[kling_task_id] = known
        if before is not None and is_close:
            for kling_task_id, gone in self._known.items():
                if kling_task_id not in present:
                    self.times.record(gone.kind, (before + now) / 2 - gone.began)
        self._known = present

    def get_began(self, kling_task_id: str) -> float | None:
        """Return when a task in flight began; ``None`` for one that is not."""
        known = self._known.get(kling_task_id)
        return None if known is None else known.began

    def compute_chance(self, kling_task_id: str, at: float) -> float:
        """Compute how likely it is (0 to 1) that a task which is in flight now has ended at ``at``; 0 where nothing is known."""
        known, now = self._known.get(kling_task_id), self._looked_at
        estimate = None if known is None else self.times.estimate(known.kind)
        if known is None or now is None or estimate is None:
            return 0.0
        before = estimate.compute_share_ended(now - known.began)
        after = estimate.compute_share_ended(at - known.began)
        return (after - before) / (1.0 - before) if before < 1.0 else 0.0
