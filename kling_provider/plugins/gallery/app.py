# SPDX-License-Identifier: Apache-2.0
"""The gallery's routes under ``/kling``. All of them only read, and answer only users who may read the Dag."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool

from kling_provider.plugins.gallery.choices import list_choices
from kling_provider.plugins.gallery.digests import Digests, TooManyFiles
from kling_provider.plugins.gallery.files import NotShown, open_poster, open_video
from kling_provider.plugins.gallery.filters import Filters, State
from kling_provider.plugins.gallery.media_links import SETTING, find_media_hosts
from kling_provider.plugins.gallery.pages import read_changes, read_page
from kling_provider.plugins.gallery.record import VideoRecord, find_link, find_record
from kling_provider.plugins.gallery.serving import answer_file
from kling_provider.plugins.gallery.sums import sum_up

_STATIC = Path(__file__).parent / "static"
_DIGESTS = Digests()
_GONE = "This output is neither on this server's disk nor at Kling any more."


def _get_readable_dags(user: GetUserDep) -> set[str]:
    """Return the ids of the Dags that the user may read."""
    return get_auth_manager().get_authorized_dag_ids(user=user, method="GET")


def _refuse_dots(request: Request, user: GetUserDep) -> None:
    """Refuse ``.``, ``..`` and empty parts in a URL with a 404 (after a 401 if the user is not signed in)."""
    if any(str(part) in ("", ".", "..") for part in request.path_params.values()):
        raise HTTPException(404, "There is no such output.")


ReadableDags = Annotated[set[str], Depends(_get_readable_dags)]
_OF_A_DAG = [Depends(_refuse_dots), Depends(requires_access_dag(method="GET"))]


def _read_filters(
    dag_ids: ReadableDags,
    dag_id: str | None = None,
    run_id: str | None = None,
    task_id: str | None = None,
    map_index: int | None = None,
    state: State | None = None,
    type: str | None = None,
    model: str | None = None,
    text: Annotated[str | None, Query(max_length=200)] = None,
    after: datetime | None = None,
    before: datetime | None = None,
) -> Filters:
    """Read the filters of a URL, limited to the Dags that the user may read."""
    return Filters(
        dag_ids=dag_ids,
        dag_id=dag_id,
        run_id=run_id,
        task_id=task_id,
        map_index=map_index,
        state=state,
        type=type,
        model=model,
        text=(text or "").strip() or None,
        after=_assume_utc(after),
        before=_assume_utc(before),
    )


Wanted = Annotated[Filters, Depends(_read_filters)]


def _get_record(session: SessionDep, dag_id: str, run_id: str, task_id: str, map_index: int) -> VideoRecord:
    """Return what Airflow has recorded about the result of a task instance; without a record answer with a 404."""
    record = find_record(session, (dag_id, run_id, task_id, map_index))
    if record is None:
        raise HTTPException(404, "There is no such output.")
    return record


Recorded = Annotated[VideoRecord, Depends(_get_record)]


class FreshFiles(StaticFiles):
    """Static files that the browser revalidates, so that after an upgrade all come from one release."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


def make_app() -> FastAPI:
    """Return the app that the plugin mounts at ``/kling``."""
    app = FastAPI(title="Kling results", docs_url=None, redoc_url=None, openapi_url=None)

    def add_route(path: str, answer: Callable[..., Any], *, of_a_dag: bool = False) -> None:
        dependencies = _OF_A_DAG if of_a_dag else []
        app.api_route(path, methods=["GET", "HEAD"], dependencies=dependencies)(answer)

    add_route("/api/videos", _answer_videos)
    add_route("/api/changes", _answer_changes)
    add_route("/api/choices", _answer_choices)
    add_route("/api/sums", _answer_sums)
    add_route("/api/runs/{dag_id}/{run_id}/total", _answer_run_total, of_a_dag=True)
    output = "{dag_id}/{run_id}/{task_id}/{map_index}/{n}"
    add_route(f"/videos/{output}", _answer_video, of_a_dag=True)
    add_route(f"/posters/{output}", _answer_poster, of_a_dag=True)
    add_route(f"/images/{output}/{{image}}", _answer_image, of_a_dag=True)
    add_route(f"/links/{output}", _answer_link, of_a_dag=True)
    app.mount("/static", FreshFiles(directory=_STATIC))
    return app


