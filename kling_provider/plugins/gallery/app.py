# SPDX-License-Identifier: Apache-2.0
"""The gallery's routes under ``/kling``. All of them only read, and answer only who may read the DAG."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import FileResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles

from kling_provider.plugins.gallery import index
from kling_provider.plugins.gallery.cards import finished_card, job_card, total, usual_times
from kling_provider.plugins.gallery.files import (
    MEDIA_TYPES,
    POSTER_TYPES,
    NotShown,
    checked,
    checked_poster,
    local_path,
)
from kling_provider.plugins.gallery.record import Record, link_of, record_of

#: Cards per page.
PAGE = 24
_STATIC = Path(__file__).parent / "static"
_HEADERS = {
    "Cache-Control": "private, no-cache",  # whoever lost the right to see it must not find it in the browser's cache
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'",
}
State = Literal["waiting_for_slot", "rendering", "retrying", "done", "failed", "uncollected"]


def readable_dags(user: GetUserDep) -> set[str]:
    """The DAGs that the user may read."""
    return get_auth_manager().get_authorized_dag_ids(user=user, method="GET")


def no_dots(request: Request, user: GetUserDep) -> None:
    """Nothing of an address is ever part of a path; somebody who tries gets a 404 (after a 401 if that is due)."""
    if any(str(part) in ("", ".", "..") for part in request.path_params.values()):
        raise HTTPException(404, "There is no such video.")


ReadableDags = Annotated[set[str], Depends(readable_dags)]
OF_A_DAG = [Depends(no_dots), Depends(requires_access_dag(method="GET"))]


def wanted(
    dag_ids: ReadableDags,
    dag_id: str | None = None,
    run_id: str | None = None,
    task_id: str | None = None,
    map_index: int | None = None,
    state: State | None = None,
    model: str | None = None,
    text: Annotated[str | None, Query(max_length=200)] = None,
    after: datetime | None = None,
    before: datetime | None = None,
) -> index.Filters:
    """The filters of an address, limited to the DAGs that the user may read."""
    return index.Filters(
        dag_ids=dag_ids,
        dag_id=dag_id,
        run_id=run_id,
        task_id=task_id,
        map_index=map_index,
        state=state,
        model=model,
        text=(text or "").strip() or None,
        after=_aware(after),
        before=_aware(before),
    )


Wanted = Annotated[index.Filters, Depends(wanted)]


class FreshFiles(StaticFiles):
    """Files of which the browser asks whether they are still the same: after an upgrade all come from one release."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


def make_app() -> FastAPI:
    """The app that the plugin mounts at ``/kling``."""
    app = FastAPI(title="Kling videos", docs_url=None, redoc_url=None, openapi_url=None)
    app.get("/api/videos")(videos)
    app.get("/api/changes")(changes)
    app.get("/api/choices")(choices)
    app.get("/api/runs/{dag_id}/{run_id}/total", dependencies=OF_A_DAG)(run_total)
    address = "{dag_id}/{run_id}/{task_id}/{map_index}/{n}"
    app.get(f"/videos/{address}", dependencies=OF_A_DAG)(video)
    app.get(f"/posters/{address}", dependencies=OF_A_DAG)(poster)
    app.mount("/static", FreshFiles(directory=_STATIC))
    return app


def videos(session: SessionDep, filters: Wanted, cursor: str | None = None) -> dict[str, Any]:
    """A page of cards, newest first. ``next`` is the cursor of the page after it, ``since`` what changes start from."""
    now = datetime.now(UTC)
    event_place, job_place = _read_cursor(cursor)
    since = index.newest_event(session)
    done = index.finished(session, filters, PAGE + 1, event_place)
    jobs = index.jobs(session, filters, PAGE + 1, job_place)
    merged: list[index.Finished | index.Job] = sorted([*done, *jobs], key=lambda one: one.at, reverse=True)
    page = merged[:PAGE]
    for one in page:
        if isinstance(one, index.Finished):
            event_place = one.first
        else:
            job_place = one.key
    return {
        "cards": _cards(session, filters, page, now),
        "next": _write_cursor(event_place, job_place) if len(merged) > PAGE else None,
        "since": since,
        "now": now.isoformat(),
    }


