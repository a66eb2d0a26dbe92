# SPDX-License-Identifier: Apache-2.0
"""Videos that are waited for, that failed, or that were never fetched: task instances with an XCom ``kling``.

Where XComs are kept in an object store the database has only their addresses; what the gallery needs stands in the task
state store as well (``kling_progress``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.orm import Session

from kling_provider.plugins.gallery.facts import JobFacts, read_request
from kling_provider.plugins.gallery.filters import Filters
from kling_provider.plugins.gallery.job_rows import (
    ENDED,
    FAILED,
    LEFT,
    JobKey,
    find_latest_news,
    find_looks,
    get_job_key,
    list_changed_rows,
    list_rows,
)
from kling_provider.plugins.gallery.reading import ParsedDocument, read_job
from kling_provider.plugins.gallery.sightings import find_sightings

_QUEUED = ("waiting_for_concurrency", "queued")
_FINISHED = ("succeeded", "succeed")
#: A task that waits in the queue goes on with the first, and renders nothing yet; a trigger that failed with the second.
_SENDS = ("execute_after_queue", "__fail__")
#: Kling forgets a task after 30 days, so no event of a task that is waited for is older.
_FORGOTTEN = timedelta(days=31)
_CLOCKS = timedelta(minutes=15)
_STORED = "it is a text, or kept in an object store, and the task state store has nothing of it"
_CHUNK = 100
_LARGEST_CHUNK = 1000


@dataclass(frozen=True, kw_only=True)
class Job:
    """A task instance that has no finished video.

    :param at: when its state was told last.
    :param label: the entry's name, where the Dag gives its mapped instances names.
    :param cut_off: whether a user ended it, or its run, while it waited.
    :param changed: when its task instance changed last.
    """

    at: datetime
    dag_run_id: int
    task_id: str
    map_index: int
    dag_id: str
    run_id: str
    label: str | None
    state: str
    cut_off: bool
    changed: datetime | None
    read: ParsedDocument[JobFacts]

    @property
    def list_key(self) -> JobKey:
        """Return its position in the list of :func:`list_jobs`."""
        return self.at, self.dag_run_id, self.task_id, self.map_index

    @property
    def kling_task_id(self) -> str | None:
        """Return the id of the Kling task, once there is one."""
        return self.read.facts.kling_task_id if self.read.facts else None


def list_jobs(
    session: Session,
    filters: Filters,
    limit: int,
    *,
    since: datetime | None = None,
    below: JobKey | None = None,
) -> list[Job]:
    """Return jobs without a finished video, latest first.

    :param limit: the largest number of them.
    :param since: the time before which jobs are left out.
    :param below: the ``list_key`` of the last one of the page before.
    """
    looks = find_looks(session, filters, since)
    found: list[Job] = []
    chunk = _CHUNK
    while looks and len(found) < limit:
        rows: list[Row[Any]] = []
        full: list[JobKey] = []
        for look in looks:
            some = list_rows(session, filters, look, chunk, below=below)
            rows += some
            if len(some) == chunk:
                full.append(get_job_key(some[-1]))
        below = max(full, default=None)
        # What lies below the end of a look that has more to come is for the next round.
        rows = [row for row in rows if below is None or get_job_key(row) >= below]
        found += _make_jobs(session, filters, sorted(rows, key=get_job_key, reverse=True))
        if below is None:
            break
        chunk = min(2 * chunk, _LARGEST_CHUNK)
    return found[:limit]


def list_changed_jobs(
    session: Session, filters: Filters, limit: int, since: datetime | None = None
) -> list[Job]:
    """Return jobs, those first whose task instance changed last; an open page asks for them again and again.

    :param limit: the largest number of them.
    :param since: of jobs that no task waits for any more, only those that changed after it.
    """
    jobs = _make_jobs(session, filters, list_changed_rows(session, filters, limit, since))
    return sorted(jobs, key=lambda job: job.changed or job.at, reverse=True)[:limit]


def count_jobs(session: Session, filters: Filters, limit: int) -> dict[tuple[str, str], int]:
    """Count the latest ``limit`` jobs by state and type."""
    counts: dict[tuple[str, str], int] = {}
    for job in list_jobs(session, filters, limit):
        request, _ = read_request(job.read.facts.request if job.read.facts else None)
        kind = job.state, request.type
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def _make_jobs(session: Session, filters: Filters, rows: Sequence[Row[Any]]) -> list[Job]:
    """Make jobs of the wanted rows that have no finished video; of several for one Kling task keep the latest."""
    jobs = [job for row in rows if (job := _make_job(row)) is not None and _is_wanted(job, filters)]
    sent = [job for job in jobs if job.kling_task_id is not None]
    if not sent:
        return _drop_repeated(jobs)
    keys = {job.kling_task_id or "" for job in sent}
    since = min(_find_oldest_time(job) for job in sent) - _CLOCKS
    delivered = {
        (one.dag_id, key)
        for key, events in find_sightings(session, keys, [(since, None)]).items()
        for one in events
    }
    latest = find_latest_news(session, keys, {job.dag_run_id for job in sent}, min(job.at for job in sent))
    return _drop_repeated(
        job
        for job in jobs
        if job.kling_task_id is None
        or (
            (job.dag_id, job.kling_task_id) not in delivered
            and latest.get((job.dag_run_id, job.kling_task_id), job.at) <= job.at
        )
    )


def _make_job(row: Row[Any]) -> Job | None:
    read = read_job(row.text)
    if read.facts is None:
        # A URL: the XCom is in an object store, which a list must not wait for.
        kept = read_job(row.progress)
        stored = row.text is not None and row.text.startswith('"')
        read = kept if kept.facts is not None else replace(read, why=_STORED) if stored else read
    facts = read.facts or JobFacts()
    if not facts.state and read.facts is not None and "state" not in read.wrong:
        return None  # not a document of this provider
    over = row.run_state in ENDED
    state = _find_state(row, facts, over) if read.facts is not None else _find_unreadable_state(row)
    if state is None:
        return None
    return Job(
        at=row.at,
        dag_run_id=row.dag_run_id,
        task_id=row.task_id,
        map_index=row.map_index,
        dag_id=row.dag_id,
        run_id=row.run_id,
        label=row.label,
        state=state,
        cut_off=row.task_state in LEFT or (row.task_state == "failed" and facts.state != "failed"),
        changed=row.changed,
        read=read,
    )


def _find_state(row: Row[Any], facts: JobFacts, over: bool) -> str | None:
    """Find the state of a job for its card; ``None`` if it has no card."""
    says, task, sent = facts.state, row.task_state, facts.kling_task_id is not None
    if says == "planned":
        return None
    if task in LEFT:
        return "uncollected" if sent and row.run_state == "failed" else None
    if task == "success":
        # The task that sent it is content; others of its run were to wait for it and to save it.
        return None if not sent or says in _FINISHED else "uncollected" if over else "rendering"
    if task in FAILED or (says == "failed" and task != "up_for_retry"):
        return "failed"
    if task == "up_for_retry":
        return "retrying"
    if says in _QUEUED:
        return "waiting_for_concurrency"
    resumed = row.next_method not in (None, *_SENDS) and task in ("scheduled", "queued", "running")
    return "fetching" if sent and (resumed or says in _FINISHED) else "rendering"


def _find_unreadable_state(row: Row[Any]) -> str | None:
    """Find the state of a job whose document cannot be read; one that succeeded has an event, and no card here."""
    return None if row.task_state in ("success", *LEFT) else "unreadable"


def _is_wanted(job: Job, filters: Filters) -> bool:
    if filters.state is not None and job.state != filters.state:
        return False
    if not filters.has_words():
        return True
    request, _ = read_request(job.read.facts.request if job.read.facts else None)
    return filters.is_match(name=request.name, prompt=request.prompt, model=request.model, type=request.type)


def _find_oldest_time(job: Job) -> datetime:
    made = job.read.facts.created_at if job.read.facts else None
    return min(made, job.at) if made is not None else job.at - _FORGOTTEN


def _drop_repeated(jobs: Iterable[Job]) -> list[Job]:
    """Drop all but the first job of each Kling task, and of each task instance that has none."""
    seen: set[tuple[Any, ...]] = set()
    once = []
    for job in jobs:
        whose = (
            (job.dag_id, job.kling_task_id)
            if job.kling_task_id is not None
            else (job.dag_run_id, job.task_id, job.map_index)
        )
        if whose not in seen:
            seen.add(whose)
            once.append(job)
    return once
