# SPDX-License-Identifier: Apache-2.0
"""Which place a result gets: decided and claimed before anything is paid, and never on top of something else."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from kling_provider.exceptions import KlingRequestError, KlingStorageError
from kling_provider.storage.claims import Claim
from kling_provider.storage.failures import telling
from kling_provider.storage.media import defect
from kling_provider.storage.names import file_name, stem_beside
from kling_provider.storage.poster import poster_path
from kling_provider.storage.sidecar import Found, Origin, Sidecar, intact, look, sidecar_path
from kling_provider.storage.stores import may_write, store_of

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

log = logging.getLogger(__name__)

#: Of tasks that finish or begin at the same moment, each round has one winner.
ROUNDS = 5


class Holder(Enum):
    """Whose a place is, as seen by one request."""

    NOBODY = "nobody"
    #: This very request's: its claim, or its video, or what is left of it.
    US = "us"
    #: This very request's video, which somebody edited.
    EDITED = "edited"
    #: Another request's of the same Dag, task and name: a changed prompt, another run, another mapped entry.
    SAME_TASK = "same_task"
    OTHERS = "others"


_OURS = (Holder.NOBODY, Holder.US)


@dataclass(frozen=True, slots=True)
class Choice:
    """``stem`` is where the result will be saved, ``claimed`` whose sidecar's name is claimed for it.

    They differ where an older file is to be replaced: it stays with its own sidecar until the new one is there.
    """

    stem: str
    claimed: str
    #: Our claim, or what is left of our video, is there already.
    held: bool


def find_delivered(
    root: ObjectStoragePath, stem: str, identity: str
) -> list[tuple[ObjectStoragePath, Sidecar]]:
    """The files of this identity that are saved and intact, in the order of the outputs: at their plain place, else
    beside it; empty where one of them is missing.

    Intact: the size is right, and for files on disk the sha256 as well.

    :param stem: the plain one.
    :raises KlingStorageError: where the place cannot be read.
    """
    with telling(f"look for {root / stem}"):
        for one in (stem, stem_beside(stem, identity)):
            path, found = _look_first(root, one)
            if (sidecar := _saved(path, found, identity)) is None:
                continue
            if not sidecar.suffixes:
                return [(path, sidecar)]
            files = []
            for suffix in sidecar.suffixes:
                path = root / f"{one}{suffix}"
                if (sidecar := _saved(path, look(path), identity)) is None:
                    break
                files.append((path, sidecar))
            else:
                return files
    return []


def _saved(path: ObjectStoragePath, found: Found, identity: str) -> Sidecar | None:
    if found.sidecar is None or found.sidecar.identity != identity or not intact(path, found):
        return None
    store_of(path).tidy(path, sidecar_path(path), poster_path(path))
    return found.sidecar


def choose_place(root: ObjectStoragePath, stem: str, origin: Origin, *, replace: bool = False) -> Choice:
    """Where a result of ``origin`` may be saved; asked before anything is paid.

    The plain stem where nothing is, or what is there is of the same identity. Where it is another request's of the
    same Dag, task and name, ``{stem}.{8 hex}`` beside it.

    :param replace: then the plain stem too, if the file there was made by the same Dag, task and name.
    :raises KlingRequestError: where it is somebody else's, saying whose, and what to write instead.
    :raises KlingStorageError: where the place cannot be read or written.
    """
    with telling(f"write {root / stem}"):
        path, found = _look_first(root, stem)
        may_write(path)
        holder, why = holder_of(path, found, origin)
        if holder in _OURS or (replace and holder is Holder.EDITED):
            return Choice(stem, stem, held=holder is not Holder.NOBODY)
        if holder is Holder.SAME_TASK:
            wanted = stem if replace and may_replace(found, origin) else None
            beside = stem_beside(stem, origin.identity)
            path, found = _look_first(root, beside)
            holder, why = holder_of(path, found, origin)
            if holder in _OURS:
                return Choice(wanted or beside, beside, held=holder is Holder.US)
    raise KlingRequestError(
        f"{path} {why} {_way_out(path, found, holder)} Nothing was sent, nothing is billed."
    )


def claim_place(root: ObjectStoragePath, stem: str, origin: Origin, *, replace: bool = False) -> str:
    """Claim the place that :func:`choose_place` finds, for ``origin``; returns the stem where its result will be saved.

    From then on no other task that asks can take it, on this worker or another, on disk, S3, GCS and ADLS. Other
    stores cannot hold a claim against somebody who looks at the same moment; that is logged.

    :raises KlingRequestError: as :func:`choose_place`; nothing was sent.
    :raises KlingStorageError: where the claim cannot be written (a full disk, no right); nothing was sent.
    """
    for _ in range(ROUNDS):
        choice = choose_place(root, stem, origin, replace=replace)
        if choice.held:
            return choice.stem  # by an earlier try of ours, or by another task that wants the very same video
        path = root / file_name(choice.claimed, type="video")
        store = store_of(path)
        with telling(f"claim {path}"):
            try:
                if not store.claim(sidecar_path(path), Claim.by(origin).as_bytes()):
                    _say_that_it_may_be_shared(path)
            except FileExistsError:
                continue  # somebody was quicker: look whose it is
            if _is_claimed(root, choice.claimed, origin):
                return choice.stem
        release_place(root, choice.claimed, origin)
    raise KlingStorageError(
        f"Could not claim {root / stem}: others keep writing there. Nothing was sent to Kling."
    )


def release_place(root: ObjectStoragePath, stem: str, origin: Origin) -> None:
    """Remove the claim that this task instance made for ``origin``; a sidecar stays. Never raises."""
    for one in (stem, stem_beside(stem, origin.identity)):
        path = root / file_name(one, type="video")
        try:
            found = look(path)
            if found.claim is not None and found.claim.is_of(origin):
                store_of(path).remove(sidecar_path(path))
        except Exception as error:  # noqa: BLE001 - what is left is a claim of this request, which its next try takes over
            log.warning("The claim beside %s could not be removed (%s)", path, type(error).__name__)


def holder_of(
    path: ObjectStoragePath, found: Found, origin: Origin, kling_task_id: str | None = None
) -> tuple[Holder, str]:
    """Whose a place is, and that in words that follow its path.

    :param kling_task_id: the same Kling task is ours too, whatever name it is wanted under.
    """
    if found.size == -1:
        return Holder.OTHERS, "is there and is no file."
    if found.sidecar is not None:
        return _of_video(path, found, found.sidecar, origin, kling_task_id)
    if found.size is not None:
        return Holder.OTHERS, "is there and was not saved by this provider (it has no sidecar)."
    if found.claim is not None:
        if found.claim.identity == origin.identity:
            return Holder.US, "is claimed for this video."
        words = f"is claimed for another video (since {found.claim.claimed_at}; {_owner(found.claim)})."
        return Holder.SAME_TASK if _same_task(found.claim, origin) else Holder.OTHERS, words
    if found.beside == 0:
        return (
            Holder.OTHERS,
            "has an empty .json file beside it: a task was killed while it claimed the place.",
        )
    if found.beside:
        return Holder.OTHERS, "has a .json file beside it that is none of ours."
    return Holder.NOBODY, "is free."


def may_replace(found: Found, origin: Origin) -> bool:
    """Whether ``replace=True`` may take the place: its file was made by the same Dag, task and name.

    Not by another mapped entry of the same run: that would be overwritten as soon as it is there.
    """
    old = found.sidecar
    if old is None or found.size == -1:
        return False
    if old.identity == origin.identity:
        return True
    sibling = old.run_id == origin.run_id and old.map_index != origin.map_index
    return _same_task(old, origin) and not sibling


def _is_claimed(root: ObjectStoragePath, stem: str, origin: Origin) -> bool:
    """Whether the claim that was just made holds: a file, or the first one of several, may have come before it."""
    path = root / file_name(stem, type="video")
    several = root / file_name(stem, type="video", outputs=2)
    return (
        holder_of(path, look(path), origin)[0] is Holder.US
        and holder_of(several, look(several), origin)[0] in _OURS
    )


def _look_first(root: ObjectStoragePath, stem: str) -> tuple[ObjectStoragePath, Found]:
    """The place of a stem: its only file, else the first one of several."""
    path = root / file_name(stem, type="video")
    found = look(path)
    if found.nothing:
        several = root / file_name(stem, type="video", outputs=2)
        if not (first := look(several)).nothing:
            return several, first
    return path, found


def _of_video(
    path: ObjectStoragePath, found: Found, sidecar: Sidecar, origin: Origin, kling_task_id: str | None
) -> tuple[Holder, str]:
    if sidecar.identity != origin.identity and sidecar.kling_task_id != kling_task_id:
        words = f"belongs to another video (saved {sidecar.saved_at}; {_owner(sidecar)})."
        return Holder.SAME_TASK if _same_task(sidecar, origin) else Holder.OTHERS, words
    if found.size is None or intact(path, found):
        return Holder.US, "is this video."
    with store_of(path).open(path) as file:
        if defect(sidecar.output_type, file, found.size) is None:
            return Holder.EDITED, "was changed after it was saved, and is a whole video still."
    return Holder.US, "is this video, and broken."  # it is made again


def _same_task(one: Sidecar | Claim, origin: Origin) -> bool:
    """Whether it was made by the same Dag, task and name; without a name, by the same map index."""
    if one.dag_id is None or (one.dag_id, one.task_id) != (origin.dag_id, origin.task_id):
        return False
    return one.name == origin.name and (one.name is not None or one.map_index == origin.map_index)


def _owner(one: Sidecar | Claim) -> str:
    mapped = one.map_index if one.map_index is not None and one.map_index >= 0 else None
    facts = (
        ("Dag", one.dag_id),
        ("run", one.run_id),
        ("task", one.task_id),
        ("map index", mapped),
        ("name", one.name),
        ("Kling task", one.kling_task_id if isinstance(one, Sidecar) else None),
    )
    return ", ".join(f"{label} {value}" for label, value in facts if value is not None)


def _way_out(path: ObjectStoragePath, found: Found, holder: Holder) -> str:
    if found.size is None and (found.claim is not None or found.beside == 0):
        return (
            "Write another filename or destination; or, where that task is not going to save there any more, release "
            f"its place: python -m kling_provider claims release '{path}'."
        )
    if holder is Holder.EDITED:
        return "It is not overwritten: move it away, or set replace=True."
    if found.sidecar is not None:
        return (
            "It is not overwritten, not with replace=True either: write another filename, such as "
            "'{name}-{run_id}', or another destination."
        )
    return "It is not overwritten, not with replace=True either: move it away, or write another filename or destination."


def _say_that_it_may_be_shared(path: ObjectStoragePath) -> None:
    log.warning(
        "%s:// cannot hold a claim here: two tasks that want the file %s at the same moment are both sent and paid, and "
        "the second one's video is saved beside the first one's.",
        path.protocol,
        path.name,
    )
