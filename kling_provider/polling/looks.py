# SPDX-License-Identifier: Apache-2.0
"""Decide when to look at a task next: often while its end is likely, rarely before and long after. No I/O, no clock.

One look is one read for all tasks that it shows, so it may be the sooner the more tasks it is for. How many looks a video
takes, and how late its end is noticed, was measured with ``benchmarks/looks.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from kling_provider.polling.render_times import Estimate

#: Seconds between two looks at one task alone, where its end is likely within ten seconds.
_ALONE = 3.4
_ALONE_WIDTH = 10.0
#: The shortest seconds between two looks, however many tasks they are for, and the longest while the end is likely.
SHORTEST_PACE = 1.6
_LONGEST = 12.0
#: The most looks while the ends are likely, where many tasks share them: a wide range is looked at less often.
_MOST_LOOKS = 40
#: A rest of the window of this part of a pause has no look of its own.
_REST = 0.1
#: By how much longer a pause is for each that follows, and at most.
_SHORTER, _LONGER = 0.05, 1.15
#: Seconds between two looks at one task alone before its end is likely: a task that fails ends early.
_RARE = 200.0
_SHORTEST_RARE = 30.0
#: Long after the likely end a pause is this part of the time since then, and no longer than so many seconds.
_LATE_PART = 0.25
_LATE_MOST = 60.0


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which a task is likely to end.

    :param opens: hardly any task ends before.
    :param closes: hardly any task ends after.
    :param is_learned: tasks were seen that ended so. Else it is the catalog's, and opens at once: a host may be faster.
    """

    opens: float
    closes: float
    is_learned: bool = True

    @classmethod
    def of_estimate(cls, made_at: float, estimate: Estimate) -> Window:
        """Return the window of a task that was made at ``made_at``."""
        is_learned = estimate.seen > 0
        return cls(made_at + (estimate.early if is_learned else 0.0), made_at + estimate.late, is_learned)


def _find_pace(window: Window, sharing: int, interval: float | None = None) -> float:
    """Return the seconds between two looks while the end is likely.

    :param sharing: tasks whose end is likely now; they share the looks.
    :param interval: what the user asked for instead.
    """
    if interval is not None:
        return interval
    width = window.closes - window.opens
    pace = _ALONE * math.sqrt(width / _ALONE_WIDTH / max(1, sharing))
    return min(max(pace, SHORTEST_PACE, width / _MOST_LOOKS), _LONGEST)


def find_next_look(now: float, window: Window, sharing: int, interval: float | None = None) -> float:
    """Return when to look at a task next that was still running at ``now``, as a time of the same clock.

    Before the window opens that is its opening, or earlier: whoever comes to the opening asks again, because only then it
    is known how many tasks share the looks.

    :param sharing: tasks that share the looks: those whose end is likely now, or before it is, all that wait.
    :param interval: the shortest pause that the user allows, which is also the pause while the end is likely.
    """
    pace = _find_pace(window, sharing, interval)
    if now < window.opens:
        rare = max(_RARE / math.sqrt(max(1, sharing)), _SHORTEST_RARE, pace)
        return min(now + rare, window.opens)
    left = window.closes - now
    if left <= 0:
        return now + max(pace, min(-left * _LATE_PART, _LATE_MOST))
    if sharing > 1 or interval is not None:
        return now + pace
    looks = math.ceil(left / pace - _REST)
    if looks < 1:
        return now + pace
    # Alone: the last look falls on the end of the window, and not shortly before it; the pauses become shorter towards it,
    # which takes fewer looks than equal ones and notices the end as soon.
    return now + left / looks * min(1.0 + _SHORTER * (looks - 1), _LONGER)
