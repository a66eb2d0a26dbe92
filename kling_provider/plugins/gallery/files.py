# SPDX-License-Identifier: Apache-2.0
"""The files that the gallery may show: those that Airflow has recorded, below an allowed folder, and unchanged.

Every file is opened once, below its folder, and checked and served from that descriptor.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from airflow.configuration import AIRFLOW_HOME, conf

from kling_provider.api.output_types import MEDIA_TYPES
from kling_provider.file_names import manifest_names
from kling_provider.plugins.gallery.facts import (
    FileFacts,
    ManifestFacts,
    SidecarFacts,
    Unreadable,
    read_facts,
    read_json,
)
from kling_provider.plugins.gallery.opening import OpenFile, open_below

#: The setting, as an administrator writes it.
SETTING = "[kling] gallery_roots"
_DEFAULT = "kling-videos"
#: Bytes; a larger manifest was not written by our tasks.
_LARGEST_MANIFEST = 1024 * 1024
_Facts = TypeVar("_Facts", ManifestFacts, SidecarFacts)
_POSTER_TYPES = {suffix: kind for suffix, kind in MEDIA_TYPES.items() if kind.startswith("image/")}
_POSTER_TYPES[".jpeg"] = "image/jpeg"
_IMAGE_BEGINNINGS = (b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF")

_CHANGED = "{} is not the file that was saved: it was changed."
_NOT_SERVED = "The gallery does not open files of the format of {}."
_REPLACED = "{} was replaced by a newer result (Kling task {})."


#: Where an output is, for a card: on this server's disk; at Kling (to be played, or at a host that is not ours, where the
#: link can be copied); or why it is neither. ``facts``: it is no file, and all that there is of it is on the card.
Place = Literal[
    "here",
    "facts",
    "kling",
    "unlisted",
    "elsewhere",
    "missing",
    "outside",
    "unserved",
    "changed",
    "replaced",
    "expired",
]


class NotShown(Exception):
    """A file is not served; the text tells the user why, and ``place`` is the short form for a card."""

    def __init__(self, place: Place, why: str) -> None:
        super().__init__(why)
        self.place = place


@dataclass(frozen=True)
class RecordedFile:
    """An open file whose manifest names the Kling task that Airflow has recorded.

    :param file: the file.
    :param sha256: the digest of the bytes that were saved; it must be compared before the file is served.
    :param media_type: the media type to serve it as.
    """

    file: OpenFile
    sha256: str
    media_type: str


def _list_allowed_roots() -> list[Path]:
    """Return the folders below which files are shown: ``[kling] gallery_roots``, separated by commas or new lines.

    The default is ``$AIRFLOW_HOME/kling-videos``. An entry that is no absolute path is left out.
    """
    written = (conf.get("kling", "gallery_roots", fallback="") or "").replace("\n", ",").split(",")
    roots = [Path(one.strip()) for one in written if one.strip()] or [Path(AIRFLOW_HOME) / _DEFAULT]
    return [root.resolve() for root in roots if root.is_absolute()]


def get_local_path(address: str) -> Path | None:
    """Return the path of a file on a local disk; ``None`` for a URL of an object store."""
    for scheme in ("file://", "local://"):
        address = address.removeprefix(scheme)
    return Path(address) if address.startswith("/") else None


def _open_recorded(address: str) -> OpenFile:
    """Open a recorded local file that lies below an allowed folder, after following links.

    :raises NotShown: ``elsewhere`` (an object store), ``outside`` or ``missing``.
    """
    path = get_local_path(address)
    if path is None:
        raise NotShown("elsewhere", f"The file is stored at {address}.")
    roots = _list_allowed_roots()
    root, parts = _split_path(path, roots)
    if root is None:
        raise NotShown(
            "outside",
            f"The file is outside the folders that the gallery may show. An administrator can add its folder to "
            f"{SETTING}, which is now {', '.join(map(str, roots)) or 'empty'}.",
        )
    try:
        return open_below(root, parts)
    except OSError:
        raise NotShown("missing", f"{path} is not on this server's disk, or was removed.") from None


def open_video(file: FileFacts, kling_task_id: str) -> RecordedFile:
    """Open a recorded video that has the recorded size, and whose manifest names that Kling task.

    The caller must still compare the digest of its bytes with ``sha256``.

    :param file: what Airflow has recorded about the output.
    :param kling_task_id: the recorded Kling task.
    :raises NotShown: if it is not so.
    """
    address = file.file or ""
    video = _open_recorded(address)
    sha256 = _find_attested(file, kling_task_id, video).sha256
    if sha256 is None or file.sha256 not in (None, sha256):
        raise NotShown("changed", _CHANGED.format(video.name))
    media_type = MEDIA_TYPES.get(video.suffix)
    if media_type is None:
        raise NotShown("unserved", _NOT_SERVED.format(video.name))
    return RecordedFile(video, sha256, media_type)


def open_poster(file: FileFacts, kling_task_id: str) -> tuple[OpenFile, str]:
    """Open the poster image that was saved beside a file; return it with its media type.

    :raises NotShown: if there is none.
    """
    poster, video = _open_recorded(file.poster or ""), _open_recorded(file.file or "")
    told = _find_attested(file, kling_task_id, video).poster
    media_type = _POSTER_TYPES.get(poster.suffix)
    if (
        media_type is None
        or poster.folder != video.folder
        or told not in (None, poster.name)
        or not poster.read(8).startswith(_IMAGE_BEGINNINGS)
    ):
        raise NotShown("outside", "There is no poster image beside the file.")
    return poster, media_type


def find_place(file: FileFacts, kling_task_id: str | None) -> tuple[Place, str | None]:
    """Return ``here``, or why a recorded file is not here, with an explanation; the bytes are not read.

    The manifest is looked at only where the file is not as it was recorded.
    """
    try:
        video = _open_recorded(file.file or "")
        is_whole = file.bytes in (None, video.size)
        if is_whole and video.suffix in MEDIA_TYPES:
            return "here", None
        _find_attested(file, kling_task_id or "", video)
    except NotShown as reason:
        return reason.place, str(reason)
    return (
        ("unserved", _NOT_SERVED.format(video.name)) if is_whole else ("changed", _CHANGED.format(video.name))
    )


@dataclass(frozen=True)
class _Attested:
    """What was saved under a file's name: the digest of its bytes, and the name of its poster."""

    sha256: str | None
    poster: str | None


