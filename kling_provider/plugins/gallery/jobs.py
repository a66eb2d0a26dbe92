# SPDX-License-Identifier: Apache-2.0
"""Videos that are waited for, that failed, or that nobody fetched: task instances with an XCom ``kling``.

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
    list_changed_rows,
    list_rows,
    place_of,
)
from kling_provider.plugins.gallery.reading import Read, read_job
from kling_provider.plugins.gallery.sightings import see_all

_QUEUED = ("waiting_for_slot", "queued")
_FINISHED = ("succeeded", "succeed")
#: A task that waits in the queue goes on with the first, and renders nothing yet; a trigger that failed with the second.
_SENDS = ("resume_slot", "__fail__")
#: Kling forgets a task after 30 days, so no event of it is older when somebody waits for it.
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
    :param cut_off: somebody ended it, or its run, while it waited.
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
    read: Read[JobFacts]

    @property
    def place(self) -> JobKey:
        """Its place in the list of :func:`list_jobs`."""
        return self.at, self.dag_run_id, self.task_id, self.map_index

    @property
    def kling_task_id(self) -> str | None:
        """The task at Kling, once there is one."""
        return self.read.facts.kling_task_id if self.read.facts else None


def list_jobs(
    session: Session,
    filters: Filters,
    limit: int,
    *,
    since: datetime | None = None,
    below: JobKey | None = None,
) -> list[Job]:
    """Return jobs without a finished video, the latest news first.

    :param since: none that are older are wanted.
    :param below: the ``place`` of the last one of the page before.
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
                full.append(place_of(some[-1]))
        below = max(full, default=None)
        # What lies below the end of a look that has more to come is for the next round.
        rows = [row for row in rows if below is None or place_of(row) >= below]
        found += _jobs(session, filters, sorted(rows, key=place_of, reverse=True))
        if below is None:
            break
        chunk = min(2 * chunk, _LARGEST_CHUNK)
    return found[:limit]


def list_changed_jobs(
    session: Session, filters: Filters, limit: int, since: datetime | None = None
) -> list[Job]:
    """Return jobs, those first whose task instance changed last: what an open page looks at again and again.

    :param since: of those that nobody waits for any more, only what changed after it.
    """
    jobs = _jobs(session, filters, list_changed_rows(session, filters, limit, since))
    return sorted(jobs, key=lambda job: job.changed or job.at, reverse=True)[:limit]


def count_jobs(session: Session, filters: Filters, limit: int) -> dict[str, int]:
    """Return how many jobs there are in each state, of the latest ``limit``."""
    counts: dict[str, int] = {}
    for job in list_jobs(session, filters, limit):
        counts[job.state] = counts.get(job.state, 0) + 1
    return counts


def _jobs(session: Session, filters: Filters, rows: Sequence[Row[Any]]) -> list[Job]:
    """Those of the rows that are wanted and have no finished video; of several for one Kling task the latest."""
    jobs = [job for row in rows if (job := _job(row)) is not None and _is_wanted(job, filters)]
    sent = [job for job in jobs if job.kling_task_id is not None]
    if not sent:
        return _once(jobs)
    keys = {job.kling_task_id or "" for job in sent}
    since = min(_oldest(job) for job in sent) - _CLOCKS
    delivered = {
        (one.dag_id, key) for key, events in see_all(session, keys, [(since, None)]).items() for one in events
    }
    latest = find_latest_news(session, keys, {job.dag_run_id for job in sent}, min(job.at for job in sent))
    return _once(
        job
        for job in jobs
        if job.kling_task_id is None
        or (
            (job.dag_id, job.kling_task_id) not in delivered
            and latest.get((job.dag_run_id, job.kling_task_id), job.at) <= job.at
        )
    )


def _job(row: Row[Any]) -> Job | None:
    read = read_job(row.text)
    if read.facts is None:
        # An address: the XCom is in an object store, which nobody waits for here.
        kept = read_job(row.progress)
        stored = row.text is not None and row.text.startswith('"')
        read = kept if kept.facts is not None else replace(read, why=_STORED) if stored else read
    facts = read.facts or JobFacts()
    if not facts.state and read.facts is not None and "state" not in read.wrong:
        return None  # nobody's words of how far a job is
    over = row.run_state in ENDED
    state = _state(row, facts, over) if read.facts is not None else _unreadable(row)
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


def _state(row: Row[Any], facts: JobFacts, over: bool) -> str | None:
    """What the card says of a job."""
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
        return "waiting_for_slot"
    resumed = row.next_method not in (None, *_SENDS) and task in ("scheduled", "queued", "running")
    return "fetching" if sent and (resumed or says in _FINISHED) else "rendering"


def _unreadable(row: Row[Any]) -> str | None:
    """A job of which nothing can be read; of one that succeeded its event tells."""
    return None if row.task_state in ("success", *LEFT) else "unreadable"


def _is_wanted(job: Job, filters: Filters) -> bool:
    if filters.state is not None and job.state != filters.state:
        return False
    if not filters.has_words():
        return True
    request, _ = read_request(job.read.facts.request if job.read.facts else None)
    return filters.holds(name=request.name, prompt=request.prompt, model=request.model)


def _oldest(job: Job) -> datetime:
    made = job.read.facts.created_at if job.read.facts else None
    return min(made, job.at) if made is not None else job.at - _FORGOTTEN


def _once(jobs: Iterable[Job]) -> list[Job]:
    """Each Kling task, and each task instance that has none, once."""
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
