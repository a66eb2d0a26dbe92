# SPDX-License-Identifier: Apache-2.0
"""The rows of Airflow's database that jobs are read from. Each query is one that an index of Airflow answers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from airflow.models.dagrun import DagRun
from airflow.models.task_state_store import TaskStateStoreModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select, tuple_
from sqlalchemy.orm import Session

from kling_provider.plugins.gallery.filters import (
    Filters,
    cast_bounded_text,
    cast_to_text,
    find_kling_assets,
    has_id,
    key_of,
)
from kling_provider.plugins.gallery.reading import read_job
from kling_provider.plugins.gallery.sightings import find_sightings, select_keys

#: A place in the list of jobs: when it was told of last, run, task, map index.
JobKey = tuple[datetime, int, str, int]

#: States of task instances and runs.
ENDED = ("success", "failed")
FAILED = ("failed", "upstream_failed")
#: What came of the instance is no failure, and no video either.
LEFT = ("skipped", "removed")
_UNFINISHED = (
    "scheduled",
    "queued",
    "running",
    "restarting",
    "deferred",
    "up_for_retry",
    "up_for_reschedule",
    "awaiting_input",
)
#: What an XCom says of a task that delivered its result itself, or that sent nothing.
_DELIVERED = ("succeeded", "succeed", "planned", "failed")
_PROGRESS = "kling_progress"
_KEY = key_of(XComModel.value, "kling_task_id")
_PLACE = (XComModel.timestamp, XComModel.dag_run_id, XComModel.task_id, XComModel.map_index)
_SENT = and_(has_id(_KEY), func.coalesce(key_of(XComModel.value, "state"), "").not_in(_DELIVERED))
#: The same where the database has only the address of the XCom.
_SENT_ELSEWHERE = and_(
    cast_to_text(XComModel.value).startswith('"'),
    *(TaskStateStoreModel.value.not_like(f'%"state": "{word}"%') for word in _DELIVERED),
)
_MOST = 1000


def find_looks(session: Session, filters: Filters, since: datetime | None) -> list[list[ColumnElement[bool]]]:
    """Return lists of conditions, one of which holds for every row of a wanted job; an index of Airflow serves each."""
    state = filters.state
    bound = [] if since is None else [XComModel.timestamp >= since]
    unfinished = or_(TaskInstance.state.is_(None), TaskInstance.state.in_(_UNFINISHED))
    failed = TaskInstance.state.in_(FAILED)
    looks: list[list[ColumnElement[bool]]]
    if state is None:
        looks = [[or_(unfinished, failed, _was_left())], [*_has_sent()]]
    elif state in ("failed", "unreadable"):
        looks = [[or_(unfinished, failed)]]
    elif state == "uncollected":
        looks = [[_was_left()], [*_has_sent(), DagRun.state.in_(ENDED)]]
    elif state in ("waiting_for_concurrency", "rendering", "fetching", "retrying"):
        runs = _list_runs(session, filters, datetime.now(UTC))
        looks = [[unfinished], [*_has_sent(), XComModel.dag_run_id.in_(runs)]]
    else:
        return []
    if since is None and filters.run_id is None and state in (None, "uncollected"):
        # Without a bound in time those that succeeded are many, and all but a few were delivered.
        looks[1] = [
            tuple_(*_PLACE[1:]).in_(_list_undelivered(session, filters)),
            TaskInstance.state == "success",
        ]
    elif since is not None and len(looks) > 1:
        looks[1].append(XComModel.dag_run_id.in_(_list_runs(session, filters, since)))
    return [[*look, *bound] for look in looks]


def _list_runs(session: Session, filters: Filters, since: datetime) -> list[int]:
    """List the runs that had not ended at ``since``: there is an index of XComs by run, and none by time."""
    query = select(DagRun.id).where(
        DagRun.dag_id.in_(filters.readable_dag_ids), or_(DagRun.state.not_in(ENDED), DagRun.end_date >= since)
    )
    return list(session.scalars(query))


def _was_left() -> ColumnElement[bool]:
    """Build the condition that the run was ended by a user while the task instance waited."""
    return and_(DagRun.state == "failed", TaskInstance.state.in_(LEFT))


def _has_sent() -> list[ColumnElement[bool]]:
    """Build the conditions that a task instance sent a request, and left the wait to other tasks of its run."""
    return [TaskInstance.state == "success", or_(_SENT, _SENT_ELSEWHERE)]


def _list_undelivered(session: Session, filters: Filters) -> list[tuple[int, str, int]]:
    """List the latest ``_MOST`` task instances that sent a request of which there is no video."""
    query = (
        select(*_PLACE[1:], XComModel.dag_id, _KEY, TaskStateStoreModel.value)
        .outerjoin(TaskStateStoreModel, _is_its_progress())
        .where(
            XComModel.key == "kling",
            XComModel.dag_id.in_(filters.readable_dag_ids),
            or_(_SENT, _SENT_ELSEWHERE),
            *_match_text(filters),
        )
        .order_by(*(column.desc() for column in _PLACE))
    )
    sent = []
    for run, task, map_index, dag_id, key, progress in session.execute(query):
        facts = None if key else read_job(progress).facts
        sent.append(((run, task, map_index), (dag_id, key or (facts.kling_task_id if facts else None))))
    if len(sent) <= _MOST:
        seen = find_sightings(session, {key for _, (_, key) in sent if key}, [(None, None)])
        delivered = {(one.dag_id, key) for key, events in seen.items() for one in events}
    else:
        delivered = {
            (str(dag_id), key) for dag_id, key in session.execute(select_keys(session, filters.dag_id))
        }
    return [instance for instance, key in sent if key not in delivered][:_MOST]


def list_rows(
    session: Session,
    filters: Filters,
    look: list[ColumnElement[bool]],
    limit: int,
    *,
    below: JobKey | None = None,
) -> Sequence[Row[Any]]:
    """Return the wanted rows that meet the conditions ``look``, latest first."""
    query = _select_jobs(filters, *look).order_by(*(column.desc() for column in _PLACE)).limit(limit)
    if below is not None:
        query = query.where(tuple_(*_PLACE) < tuple_(*below))
    return session.execute(query).all()


def list_changed_rows(
    session: Session, filters: Filters, limit: int, since: datetime | None
) -> list[Row[Any]]:
    """Return the rows whose task instance changed last, latest first.

    :param since: of jobs that no task waits for any more, only those that changed after it.
    """
    dags = set(find_kling_assets(session).values()) & set(filters.readable_dag_ids)
    failed: list[ColumnElement[bool]] = [TaskInstance.state.in_(FAILED)]
    failed += [] if since is None else [TaskInstance.updated_at >= since]
    failed += [TaskInstance.dag_id.in_(dags)] if dags else []
    looks = [
        or_(TaskInstance.state.in_(_UNFINISHED), and_(*failed)),
        and_(
            XComModel.dag_run_id.in_(_list_runs(session, filters, since or datetime.now(UTC))),
            or_(TaskInstance.state.is_(None), _was_left(), and_(*_has_sent())),
        ),
    ]
    rows: dict[JobKey, Row[Any]] = {}
    for look in looks:
        query = _select_jobs(filters, look).order_by(TaskInstance.updated_at.desc()).limit(limit)
        rows |= {get_job_key(row): row for row in session.execute(query)}
    return [rows[place] for place in sorted(rows, reverse=True)]


def _select_jobs(filters: Filters, *conditions: ColumnElement[bool]) -> Select[Any]:
    columns: tuple[Any, ...] = (
        XComModel.timestamp.label("at"),
        XComModel.dag_run_id,
        XComModel.task_id,
        XComModel.map_index,
        XComModel.dag_id,
        XComModel.run_id,
        cast_bounded_text(XComModel.value).label("text"),
        cast_bounded_text(TaskStateStoreModel.value).label("progress"),
        TaskInstance.state.label("task_state"),
        TaskInstance.next_method,
        TaskInstance.updated_at.label("changed"),
        TaskInstance._rendered_map_index.label("label"),
        DagRun.state.label("run_state"),
    )
    query: Select[Any] = (
        select(*columns)
        .select_from(XComModel)
        .join(TaskInstance, _is_same_instance())
        .join(DagRun, DagRun.id == XComModel.dag_run_id)
        .outerjoin(TaskStateStoreModel, _is_its_progress())
        .where(XComModel.key == "kling", XComModel.dag_id.in_(filters.readable_dag_ids), *conditions)
    )
    for column, value in (
        (XComModel.run_id, filters.run_id),
        (XComModel.task_id, filters.task_id),
        (XComModel.map_index, filters.map_index),
    ):
        if value is not None:
            query = query.where(column == value)
    if filters.before is not None:
        query = query.where(XComModel.timestamp < filters.before)
    if filters.after is not None:
        query = query.where(XComModel.timestamp >= filters.after)
    return query.where(*_match_text(filters))


def _match_text(filters: Filters) -> list[ColumnElement[bool]]:
    """Build the condition that XCom or task state mention the text; a model may be a default, so it is not matched."""
    if not filters.text:
        return []
    words = Filters(dag_ids=(), text=filters.text)
    return [
        or_(
            *(
                and_(*words.narrow_documents(cast_to_text(column)))
                for column in (XComModel.value, TaskStateStoreModel.value)
            )
        )
    ]


def _is_its_progress() -> ColumnElement[bool]:
    return and_(
        TaskStateStoreModel.dag_run_id == XComModel.dag_run_id,
        TaskStateStoreModel.task_id == XComModel.task_id,
        TaskStateStoreModel.map_index == XComModel.map_index,
        TaskStateStoreModel.key == _PROGRESS,
    )


def get_job_key(row: Row[Any]) -> JobKey:
    """Return the position of a row in the list of jobs."""
    return row.at, row.dag_run_id, row.task_id, row.map_index


def find_latest_news(
    session: Session, keys: Collection[str], runs: Collection[int], since: datetime
) -> dict[tuple[int, str], datetime]:
    """Find when each run last reported a Kling task; a task that waits for it knows more than the one that sent it."""
    rows = session.execute(
        select(XComModel.dag_run_id, _KEY, func.max(XComModel.timestamp))
        .join(TaskInstance, _is_same_instance())
        .where(
            XComModel.key == "kling",
            XComModel.dag_run_id.in_(runs),
            XComModel.timestamp >= since,
            _KEY.in_(keys),
            or_(TaskInstance.state.is_(None), TaskInstance.state.not_in(LEFT)),
        )
        .group_by(XComModel.dag_run_id, _KEY)
    )
    return {(run, key): at for run, key, at in rows}


def _is_same_instance() -> ColumnElement[bool]:
    return and_(
        TaskInstance.dag_id == XComModel.dag_id,
        TaskInstance.task_id == XComModel.task_id,
        TaskInstance.run_id == XComModel.run_id,
        TaskInstance.map_index == XComModel.map_index,
    )