def changes(session: SessionDep, filters: Wanted, since: int) -> dict[str, Any]:
    """What became a video after the event ``since``, and the jobs that changed last (``whole``: that is all jobs)."""
    now = datetime.now(UTC)
    done = index.finished_since(session, filters, PAGE, since)
    jobs = index.changed_jobs(session, filters, PAGE + 1)
    return {
        "cards": _cards(session, filters, [*done, *jobs[:PAGE]], now),
        "whole": len(jobs) <= PAGE,
        "since": done[-1].event.id if done else since,
        "now": now.isoformat(),
    }


def choices(session: SessionDep, dag_ids: ReadableDags) -> dict[str, list[str]]:
    """What the filters offer."""
    return index.choices(session, dag_ids)


def run_total(session: SessionDep, dag_ids: ReadableDags, dag_id: str, run_id: str) -> dict[str, Any]:
    """How many videos a run delivered, and what it paid for them."""
    extras = index.run_extras(session, dag_ids, dag_id, run_id)
    return {
        "videos": len(extras),
        "again": sum(extra["again"] for extra in extras),
        "paid": total(extras),
    }


def video(session: SessionDep, dag_id: str, run_id: str, task_id: str, map_index: int, n: int) -> Response:
    """The file that the server has recorded, or (unsaved, or not on this server's disk) Kling's link."""
    record = _record(session, dag_id, run_id, task_id, map_index)
    file = record.files[n] if 0 <= n < len(record.files) else {}
    address = str(file.get("file") or "")
    path = local_path(address) if address else None
    try:
        if path is not None:
            shown = checked(file, record.kling_task_id)
            return FileResponse(shown, media_type=MEDIA_TYPES[shown.suffix.lower()], headers=_HEADERS)
    except NotShown as reason:
        if reason.place != "missing":
            raise HTTPException(404, str(reason)) from None
    link = link_of(session, record, n, now=datetime.now(UTC))
    if link is None:
        raise HTTPException(404, "This video is neither on this server's disk nor at Kling any more.")
    return RedirectResponse(link, status_code=307, headers={"Cache-Control": "no-store"})


def poster(
    session: SessionDep, dag_id: str, run_id: str, task_id: str, map_index: int, n: int
) -> FileResponse:
    """The picture that was saved beside a video."""
    record = _record(session, dag_id, run_id, task_id, map_index)
    try:
        path = checked_poster(record.files[n] if 0 <= n < len(record.files) else {}, record.kling_task_id)
    except NotShown as reason:
        raise HTTPException(404, str(reason)) from None
    return FileResponse(path, media_type=POSTER_TYPES[path.suffix.lower()], headers=_HEADERS)


def _record(session: SessionDep, dag_id: str, run_id: str, task_id: str, map_index: int) -> Record:
    record = record_of(session, dag_id, run_id, task_id, map_index)
    if record is None:
        raise HTTPException(404, "There is no such video.")
    return record


def _cards(
    session: SessionDep, filters: index.Filters, page: list[Any], now: datetime
) -> list[dict[str, Any]]:
    waiting = any(isinstance(one, index.Job) and one.state == "rendering" for one in page)
    usual = usual_times(index.latest_extras(session, filters.dag_ids)) if waiting else {}
    return [
        finished_card(one, now=now) if isinstance(one, index.Finished) else job_card(one, usual)
        for one in page
    ]


def _write_cursor(event_place: int | None, job_place: index.JobKey | None) -> str:
    job = None if job_place is None else [job_place[0].isoformat(), *job_place[1:]]
    return base64.urlsafe_b64encode(json.dumps([event_place, job]).encode()).decode()


def _read_cursor(text: str | None) -> tuple[int | None, index.JobKey | None]:
    if text is None:
        return None, None
    try:
        event_place, job = json.loads(base64.urlsafe_b64decode(text))
        at, run, task, map_index = job or (None, 0, "", 0)
        place = None if at is None else (datetime.fromisoformat(at), int(run), str(task), int(map_index))
        return None if event_place is None else int(event_place), place
    except (ValueError, TypeError):
        raise HTTPException(400, "This cursor is none of ours.") from None


def _aware(value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value
