# SPDX-License-Identifier: Apache-2.0
"""Find where else a Kling task was delivered: all its events, in any Dag.

There is no index by Kling's ids, so this looks at the events of the hours in which they must be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from airflow.models.asset import AssetEvent
from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from kling_provider.plugins.gallery.facts import VideoFacts
from kling_provider.plugins.gallery.filters import key_of, list_asset_ids

#: Kling's clock and ours agree as far as that.
CLOCKS = timedelta(minutes=15)
#: A first delivery comes so soon after Kling made the task, and a second one of the same run so soon after it.
_SOON = timedelta(hours=1)

EVENT_KEY = key_of(AssetEvent.extra, "kling_task_id")
#: Dag, run, task, map index; Airflow leaves the last one out where there is none.
ORIGIN: tuple[ColumnElement[Any], ...] = (
    AssetEvent.source_dag_id.expression,
    AssetEvent.source_run_id.expression,
    AssetEvent.source_task_id.expression,
    func.coalesce(AssetEvent.source_map_index, -1),
)


class Sighting(NamedTuple):
    """One event of a Kling task, with its source as Airflow recorded it. The oldest sorts first."""

    event: int
    at: datetime
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    key: str


def look_around(
    session: Session, wanted: Iterable[tuple[Sighting, VideoFacts | None]]
) -> dict[str, list[Sighting]]:
    """Return every event of the Kling tasks of these events, of all Dags, oldest first.

    Where an event says that it was not the first one, and there is no earlier one in the usual hours, all hours are
    looked at.

    :param wanted: the events, with what they say.
    """
    events = list(wanted)
    periods: list[tuple[datetime | None, datetime | None]] = []
    for one, facts in events:
        periods.append((one.at - _SOON, None))
        if facts is not None and facts.created_at is not None:
            periods.append((facts.created_at - CLOCKS, facts.created_at + _SOON))
    seen = find_sightings(session, {one.key for one, _ in events}, periods)
    unexplained = {
        one.key
        for one, facts in events
        if facts is not None and (facts.adopted or facts.delivered) and seen[one.key][:1] in ([], [one])
    }
    if unexplained:
        seen |= find_sightings(session, unexplained, [(None, None)])
    return seen


def find_sightings(
    session: Session, keys: Collection[str], periods: Sequence[tuple[datetime | None, datetime | None]]
) -> dict[str, list[Sighting]]:
    """Return every event of these Kling tasks in these periods, of all Dags, oldest first.

    :param periods: from and to; ``None`` is open.
    """
    seen: dict[str, list[Sighting]] = defaultdict(list)
    if not keys:
        return seen
    bounds = [
        and_(
            *([] if low is None else [AssetEvent.timestamp >= low]),
            *([] if high is None else [AssetEvent.timestamp <= high]),
            AssetEvent.source_run_id.is_not(None),
        )
        for low, high in _merge_periods(periods)
    ]
    query: Select[Any] = select(AssetEvent.id, AssetEvent.timestamp, *ORIGIN, EVENT_KEY).where(
        AssetEvent.asset_id.in_(list_asset_ids(session, None)), or_(*bounds), EVENT_KEY.in_(set(keys))
    )
    # Sorted here: a database that sorts by id would walk the whole table in that order.
    for sighting in sorted(Sighting._make(row) for row in session.execute(query)):
        seen[sighting.key].append(sighting)
    return seen


def select_keys(session: Session, dag_id: str | None) -> Select[str | None, str]:
    """Build the query for Dag and Kling task of every event, of all Dags or of one."""
    return select(AssetEvent.source_dag_id, EVENT_KEY).where(
        AssetEvent.asset_id.in_(list_asset_ids(session, dag_id)), AssetEvent.source_run_id.is_not(None)
    )


def _merge_periods(
    periods: Sequence[tuple[datetime | None, datetime | None]],
) -> list[tuple[datetime | None, datetime | None]]:
    """Merge periods that overlap."""
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    merged: list[tuple[datetime, datetime]] = []
    for low, high in sorted((low or first, high or last) for low, high in periods):
        if merged and low <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], high)
        else:
            merged.append((low, high))
    return [(None if low == first else low, None if high == last else high) for low, high in merged]