def _answer_videos(session: SessionDep, filters: Wanted, cursor: str | None = None) -> dict[str, Any]:
    """Return a page of cards, made by :func:`read_page`."""
    try:
        return read_page(session, filters, cursor)
    except ValueError as error:
        raise HTTPException(400, str(error)) from None


def _answer_changes(
    session: SessionDep, filters: Wanted, since: int, seen: datetime | None = None
) -> dict[str, Any]:
    """Return what changed, found by :func:`read_changes`."""
    return read_changes(session, filters, since, _assume_utc(seen))


def _answer_choices(session: SessionDep, dag_ids: ReadableDags) -> dict[str, list[str]]:
    """Return the values that the filters offer: ids of Dags, types, and models."""
    return list_choices(session, dag_ids)


def _answer_sums(session: SessionDep, filters: Wanted) -> dict[str, Any]:
    """Return the number of results and their cost, summed up by :func:`sum_up`."""
    return sum_up(session, filters)


def _answer_run_total(session: SessionDep, dag_ids: ReadableDags, dag_id: str, run_id: str) -> dict[str, Any]:
    """Return the number of results and their cost in one run."""
    return sum_up(session, Filters(dag_ids=dag_ids, dag_id=dag_id, run_id=run_id))


async def _answer_video(
    request: Request, session: SessionDep, record: Recorded, n: int, download: bool = False
) -> Response:
    """Return the recorded file; if it is not here or was changed, redirect to Kling's link."""
    why = _GONE
    # The connection goes back before the digest is waited for.
    await run_in_threadpool(session.close)
    try:
        found = await run_in_threadpool(open_video, record.get_file(n), record.kling_task_id)
        if await _DIGESTS.compute_digest(found.file) == found.sha256:
            return answer_file(
                request,
                found.file,
                media_type=found.media_type,
                etag=found.sha256,
                name=_name_download(record, n, found.file.suffix),
                download=download,
            )
        why = f"{found.file.name} is not the file that was saved: it was changed."
    except NotShown as reason:
        if reason.place == "outside":
            raise HTTPException(404, str(reason)) from None
        if record.get_file(n).file and reason.place != "missing":
            why = str(reason)
    except TooManyFiles:
        raise HTTPException(
            503, "Many files are asked for at once. Try again.", {"Retry-After": "5"}
        ) from None
    return await _redirect_to_link(session, record, n, None, why)


async def _answer_image(session: SessionDep, record: Recorded, n: int, image: int) -> Response:
    """Redirect to the link of one of an element's images, by its number from 0."""
    return await _redirect_to_link(session, record, n, image, "There is no such image.")


async def _redirect_to_link(
    session: Any, record: VideoRecord, n: int, image: int | None, why: str
) -> Response:
    """Redirect to a link of the result; without one answer with a 404 that says ``why``."""
    url = await run_in_threadpool(_find_link, session, record, n, image)
    if url is None:
        raise HTTPException(404, why)
    if not await run_in_threadpool(find_media_hosts(record.facts.conn_id).is_allowed, url):
        raise HTTPException(
            404, f"The host of Kling's link must be among {SETTING}. Copy the link from the card's menu."
        )
    return RedirectResponse(url, status_code=307, headers={"Cache-Control": "no-store"})


async def _answer_poster(request: Request, record: Recorded, n: int) -> Response:
    """Return the poster image that was saved beside a video or an image."""
    try:
        file, media_type = await run_in_threadpool(open_poster, record.get_file(n), record.kling_task_id)
    except NotShown as reason:
        raise HTTPException(404, str(reason)) from None
    etag = "-".join(map(str, file.identity))
    name = _name_download(record, n, file.suffix)
    return answer_file(request, file, media_type=media_type, etag=etag, name=name)


def _answer_link(session: SessionDep, record: Recorded, n: int) -> Response:
    """Return Kling's link as text, to be copied."""
    url = find_link(session, record, n, now=datetime.now(UTC))
    if url is None:
        raise HTTPException(404, _GONE)
    return Response(url, media_type="text/plain", headers={"Cache-Control": "no-store"})


def _find_link(session: Any, record: VideoRecord, n: int, image: int | None) -> str | None:
    return find_link(session, record, n, now=datetime.now(UTC), image=image)


def _name_download(record: VideoRecord, n: int, suffix: str) -> str:
    """Name the download of an output: after its file, else after its request or its Kling task."""
    saved = (record.get_file(n).file or "").rpartition("/")[2]
    return saved if saved.endswith(suffix) else f"{record.facts.name or record.kling_task_id}{suffix}"


def _assume_utc(value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value
