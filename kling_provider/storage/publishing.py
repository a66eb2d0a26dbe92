# SPDX-License-Identifier: Apache-2.0
"""Downloads and their manifest -> their places, in an order that a kill may interrupt anywhere."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_provider.api.codes import TaskState
from kling_provider.api.details import fit_details
from kling_provider.api.redaction import redact_urls, redact_value
from kling_provider.api.tasks import Output
from kling_provider.exceptions import KlingStorageError
from kling_provider.file_names import MANIFEST_SUFFIX
from kling_provider.storage.download import Fetched
from kling_provider.storage.failures import say_where_it_stays
from kling_provider.storage.looking import PlaceContents
from kling_provider.storage.manifest import LARGEST, Manifest, SavedOutput, SavedResult, read_manifest_file
from kling_provider.storage.media import ImageSize
from kling_provider.storage.output_types import must_come
from kling_provider.storage.parts import PartFile
from kling_provider.storage.places import ROUNDS, bring_up_to_date
from kling_provider.storage.poster import poster_path
from kling_provider.storage.stores import store_of
from kling_provider.storage.target import Target

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Download:
    """One output, complete and checked, in a temporary file. ``poster`` is a JPEG."""

    part: PartFile
    fetched: Fetched
    poster: bytes | None
    sides: ImageSize | None


def publish_result(
    target: Target, wanted: Mapping[int, Output], downloads: Mapping[int, Download]
) -> SavedResult:
    """Publish downloads and their manifest in their places, or find that another try of this task just did.

    The order, so that a kill between any two steps neither loses a file of others nor blocks our own retry:

    1. What may go is removed: files that a manifest of ours names and that are broken, or with ``replace`` the files of
       the older result. Its manifest still stands, so a kill here leaves a place that is known to be ours.
    2. The manifest appears, already with the sizes and digests of all parts, in the place of our claim where there is
       one. From here on the names are this result's. Without its files it is "not saved", and of our own identity, so
       a retry goes on from there.
    3. The posters, then the files, one after the other. Each is made as new, never over something: a file that others
       put there meanwhile stays, and the result goes beside it. A retry after a kill finds those that are there and
       right by the manifest's digests, and downloads the others alone.
    4. What an earlier release wrote beside the files, and the manifest now says, is removed.

    The other order (files, then the manifest) would leave files whose owner is unknown.
    """
    several = len(wanted) > 1
    for _ in range(ROUNDS):
        suffixes = [_get_suffix(index, one, several=several) for index, one in downloads.items()]
        found = target.settle_place(suffixes)
        if target.has_result(found):
            return as_reused(found)
        kept = target.find_intact(found)
        if missing := [
            index
            for index in wanted
            if index not in downloads and must_come(wanted[index].type) and index not in kept
        ]:
            raise _lost_place(target, f"output {missing[0]} was removed in this moment")
        outputs = _list_outputs(target, downloads, kept, several=several)
        store, path = store_of(target.path), target.path
        try:
            _clear_place(target, found, kept)
            store.write_file(
                path,
                Manifest.of_task(target.task, target.origin, outputs).as_bytes(),
                new=found.beside is None,
            )
            new = {index: one for index, one in downloads.items() if index not in kept}
            if _put_posters(target, found, outputs, new):
                store.write_file(
                    path, Manifest.of_task(target.task, target.origin, outputs).as_bytes(), new=False
                )
            _put_files(target, outputs, new)
        except FileExistsError:
            continue  # another task was quicker: look whose it is
        for old in found.earlier.paths if found.earlier is not None else ():
            store.remove_file(old)
        told = read_manifest_file(path)[1]
        if told is not None and told.kling_task_id == target.task.kling_task_id:
            return SavedResult(path, told, reused=False)
        # In a store that cannot hold a claim another writer replaced ours just now.
    raise _lost_place(target, "others keep writing there")


def as_reused(found: PlaceContents) -> SavedResult:
    """Return what is there already, whole; in today's form from now on."""
    if found.manifest is None:
        raise ValueError("there must be a manifest")
    bring_up_to_date(found)
    for name in found.manifest.files:
        log.info(
            "%s exists already and is whole (Kling task %s)",
            found.path.parent / name,
            found.manifest.kling_task_id,
        )
    return SavedResult(found.path, found.manifest, reused=True)


