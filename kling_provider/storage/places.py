# SPDX-License-Identifier: Apache-2.0
"""Which place a result gets: decided and claimed before anything is paid, and never on top of something else."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from kling_provider.exceptions import KlingRequestError, KlingStorageError
from kling_provider.file_names import MANIFEST_SUFFIX, manifest_names
from kling_provider.storage.earlier_form import turn_into_manifest
from kling_provider.storage.failures import as_storage_error
from kling_provider.storage.looking import PlaceContents, look_at_place
from kling_provider.storage.manifest import Manifest, Origin, SavedResult, manifest_path, read_manifest_file
from kling_provider.storage.names import stem_beside, stem_of_type
from kling_provider.storage.output_types import expected_suffixes
from kling_provider.storage.stores import may_write, store_of

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

log = logging.getLogger(__name__)

#: Of tasks that finish or begin at the same moment, each round has one winner.
ROUNDS = 5


class Holder(Enum):
    """Whose a place is, as seen by one request."""

    NOBODY = "nobody"
    #: This very request's: its claim, or its result, or what is left of it.
    US = "us"
    #: This very request's result, which was edited.
    EDITED = "edited"
    #: Another request's of the same Dag, task and name: a changed prompt, another run, another mapped entry.
    SAME_TASK = "same_task"
    #: The result of a request of another kind.
    OTHER_TYPE = "other_type"
    OTHERS = "others"


_OURS = (Holder.NOBODY, Holder.US)


@dataclass(frozen=True, slots=True)
class Choice:
    """``stem`` is where the result will be saved, ``claimed`` whose manifest's name is claimed for it.

    They differ where an older result is to be replaced: it stays with its own manifest until the new one is there.
    """

    stem: str
    claimed: str
    found: PlaceContents
    #: Our claim, or what is left of our result, is there already.
    is_held: bool


def find_saved_result(
    root: ObjectStoragePath, stem: str, origin: Origin, *, keep_form: bool = False
) -> SavedResult | None:
    """Find the result of this identity (any attempt), whole: at its plain place, else where its turn would have put it.

    What an earlier release saved counts too, and is turned into a manifest.

    :param stem: the plain one.
    :param keep_form: only look; nothing is written or removed.
    :raises KlingStorageError: where a place cannot be read.
    """
    with as_storage_error(f"look for {root / stem}"):
        for one in _possible_stems(stem, origin):
            path = manifest_path(root, one)
            found = look_at_place(path, expected_suffixes(origin.expects))
            if not _is_saved(found, origin.identity):
                continue
            if not keep_form:
                bring_up_to_date(found)
            return SavedResult(path, _manifest_of(found), reused=True)
    return None


def find_saved_by_file(file: ObjectStoragePath, identity: str) -> SavedResult | None:
    """Find a result by its manifest, or by one of its files: what an earlier run remembers.

    :raises KlingStorageError: where the place cannot be read.
    """
    is_manifest = file.name.endswith(MANIFEST_SUFFIX)
    names = (file.name,) if is_manifest else manifest_names(file.name)
    with as_storage_error(f"look for {file}"):
        for name in names:
            base = name.removesuffix(MANIFEST_SUFFIX)
            suffixes = () if is_manifest else (file.name.removeprefix(base).removeprefix("-0"),)
            found = look_at_place(file.parent / name, suffixes)
            if _is_saved(found, identity):
                bring_up_to_date(found)
                return SavedResult(found.path, _manifest_of(found), reused=True)
    return None


def choose_place(root: ObjectStoragePath, stem: str, origin: Origin, *, replace: bool = False) -> Choice:
    """Choose where a result of ``origin`` may be saved; asked before anything is paid.

    The plain stem where nothing is, or what is there is of the same identity. Where another kind of request has it,
    ``{stem}.{type}``. Where it is another request's of the same Dag, task and name, ``{stem}.{8 hex}`` beside it.

    :param replace: then the plain stem too, if what is there was made by the same Dag, task and name.
    :raises KlingRequestError: where it belongs to another result, saying whose, and what to write instead.
    :raises KlingStorageError: where the place cannot be read or written.
    """
    suffixes = expected_suffixes(origin.expects, several=origin.several)

    def look_at_stem(one: str) -> tuple[PlaceContents, Holder, str]:
        found = look_at_place(manifest_path(root, one), suffixes)
        return found, *holder_of(found, origin)

    with as_storage_error(f"write {root / stem}"):
        may_write(manifest_path(root, stem))
        found, holder, why = look_at_stem(stem)
        if holder in _OURS or (replace and holder is Holder.EDITED):
            return Choice(stem, stem, found, is_held=holder is not Holder.NOBODY)
        to_replace = stem if replace and may_replace(found, origin) else None
        if holder is Holder.OTHER_TYPE and to_replace is None:
            stem = stem_of_type(stem, origin.type)
            found, holder, why = look_at_stem(stem)
            if holder in _OURS or (replace and holder is Holder.EDITED):
                return Choice(stem, stem, found, is_held=holder is not Holder.NOBODY)
            to_replace = stem if replace and may_replace(found, origin) else None
        if holder is Holder.SAME_TASK or to_replace is not None:
            beside = stem_beside(stem, origin.identity)
            found, holder, why = look_at_stem(beside)
            if holder in _OURS:
                return Choice(to_replace or beside, beside, found, is_held=holder is Holder.US)
    raise KlingRequestError(f"{why} {_way_out(found, holder)} Nothing was sent, nothing is billed.")


def claim_place(root: ObjectStoragePath, stem: str, origin: Origin, *, replace: bool = False) -> str:
    """Claim the place that :func:`choose_place` finds, for ``origin``; returns the stem where its result will be saved.

    From then on no other task that asks can take it, on this worker or another, on disk, S3, GCS and ADLS. Other
    stores cannot hold a claim against another writer that looks at the same moment; that is logged.

    :raises KlingRequestError: as :func:`choose_place`; nothing was sent.
    :raises KlingStorageError: where the claim cannot be written (a full disk, no right); nothing was sent.
    """
    for _ in range(ROUNDS):
        choice = choose_place(root, stem, origin, replace=replace)
        path = manifest_path(root, choice.claimed)
        if choice.is_held:  # by an earlier try of ours, or by another task that wants the very same result
            if choice.found.earlier is not None and choice.found.earlier.manifest.is_claim:
                turn_into_manifest(path, choice.found.earlier)
            return choice.stem
        with as_storage_error(f"claim {path}"):
            try:
                if not store_of(path).write_claim(path, Manifest.build_claim(origin).as_bytes()):
                    _say_that_it_may_be_shared(path)
            except FileExistsError:
                continue  # another writer was quicker: look whose it is
            # A file may have come before it.
            found = look_at_place(path, expected_suffixes(origin.expects, several=origin.several))
            if holder_of(found, origin)[0] is Holder.US:
                return choice.stem
        release_place(root, choice.claimed, origin)
    raise KlingStorageError(
        f"Could not claim {root / stem}: other writers keep taking the place. Nothing was sent to Kling."
    )


def release_place(root: ObjectStoragePath, stem: str, origin: Origin) -> None:
    """Remove the claims that this task instance made for ``origin``; a saved result stays. Never raises."""
    for one in _possible_stems(stem, origin):
        path = manifest_path(root, one)
        try:
            manifest = read_manifest_file(path)[1]
            if manifest is not None and manifest.is_claim_of(origin):
                store_of(path).remove_file(path)
        except Exception as error:  # noqa: BLE001 - what is left is a claim of this request, which its next try takes over
            log.warning("The claim %s could not be removed (%s)", path, type(error).__name__)


def _possible_stems(stem: str, origin: Origin) -> Iterator[str]:
    """Return every stem that a result with the plain ``stem`` may have got, in the order in which they are tried."""
    for one in (stem, stem_of_type(stem, origin.type)):
        yield one
        yield stem_beside(one, origin.identity)


def holder_of(found: PlaceContents, origin: Origin, kling_task_id: str | None = None) -> tuple[Holder, str]:
    """Tell whose a place is, and that in a sentence.

    :param kling_task_id: the same Kling task is ours too, whatever name it is wanted under.
    """
    manifest, place = found.manifest, str(found.path).removesuffix(MANIFEST_SUFFIX)
    if manifest is None and found.beside is not None:
        if found.beside == 0:
            return Holder.OTHERS, f"{found.path} is empty: a task was killed while it claimed the place."
        return Holder.OTHERS, f"{found.path} exists and was not written by this provider."
    if manifest is not None and not _is_ours(manifest, origin, kling_task_id):
        if manifest.is_claim:
            words = f"{place} is claimed for another result (since {manifest.claimed_at}; {manifest.owner})."
        else:
            words = f"{place} belongs to another result (saved {manifest.saved_at}; {manifest.owner})."
        return _holder_of_another(manifest, origin), words
    if found.strays:
        return _holder_of_strays(found, origin)
    if manifest is None:
        return Holder.NOBODY, f"{place} is free."
    for name, size in found.sizes.items():
        if size == -1:
            return Holder.OTHERS, f"{found.path.parent / name} exists and is not a file."
    if (edited := found.find_edited()) is not None:
        edited_file = found.path.parent / edited
        return Holder.EDITED, f"{edited_file} was changed after it was saved, and is still whole."
    return Holder.US, f"{place} is this result's."


def may_replace(found: PlaceContents, origin: Origin) -> bool:
    """Decide whether ``replace=True`` may take the place: its result was made by the same Dag, task and name.

    Not by another mapped entry of the same run: that would be overwritten as soon as it is there.
    """
    old = found.manifest
    if old is None or old.is_claim or found.strays or -1 in found.sizes.values():
        return False
    if old.identity == origin.identity:
        return True
    is_sibling = old.run_id == origin.run_id and old.map_index != origin.map_index
    return old.is_of_same_task(origin) and not is_sibling


def bring_up_to_date(found: PlaceContents) -> None:
    """Update a saved result to today's form, and remove what killed tries left beside it."""
    if found.earlier is not None:
        turn_into_manifest(found.path, found.earlier)
    store_of(found.path).remove_leftovers(found.path)


