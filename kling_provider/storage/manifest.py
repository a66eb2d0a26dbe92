# SPDX-License-Identifier: Apache-2.0
"""The manifest: one file ``{stem}.kling.json`` per Kling task, which says whose its files are, their sizes and digests.

"Saved" means: the manifest names the result, and all of its files are there and are those that it describes. A manifest
without outputs is a claim: it keeps the place for one request from before the payment until the result is saved. It never
expires by time alone: a result may be waited for for hours, and what was paid must find its place free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from kling_provider.api.result_facts import ResultFacts, format_time
from kling_provider.api.tasks import KlingTask
from kling_provider.file_names import MANIFEST_SUFFIX
from kling_provider.storage.inputs.shown import shown_request
from kling_provider.storage.stores import store_of

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

_VERSION = 1
#: Bytes; a larger one was not written here.
LARGEST = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Whose result it will be, and from what: the part of a manifest that is known before there is a task.

    :param identity: what makes it the same result, whatever the attempt (``Identity.key``). For a task that is
        known by its Kling id alone, any text that stays the same, such as ``kling:<id>``.
    :param facts: of the request: its kind, name, prompt and so on.
    :param request: the mapping as its author wrote it; inputs and links are made presentable here.
    :param expects: types of the outputs, as far as they are known before the payment.
    :param several: whether a task may have more than one output.
    """

    identity: str
    facts: ResultFacts
    request: Mapping[str, Any] | None = field(default=None, repr=False)
    expects: tuple[str, ...] = ("video",)
    several: bool = False
    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None

    @property
    def type(self) -> str:
        """Return the kind of request."""
        return self.facts.type or ""

    @property
    def name(self) -> str | None:
        """Return what its author calls it."""
        return self.facts.name


def _plain_name(name: str | None) -> str | None:
    """Check a name, which must be one in the manifest's own folder: a foreign manifest must not lead elsewhere."""
    if name is not None and (not name or "/" in name or name in (".", "..")):
        raise ValueError("must be the name of a file in the same folder")
    return name


Name = Annotated[str | None, AfterValidator(_plain_name)]


