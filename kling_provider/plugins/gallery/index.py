# SPDX-License-Identifier: Apache-2.0
"""What Airflow's metadata database knows about videos, as two keyset-paged lists.

*Finished* ones are asset events of assets named ``kling://…``; a Kling task has several of them where it was
delivered again (a later run, a sensor and then a download). Its place in the list is that of the first one, its facts
are those of the last one. *Jobs* are task instances with an XCom ``kling`` whose Kling task has no event: they wait,
or they failed. SQLite and PostgreSQL alike; nothing here reads more rows than a page.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from airflow.models.asset import AssetEvent, AssetModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import ColumnElement, Select, Subquery, and_, case, func, or_, select, tuple_
from sqlalchemy.orm import Session

#: What a card's ``state`` may be.
STATES = ("waiting_for_slot", "rendering", "retrying", "done", "failed", "uncollected")

#: Videos that tell how long a render takes.
_SAMPLE = 40

_EVENT_TASK = AssetEvent.extra["kling_task_id"].as_string()
_JOB_TASK = XComModel.value["kling_task_id"].as_string()
_JOB_SAYS = XComModel.value["state"].as_string()
_REQUEST = XComModel.value["request"]
_RUN_ENDED = DagRun.state.in_(("success", "failed"))

_JOB_STATE = case(
    (TaskInstance.state.in_(("failed", "upstream_failed")), "failed"),
    (TaskInstance.state == "up_for_retry", "retrying"),
    # The task that sent it is content; others of its run were to wait for it and to save it.
    (and_(TaskInstance.state == "success", _RUN_ENDED), "uncollected"),
    (_JOB_SAYS == "failed", "failed"),
    (_JOB_SAYS == "waiting_for_slot", "waiting_for_slot"),
    else_="rendering",
)


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What somebody wants to see, of what they may see.

    :param dag_ids: the DAGs that the user may read.
    :param after: no earlier than this (when it was finished, or when its state was told last).
    :param before: earlier than this.
    """

    dag_ids: Collection[str]
    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None
    state: str | None = None
    model: str | None = None
    text: str | None = None
    after: datetime | None = None
    before: datetime | None = None

    @property
    def readable(self) -> list[str]:
        if self.dag_id is None:
            return list(self.dag_ids)
        return [self.dag_id] if self.dag_id in self.dag_ids else []


JobKey = tuple[datetime, int, str, int]


class Finished(NamedTuple):
    """A finished Kling task: its latest event, and the place of its first one."""

    first: int
    at: datetime
    event: AssetEvent
    #: Another run delivered it before, and paid for it.
    again: bool


class Job(NamedTuple):
    """A task instance that waits for Kling, or failed. ``known`` is its XCom ``kling``."""

    at: datetime
    dag_run_id: int
    task_id: str
    map_index: int
    dag_id: str
    run_id: str
    known: dict[str, Any]
    state: str
    task_state: str | None

    @property
    def key(self) -> JobKey:
        """Its place in the list of :func:`jobs`."""
        return self.at, self.dag_run_id, self.task_id, self.map_index


def kling_assets(dag_id: str | None = None) -> Select[Any]:
    """The ids of our assets, of one DAG if wanted."""
    prefix = "kling://" if dag_id is None else f"kling://{quote(dag_id, safe='')}/"
    return select(AssetModel.id).where(AssetModel.name.startswith(prefix, autoescape=True))


def finished(session: Session, filters: Filters, limit: int, below: int | None = None) -> list[Finished]:
    """Finished Kling tasks, newest first.

    :param below: only those whose first event has a lower id (the ``first`` of the last row of the page before).
    """
    if filters.state not in (None, "done"):
        return []
    place, at = func.min(AssetEvent.id), func.min(AssetEvent.timestamp)
    having: list[ColumnElement[bool]] = []
    if below is not None:
        having.append(place < below)
    if filters.after is not None:
        having.append(at >= filters.after)
    if filters.before is not None:
        having.append(at < filters.before)
    places = session.execute(
        select(place, at, func.max(AssetEvent.id))
        .where(*_event_conditions(filters))
        .group_by(_EVENT_TASK)
        .having(and_(True, *having))
        .order_by(place.desc())
        .limit(limit)
    ).all()
    return _with_events(session, [tuple(row) for row in places])


