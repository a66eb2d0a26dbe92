# SPDX-License-Identifier: Apache-2.0
"""The sidecar: ``<file>.json``, which says whose video a file is, what it cost and what it was made from.

"Saved" means: a sidecar names the video, and its file is there and is the one that the sidecar describes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from kling_provider.api.tasks import Billing, KlingTask
from kling_provider.storage.claims import Claim
from kling_provider.storage.failures import telling
from kling_provider.storage.images import shown_request
from kling_provider.storage.poster import poster_path
from kling_provider.storage.stores import store_of

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

_Model = TypeVar("_Model", bound=BaseModel)

_VERSION = 1
#: Bytes; a larger .json is none of ours.
_LARGEST = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Who wants a video and from what: the part of a sidecar that is known before there is a task.

    :param identity: what makes it the same video, whatever the attempt (``Identity.key``). For a task that is
        known by its Kling id alone, any text that stays the same, such as ``kling:<id>``.
    :param request: the mapping as its author wrote it; images and links are made presentable here.
    :param images: per image field, what :func:`resolve_images` gave for it.
    """

    identity: str
    type: str
    external_task_id: str | None = None
    name: str | None = None
    prompt: str | None = None
    model: str | None = None
    take: int = 0
    request: Mapping[str, Any] | None = field(default=None, repr=False)
    images: Mapping[str, str] = field(default_factory=dict)
    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None


class Sidecar(BaseModel):
    """What ``<file>.json`` holds. Times are ISO 8601 in UTC, amounts decimal text, ``duration`` seconds.

    It carries no key, no bytes of images and no signed link.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    version: int
    identity: str
    kling_task_id: str
    external_task_id: str | None = None
    name: str | None = None
    type: str
    prompt: str | None = None
    model: str | None = None
    take: int = 0
    request: dict[str, Any] | None = None
    #: What follows the stem in the names of all files of this result; empty where this is the only one.
    suffixes: list[str] = []
    output_type: str
    output_id: str | None = None
    duration: float | None = None
    bytes: int
    sha256: str
    #: The name of the poster beside the file.
    poster: str | None = None
    billing: list[dict[str, Any]] = []
    created_at: str | None = None
    finished_at: str | None = None
    expires_at: str | None = None
    saved_at: str | None = None
    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A video that is where it should be. ``reused``: it was there already, nothing was downloaded."""

    file: str
    sidecar_file: str
    sidecar: Sidecar
    reused: bool
    poster_file: str | None = None

    @classmethod
    def at(cls, path: ObjectStoragePath, sidecar: Sidecar, *, reused: bool) -> SavedFile:
        """The file at ``path``, which ``sidecar`` describes."""
        poster = str(path.parent / sidecar.poster) if sidecar.poster else None
        return cls(str(path), str(sidecar_path(path)), sidecar, reused, poster)


@dataclass(frozen=True, slots=True)
class Found:
    """What stands at a place. ``size`` of the file: ``None`` is nothing there, -1 is no file."""

    size: int | None
    sidecar: Sidecar | None
    claim: Claim | None
    #: Bytes of the .json beside it: a sidecar, a claim, or neither.
    beside: int | None

    @property
    def nothing(self) -> bool:
        """Whether nobody was here."""
        return self.size is None and self.beside is None


def sidecar_path(path: ObjectStoragePath) -> ObjectStoragePath:
    """Where the sidecar of a video file is."""
    beside: ObjectStoragePath = path.parent / f"{path.name}.json"
    return beside


def describe(
    task: KlingTask,
    index: int,
    origin: Origin,
    *,
    size: int,
    sha256: str,
    suffixes: Sequence[str] = (),
) -> Sidecar:
    """The sidecar of one output of ``task``."""
    output = task.outputs[index]
    return Sidecar(
        version=_VERSION,
        identity=origin.identity,
        kling_task_id=task.kling_task_id,
        external_task_id=task.external_task_id or origin.external_task_id,
        name=origin.name,
        type=origin.type,
        prompt=origin.prompt,
        model=origin.model,
        take=origin.take,
        request=None if origin.request is None else shown_request(origin.request, origin.images),
        suffixes=list(suffixes),
        output_type=output.type,
        output_id=output.id,
        duration=output.duration,
        bytes=size,
        sha256=sha256,
        billing=billing_facts(task.billing),
        created_at=moment(task.created_at),
        finished_at=moment(task.finished_at),
        expires_at=moment(task.expires_at),
        saved_at=moment(datetime.now(UTC)),
        dag_id=origin.dag_id,
        run_id=origin.run_id,
        task_id=origin.task_id,
        map_index=origin.map_index,
    )


def read_sidecar(path: ObjectStoragePath) -> Sidecar | None:
    """The sidecar of the video file ``path``; ``None`` where there is none, or a file that is none of ours.

    :raises KlingStorageError: where it cannot be read.
    """
    with telling(f"read {sidecar_path(path)}"):
        return look(path).sidecar


def find_saved(path: ObjectStoragePath, identity: str) -> Sidecar | None:
    """The sidecar of this identity (any attempt) whose file is intact: what needs no call at all.

    Intact: the size is right, and for files on disk the sha256 as well.

    :param path: the video file, as :func:`file_name` names it.
    :raises KlingStorageError: where the place cannot be read.
    """
    with telling(f"look for {path}"):
        found = look(path)
        if found.sidecar is not None and found.sidecar.identity == identity and intact(path, found):
            store_of(path).tidy(path, sidecar_path(path), poster_path(path))
            return found.sidecar
    return None


def look(path: ObjectStoragePath) -> Found:
    """Reads what stands at ``path``. Raises what the store raises."""
    store, beside = store_of(path), sidecar_path(path)
    # In the opposite order to the one in which they appear: a file of ours is never seen without its sidecar.
    of_file = store.size(path)
    size, told = store.size(beside), b""
    if size is not None and 0 < size <= _LARGEST:
        try:
            told = store.read(beside)
        except FileNotFoundError:  # a claim that was released in this moment
            size = None
    return Found(size=of_file, sidecar=_read(Sidecar, told), claim=_read(Claim, told), beside=size)


def _read(kind: type[_Model], told: bytes) -> _Model | None:
    try:
        return kind.model_validate_json(told)
    except ValidationError:
        return None


def intact(path: ObjectStoragePath, found: Found) -> bool:
    """Whether the file is the one that its sidecar describes."""
    if found.sidecar is None or found.size != found.sidecar.bytes:
        return False
    return store_of(path).same_bytes(path, found.sidecar.sha256)


def moment(value: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds: ``2026-11-24T06:00:12.345+00:00``."""
    return None if value is None else value.astimezone(UTC).isoformat(timespec="milliseconds")


def billing_facts(billing: tuple[Billing, ...]) -> list[dict[str, Any]]:
    """What a task cost, as JSON: units and money are separate entries, amounts text without exponent."""
    return [
        {"charge_type": one.charge_type, "amount": _plain(one.amount), "currency": one.currency}
        for one in billing
    ]


def _plain(amount: Decimal) -> str:
    return format(amount, "f")
