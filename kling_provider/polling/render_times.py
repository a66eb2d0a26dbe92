# SPDX-License-Identifier: Apache-2.0
"""Learn how long Kling takes for a kind of request, from the tasks that this process saw end; else the catalog says it.

Durations are differences of Kling's own times, so it does not matter whether its clock and ours agree. No I/O, no clock.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from statistics import median

from kling_provider.api.models import expected_seconds, to_standard_name

#: The latest durations that count, of each kind.
_LATEST = 32
#: Kinds that are remembered, the lately used ones.
_MOST_KINDS = 512
#: Connections whose times are remembered.
_MOST_CONNECTIONS = 64
#: The longest duration that is believed, in seconds: nothing at Kling takes a day.
_LONGEST = 86_400.0
#: So many durations in a row are a new normal, and the earlier ones are forgotten, if all lie on one side of the earlier
#: middle by so many median deviations and by this part of it.
_SHIFT = 4
_SHIFTED, _SHIFTED_PART = 3.0, 0.15
#: So many durations of a kind tell more than those of a less specific one.
_ENOUGH = 3
#: The part of the durations that is left out at either end.
_TAIL = 0.04
#: An outlier is further from the middle than so many median deviations, and than this part of the middle.
_OUTLIER, _ORDINARY = 5.0, 0.25
#: How far from the likely time one duration alone lets the next ones be; shrinks with every further one.
_FIRST_SPREAD = 0.08
#: What the catalog says is one clip's time; others were seen to take so many times as long.
_CATALOG_EARLY, _CATALOG_LATE = 0.4, 2.0


@dataclass(frozen=True, slots=True)
class RenderKind:
    """What decides how long Kling takes for a request, as far as it is known.

    :param type: the type of the request.
    :param model: in the spelling of either API.
    :param seconds: of the video.
    :param resolution: as in the request: ``"1080p"``.
    :param sound: as in the request: ``"native"``.
    """

    type: str
    model: str | None = None
    seconds: float | None = None
    resolution: str | None = None
    sound: str | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many seconds after its creation a task is likely to end.

    :param likely: the middle of what was seen.
    :param early: hardly any task ends before.
    :param late: hardly any task ends after.
    :param seen: on how many tasks it is based; 0: on the catalog.
    """

    likely: float
    early: float
    late: float
    seen: int = 0


class RenderTimes:
    """Remembers the latest durations by kind, and those of less specific kinds for what was not seen yet.

    Its memory is bounded, and an outlier among ordinary durations is left out. Nothing here is
    awaited, so all waits of an event loop may share one.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[Hashable, deque[float]] = OrderedDict()
        #: What was estimated since the last end: thousands that wait ask for the same.
        self._estimates: dict[RenderKind, Estimate | None] = {}

    def record(self, kind: RenderKind, seconds: float) -> None:
        """Record how long a task took that has succeeded.

        :param kind: what was asked for.
        :param seconds: from its creation to its end, both by Kling's clock. What cannot be (not above 0, above a day,
            not finite) is left out.
        """
        if not (math.isfinite(seconds) and 0 < seconds <= _LONGEST):
            return
        self._estimates.clear()
        for key, scale in _list_levels(kind):
            seen = self._seen.setdefault(key, deque(maxlen=_LATEST))
            self._seen.move_to_end(key)
            _note_duration(seen, seconds / scale)
        while len(self._seen) > _MOST_KINDS:
            self._seen.popitem(last=False)

    def estimate(self, kind: RenderKind) -> Estimate | None:
        """Estimate how long Kling takes for a kind of request; ``None`` where neither a task nor the catalog tells.

        :param kind: what was asked for.
        """
        if kind not in self._estimates:
            if len(self._estimates) >= _MOST_KINDS:
                self._estimates.clear()
            self._estimates[kind] = self._estimate_anew(kind)
        return self._estimates[kind]

    def _estimate_anew(self, kind: RenderKind) -> Estimate | None:
        known = [(self._seen[key], scale) for key, scale in _list_levels(kind) if key in self._seen]
        if known:
            enough = (one for one in known if len(one[0]) >= _ENOUGH)
            seen, scale = next(enough, known[0])
            early, likely, late = _find_range(seen)
            return Estimate(likely * scale, early * scale, late * scale, len(seen))
        if (usual := _find_catalog_time(kind)) is None:
            return None
        return Estimate(usual, usual * _CATALOG_EARLY, usual * _CATALOG_LATE)


_times: OrderedDict[str, RenderTimes] = OrderedDict()


def find_render_times(kling_conn_id: str) -> RenderTimes:
    """Return what this process learned at one connection: two hosts may take different times.

    :param kling_conn_id: the id of the Airflow connection.
    """
    times = _times.setdefault(kling_conn_id, RenderTimes())
    _times.move_to_end(kling_conn_id)
    while len(_times) > _MOST_CONNECTIONS:
        _times.popitem(last=False)
    return times


def _list_levels(kind: RenderKind) -> Iterator[tuple[Hashable, float]]:
    """List the keys under which a kind is remembered, the most specific first, and what a duration is divided by there.

    The last one holds for clips of every length: durations count in multiples of the catalog's, so that what was learned
    from 5 s serves 10 s as well.
    """
    model = to_standard_name(kind.model) if kind.model else None
    yield (kind.type, model, kind.seconds, kind.resolution, kind.sound), 1.0
    yield (kind.type, model, kind.seconds), 1.0
    if (usual := _find_catalog_time(kind)) is not None:
        yield (kind.type, model), usual


def _find_catalog_time(kind: RenderKind) -> float | None:
    if kind.model is None or kind.seconds is None:
        return None
    usual = expected_seconds(to_standard_name(kind.model), kind.seconds)
    return usual if math.isfinite(usual) and usual > 0 else None


def _note_duration(seen: deque[float], duration: float) -> None:
    """Add a duration, and forget the earlier ones where the latest all lie on one side of them: Kling has changed."""
    seen.append(duration)
    before, last = list(seen)[:-_SHIFT], list(seen)[-_SHIFT:]
    if len(before) < _SHIFT:
        return
    likely = median(before)
    far = max(_SHIFTED * median(abs(one - likely) for one in before), _SHIFTED_PART * likely)
    if all(one > likely + far for one in last) or all(one < likely - far for one in last):
        seen.clear()
        seen.extend(last)


def _find_range(seen: deque[float] | list[float]) -> tuple[float, float, float]:
    """Find the early, the middle and the late duration. Few of them tell little, so the range is wider then."""
    likely = median(seen)
    most = max(_OUTLIER * median(abs(one - likely) for one in seen), _ORDINARY * likely)
    ordered = sorted(one for one in seen if abs(one - likely) <= most)
    early, late = _find_quantile(ordered, _TAIL), _find_quantile(ordered, 1.0 - _TAIL)
    slack = (_FIRST_SPREAD * likely + (late - early)) / (len(ordered) + 1)
    return max(early - slack, likely * 0.05), likely, late + slack


def _find_quantile(ordered: list[float], part: float) -> float:
    """Find a quantile between the two nearest of ``ordered``."""
    at = part * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)
