# SPDX-License-Identifier: Apache-2.0
"""The cards of the gallery: everything that is known about a video, finished or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import PurePosixPath
from statistics import median
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, PlainSerializer

from kling_provider.api.catalog import DEFAULT_TYPE, find_noun
from kling_provider.api.output_types import TYPES_WITHOUT_FILES, find_media_type, name_output
from kling_provider.plugins.gallery.events import Finished
from kling_provider.plugins.gallery.facts import (
    FileFacts,
    JobFacts,
    RequestFacts,
    ShownOutput,
    VideoFacts,
    fill_defaults,
    read_request,
)
from kling_provider.plugins.gallery.files import Place, find_place
from kling_provider.plugins.gallery.jobs import Job
from kling_provider.plugins.gallery.media_links import SETTING
from kling_provider.plugins.gallery.reason import FETCH, NOT_FETCHED, NOT_SAID, find_todo, say_left_behind

#: As the page reads it: ISO 8601 with its offset.
Moment = Annotated[datetime, PlainSerializer(datetime.isoformat, return_type=str, when_used="json")]

#: What can be done with a link: a browser may be sent there, it may be copied, or there is none.
LinkUse = Literal["follow", "copy", "none"]
_NOT_PLAYABLE: dict[LinkUse, tuple[Place, str]] = {
    "follow": ("kling", ""),
    "copy": (
        "unlisted",
        "Kling's link leads to a host that is neither the connection's own nor one of its media hosts. An administrator "
        f"can add the host to {SETTING}; the link can be copied.",
    ),
    "none": (
        "kling",
        "Airflow has no link to it any more. A clear of the task fetches a fresh one; nothing is paid.",
    ),
}


class CardOutput(BaseModel):
    """One output of a task.

    :param kind: the type of the output, in Kling's words, such as ``video``.
    :param noun: what people call it: ``sound``, ``product image``.
    :param id: Kling's own; of a voice or an element that by which requests use it.
    :param facts: what it is in words, by name: that of a voice or of a session.
    :param seconds: how long it is.
    :param bytes: of its file.
    :param images: the routes of an element's images.
    :param media_type: of its file, which decides how it is played; ``None`` if the format is not known.
    :param place: where the output is.
    :param why: what the place means, in words.
    :param address: the path or URL that it was saved at.
    :param src: the route that plays it; ``None`` if nothing can.
    :param poster: the route of its poster image.
    """

    kind: str
    noun: str
    id: str | None
    facts: dict[str, str]
    seconds: float | None
    bytes: int | None
    images: list[str]
    media_type: str | None
    place: Place
    why: str | None
    address: str | None
    src: str | None
    poster: str | None


class Bill(BaseModel):
    """A cost as decimal text, in units (of the packs of a kind) if there is no currency."""

    charge_type: str | None = None
    amount: str
    currency: str | None = None
    package_type: str | None = None


class Card(BaseModel):
    """One card, as the page draws it.

    :param key: Kling's id, else the task instance's own; together with ``dag_id`` it is one card.
    :param label: the entry's name, where the Dag gives its mapped instances names.
    :param todo: what to do about ``reason``; it is a part of it, or what always helps.
    :param notes: fields that the task wrote and that cannot be read.
    :param others: further facts of the result, as texts by name.
    :param noun: what people call the result of its type: ``video``, ``image``.
    :param seconds: of the video. ``since``, ``expected``: when the wait began, and for how many seconds it is likely.
    """

    model_config = ConfigDict(protected_namespaces=())

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    label: str | None = None
    at: Moment
    key: str
    state: str
    reason: str | None = None
    todo: str | None = None
    notes: list[str] = []
    name: str | None = None
    prompt: str | None = None
    model: str | None = None
    type: str | None = None
    noun: str = "result"
    take: int | None = None
    seconds: float | None = None
    resolution: str | None = None
    aspect_ratio: str | None = None
    sound: str | None = None
    others: dict[str, str] = {}
    kling_task_id: str | None = None
    again: bool = False
    billing: list[Bill] = []
    created_at: Moment | None = None
    finished_at: Moment | None = None
    expires_at: Moment | None = None
    since: Moment | None = None
    expected: float | None = None
    outputs: list[CardOutput] = []


def make_finished_card(
    found: Finished,
    *,
    now: datetime,
    request: RequestFacts | None,
    label: str | None,
    links: Mapping[int, LinkUse],
) -> Card:
    """Return the card of a finished Kling task.

    :param found: the finished task.
    :param now: the current time.
    :param request: the request that its task instance recorded, if it is known.
    :param label: the name that the Dag gives the mapped task instance.
    :param links: what can be done with Kling's link, by the number of the output; by default it may be followed.
    """
    origin: dict[str, Any] = {
        "dag_id": found.latest.dag_id,
        "run_id": found.latest.run_id,
        "task_id": found.latest.task_id,
        "map_index": found.latest.map_index,
        "label": label,
        "at": found.at,
    }
    facts = found.read.facts
    if facts is None:
        return Card(
            **origin,
            key=found.latest.key,
            state="unreadable",
            reason=f"What its task wrote about this result cannot be read: {found.read.why}.",
            todo="Look at the asset event and the log of the task.",
        )
    asked = _merge_request(facts, request)
    return Card(
        **origin,
        key=found.latest.key,
        state="done",
        notes=list(found.read.wrong),
        name=facts.name,
        prompt=facts.prompt,
        model=asked.model,
        type=facts.type,
        noun=find_noun(facts.type or DEFAULT_TYPE),
        take=facts.take,
        seconds=facts.duration or asked.duration,
        resolution=asked.resolution,
        aspect_ratio=asked.aspect_ratio,
        sound=asked.audio,
        # Once is what everybody expects.
        others={
            **found.read.others,
            **({"times_sent": str(facts.times_sent)} if (facts.times_sent or 1) > 1 else {}),
        },
        kling_task_id=facts.kling_task_id,
        again=found.again,
        billing=[
            Bill(
                charge_type=one.charge_type,
                amount=f"{one.amount:f}",
                currency=one.currency,
                package_type=one.package_type,
            )
            for one in facts.billing
        ],
        created_at=facts.created_at,
        finished_at=facts.finished_at,
        expires_at=facts.expires_at,
        outputs=list(_make_outputs(found, facts, now, links)),
    )


def make_job_card(job: Job, usual: Mapping[str, float]) -> Card:
    """Return the card of a video that is waited for, that failed, or that was never fetched.

    :param job: the task instance.
    :param usual: seconds of rendering per second of video, by model, as :func:`find_usual_times` returns them.
    """
    facts = job.read.facts or JobFacts()
    request, wrong = read_request(facts.request)
    reason, todo = _say_why(job, facts)
    return Card(
        dag_id=job.dag_id,
        run_id=job.run_id,
        task_id=job.task_id,
        map_index=job.map_index,
        label=job.label,
        at=job.at,
        key=facts.kling_task_id or f"job:{job.dag_run_id}:{job.task_id}:{job.map_index}",
        state=job.state,
        reason=reason,
        todo=todo,
        notes=[*job.read.wrong, *(f"request.{field}" for field in wrong)],
        name=request.name,
        prompt=request.prompt,
        model=request.model,
        noun=find_noun(request.type),
        type=request.type if facts.request else None,
        take=request.take,
        seconds=request.duration,
        resolution=request.resolution,
        aspect_ratio=request.aspect_ratio,
        sound=request.audio,
        kling_task_id=facts.kling_task_id,
        created_at=facts.created_at,
        # A render is timed from Kling's own start; a wait in the queue from when it began, over all refusals.
        since=facts.created_at or facts.queued_at or job.at,
        expected=_estimate_seconds(facts, request, usual) if job.state == "rendering" else None,
    )


def find_usual_times(latest: Iterable[VideoFacts]) -> dict[str, float]:
    """Return the median seconds that Kling took per second of video lately, by model."""
    times: dict[str, list[float]] = {}
    for facts in latest:
        created, ended, length = facts.created_at, facts.finished_at, facts.duration
        if created is not None and ended is not None and ended > created and length:
            times.setdefault(str(facts.model), []).append((ended - created).total_seconds() / length)
    return {model: median(seconds) for model, seconds in times.items()}


def has_output_at_kling(found: Finished) -> bool:
    """Say whether one of the outputs may have to be played from Kling's link."""
    facts = found.read.facts
    return facts is not None and any(
        one.images or _find_output_place(one.file, facts)[0] != "here" for one in facts.list_outputs()
    )