def finished_since(session: Session, filters: Filters, limit: int, above: int) -> list[Finished]:
    """What was announced after the event with the id ``above``, oldest first; by primary key alone."""
    if filters.state not in (None, "done"):
        return []
    events = session.scalars(
        select(AssetEvent)
        .where(AssetEvent.id > above, *_event_conditions(filters))
        .order_by(AssetEvent.id)
        .limit(limit)
    )
    found = list(events)
    payers = paying_runs(session, [str(event.extra["kling_task_id"]) for event in found])
    return [Finished(event.id, event.timestamp, event, _again(event, payers)) for event in found]


def newest_event(session: Session) -> int:
    """The id of the newest asset event of anybody; what :func:`finished_since` starts from."""
    return session.scalar(select(func.max(AssetEvent.id))) or 0


def jobs(session: Session, filters: Filters, limit: int, below: JobKey | None = None) -> list[Job]:
    """Jobs without a finished video, the latest news first.

    :param below: the ``key`` of the last one of the page before.
    """
    found = _jobs(filters)
    place = (found.c.at, found.c.dag_run_id, found.c.task_id, found.c.map_index)
    query = _wanted(found, filters).order_by(*(column.desc() for column in place)).limit(limit)
    if below is not None:
        query = query.where(tuple_(*place) < tuple_(*below))
    return [Job(*row[: len(Job._fields)]) for row in session.execute(query)]


def changed_jobs(session: Session, filters: Filters, limit: int) -> list[Job]:
    """The same, those first whose task instance changed last: what an open page looks at again and again."""
    found = _jobs(filters)
    query = _wanted(found, filters).order_by(found.c.changed.desc()).limit(limit)
    return [Job(*row[: len(Job._fields)]) for row in session.execute(query)]


def latest_extras(session: Session, dag_ids: Collection[str]) -> list[dict[str, Any]]:
    """What the latest videos were: a sample of how long Kling takes."""
    query = (
        select(AssetEvent.extra)
        .where(AssetEvent.asset_id.in_(kling_assets()), AssetEvent.source_dag_id.in_(list(dag_ids)))
        .order_by(AssetEvent.id.desc())
        .limit(_SAMPLE)
    )
    return list(session.scalars(query))


def choices(session: Session, dag_ids: Collection[str]) -> dict[str, list[str]]:
    """What the filters may be set to: DAGs that have videos or jobs, and models."""
    readable = list(dag_ids)
    event = (AssetEvent.asset_id.in_(kling_assets()), AssetEvent.source_dag_id.in_(readable))
    job = (XComModel.key == "kling", XComModel.dag_id.in_(readable))
    dags = set(session.scalars(select(AssetEvent.source_dag_id).where(*event).distinct()))
    dags |= set(session.scalars(select(XComModel.dag_id).where(*job).distinct()))
    models = set(session.scalars(select(AssetEvent.extra["model"].as_string()).where(*event).distinct()))
    models |= set(session.scalars(select(_REQUEST["model"].as_string()).where(*job).distinct()))
    return {"dags": sorted(filter(None, dags)), "models": sorted(filter(None, models))}


def paying_runs(session: Session, kling_task_ids: Collection[str]) -> dict[str, tuple[str, str]]:
    """DAG and run that delivered each Kling task first, and so paid for it, whoever may see them.

    What an event says itself (``adopted``) is of one try: a retry adopts what its own run has paid for.
    """
    ours = (AssetEvent.asset_id.in_(kling_assets()), AssetEvent.source_run_id.is_not(None))
    firsts = (
        select(func.min(AssetEvent.id))
        .where(*ours, _EVENT_TASK.in_(list(kling_task_ids)))
        .group_by(_EVENT_TASK)
    )
    rows = session.execute(
        select(_EVENT_TASK, AssetEvent.source_dag_id, AssetEvent.source_run_id).where(
            AssetEvent.id.in_(firsts)
        )
    )
    return {str(task): (dag_id, run_id) for task, dag_id, run_id in rows}


def _again(event: AssetEvent, payers: dict[str, tuple[str, str]]) -> bool:
    run = (event.source_dag_id, event.source_run_id)
    return payers.get(str(event.extra["kling_task_id"]), run) != run


def run_extras(session: Session, dag_ids: Collection[str], dag_id: str, run_id: str) -> list[dict[str, Any]]:
    """Of every Kling task that a run delivered: what the sum of its cost needs."""
    filters = Filters(dag_ids=dag_ids, dag_id=dag_id, run_id=run_id)
    latest = select(func.max(AssetEvent.id)).where(*_event_conditions(filters)).group_by(_EVENT_TASK)
    rows = session.execute(
        select(_EVENT_TASK, AssetEvent.extra["billing"]).where(AssetEvent.id.in_(latest))
    ).all()
    payers = paying_runs(session, [task for task, _ in rows])
    return [{"billing": billing, "again": payers[task] != (dag_id, run_id)} for task, billing in rows]


