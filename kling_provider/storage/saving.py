# SPDX-License-Identifier: Apache-2.0
"""A finished task -> its files and their manifest, whatever dies in between."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kling_provider.api.codes import TaskState
from kling_provider.api.redaction import redact_urls
from kling_provider.api.tasks import KlingTask, Output
from kling_provider.exceptions import KlingRequestError, KlingServerError, KlingStorageError
from kling_provider.file_names import MANIFEST_SUFFIX
from kling_provider.storage.addresses import Reach
from kling_provider.storage.download import Fetched, fetch
from kling_provider.storage.failures import still_there, telling
from kling_provider.storage.looking import Found, look
from kling_provider.storage.manifest import (
    Manifest,
    Origin,
    SavedOutput,
    SavedResult,
    manifest_path,
    read_manifest_file,
)
from kling_provider.storage.media import Picture, picture
from kling_provider.storage.output_types import becomes_file, expected_suffixes, is_known
from kling_provider.storage.parts import Part
from kling_provider.storage.places import ROUNDS, Holder, holder_of, may_replace, tend
from kling_provider.storage.poster import poster_of, poster_path
from kling_provider.storage.stores import Store, store_of

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

log = logging.getLogger(__name__)

#: Bytes that an image's sides are looked for in.
_HEAD = 256 * 1024


@dataclass(frozen=True, slots=True)
class Download:
    """One output, complete and checked, in a temporary file. ``poster`` is a JPEG."""

    part: Part
    fetched: Fetched
    poster: bytes | None
    sides: Picture | None


def save_outputs(
    task: KlingTask,
    root: ObjectStoragePath,
    stem: str,
    *,
    origin: Origin,
    beside: Sequence[str] = (),
    replace: bool = False,
    refresh: Callable[[], KlingTask],
    http_extras: Mapping[str, Any] | None = None,
    reach: Reach | None = None,
) -> SavedResult:
    """Save every output of a finished task below ``root``, with their manifest ``{stem}.kling.json``.

    A file appears only when all of them are complete and checked. What is already there and right is not downloaded. The
    only file is ``{stem}{suffix}``, of several each is ``{stem}-{index}{suffix}``, counted from 0 as the task does. An
    output without a link, such as the id of an element, is in the manifest and is no file. A video gets a poster as
    well, where the extra ``poster`` is installed.

    :param stem: as :func:`file_stem` and :func:`claim_place` give it.
    :param beside: stems in the same folder, for a place that turns out to be another one's: the result is paid for.
    :param replace: a result may go that the same Dag, task and name made.
    :param refresh: reads the task again; called once, when a link is dead.
    :param http_extras: the connection's (``KlingConnection.http_extras``): its proxies, TLS and timeouts
        count, its headers and client certificate are for the API alone.
    :param reach: which private addresses the download may connect to; ``None`` is all.
    :raises KlingRequestError: where the place is another one's, and those beside it too.
    :raises KlingServerError: a download failed; a retry repeats it at no cost.
    :raises KlingStorageError: a file could not be written; the same.
    :raises KlingTaskNotFound: an output is gone from Kling.
    """
    if not task.outputs:
        raise KlingServerError(
            f"Kling task {task.kling_task_id} is finished and names no result. It was billed; a retry reads it again.",
            task_state=TaskState.EXISTS,
            kling_task_id=task.kling_task_id,
        )
    wanted = {index: output for index, output in enumerate(task.outputs) if becomes_file(output)}
    places = [manifest_path(root, one) for one in (stem, *beside)]
    target = _Target(task, places, origin, replace)
    with (
        telling(f"save {root / stem}", kling_task_id=task.kling_task_id, until=task.expires_at),
        ExitStack() as parts,
    ):
        store = store_of(target.path)
        store.tidy(*places)
        found = target.settle(_possible_suffixes(wanted))
        if target.has(found):
            return _reused(found)
        downloads = _download(
            task,
            {index: output for index, output in wanted.items() if index not in target.intact(found)},
            lambda: parts.enter_context(store.part(target.path)),
            refresh=refresh,
            http_extras=http_extras or {},
            reach=reach,
        )
        result = _place(target, wanted, downloads)
    for index, download in downloads.items():
        if not result.reused:
            log.info(
                "Saved %s: %d bytes from %s",
                result.path.parent / str(result.manifest.outputs[index].file),
                download.fetched.size,
                download.fetched.host,
            )
    return result


def _download(
    task: KlingTask,
    wanted: Mapping[int, Output],
    new_part: Callable[[], Part],
    *,
    refresh: Callable[[], KlingTask],
    http_extras: Mapping[str, Any],
    reach: Reach | None,
) -> dict[int, Download]:
    """Download outputs into temporary files, by index. One that is not known and does not come is left out."""
    started, fresh = time.monotonic(), _Once(refresh)
    downloads: dict[int, Download] = {}
    for index, output in wanted.items():
        part = new_part()
        try:
            fetched = fetch(task, index, part.file, refresh=fresh, http_extras=http_extras, reach=reach)
        except KlingServerError as error:
            if is_known(output.type):
                raise
            log.warning(
                "Output %d of Kling task %s is of the type %s, which this release does not know, and is left out: %s",
                index,
                task.kling_task_id,
                output.type[:40],
                error,
            )
            continue
        poster = poster_of(part.file) if fetched.suffix == ".mp4" else None
        part.file.seek(0)
        sides = picture(part.file.read(_HEAD)) if fetched.suffix in (".png", ".jpg") else None
        downloads[index] = Download(part, fetched, poster, sides)
    log.debug("%d outputs came in %.1f s", len(downloads), time.monotonic() - started)
    return downloads


class _Once:
    """Reads a task again, at most once: one fresh answer has fresh links for all outputs."""

    def __init__(self, refresh: Callable[[], KlingTask]) -> None:
        self._refresh = refresh
        self._task: KlingTask | None = None

    def __call__(self) -> KlingTask:
        if self._task is None:
            self._task = self._refresh()
        return self._task


class _Target:
    """Where a result goes: the first of its places that is not another one's.

    :param places: of the manifest, in the order of preference, all in one folder.
    """

    def __init__(
        self, task: KlingTask, places: Sequence[ObjectStoragePath], origin: Origin, replace: bool
    ) -> None:
        self.task = task
        self.origin = origin
        #: Names at which a file of others appeared while this result was being put there.
        self.lost: set[str] = set()
        self._places = list(places)
        self._replace = replace

    @property
    def path(self) -> ObjectStoragePath:
        """Where the manifest goes."""
        return self._places[0]

    @property
    def base(self) -> str:
        """What the names of the files begin with."""
        return self.path.name.removesuffix(MANIFEST_SUFFIX)

    def has(self, found: Found) -> bool:
        """Whether this very task is saved there, whole."""
        manifest = found.manifest
        return manifest is not None and manifest.kling_task_id == self.task.kling_task_id and found.is_whole

    def intact(self, found: Found) -> dict[int, SavedOutput]:
        """Return what of this very task is there already, by index: a try that was killed came so far."""
        manifest = found.manifest
        if manifest is None or manifest.kling_task_id != self.task.kling_task_id or found.earlier is not None:
            return {}
        return {index: one for index, one in enumerate(manifest.outputs) if found.is_intact(one)}

    def settle(self, suffixes: Sequence[str]) -> Found:
        """Return what stands at the first place that this result may take, or has.

        :param suffixes: what follows the stem in the names of the files.
        :raises KlingRequestError: where every place is another one's.
        """
        while True:
            found = look(self.path, suffixes)
            if self.has(found):
                return found
            holder, why = holder_of(found, self.origin, self.task.kling_task_id)
            if lost := [name for name in self.lost if self._is_in_the_way(found, name)]:
                holder, why = Holder.OTHERS, f"{self.path.parent / lost[0]} appeared there in this moment."
                self._withdraw(found)
            elif holder in (Holder.NOBODY, Holder.US) or (self._replace and may_replace(found, self.origin)):
                return found
            if len(self._places) == 1:
                raise self._refuse(why)
            self._places.pop(0)
            log.log(
                logging.INFO if holder in (Holder.SAME_TASK, Holder.OTHER_TYPE) else logging.WARNING,
                "%s It stays as it is, and this result goes beside it: %s",
                why,
                str(self.path).removesuffix(MANIFEST_SUFFIX),
            )

    def _is_in_the_way(self, found: Found, name: str) -> bool:
        output = found.manifest.files.get(name) if found.manifest is not None else None
        return found.sizes.get(name) is not None and (output is None or not found.is_intact(output))

    def _withdraw(self, found: Found) -> None:
        """Remove what this task has put at a place that it cannot have."""
        store, manifest = store_of(found.path), found.manifest
        if manifest is None or manifest.kling_task_id != self.task.kling_task_id:
            return
        for one in self.intact(found).values():
            for name in filter(None, (one.file, one.poster)):
                store.remove(found.path.parent / name)
        store.remove(found.path)

    def _refuse(self, why: str) -> KlingRequestError:
        task = self.task
        return KlingRequestError(
            f"{why} It is not overwritten. {still_there(task.kling_task_id, task.expires_at)} Move that file "
            "away, or write another filename or destination, and clear this task: it is downloaded at no further cost.",
            task_state=TaskState.EXISTS,
            kling_task_id=task.kling_task_id,
        )


def _place(target: _Target, wanted: Mapping[int, Output], downloads: Mapping[int, Download]) -> SavedResult:
    """Put downloads and their manifest in their places, or find that another try of this task just did.

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

    The other order (files, then the manifest) would leave files of which nobody knows whose they are.
    """
    several = len(wanted) > 1
    for _ in range(ROUNDS):
        suffixes = [_suffix(index, one, several=several) for index, one in downloads.items()]
        found = target.settle(suffixes)
        if target.has(found):
            return _reused(found)
        kept = target.intact(found)
        if missing := [
            index
            for index in wanted
            if index not in downloads and is_known(wanted[index].type) and index not in kept
        ]:
            raise _lost_place(target, f"output {missing[0]} was removed in this moment")
        outputs = _outputs(target, downloads, kept, several=several)
        store, path = store_of(target.path), target.path
        try:
            _clear(target, found, kept)
            store.write(
                path, Manifest.of(target.task, target.origin, outputs).as_bytes(), new=found.beside is None
            )
            new = {index: one for index, one in downloads.items() if index not in kept}
            if _put_posters(target, found, outputs, new):
                store.write(path, Manifest.of(target.task, target.origin, outputs).as_bytes(), new=False)
            _put_files(target, outputs, new)
        except FileExistsError:
            continue  # another task was quicker: look whose it is
        for old in found.earlier.paths if found.earlier is not None else ():
            store.remove(old)
        told = read_manifest_file(path)[1]
        if told is not None and told.kling_task_id == target.task.kling_task_id:
            return SavedResult(path, told, reused=False)
        # In a store that cannot hold a claim somebody wrote over ours in this moment.
    raise _lost_place(target, "others keep writing there")


def _lost_place(target: _Target, why: str) -> KlingStorageError:
    return KlingStorageError(
        f"Could not save {str(target.path).removesuffix(MANIFEST_SUFFIX)}: {why}. "
        f"{still_there(target.task.kling_task_id, target.task.expires_at)} A retry downloads it again at no cost.",
        task_state=TaskState.EXISTS,
        kling_task_id=target.task.kling_task_id,
    )


def _possible_suffixes(wanted: Mapping[int, Output]) -> list[str]:
    """What may follow the stem in the names of the files, before their bytes tell which format they have."""
    return [
        f"-{index}{suffix}" if len(wanted) > 1 else suffix
        for index, output in wanted.items()
        for suffix in expected_suffixes((output.type,))
    ]


def _suffix(index: int, download: Download, *, several: bool) -> str:
    return f"-{index}{download.fetched.suffix}" if several else download.fetched.suffix


def _outputs(
    target: _Target, downloads: Mapping[int, Download], kept: Mapping[int, SavedOutput], *, several: bool
) -> list[SavedOutput]:
    """All outputs of the task, as the manifest lists them."""
    outputs = []
    for index, output in enumerate(target.task.outputs):
        download = downloads.get(index)
        if index in kept:
            outputs.append(kept[index])
        elif download is None:
            outputs.append(SavedOutput(type=output.type, id=output.id, duration=output.duration))
        else:
            name = f"{target.base}{_suffix(index, download, several=several)}"
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
                )
            )
    return outputs


def _clear(target: _Target, found: Found, kept: Mapping[int, SavedOutput]) -> None:
    """Remove what is in the way and may go: :meth:`_Target.settle` has decided that it is ours."""
    folder, store = found.path.parent, store_of(found.path)
    stay = {one.file for one in kept.values()}
    is_this_task = found.manifest is not None and found.manifest.kling_task_id == target.task.kling_task_id
    for name, output in (found.manifest.files if found.manifest is not None else {}).items():
        if found.sizes.get(name) is not None and name not in stay:
            store.remove(folder / name)
        if output.poster and not is_this_task:
            store.remove(folder / output.poster)


def _put_posters(
    target: _Target, found: Found, outputs: list[SavedOutput], downloads: Mapping[int, Download]
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


def _put_poster(target: _Target, place: ObjectStoragePath, data: bytes, *, is_ours: bool) -> bool:
    """Whether it is there now. An image that no manifest of ours in this place has named stays as it is."""
    store = store_of(place)
    try:
        if store.size(place) is not None:
            if not is_ours:
                log.warning("%s is there and is none of ours, so the video gets no poster", place)
            return is_ours
        with store.part(target.path) as part:
            part.file.write(data)
            store.publish(part, place)
    except FileExistsError:
        return is_ours
    except OSError as error:
        log.warning("The poster %s could not be written: %s", place, redact_urls(error.strerror or error))
        return False
    return True


def _put_files(target: _Target, outputs: Sequence[SavedOutput], downloads: Mapping[int, Download]) -> None:
    """Publish the parts. Raises ``FileExistsError`` for the first name that is there already."""
    store: Store = store_of(target.path)
    for index, download in downloads.items():
        name = str(outputs[index].file)
        try:
            store.publish(download.part, target.path.parent / name)
        except FileExistsError:
            target.lost.add(name)
            raise


def _reused(found: Found) -> SavedResult:
    if found.manifest is None:
        raise ValueError("there must be a manifest")
    tend(found)
    for name in found.manifest.files:
        log.info(
            "%s is there already and right (Kling task %s)",
            found.path.parent / name,
            found.manifest.kling_task_id,
        )
    return SavedResult(found.path, found.manifest, reused=True)