def _merge_request(facts: VideoFacts, request: RequestFacts | None) -> RequestFacts:
    """Merge what was asked for: from the event, else from the task instance, else from the defaults."""
    told = RequestFacts(
        type=facts.type or "text_to_video",
        model=facts.model,
        duration=facts.duration,
        resolution=facts.resolution,
        aspect_ratio=facts.aspect_ratio,
        audio=facts.audio,
    )
    if request is not None:
        known = {field: value for field, value in told.model_dump().items() if value is not None}
        return request.model_copy(update=known)
    # A sensor or download without a request does not know the model, so nothing else either.
    return fill_defaults(told) if facts.model and facts.resolution else told


def _find_output_place(file: FileFacts, facts: VideoFacts) -> tuple[Place, str | None]:
    return find_place(file, facts.kling_task_id) if file.file else ("kling", None)


def _make_outputs(
    found: Finished, facts: VideoFacts, now: datetime, links: Mapping[int, LinkUse]
) -> Iterable[CardOutput]:
    expired = facts.expires_at is not None and facts.expires_at <= now
    for n, one in enumerate(facts.list_outputs()):
        place, why = _find_output_place(one.file, facts)
        # What this server cannot show itself comes from Kling's link, as long as that lives.
        linked = place in ("kling", "elsewhere", "missing", "unserved", "changed", "replaced") and not expired
        # Where the result cannot be read now, an id or facts count as what they are.
        use = links.get(n, "none" if one.type in TYPES_WITHOUT_FILES else "follow")
        playable = place == "here" or (linked and use == "follow")
        if place == "kling" and not playable:
            if one.type in TYPES_WITHOUT_FILES and (expired or use == "none"):
                place, why = "facts", None
            else:
                place, why = ("expired", None) if expired else _NOT_PLAYABLE[use]
        yield _describe_output(
            found,
            n,
            one,
            place=place,
            expired=expired,
            why=why,
            src=_build_route("videos", found, n) if playable else None,
        )