def _event_conditions(filters: Filters) -> list[ColumnElement[bool]]:
    # Who produced an event is the server's own record (source_…); its extra is what the task wrote.
    conditions = [
        AssetEvent.asset_id.in_(kling_assets(filters.dag_id)),
        AssetEvent.source_dag_id.in_(filters.readable),
        AssetEvent.source_run_id.is_not(None),
        _EVENT_TASK.is_not(None),
    ]
    for column, value in (
        (AssetEvent.source_run_id, filters.run_id),
        (AssetEvent.source_task_id, filters.task_id),
        (AssetEvent.source_map_index, filters.map_index),
        (AssetEvent.extra["model"].as_string(), filters.model),
    ):
        if value is not None:
            conditions.append(column == value)
    if filters.text:
        conditions.append(_contains(filters.text, AssetEvent.extra))
    return conditions


def _with_events(session: Session, places: Sequence[tuple[Any, ...]]) -> list[Finished]:
    latest = [last for _, _, last in places]
    events = {
        event.id: event for event in session.scalars(select(AssetEvent).where(AssetEvent.id.in_(latest)))
    }
    payers = paying_runs(session, [str(event.extra["kling_task_id"]) for event in events.values()])
    return [
        Finished(first, at, events[last], _again(events[last], payers))
        for first, at, last in places
        if last in events
    ]


def _jobs(filters: Filters) -> Subquery:
    """Every job of the DAGs, one row per Kling task: ``nth`` is 1 for the one with the latest news."""
    events = select(_EVENT_TASK).where(
        AssetEvent.asset_id.in_(kling_assets()),
        AssetEvent.source_dag_id.in_(list(filters.dag_ids)),
        _EVENT_TASK.is_not(None),
    )
    # Before there is a Kling task, a job is a job of its own.
    alone = [
        case((_JOB_TASK.is_(None), column))
        for column in (XComModel.dag_run_id, XComModel.task_id, XComModel.map_index)
    ]
    nth = func.row_number().over(partition_by=[_JOB_TASK, *alone], order_by=XComModel.timestamp.desc())
    query = (
        select(
            XComModel.timestamp.label("at"),
            XComModel.dag_run_id,
            XComModel.task_id,
            XComModel.map_index,
            XComModel.dag_id,
            XComModel.run_id,
            XComModel.value.label("known"),
            _JOB_STATE.label("state"),
            TaskInstance.state.label("task_state"),
            TaskInstance.updated_at.label("changed"),
            nth.label("nth"),
        )
        .join(
            TaskInstance,
            and_(
                TaskInstance.dag_id == XComModel.dag_id,
                TaskInstance.task_id == XComModel.task_id,
                TaskInstance.run_id == XComModel.run_id,
                TaskInstance.map_index == XComModel.map_index,
            ),
        )
        .join(DagRun, DagRun.id == XComModel.dag_run_id)
        .where(
            XComModel.key == "kling",
            XComModel.dag_id.in_(filters.readable),
            _JOB_SAYS.is_not(None),
            _JOB_SAYS != "planned",
            or_(
                TaskInstance.state.is_(None),
                TaskInstance.state.not_in(("success", "skipped", "removed")),
                and_(TaskInstance.state == "success", _JOB_TASK.is_not(None)),
            ),
            or_(_JOB_TASK.is_(None), _JOB_TASK.not_in(events)),
        )
    )
    for column, value in (
        (XComModel.run_id, filters.run_id),
        (XComModel.task_id, filters.task_id),
        (XComModel.map_index, filters.map_index),
        (_REQUEST["model"].as_string(), filters.model),
    ):
        if value is not None:
            query = query.where(column == value)
    if filters.text:
        query = query.where(_contains(filters.text, _REQUEST))
    return query.subquery()


def _wanted(found: Subquery, filters: Filters) -> Select[Any]:
    query = select(found).where(found.c.nth == 1)
    if filters.state is not None:
        query = query.where(found.c.state == filters.state)
    if filters.after is not None:
        query = query.where(found.c.at >= filters.after)
    if filters.before is not None:
        query = query.where(found.c.at < filters.before)
    return query


def _contains(text: str, where: Any) -> ColumnElement[bool]:
    fields = (where["prompt"].as_string(), where["name"].as_string())
    return or_(*(func.lower(field).contains(text.lower(), autoescape=True) for field in fields))
