# SPDX-License-Identifier: Apache-2.0
"""A finished task -> its files and their manifest, whatever dies in between."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from kling_provider.api.codes import TaskState
from kling_provider.api.output_types import MEDIA_TYPES, TYPES_WITHOUT_FILES
from kling_provider.api.tasks import KlingTask, Output
from kling_provider.exceptions import KlingServerError
from kling_provider.storage.addresses import Reach
from kling_provider.storage.download import fetch_output
from kling_provider.storage.failures import as_storage_error
from kling_provider.storage.manifest import Origin, SavedResult, manifest_path
from kling_provider.storage.media import read_image_size
from kling_provider.storage.output_types import becomes_file, expected_suffixes, must_come
from kling_provider.storage.parts import PartFile
from kling_provider.storage.poster import make_image_poster, make_poster
from kling_provider.storage.publishing import Download, as_reused, publish_result
from kling_provider.storage.stores import store_of
from kling_provider.storage.target import Target

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

log = logging.getLogger(__name__)

#: Bytes that an image's sides are looked for in.
_HEAD = 256 * 1024


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
    well, where the extra ``media`` is installed; so does an image that is too large for a list.

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
    target = Target(task, places, origin, replace)
    with (
        as_storage_error(f"save {root / stem}", kling_task_id=task.kling_task_id, until=task.expires_at),
        ExitStack() as parts,
    ):
        store = store_of(target.path)
        store.remove_leftovers(*places)
        found = target.settle_place(_possible_suffixes(wanted))
        if target.has_result(found):
            return as_reused(found)
        there = target.find_intact(found)  # hashes what is there: once, not per output
        downloads = _download_outputs(
            task,
            {index: output for index, output in wanted.items() if index not in there},
            lambda: parts.enter_context(store.open_part(target.path)),
            refresh=refresh,
            http_extras=http_extras or {},
            reach=reach,
        )
        result = publish_result(target, wanted, downloads)
    for index, download in downloads.items():
        if not result.reused:
            log.info(
                "Saved %s: %d bytes from %s",
                result.path.parent / str(result.manifest.outputs[index].file),
                download.fetched.size,
                download.fetched.host,
            )
    return result


def _possible_suffixes(wanted: Mapping[int, Output]) -> list[str]:
    """List what may follow the stem in the names of the files, before their bytes tell which format they have."""
    return [
        f"-{index}{suffix}" if len(wanted) > 1 else suffix
        for index, output in wanted.items()
        for suffix in expected_suffixes((output.type,))
    ]


def _download_outputs(
    task: KlingTask,
    wanted: Mapping[int, Output],
    new_part: Callable[[], PartFile],
    *,
    refresh: Callable[[], KlingTask],
    http_extras: Mapping[str, Any],
    reach: Reach | None,
) -> dict[int, Download]:
    """Download outputs into temporary files, by index.

    One that does not come is left out where its type is not known, or is an id in the first place: a trial sound is no voice.
    """
    started, fresh = time.monotonic(), _Once(refresh)
    downloads: dict[int, Download] = {}
    for index, output in wanted.items():
        part = new_part()
        try:
            fetched = fetch_output(
                task, index, part.file, refresh=fresh, http_extras=http_extras, reach=reach
            )
        except KlingServerError as error:
            if must_come(output.type):
                raise
            why = (
                "where the id is what counts"
                if output.type in TYPES_WITHOUT_FILES
                else "which this release does not know"
            )
            log.warning(
                "Output %d of Kling task %s is of the type %s, %s, and its file is left out: %s",
                index,
                task.kling_task_id,
                output.type[:40],
                why,
                error,
            )
            continue
        is_image = MEDIA_TYPES.get(fetched.suffix, "").startswith("image/")
        make = make_poster if fetched.suffix == ".mp4" else make_image_poster if is_image else None
        poster = make(part.file) if make is not None else None
        part.file.seek(0)
        sides = read_image_size(part.file.read(_HEAD)) if fetched.suffix in (".png", ".jpg") else None
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