def _describe_output(
    found: Finished,
    n: int,
    one: ShownOutput,
    *,
    place: Place,
    expired: bool,
    why: str | None = None,
    src: str | None = None,
) -> CardOutput:
    file = one.file
    return CardOutput(
        kind=one.type,
        noun=name_output(one.type),
        id=one.id,
        facts=one.facts,
        seconds=one.duration,
        bytes=file.bytes,
        images=[] if expired else [f"{_build_route('images', found, n)}/{k}" for k in range(one.images)],
        media_type=find_media_type(one.type, PurePosixPath(file.file or "").suffix.lower()),
        place=place,
        why=why,
        address=file.file,
        src=src,
        poster=_build_route("posters", found, n) if place == "here" and file.poster else None,
    )


def _build_route(what: str, found: Finished, n: int) -> str:
    origin = (found.latest.dag_id, found.latest.run_id, found.latest.task_id, str(found.latest.map_index))
    return "/".join([what, *(quote(part, safe="") for part in origin), str(n)])


def _estimate_seconds(facts: JobFacts, request: RequestFacts, usual: Mapping[str, float]) -> float | None:
    """Estimate the seconds that Kling takes, from lately rendered videos, else from its published times."""
    if request.model is not None and request.model in usual and request.duration:
        return usual[request.model] * request.duration
    created, end = facts.created_at, facts.expected_at
    return None if created is None or end is None else max(0.0, (end - created).total_seconds())


def _say_why(job: Job, facts: JobFacts) -> tuple[str | None, str | None]:
    exists = facts.kling_task_id is not None
    if job.state == "unreadable":
        why = f"What its task wrote about this result cannot be read: {job.read.why}."
        return why, "Look at the XCom kling and the log of the task."
    if job.cut_off and job.state in ("failed", "uncollected"):
        return say_left_behind(facts.kling_task_id), find_todo(None, exists=exists)
    if job.state == "uncollected":
        return NOT_FETCHED, FETCH
    if job.state in ("failed", "retrying"):
        reason = facts.reason or NOT_SAID
        return reason, find_todo(reason, exists=exists)
    return None, None


def as_json(cards: Iterable[Card]) -> list[dict[str, Any]]:
    """Return the cards as JSON values."""
    return [card.model_dump(mode="json") for card in cards]