def _lost_place(target: Target, why: str) -> KlingStorageError:
    return KlingStorageError(
        f"Could not save {str(target.path).removesuffix(MANIFEST_SUFFIX)}: {why}. "
        f"{say_where_it_stays(target.task.kling_task_id, target.task.expires_at)} A retry downloads it again at no cost.",
        task_state=TaskState.EXISTS,
        kling_task_id=target.task.kling_task_id,
    )


def _get_suffix(index: int, download: Download, *, several: bool) -> str:
    return f"-{index}{download.fetched.suffix}" if several else download.fetched.suffix


def _list_outputs(
    target: Target, downloads: Mapping[int, Download], kept: Mapping[int, SavedOutput], *, several: bool
) -> list[SavedOutput]:
    """List all outputs of the task, as the manifest lists them."""
    outputs = []
    details = fit_details(redact_value([one.details for one in target.task.outputs]), LARGEST // 2)
    for index, output in enumerate(target.task.outputs):
        download = downloads.get(index)
        if index in kept:
            outputs.append(kept[index])
        elif download is None:
            outputs.append(
                SavedOutput(type=output.type, id=output.id, duration=output.duration, details=details[index])
            )
        else:
            name = f"{target.base}{_get_suffix(index, download, several=several)}"
            outputs.append(
                SavedOutput(
                    type=output.type,
                    id=output.id,
                    file=name,
                    bytes=download.fetched.size,
                    sha256=download.fetched.sha256,
                    duration=output.duration,
                    width=download.sides.width if download.sides else None,
                    height=download.sides.height if download.sides else None,
                    poster=poster_path(target.path.parent / name).name if download.poster else None,
                    details=details[index],
                )
            )
    return outputs


def _clear_place(target: Target, found: PlaceContents, kept: Mapping[int, SavedOutput]) -> None:
    """Remove what is in the way and may go: :meth:`Target.settle_place` has decided that it is ours."""
    folder, store = found.path.parent, store_of(found.path)
    stay = {one.file for one in kept.values()}
    is_this_task = found.manifest is not None and found.manifest.kling_task_id == target.task.kling_task_id
    for name, output in (found.manifest.files if found.manifest is not None else {}).items():
        if found.sizes.get(name) is not None and name not in stay:
            store.remove_file(folder / name)
        if output.poster and not is_this_task:
            store.remove_file(folder / output.poster)


def _put_posters(
    target: Target, found: PlaceContents, outputs: list[SavedOutput], downloads: Mapping[int, Download]
) -> bool:
    """Save the posters; whether ``outputs`` has changed, because one could not be saved."""
    known = {one.poster for one in found.manifest.outputs} if found.manifest is not None else set()
    changed = False
    for index, download in downloads.items():
        name, data = outputs[index].poster, download.poster
        if name and data and not _put_poster(target, target.path.parent / name, data, is_ours=name in known):
            outputs[index] = outputs[index].model_copy(update={"poster": None})
            changed = True
    return changed


def _put_poster(target: Target, place: ObjectStoragePath, data: bytes, *, is_ours: bool) -> bool:
    """Put the poster beside the file, and return whether it is there now. An image that no manifest of ours in this place has named stays as it is."""
    store = store_of(place)
    try:
        if store.get_size(place) is not None:
            if not is_ours:
                log.warning(
                    "%s exists and was not made by this provider, so this result gets no poster", place
                )
            return is_ours
        with store.open_part(target.path) as part:
            part.file.write(data)
            store.publish_part(part, place)
    except FileExistsError:
        return is_ours
    except OSError as error:
        log.warning("The poster %s could not be written: %s", place, redact_urls(error.strerror or error))
        return False
    return True


def _put_files(target: Target, outputs: Sequence[SavedOutput], downloads: Mapping[int, Download]) -> None:
    """Publish the parts. Raises ``FileExistsError`` for the first name that is there already."""
    store = store_of(target.path)
    for index, download in downloads.items():
        name = str(outputs[index].file)
        try:
            store.publish_part(download.part, target.path.parent / name)
        except FileExistsError:
            target.lost.add(name)
            raise