class SavedOutput(BaseModel):
    """One output of a task. ``file`` is a name beside the manifest, ``None`` for what is no file.

    ``duration`` is in seconds, sides are in pixels.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str
    id: str | None = None
    file: Name = None
    bytes: int | None = None
    sha256: str | None = None
    duration: float | None = None
    width: int | None = None
    height: int | None = None
    #: The name of the poster beside the file.
    poster: Name = None
    #: Facts that are no file, without signed links: the faces of a session, the masks of a selection.
    details: dict[str, Any] | None = None


class Manifest(ResultFacts):
    """What ``{stem}.kling.json`` holds: the facts of the result, whose it is, and its files.

    It carries no key, no bytes of inputs and no signed link.
    """

    version: int
    identity: str
    request: dict[str, Any] | None = None
    #: In the order of the task's outputs; empty in a claim.
    outputs: list[SavedOutput] = Field(default_factory=list)
    claimed_at: str | None = None
    saved_at: str | None = None
    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None

    @classmethod
    def build_claim(cls, origin: Origin) -> Manifest:
        """Return the claim of ``origin``, made now."""
        # Its id at Kling is that of an attempt, which is chosen later.
        facts = origin.facts.model_copy(update={"external_task_id": None})
        return cls._build_from(origin, facts, claimed_at=datetime.now(UTC).isoformat(timespec="seconds"))

    @classmethod
    def of_task(cls, task: KlingTask, origin: Origin, outputs: list[SavedOutput]) -> Manifest:
        """Return the manifest of what ``task`` made."""
        shown = None if origin.request is None else shown_request(origin.request)
        return cls._build_from(
            origin,
            origin.facts.with_task(task),
            request=shown,
            outputs=outputs,
            saved_at=format_time(datetime.now(UTC)),
        )

    @classmethod
    def _build_from(cls, origin: Origin, facts: ResultFacts, **more: Any) -> Manifest:
        return cls(
            **facts.to_json(),
            version=_VERSION,
            identity=origin.identity,
            dag_id=origin.dag_id,
            run_id=origin.run_id,
            task_id=origin.task_id,
            map_index=origin.map_index,
            **more,
        )

    @property
    def is_claim(self) -> bool:
        """Return whether it only keeps the place."""
        return not self.outputs

    @property
    def files(self) -> dict[str, SavedOutput]:
        """Return the outputs that are files, by their names."""
        return {one.file: one for one in self.outputs if one.file is not None}

    def is_claim_of(self, origin: Origin) -> bool:
        """Return whether this very task instance claimed the place, for this very request."""
        mine = (origin.identity, origin.dag_id, origin.run_id, origin.task_id, origin.map_index)
        return self.is_claim and mine == (
            self.identity,
            self.dag_id,
            self.run_id,
            self.task_id,
            self.map_index,
        )

    def is_of_same_task(self, origin: Origin) -> bool:
        """Return whether the same Dag, task and name made it; without a name, the same map index."""
        if self.dag_id is None or (self.dag_id, self.task_id) != (origin.dag_id, origin.task_id):
            return False
        return self.name == origin.name and (self.name is not None or self.map_index == origin.map_index)

    @property
    def owner(self) -> str:
        """Return whose it is, in words for a message."""
        mapped = self.map_index if self.map_index is not None and self.map_index >= 0 else None
        facts = (
            ("Dag", self.dag_id),
            ("run", self.run_id),
            ("task", self.task_id),
            ("map index", mapped),
            ("name", self.name),
            ("Kling task", self.kling_task_id),
        )
        return ", ".join(f"{label} {value}" for label, value in facts if value is not None)

    def as_bytes(self) -> bytes:
        """Return the file's content; a claim holds no fields that are not known yet."""
        return self.model_dump_json(indent=2, fallback=str, exclude_none=self.is_claim).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class SavedFile:
    """One saved output, by its whole path."""

    file: str
    poster_file: str | None
    output: SavedOutput


@dataclass(frozen=True, slots=True)
class SavedResult:
    """What is saved of a Kling task.

    :param path: of the manifest.
    :param reused: it was there already, nothing was downloaded.
    """

    path: ObjectStoragePath
    manifest: Manifest
    reused: bool

    @property
    def manifest_file(self) -> str:
        """Return the whole path of the manifest."""
        return str(self.path)

    @property
    def files(self) -> list[SavedFile]:
        """Return the outputs that are files, in the order of the outputs."""
        return [found for one in self.manifest.outputs if (found := self.file_of(one)) is not None]

    def file_of(self, output: SavedOutput) -> SavedFile | None:
        """Return the file of one output of the manifest; ``None`` where it is no file."""
        if output.file is None:
            return None
        folder = self.path.parent
        poster = str(folder / output.poster) if output.poster else None
        return SavedFile(str(folder / output.file), poster, output)


def manifest_path(root: ObjectStoragePath, stem: str) -> ObjectStoragePath:
    """Return where the manifest of the files ``{stem}…`` is."""
    path: ObjectStoragePath = root / f"{stem}{MANIFEST_SUFFIX}"
    return path


def parse_manifest(text: bytes) -> Manifest | None:
    """Read a manifest; ``None`` for anything else."""
    try:
        return Manifest.model_validate_json(text)
    except ValidationError:
        return None


def read_manifest_file(path: ObjectStoragePath) -> tuple[int | None, Manifest | None]:
    """Return the bytes of the file at ``path`` (``None``: there is none), and the manifest that it is.

    Raises what the store raises.
    """
    store = store_of(path)
    size = store.get_size(path)
    if size is None or not 0 < size <= LARGEST:
        return size, None
    try:
        return size, parse_manifest(store.read_file(path))
    except FileNotFoundError:  # a claim that was released in this moment
        return None, None
