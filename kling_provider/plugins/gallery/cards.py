# SPDX-License-Identifier: Apache-2.0
"""A card of the gallery as JSON: what is known about one video, finished or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from statistics import median
from typing import Any
from urllib.parse import quote

from kling_provider.plugins.gallery.files import place_of
from kling_provider.plugins.gallery.index import Finished, Job

Json = dict[str, Any]

_FACTS = ("name", "prompt", "model", "type", "take")


def finished_card(found: Finished, *, now: datetime) -> Json:
    """The card of a finished Kling task."""
    event, extra = found.event, found.event.extra
    origin = (event.source_dag_id, event.source_run_id, event.source_task_id, event.source_map_index)
    expires = moment(extra.get("expires_at"))
    expired = expires is not None and expires <= now
    return {
        **_frame(*origin, at=found.at),
        **{fact: extra.get(fact) for fact in _FACTS},
        "key": str(extra["kling_task_id"]),
        "state": "done",
        "reason": None,
        "seconds": extra.get("duration"),
        "kling_task_id": str(extra["kling_task_id"]),
        "again": found.again,
        "billing": extra.get("billing") or [],
        "created_at": extra.get("created_at"),
        "finished_at": extra.get("finished_at"),
        "expires_at": extra.get("expires_at"),
        "outputs": list(_outputs(origin, extra.get("files") or [], expired)),
    }


def job_card(job: Job, usual: Mapping[str, float]) -> Json:
    """The card of a video that is waited for, or that failed.

    :param usual: as of :func:`usual_times`.
    """
    request = job.known.get("request") or {}
    task = job.known.get("kling_task_id")
    return {
        **_frame(job.dag_id, job.run_id, job.task_id, job.map_index, at=job.at),
        **{fact: request.get(fact) for fact in _FACTS},
        "key": str(task) if task else f"job:{job.dag_run_id}:{job.task_id}:{job.map_index}",
        "state": job.state,
        "reason": _reason(job),
        "seconds": request.get("duration"),
        "kling_task_id": task,
        "again": False,
        "billing": [],
        "created_at": job.known.get("created_at"),
        "finished_at": None,
        "expires_at": None,
        # A render is timed from Kling's own start; a wait for a slot from when it began, over all refusals.
        "since": job.known.get("created_at") or job.known.get("queued_at") or job.at.isoformat(),
        "expected": _expected(job, usual) if job.state == "rendering" else None,
        "outputs": [],
    }


def usual_times(latest: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """The median seconds that Kling took for a second of video lately, by model.

    :param latest: extras of asset events.
    """
    times: dict[str, list[float]] = {}
    for extra in latest:
        created, ended = moment(extra.get("created_at")), moment(extra.get("finished_at"))
        length = extra.get("duration")
        if (
            created is None
            or ended is None
            or ended <= created
            or not isinstance(length, int | float)
            or length <= 0
        ):
            continue
        times.setdefault(str(extra.get("model")), []).append((ended - created).total_seconds() / length)
    return {model: median(seconds) for model, seconds in times.items()}


def total(extras: Iterable[Mapping[str, Any]]) -> list[Json]:
    """What a run paid: the sum per currency (``None``: units). What it delivered again was paid by another run."""
    sums: dict[str | None, Decimal] = {}
    for extra in extras:
        for entry in [] if extra["again"] else extra.get("billing") or []:
            try:
                amount = Decimal(str(entry.get("amount")))
            except InvalidOperation:
                continue
            sums[entry.get("currency")] = sums.get(entry.get("currency"), Decimal(0)) + amount
    return [{"currency": currency, "amount": f"{amount:f}"} for currency, amount in sums.items()]


def moment(text: Any) -> datetime | None:
    """An ISO 8601 time; without an offset it is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _frame(dag_id: Any, run_id: Any, task_id: Any, map_index: Any, *, at: datetime) -> Json:
    return {
        "dag_id": dag_id,
        "run_id": run_id,
        "task_id": task_id,
        "map_index": -1 if map_index is None else map_index,
        "at": at.isoformat(),
    }


def _outputs(origin: tuple[Any, ...], files: list[Mapping[str, Any]], expired: bool) -> Iterable[Json]:
    at_kling = "expired" if expired else "kling"
    for n, file in enumerate(files or [{}]):
        address = file.get("file")
        place, why = place_of(file) if address else (at_kling, None)
        # What this server cannot show itself comes from Kling's link, as long as that lives.
        playable = place in ("here", "kling") or (place in ("elsewhere", "missing") and not expired)
        yield {
            "kind": file.get("type") or "video",
            "place": place,
            "why": why,
            "address": address,
            "src": _address("videos", origin, n) if playable else None,
            "poster": _address("posters", origin, n) if place == "here" and file.get("poster") else None,
        }


def _address(what: str, origin: tuple[Any, ...], n: int) -> str:
    return "/".join([what, *(quote(str(part), safe="") for part in origin), str(n)])


def _expected(job: Job, usual: Mapping[str, float]) -> float | None:
    """Seconds from Kling's create to its end: as lately, else as published."""
    request = job.known.get("request") or {}
    model, length = str(request.get("model")), request.get("duration")
    if model in usual and isinstance(length, int | float):
        return usual[model] * length
    created, end = moment(job.known.get("created_at")), moment(job.known.get("expected_at"))
    return None if created is None or end is None else (end - created).total_seconds()


def _reason(job: Job) -> str | None:
    told = job.known.get("reason")
    if job.state in ("failed", "retrying"):
        return told or "The task failed after this video was sent to Kling; its log says why."
    if job.state == "uncollected":
        return (
            "It was sent to Kling, and no task of the run has fetched the result. Clear the tasks after this one, "
            "or let KlingReconcileOperator save it."
        )
    return None
