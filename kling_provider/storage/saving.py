# SPDX-License-Identifier: Apache-2.0
"""A finished task -> a file and its sidecar, whatever dies in between."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kling_provider.api.addresses import without_queries
from kling_provider.api.codes import TaskState
from kling_provider.api.tasks import KlingTask
from kling_provider.exceptions import KlingServerError, KlingStorageError
from kling_provider.storage.download import fetch
from kling_provider.storage.failures import still_there, telling
from kling_provider.storage.parts import Part
from kling_provider.storage.poster import poster_of, poster_path
from kling_provider.storage.sidecar import (
    Found,
    Origin,
    SavedFile,
    Sidecar,
    describe,
    intact,
    look,
    refuse_taken,
    sidecar_path,
    taken,
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
    replace: bool = False,
    refresh: Callable[[], KlingTask],
    http_extras: Mapping[str, Any] | None = None,
) -> SavedFile:
    """Save one output of a finished task at ``path``, with its sidecar beside it.

    It appears only when it is complete and checked. Where it is already there and right, nothing is
    downloaded. A video gets a poster as well, where the extra ``poster`` is installed.

    :param path: the video file, as :func:`destination_path` and :func:`file_name` give it.
    :param index: which of the task's outputs.
    :param replace: a file that is somebody else's may go.
    :param refresh: reads the task again; called once, when the link is dead.
    :param http_extras: the connection's (``KlingConnection.http_extras``): its proxies, TLS and timeouts
        count, its headers and client certificate are for the API alone.
    :raises KlingRequestError: where the place is another video's.
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
    store = store_of(path)
    with telling(f"save {path}", kling_task_id=task.kling_task_id, until=task.expires_at):
        store.tidy(path, sidecar_path(path), poster_path(path))
        if (there := _settled(task, path, look(path), origin, replace=replace)) is not None:
            return _saved(path, there, reused=True)
        started = time.monotonic()
        with store.part(path) as part:
            fetched = fetch(task, index, part.file, refresh=refresh, http_extras=http_extras or {})
            poster = poster_of(part.file) if task.outputs[index].type == "video" else None
            sidecar = describe(
                task,
                index,
                origin,
                size=fetched.size,
                sha256=fetched.sha256,
                poster=poster_path(path).name if poster else None,
            )
            there, sidecar = _place(task, path, part, sidecar, poster, origin, replace=replace)
    if there is not None:
        return _saved(path, there, reused=True)
    log.info(
        "Saved %s: %d bytes from %s in %.1f s",
        path,
        fetched.size,
        fetched.host,
        time.monotonic() - started,
    )
    return _saved(path, sidecar, reused=False)


def _saved(path: ObjectStoragePath, sidecar: Sidecar, *, reused: bool) -> SavedFile:
    if reused:
        log.info("%s is there already and right (Kling task %s)", path, sidecar.kling_task_id)
    return SavedFile.at(path, sidecar, reused=reused)


def _settled(
    task: KlingTask, path: ObjectStoragePath, found: Found, origin: Origin, *, replace: bool
) -> Sidecar | None:
    """The sidecar where this very task is saved; ``None`` where it may be saved now."""
    if (
        found.sidecar is not None
        and found.sidecar.kling_task_id == task.kling_task_id
        and intact(path, found)
    ):
        return found.sidecar
    if not replace and (why := taken(path, found, origin.identity, task.kling_task_id)) is not None:
        raise refuse_taken(path, why, task)
    return None


def _place(
    task: KlingTask,
    path: ObjectStoragePath,
    part: Part,
    sidecar: Sidecar,
    poster: bytes | None,
    origin: Origin,
    *,
    replace: bool,
) -> tuple[Sidecar | None, Sidecar]:
    """Puts the finished part and its sidecar in their places, or finds that somebody else just did: then his
    sidecar comes first.

    The order, so that a kill between any two steps neither loses a file of others nor blocks our own retry:
    what may go is removed; then the *sidecar* appears, already with the size and sha256 of the part, and
    claims the name for this identity; then the poster, and the file. A sidecar without its file is "not saved",
    and of our own identity, so the retry goes on from there. The other order would leave a file of which nobody
    knows whose it is. Neither step ever replaces a thing that it did not see: sidecar and file are made as new.
    """
    store, beside = store_of(path), sidecar_path(path)
    for _ in range(5):
        found = look(path)
        if (there := _settled(task, path, found, origin, replace=replace)) is not None:
            return there, sidecar
        try:
            if found.size is not None:
                store.remove(path)
            store.write(beside, _json(sidecar), new=not found.sidecar_there)
            if poster is not None and not _put_poster(path, poster, found):
                poster, sidecar = None, sidecar.model_copy(update={"poster": None})
                store.write(beside, _json(sidecar), new=False)
            store.publish(part, path)
        except FileExistsError:
            continue  # another task was quicker: look whose it is
        return None, sidecar
    raise KlingStorageError(
        f"Could not save {path}: others keep writing there. {still_there(task.kling_task_id, task.expires_at)} "
        "A retry downloads it again at no cost.",
        task_state=TaskState.EXISTS,
        kling_task_id=task.kling_task_id,
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
        log.warning("The poster %s could not be written: %s", place, without_queries(error.strerror or error))
        return False
    return True


def _json(sidecar: Sidecar) -> bytes:
    return sidecar.model_dump_json(indent=2, fallback=str).encode() + b"\n"
