# SPDX-License-Identifier: Apache-2.0
"""A finished task -> a file and its sidecar, whatever dies in between."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kling_provider.api.codes import TaskState
from kling_provider.api.redaction import redact_urls
from kling_provider.api.tasks import KlingTask
from kling_provider.exceptions import KlingRequestError, KlingServerError, KlingStorageError
from kling_provider.storage.addresses import Reach
from kling_provider.storage.download import fetch
from kling_provider.storage.failures import still_there, telling
from kling_provider.storage.parts import Part
from kling_provider.storage.places import ROUNDS, Holder, holder_of, may_replace
from kling_provider.storage.poster import poster_of, poster_path
from kling_provider.storage.sidecar import (
    Found,
    Origin,
    SavedFile,
    Sidecar,
    describe,
    intact,
    look,
    sidecar_path,
)
from kling_provider.storage.stores import store_of

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

log = logging.getLogger(__name__)


def save_output(
    task: KlingTask,
    path: ObjectStoragePath,
    *,
    origin: Origin,
    index: int = 0,
    suffixes: Sequence[str] = (),
    beside: ObjectStoragePath | None = None,
    replace: bool = False,
    refresh: Callable[[], KlingTask],
    http_extras: Mapping[str, Any] | None = None,
    reach: Reach | None = None,
) -> SavedFile:
    """Save one output of a finished task at ``path``, with its sidecar beside it.

    It appears only when it is complete and checked. Where it is already there and right, nothing is
    downloaded. A video gets a poster as well, where the extra ``poster`` is installed.

    :param path: the video file, as :func:`destination_path`, :func:`file_stem` and :func:`file_name` give it.
    :param index: which of the task's outputs.
    :param suffixes: of all files of the result, where it has several (:attr:`Sidecar.suffixes`).
    :param beside: where it goes if ``path`` turns out to be another one's, in the same folder: it is paid for.
    :param replace: a file may go that the same Dag, task and name made.
    :param refresh: reads the task again; called once, when the link is dead.
    :param http_extras: the connection's (``KlingConnection.http_extras``): its proxies, TLS and timeouts
        count, its headers and client certificate are for the API alone.
    :param reach: which private addresses the download may connect to; ``None`` is all.
    :raises KlingRequestError: where the place is another video's, and ``beside`` too.
    :raises KlingServerError: the download failed; a retry repeats it at no cost.
    :raises KlingStorageError: the file could not be written; the same.
    :raises KlingTaskNotFound: the video is gone from Kling.
    """
    if index >= len(task.outputs):
        raise KlingServerError(
            f"Kling task {task.kling_task_id} is finished and names no result. It was billed; a retry reads it again.",
            task_state=TaskState.EXISTS,
            kling_task_id=task.kling_task_id,
        )
    target = _Target(task, [path] if beside is None else [path, beside], origin, replace)
    store = store_of(path)
    with telling(f"save {path}", kling_task_id=task.kling_task_id, until=task.expires_at):
        store.tidy(path, sidecar_path(path), poster_path(path))
        if (there := target.settle()[0]) is not None:
            return _saved(target.path, there, reused=True)
        started = time.monotonic()
        with store.part(path) as part:
            fetched = fetch(
                task, index, part.file, refresh=refresh, http_extras=http_extras or {}, reach=reach
            )
            poster = poster_of(part.file) if task.outputs[index].type == "video" else None
            sidecar = describe(
                task, index, origin, size=fetched.size, sha256=fetched.sha256, suffixes=suffixes
            )
            there, sidecar = _place(target, part, sidecar, poster)
    if there is not None:
        return _saved(target.path, there, reused=True)
    log.info(
        "Saved %s: %d bytes from %s in %.1f s",
        target.path,
        fetched.size,
        fetched.host,
        time.monotonic() - started,
    )
    return _saved(target.path, sidecar, reused=False)


def _saved(path: ObjectStoragePath, sidecar: Sidecar, *, reused: bool) -> SavedFile:
    if reused:
        log.info("%s is there already and right (Kling task %s)", path, sidecar.kling_task_id)
    return SavedFile.at(path, sidecar, reused=reused)


class _Target:
    """Where one output goes: the first of its places that is not another one's.

    :param places: in the order of preference, all in one folder.
    """

    def __init__(
        self, task: KlingTask, places: Sequence[ObjectStoragePath], origin: Origin, replace: bool
    ) -> None:
        self.task = task
        self._places = list(places)
        self._origin = origin
        self._replace = replace

    @property
    def path(self) -> ObjectStoragePath:
        return self._places[0]

    def settle(self) -> tuple[Sidecar | None, Found]:
        """The sidecar where this very task is saved, ``None`` where it may be saved now; and what stands there.

        :raises KlingRequestError: where every place is another one's.
        """
        while True:
            path, found = self.path, look(self.path)
            sidecar = found.sidecar
            if (
                sidecar is not None
                and sidecar.kling_task_id == self.task.kling_task_id
                and intact(path, found)
            ):
                return sidecar, found
            holder, why = holder_of(path, found, self._origin, self.task.kling_task_id)
            if holder in (Holder.NOBODY, Holder.US) or (self._replace and may_replace(found, self._origin)):
                return None, found
            if len(self._places) == 1:
                raise self._refuse(why)
            self._places.pop(0)
            log.log(
                logging.INFO if holder is Holder.SAME_TASK else logging.WARNING,
                "%s %s It stays as it is, and the video goes beside it: %s",
                path,
                why,
                self.path,
            )

    def _refuse(self, why: str) -> KlingRequestError:
        task = self.task
        return KlingRequestError(
            f"{self.path} {why} It is not overwritten. {still_there(task.kling_task_id, task.expires_at)} Move that file "
            "away, or write another filename or destination, and clear this task: it is downloaded at no further cost.",
            task_state=TaskState.EXISTS,
            kling_task_id=task.kling_task_id,
        )


def _place(
    target: _Target, part: Part, sidecar: Sidecar, poster: bytes | None
) -> tuple[Sidecar | None, Sidecar]:
    """Puts the finished part and its sidecar in their places, or finds that somebody else just did: then his
    sidecar comes first.

    The order, so that a kill between any two steps neither loses a file of others nor blocks our own retry:
    what may go is removed; then the *sidecar* appears, already with the size and sha256 of the part, in the place of
    our claim where there is one, and holds the name for this identity; then the poster, and the file. A sidecar
    without its file is "not saved", and of our own identity, so the retry goes on from there. The other order would
    leave a file of which nobody knows whose it is. Neither step ever replaces a thing that it did not see: sidecar and
    file are made as new.
    """
    for _ in range(ROUNDS):
        there, found = target.settle()
        if there is not None:
            return there, sidecar
        path = target.path
        store, beside = store_of(path), sidecar_path(path)
        named = sidecar.model_copy(update={"poster": poster_path(path).name if poster is not None else None})
        try:
            if found.size is not None:
                store.remove(path)
            store.write(beside, _json(named), new=found.beside is None)
            if poster is not None and not _put_poster(path, poster, found):
                poster, named = None, named.model_copy(update={"poster": None})
                store.write(beside, _json(named), new=False)
            store.publish(part, path)
        except FileExistsError:
            continue  # another task was quicker: look whose it is
        if (told := look(path).sidecar) is not None and told.kling_task_id == target.task.kling_task_id:
            return None, named
        # In a store that cannot hold a claim somebody wrote over ours in this moment.
    raise KlingStorageError(
        f"Could not save {target.path}: others keep writing there. "
        f"{still_there(target.task.kling_task_id, target.task.expires_at)} A retry downloads it again at no cost.",
        task_state=TaskState.EXISTS,
        kling_task_id=target.task.kling_task_id,
    )


def _put_poster(path: ObjectStoragePath, data: bytes, found: Found) -> bool:
    """Whether it is there now. A picture that no sidecar of a video in this place has named stays as it is."""
    store, place = store_of(path), poster_path(path)
    try:
        there = store.size(place) is not None
        if there and (found.sidecar is None or found.sidecar.poster != place.name):
            log.warning("%s is there and is none of ours, so the video gets no poster", place)
            return False
        store.write(place, data, new=not there)
    except OSError as error:
        log.warning("The poster %s could not be written: %s", place, redact_urls(error.strerror or error))
        return False
    return True


def _json(sidecar: Sidecar) -> bytes:
    return sidecar.model_dump_json(indent=2, fallback=str).encode() + b"\n"
