# SPDX-License-Identifier: Apache-2.0
"""A claim: a sidecar without a video. It holds a place for one request from before the payment until the video is saved.

It is made by an exclusive create, so of two tasks that want one file only one pays for it. It never expires by time
alone: a video may wait for hours, and what was paid must find its place free.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from kling_provider.exceptions import KlingRequestError
from kling_provider.storage.failures import as_os_error, telling
from kling_provider.storage.names import destination_path
from kling_provider.storage.stores import store_of

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from kling_provider.storage.sidecar import Origin

VERSION = 1


class Claim(BaseModel):
    """What ``<file>.json`` holds before there is a file: for whom the place is kept."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int
    claim: Literal[True]
    identity: str
    name: str | None = None
    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None
    #: ISO 8601 in UTC.
    claimed_at: str | None = None

    @classmethod
    def by(cls, origin: Origin) -> Claim:
        """The claim of ``origin``, made now."""
        return cls(
            version=VERSION,
            claim=True,
            identity=origin.identity,
            name=origin.name,
            dag_id=origin.dag_id,
            run_id=origin.run_id,
            task_id=origin.task_id,
            map_index=origin.map_index,
            claimed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def is_of(self, origin: Origin) -> bool:
        """Whether this very task instance made it, for this very request."""
        mine = (origin.identity, origin.dag_id, origin.run_id, origin.task_id, origin.map_index)
        return mine == (self.identity, self.dag_id, self.run_id, self.task_id, self.map_index)

    def as_bytes(self) -> bytes:
        """The file's content."""
        return self.model_dump_json(indent=2).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class FoundClaim:
    """A claim as somebody finds it in a folder. ``claim`` is ``None`` where the file is empty or torn."""

    #: The claim's file.
    file: ObjectStoragePath
    claim: Claim | None


def find_claims(target: str, conn_id: str | None = None) -> list[FoundClaim]:
    """The claims at or below ``target``, by path.

    :param target: a folder, a video's file, or the ``.json`` beside it: a path or an object store's URL.
    :param conn_id: the connection of the storage, where ``target`` names none.
    :raises KlingRequestError: where ``target`` can be no path.
    :raises KlingStorageError: where it cannot be read.
    """
    root = destination_path(target, conn_id)
    with telling(f"look for claims in {root}"), as_os_error():
        root.fs.invalidate_cache()
        if root.fs.isdir(root.path):
            return sorted(_below(root), key=lambda found: str(found.file))
        file = root if root.name.endswith(".json") else root.parent / f"{root.name}.json"
        if (found := read_claim(file)) is not None:
            return [found]
        if store_of(file).size(file) is not None:
            return []
    raise KlingRequestError(f"There is neither a folder nor a claim at {root}.")


def release_claim(found: FoundClaim) -> bool:
    """Remove a claim, so that others may take its place; ``False`` where it is no claim any more.

    A video that was paid under it is not lost: its task saves it beside the place, under another name.

    :raises KlingStorageError: where it cannot be removed.
    """
    store = store_of(found.file)
    with telling(f"release {found.file}"):
        now = read_claim(found.file)
        if now is None or now.claim != found.claim:
            return False
        store.remove(found.file)
        return True


def read_claim(file: ObjectStoragePath) -> FoundClaim | None:
    """The claim in ``file``, which ends with ``.json``; ``None`` where it is something else, or a video stands there.

    Raises what the store raises.
    """
    store = store_of(file)
    if store.size(file.parent / file.name.removesuffix(".json")) is not None:
        return None
    size = store.size(file)
    if size == 0:  # made by a worker that was killed before it could write: it had sent nothing
        return FoundClaim(file, None)
    if size is None or size > 64 * 1024:
        return None
    try:
        return FoundClaim(file, Claim.model_validate_json(store.read(file)))
    except ValidationError:
        return None


def _below(root: ObjectStoragePath) -> Iterator[FoundClaim]:
    names = set(root.fs.find(root.path))
    for name in names:
        if name.endswith(".json") and name.removesuffix(".json") not in names:
            below = name.strip("/").removeprefix(root.path.strip("/")).lstrip("/")
            if (found := read_claim(root / below)) is not None:
                yield found
