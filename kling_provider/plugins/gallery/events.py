# SPDX-License-Identifier: Apache-2.0
"""Finished videos, of Airflow's asset events, newest first.

They are events of assets named ``kling://…``. A Kling task has several in one Dag where it was delivered again (a later
run, a sensor and then a download): its place in the list is that of the first one, its facts are those of the last.
Nothing here reads more documents than a page has cards; which other events a video has is asked once per page.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.models.asset import AssetEvent
from airflow.models.dagrun import DagRun
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from kling_provider.plugins.gallery.facts import VideoFacts
from kling_provider.plugins.gallery.filters import (
    Filters,
    cast_bounded_text,
    cast_to_text,
    has_id,
    list_asset_ids,
)
from kling_provider.plugins.gallery.reading import ParsedDocument, read_video
from kling_provider.plugins.gallery.sightings import CLOCKS, EVENT_KEY, ORIGIN, Sighting, look_around

#: An event may be stored a little later than another one with a higher id.
_SETTLED = timedelta(seconds=10)
_LARGEST_CHUNK = 1000


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished Kling task in one Dag: its latest event, and the position of its first one.

    :param first: the id of the first event.
    :param at: when that was.
    :param latest: the latest one; ``read`` is what it says.
    :param again: it was paid outside of what the filters want: by another run, or without a run in them by another Dag.
    """

    first: int
    at: datetime
    latest: Sighting
    read: ParsedDocument[VideoFacts]
    again: bool


#: An event with what its task wrote into it.
_Document = tuple[Sighting, ParsedDocument[VideoFacts]]


def list_finished(session: Session, filters: Filters, limit: int, below: int | None = None) -> list[Finished]:
    """Return finished Kling tasks, newest first.

    :param limit: the largest number of them.
    :param below: only those whose first event has a lower id (the ``first`` of the last row of the page before).
    """
    if filters.state not in (None, "done", "unreadable"):
        return []
    found: list[Finished] = []
    chunk = 2 * limit
    conditions = _build_conditions(session, filters)
    if filters.after is not None:
        conditions.append(AssetEvent.timestamp >= filters.after)
    if filters.before is not None:
        conditions.append(AssetEvent.timestamp < filters.before)
    while len(found) < limit:
        page = conditions if below is None else [*conditions, AssetEvent.id < below]
        documents = list(
            _read_documents(session, _select_events(page).order_by(AssetEvent.id.desc()).limit(chunk))
        )
        found += _list_firsts(session, filters, documents)
        if len(documents) < chunk:
            break
        below, chunk = documents[-1][0].event, min(2 * chunk, _LARGEST_CHUNK)
    return found[:limit]


def list_finished_since(session: Session, filters: Filters, limit: int, above: int) -> list[Finished]:
    """Return the tasks that were announced after the event with the id ``above``, oldest first."""
    if filters.state not in (None, "done", "unreadable"):
        return []
    query = (
        _select_events([*_build_conditions(session, filters), AssetEvent.id > above])
        .order_by(AssetEvent.id)
        .limit(limit)
    )
    wanted = [(event, read) for event, read in _read_documents(session, query) if _is_wanted(filters, read)]
    seen = look_around(session, ((event, read.facts) for event, read in wanted))
    return [_make_finished(filters, event, event, read, seen[event.key]) for event, read in wanted]


def find_settled_event(session: Session, above: int = 0) -> int:
    """Return the id of the newest event that is more than some seconds old, from which changes are read.

    An event with a lower id than another one may be stored after it, so the latest seconds are looked at again.
    """
    until = datetime.now(UTC) - _SETTLED
    newest = session.scalar(
        select(AssetEvent.id)
        .where(AssetEvent.id > above, AssetEvent.timestamp < until)
        .order_by(AssetEvent.id.desc())
        .limit(1)
    )
    return newest or above


def list_latest(session: Session, dag_ids: Collection[str], limit: int) -> list[VideoFacts]:
    """Return the facts of the latest ``limit`` videos."""
    conditions = _build_conditions(session, Filters(dag_ids=dag_ids))
    query = _select_events(conditions).order_by(AssetEvent.id.desc()).limit(limit)
    return [read.facts for _, read in _read_documents(session, query) if read.facts is not None]


def list_all(session: Session, filters: Filters, limit: int) -> list[Finished] | None:
    """Return every finished video that the filters want; ``None`` if there are more than ``limit`` events."""
    query = select(AssetEvent.id).where(*_build_conditions(session, filters)).limit(limit + 1)
    count = session.scalar(select(func.count()).select_from(query.subquery()))
    return None if (count or 0) > limit else list_finished(session, filters, limit)