def _find_attested(file: FileFacts, kling_task_id: str, video: OpenFile) -> _Attested:
    """Return what the manifest beside ``video`` says about it.

    :raises NotShown: if there is no manifest, or it names another Kling task.
    """
    folder = (file.file or "").rpartition("/")[0]
    for name in manifest_names(video.name):
        told, wrong = _read_beside(f"{folder}/{name}", video, ManifestFacts)
        if told is None:
            continue
        if not wrong and not told.outputs and name == manifest_names(video.name)[0]:
            raise _build_kept_error(video)
        for one in told.outputs:
            if one.file == video.name:
                _check_task(told, wrong, kling_task_id, video)
                return _Attested(one.sha256, one.poster)
    sidecar, wrong = _read_beside(f"{file.file}.json", video, SidecarFacts)
    if sidecar is None:
        raise NotShown("changed", f"There is no manifest beside {video.name} that names it.")
    if sidecar.claim:
        raise _build_kept_error(video)
    _check_task(sidecar, wrong, kling_task_id, video)
    return _Attested(sidecar.sha256, sidecar.poster)


def _read_beside(address: str, video: OpenFile, kind: type[_Facts]) -> tuple[_Facts | None, list[str]]:
    """Return the facts of a file in the same folder (``None`` if it is not there), and the fields that do not parse."""
    try:
        beside = _open_recorded(address)
    except NotShown:
        return None, []
    if beside.folder != video.folder:
        return None, []
    try:
        if beside.size > _LARGEST_MANIFEST:
            raise Unreadable("too large")
        text = beside.read(_LARGEST_MANIFEST).decode("utf-8", "replace")
        return read_facts(kind, read_json(text))
    except (OSError, Unreadable):
        return kind(), ["kling_task_id"]


def _check_task(
    told: ManifestFacts | SidecarFacts, wrong: list[str], kling_task_id: str, video: OpenFile
) -> None:
    if wrong or told.kling_task_id is None:
        raise NotShown("changed", f"The file beside {video.name} is not the one that was saved with it.")
    if told.kling_task_id != kling_task_id:
        if told.identity is None:
            raise NotShown("changed", _CHANGED.format(video.name))
        raise NotShown("replaced", _REPLACED.format(video.name, told.kling_task_id))


def _build_kept_error(video: OpenFile) -> NotShown:
    return NotShown(
        "missing", f"{video.name} is not there yet: its name is reserved for a result that is on its way."
    )


def _split_path(path: Path, roots: list[Path]) -> tuple[Path | None, list[str]]:
    """Split ``path``, with links followed, into the allowed folder that it lies below and the parts from there."""
    if ".." in path.parts:
        return None, []
    try:
        real = Path(os.path.realpath(path))
    except (OSError, ValueError):  # a zero byte
        return None, []
    for root in roots:
        if real != root and real.is_relative_to(root):
            return root, list(real.relative_to(root).parts)
    return None, []