def _is_saved(found: PlaceContents, identity: str) -> bool:
    return found.manifest is not None and found.manifest.identity == identity and found.is_whole


def _manifest_of(found: PlaceContents) -> Manifest:
    if found.manifest is None:
        raise ValueError("there must be a manifest")
    return found.manifest


def _is_ours(manifest: Manifest, origin: Origin, kling_task_id: str | None) -> bool:
    return manifest.identity == origin.identity or (
        kling_task_id is not None and manifest.kling_task_id == kling_task_id
    )


def _holder_of_another(manifest: Manifest, origin: Origin) -> Holder:
    if manifest.type is not None and manifest.type != origin.type:
        return Holder.OTHER_TYPE
    return Holder.SAME_TASK if manifest.is_of_same_task(origin) else Holder.OTHERS


def _holder_of_strays(found: PlaceContents, origin: Origin) -> tuple[Holder, str]:
    folder, (name, size) = found.path.parent, next(iter(found.strays.items()))
    if size == -1:
        return Holder.OTHERS, f"{folder / name} exists and is not a file."
    for one in manifest_names(name):
        if one != found.path.name:
            other = read_manifest_file(folder / one)[1]
            if other is not None and name in other.files:
                words = f"{folder / name} belongs to another result (saved {other.saved_at}; {other.owner})."
                return _holder_of_another(other, origin), words
    return (
        Holder.OTHERS,
        f"{folder / name} exists and was not saved by this provider (no manifest names it).",
    )


def _way_out(found: PlaceContents, holder: Holder) -> str:
    if (found.manifest is not None and found.manifest.is_claim and not found.strays) or found.beside == 0:
        file = found.earlier.paths[0] if found.earlier is not None else found.path
        return (
            "Write another filename or destination; or, where that task is not going to save there any more, release "
            f"its place: python -m kling_provider claims release '{file}'."
        )
    if holder is Holder.EDITED:
        return "It is not overwritten: move it away, or set replace=True."
    if found.manifest is not None and not found.strays:
        return (
            "It is not overwritten, not even with replace=True: write another filename, such as "
            "'{name}-{run_id}', or another destination."
        )
    return "It is not overwritten, not even with replace=True: move it away, or write another filename or destination."


def _say_that_it_may_be_shared(path: ObjectStoragePath) -> None:
    log.warning(
        "%s:// cannot hold a claim here: two tasks that want the name %s at the same moment are both sent and paid, and "
        "the second one's result is saved beside the first one's.",
        path.protocol,
        path.name.removesuffix(MANIFEST_SUFFIX),
    )