def _build_conditions(session: Session, filters: Filters) -> list[ColumnElement[bool]]:
    # Who produced an event is the server's own record (source_…); its extra is what the task wrote.
    conditions = [
        AssetEvent.asset_id.in_(list_asset_ids(session, filters.dag_id)),
        AssetEvent.source_dag_id.in_(filters.readable_dag_ids),
        AssetEvent.source_run_id.is_not(None),
        has_id(EVENT_KEY),
        *filters.narrow_documents(cast_to_text(AssetEvent.extra)),
    ]
    for column, value in (
        (AssetEvent.source_run_id, filters.run_id),
        (AssetEvent.source_task_id, filters.task_id),
        (AssetEvent.source_map_index, filters.map_index),
    ):
        if value is not None:
            conditions.append(column == value)
    if filters.dag_id is not None and filters.run_id is not None:
        conditions += _limit_to_run(session, filters.dag_id, filters.run_id)
    return conditions


def _limit_to_run(session: Session, dag_id: str, run_id: str) -> list[ColumnElement[bool]]:
    """Build conditions on the time of a run's events: there is an index by time, and none by run."""
    times = session.execute(
        select(DagRun.created_at, DagRun.run_after, DagRun.queued_at, DagRun.start_date).where(
            DagRun.dag_id == dag_id, DagRun.run_id == run_id
        )
    ).first()
    known = [time for time in times or () if time is not None]
    return [AssetEvent.timestamp >= min(known) - CLOCKS] if known else []


def _select_events(conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    query: Any = select(
        AssetEvent.id, AssetEvent.timestamp, *ORIGIN, EVENT_KEY, cast_bounded_text(AssetEvent.extra)
    )
    return query.where(*conditions)  # type: ignore[no-any-return]


def _read_documents(session: Session, query: Select[Any]) -> Iterator[_Document]:
    for *event, text in session.execute(query):
        yield Sighting._make(event), read_video(text)


def _is_wanted(filters: Filters, read: ParsedDocument[VideoFacts]) -> bool:
    if filters.state not in (None, "done" if read.facts else "unreadable"):
        return False
    facts = read.facts or VideoFacts()
    return filters.is_match(name=facts.name, prompt=facts.prompt, model=facts.model, type=facts.type)


def _list_firsts(session: Session, filters: Filters, documents: Iterable[_Document]) -> list[Finished]:
    """List the events that are the first of their Kling task in their Dag, with the facts of the latest."""
    wanted = [(event, read) for event, read in documents if _is_wanted(filters, read)]
    seen = look_around(session, ((event, read.facts) for event, read in wanted))
    chosen: list[tuple[Sighting, ParsedDocument[VideoFacts], Sighting]] = []
    for event, read in wanted:
        same = [event, *_list_wanted(session, filters, event, seen[event.key])]
        if min(same).event == event.event:
            chosen.append((event, read, max(same)))
    texts = _read_texts(session, {last.event for event, _, last in chosen if last.event != event.event})
    return [
        _make_finished(
            filters,
            event,
            last,
            read_video(texts[last.event]) if last.event in texts else read,
            seen[event.key],
        )
        for event, read, last in chosen
    ]


def _list_wanted(
    session: Session, filters: Filters, event: Sighting, seen: Iterable[Sighting]
) -> list[Sighting]:
    """List the events of the same Kling task and Dag that the filters want as well."""
    same = [
        one
        for one in seen
        if one.dag_id == event.dag_id and filters.is_of_instance(one.run_id, one.task_id, one.map_index)
    ]
    if not filters.has_words() or len(same) < 2:
        return same
    texts = _read_texts(session, {one.event for one in same})
    return [one for one in same if _is_wanted(filters, read_video(texts.get(one.event)))]


def _read_texts(session: Session, events: Collection[int]) -> dict[int, str | None]:
    if not events:
        return {}
    rows = session.execute(
        select(AssetEvent.id, cast_bounded_text(AssetEvent.extra)).where(AssetEvent.id.in_(events))
    )
    return {row[0]: row[1] for row in rows}


def _make_finished(
    filters: Filters,
    first: Sighting,
    latest: Sighting,
    read: ParsedDocument[VideoFacts],
    seen: Sequence[Sighting],
) -> Finished:
    # What an event says itself is of one try: a retry adopts what its own run has paid for.
    payer = seen[0] if seen else latest
    again = payer.dag_id != latest.dag_id or (filters.run_id is not None and payer.run_id != latest.run_id)
    return Finished(first=first.event, at=first.at, latest=latest, read=read, again=again)
