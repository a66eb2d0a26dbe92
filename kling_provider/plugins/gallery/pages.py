# SPDX-License-Identifier: Apache-2.0
"""A page of the gallery: finished videos and jobs in one list, newest first, as cards."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from kling_provider.plugins.gallery.cards import (
    Card,
    LinkUse,
    as_json,
    find_usual_times,
    has_output_at_kling,
    make_finished_card,
    make_job_card,
)
from kling_provider.plugins.gallery.events import (
    Finished,
    find_settled_event,
    list_finished,
    list_finished_since,
    list_latest,
)
from kling_provider.plugins.gallery.filters import Filters
from kling_provider.plugins.gallery.job_rows import JobKey
from kling_provider.plugins.gallery.jobs import Job, list_changed_jobs, list_jobs
from kling_provider.plugins.gallery.media_links import find_media_hosts
from kling_provider.plugins.gallery.record import (
    Instance,
    find_labels,
    find_links,
    find_requests,
    get_result_link,
)

#: Cards per page.
PAGE = 24
#: Videos that tell how long a render takes.
_SAMPLE = 40
#: What changed within these seconds before the last look is looked at again.
_OVERLAP = timedelta(seconds=10)


def read_page(session: Session, filters: Filters, cursor: str | None) -> dict[str, Any]:
    """Return a page of cards, newest first.

    ``next`` is the cursor of the next page; pass ``since`` and ``now`` to :func:`read_changes`.

    :param cursor: the ``next`` of the page before; ``None`` for the first page.
    :raises ValueError: if no page had this cursor.
    """
    now = datetime.now(UTC)
    event_place, job_place = _read_cursor(cursor)
    since = find_settled_event(session)
    done = list_finished(session, filters, PAGE + 1, event_place)
    # Jobs that are older than all of a full page's videos come on a later one.
    oldest = done[-1].at if len(done) > PAGE else None
    jobs = list_jobs(session, filters, PAGE + 1, since=oldest, below=job_place)
    merged: list[Finished | Job] = sorted([*done, *jobs], key=lambda one: one.at, reverse=True)
    page = merged[:PAGE]
    for one in page:
        if isinstance(one, Finished):
            event_place = one.first
        else:
            job_place = one.list_key
    return {
        "cards": _make_cards(session, filters, page, now),
        "next": _write_cursor(event_place, job_place) if len(merged) > PAGE else None,
        "since": since,
        "now": now.isoformat(),
    }


def read_changes(session: Session, filters: Filters, since: int, seen: datetime | None) -> dict[str, Any]:
    """Return the cards of videos that were finished after the event ``since``, and of the jobs that changed last.

    ``whole`` says that these are all jobs that a task waits for.

    :param since: the id of an asset event.
    :param seen: when the page looked last.
    """
    now = datetime.now(UTC)
    done = list_finished_since(session, filters, PAGE, since)
    jobs = list_changed_jobs(session, filters, PAGE + 1, None if seen is None else seen - _OVERLAP)
    last = done[-1].latest.event if done else since
    full = len(done) == PAGE
    return {
        "cards": _make_cards(session, filters, [*done, *jobs[:PAGE]], now),
        "whole": len(jobs) <= PAGE,
        "since": last if full else find_settled_event(session, since),
        "now": now.isoformat(),
    }


def _make_cards(
    session: Session, filters: Filters, page: Sequence[Finished | Job], now: datetime
) -> list[dict[str, Any]]:
    done = [one for one in page if isinstance(one, Finished)]
    instances = {id(one): _get_instance(one) for one in done}
    links = _find_uses(session, [one for one in done if has_output_at_kling(one)])
    labels = find_labels(session, instances.values())
    unsaid = [
        one for one in done if one.read.facts and not (one.read.facts.audio and one.read.facts.resolution)
    ]
    requests = find_requests(session, [instances[id(one)] for one in unsaid])
    waiting = any(isinstance(one, Job) and one.state == "rendering" for one in page)
    usual = find_usual_times(list_latest(session, filters.dag_ids, _SAMPLE)) if waiting else {}
    cards: list[Card] = []
    for one in page:
        if isinstance(one, Job):
            cards.append(make_job_card(one, usual))
        else:
            instance = instances[id(one)]
            cards.append(
                make_finished_card(
                    one,
                    now=now,
                    request=requests.get(instance),
                    label=labels.get(instance),
                    links=links.get(one.first, {}),
                )
            )
    return as_json(cards)


def _find_uses(session: Session, done: Sequence[Finished]) -> dict[int, dict[int, LinkUse]]:
    """Find what can be done with Kling's links of videos, by event and number of the output."""
    results = find_links(session, [_get_instance(one) for one in done])
    conn_ids = {one.read.facts.conn_id for one in done if one.read.facts is not None}
    hosts = {
        conn_id: find_media_hosts(conn_id) for conn_id in conn_ids
    }  # a connection is a read of the database
    found: dict[int, dict[int, LinkUse]] = {}
    for one in done:
        facts = one.read.facts
        if facts is None or _get_instance(one) not in results:
            continue
        result = results[_get_instance(one)]
        uses = found[one.first] = {}
        for n in range(len(facts.list_outputs())):
            link = get_result_link(result, facts.kling_task_id, n)
            uses[n] = (
                "none" if link is None else "follow" if hosts[facts.conn_id].is_allowed(link) else "copy"
            )
    return found


def _get_instance(one: Finished) -> Instance:
    latest = one.latest
    return latest.dag_id, latest.run_id, latest.task_id, latest.map_index


def _write_cursor(event_place: int | None, job_place: JobKey | None) -> str:
    job = None if job_place is None else [job_place[0].isoformat(), *job_place[1:]]
    return base64.urlsafe_b64encode(json.dumps([event_place, job]).encode()).decode()


def _read_cursor(text: str | None) -> tuple[int | None, JobKey | None]:
    if text is None:
        return None, None
    try:
        event_place, job = json.loads(base64.urlsafe_b64decode(text))
        at, run, task, map_index = job or (None, 0, "", 0)
        place = None if at is None else (datetime.fromisoformat(at), int(run), str(task), int(map_index))
        return None if event_place is None else int(event_place), place
    except (ValueError, TypeError, RecursionError):
        raise ValueError("cursor must be the `next` of an earlier page.") from None
