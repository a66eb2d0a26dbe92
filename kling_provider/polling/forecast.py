# SPDX-License-Identifier: Apache-2.0
"""When the tasks in flight are likely to end, and how long a woken worker takes to its call. No I/O, no clock.

Both are learned. With them the queue wakes a task before a place becomes free, so that its worker arrives as it does.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from kling_provider.polling.render_times import Estimate, RenderKind, RenderTimes

#: Seconds between two lists up to which it is known well enough when a task ended between them.
_LONGEST_GAP = 6.0
#: How many of the last ones count.
_LAST_STARTS = 9
#: Seconds of a worker before the first was seen.
_USUAL_START = 2.0
#: So many tasks must have been seen before anything is expected of the next one.
_FEWEST = 3
#: Which share of all tasks has ended at the early, the likely and the late time of an estimate.
_EARLY, _LIKELY, _LATE = 0.05, 0.5, 0.95
#: The shortest time between two of them, in seconds: Kling is never as regular as a few tasks make believe.
_NARROWEST = 0.5
#: Tasks that are later than the late time take at least such a part of the likely time more, on average.
_LATE_PART = 0.3


class WorkerStarts:
    """How long woken workers take to their calls, of one connection: the median of the last ones."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=_LAST_STARTS)

    @property
    def likely(self) -> float:
        """Return the seconds from a wake to the worker's call."""
        return median(self._last) if self._last else _USUAL_START

    def record(self, seconds: float) -> None:
        """Note how long one worker took."""
        if seconds >= 0.0:
            self._last.append(seconds)

    def record_at_most(self, seconds: float) -> None:
        """Note that one worker took so long or less: it came early and waited for its place."""
        if seconds < self.likely:
            self.record(seconds)


@dataclass(slots=True)
class _Known:
    #: ``None`` for one that was there before anybody looked, where Kling does not say when it was made.
    began: float | None
    kind: RenderKind
    #: The kind is no more than the model: what this process knows of a task that somebody else waits for.
    is_rough: bool


class Forecast:
    """Follows the tasks of one list from their begin to their end.

    :param times: how long kinds of requests take, as others learn it, who read the finished tasks.
    """

    def __init__(self, times: RenderTimes) -> None:
        self._times = times
        #: By model alone, as seen in the lists: for tasks of which no more is known.
        self._rough_times = RenderTimes()
        self._known: dict[str, _Known] = {}
        self._looked_at: float | None = None

    def observe(
        self, now: float, running: Iterable[tuple[str, float | None, str | None, RenderKind | None]]
    ) -> None:
        """Note what is in flight: the complete list.

        :param running: id, when Kling says that it was made, its model, and its kind where that is known.
        """
        before, self._looked_at = self._looked_at, now
        is_close = before is not None and now - before <= _LONGEST_GAP
        present: dict[str, _Known] = {}
        for kling_task_id, made_at, model, kind in running:
            known = self._known.get(kling_task_id)
            if known is None:
                began = made_at
                if before is not None and is_close:
                    # Whatever Kling's clock says: it was not in the list before.
                    began = now if made_at is None else max(made_at, before)
                began = None if began is None else min(began, now)
                known = _Known(began, RenderKind("", model), True)
            if kind is not None:
                known.kind, known.is_rough = kind, False
            elif known.is_rough:
                known.kind = RenderKind("", model)
            present[kling_task_id] = known
        if before is not None and is_close:
            for kling_task_id, gone in self._known.items():
                if kling_task_id not in present and gone.began is not None:
                    for model in {gone.kind.model, None}:
                        self._rough_times.record(RenderKind("", model), (before + now) / 2 - gone.began)
        self._known = present

    def compute_chance(self, kling_task_id: str, at: float) -> float:
        """Compute how likely it is (0 to 1) that a task which is in flight now has ended at ``at``; 0 where nothing is known."""
        known, now = self._known.get(kling_task_id), self._looked_at
        estimate = None if known is None else self._find_estimate(known)
        if known is None or known.began is None or now is None or estimate is None:
            return 0.0
        before = _compute_share_ended(estimate, now - known.began)
        after = _compute_share_ended(estimate, at - known.began)
        return (after - before) / (1.0 - before) if before < 1.0 else 0.0

    def _find_estimate(self, known: _Known) -> Estimate | None:
        """Find the best estimate: what was seen of the kind, of the model, of all. What the catalog says is too vague."""
        found = (
            None if known.is_rough else self._times.estimate(known.kind),
            self._rough_times.estimate(RenderKind("", known.kind.model)),
            self._rough_times.estimate(RenderKind("")),
        )
        return next((one for one in found if one is not None and one.seen >= _FEWEST), None)


def _compute_share_ended(estimate: Estimate, age: float) -> float:
    """Compute which share of such tasks has ended at this age (0 to 1)."""
    low = max(estimate.likely - estimate.early, _NARROWEST)
    high = max(estimate.late - estimate.likely, _NARROWEST)
    if age <= estimate.likely:
        return max(_LIKELY - (estimate.likely - age) / low * (_LIKELY - _EARLY), 0.0)
    if age <= estimate.likely + high:
        return _LIKELY + (age - estimate.likely) / high * (_LATE - _LIKELY)
    # Fewer and fewer, but never all: what is late already may still take long.
    pace = max(high, _LATE_PART * estimate.likely)
    return 1.0 - (1.0 - _LATE) * math.exp(-(age - estimate.likely - high) / pace)
