# SPDX-License-Identifier: Apache-2.0
"""Which files the gallery may show: only those that Airflow has recorded, below an allowed folder, and unchanged.

Every file is opened once, below its folder, and checked and served from that descriptor.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from airflow.configuration import AIRFLOW_HOME, conf

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
#: What is served, and as what: nothing that a browser would run.
MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".m4a": "audio/mp4",
    ".srt": "text/plain",
    ".ass": "text/plain",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
}
_POSTER_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
_PICTURES = (b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF")

_CHANGED = "{} is not the file that was saved: it was changed."
_REPLACED = "{} was replaced by a newer video (Kling task {})."


#: Where an output is, for a card: on this server's disk; at Kling (to be played, or at a host that is not ours, where the
#: link can be copied); or why it is neither.
Place = Literal[
    "here",
    "kling",
    "unlisted",
    "elsewhere",
    "missing",
    "outside",
    "changed",
    "replaced",
    "expired",
]


class NotShown(Exception):
    """Why a file is not served, in words for the user. ``place`` is the short form for a card."""

    def __init__(self, place: Place, why: str) -> None:
        super().__init__(why)
        self.place = place


@dataclass(frozen=True)
class Recorded:
    """An open file whose manifest names the Kling task that Airflow has recorded.

    :param sha256: of the bytes that were saved; who serves the file compares.
    """

    file: OpenFile
    sha256: str
    media_type: str


def allowed_roots() -> list[Path]:
    """Return the folders below which files are shown: ``[kling] gallery_roots``, separated by commas or new lines.

    The default is ``$AIRFLOW_HOME/kling-videos``. An entry that is no absolute path is left out.
    """
    written = (conf.get("kling", "gallery_roots", fallback="") or "").replace("\n", ",").split(",")
    roots = [Path(one.strip()) for one in written if one.strip()] or [Path(AIRFLOW_HOME) / _DEFAULT]
    return [root.resolve() for root in roots if root.is_absolute()]


def local_path(address: str) -> Path | None:
    """Return the path of a file on a local disk; ``None`` for an object store."""
    for scheme in ("file://", "local://"):
        address = address.removeprefix(scheme)
    return Path(address) if address.startswith("/") else None


def open_recorded(address: str) -> OpenFile:
    """Open a recorded local file, which lies below an allowed folder (links followed).

    :raises NotShown: ``elsewhere`` (an object store), ``outside`` or ``missing``.
    """
    path = local_path(address)
    if path is None:
        raise NotShown("elsewhere", f"The video is stored at {address}.")
    roots = allowed_roots()
    root, parts = _place(path, roots)
    if root is None:
        raise NotShown(
            "outside",
            f"The video is outside the folders that the gallery may show. An administrator can add its folder to "
            f"{SETTING}, which is now {', '.join(map(str, roots)) or 'empty'}.",
        )
    try:
        return open_below(root, parts)
    except OSError:
        raise NotShown("missing", f"{path} is not on this server's disk, or was removed.") from None


def open_video(file: FileFacts, kling_task_id: str) -> Recorded:
    """Open a recorded video that has the recorded size, and whose manifest names that Kling task.

    Whoever serves it still has to compare the digest of its bytes with ``sha256``.

    :raises NotShown: where anything of that is not so.
    """
    address = file.file or ""
    video = open_recorded(address)
    sha256 = _attest(file, kling_task_id, video).sha256
    media_type = MEDIA_TYPES.get(video.suffix)
    if media_type is None or sha256 is None or file.sha256 not in (None, sha256):
        raise NotShown("changed", _CHANGED.format(video.name))
    return Recorded(video, sha256, media_type)


def open_poster(file: FileFacts, kling_task_id: str) -> tuple[OpenFile, str]:
    """Open the picture that was saved beside a video; return it with its media type.

    :raises NotShown: where there is none.
    """
    poster, video = open_recorded(file.poster or ""), open_recorded(file.file or "")
    told = _attest(file, kling_task_id, video).poster
    media_type = _POSTER_TYPES.get(poster.suffix)
    if (
        media_type is None
        or poster.folder != video.folder
        or told not in (None, poster.name)
        or not poster.read(8).startswith(_PICTURES)
    ):
        raise NotShown("outside", "There is no picture beside the video.")
    return poster, media_type


def find_place(file: FileFacts, kling_task_id: str | None) -> tuple[Place, str | None]:
    """Return ``here``, or why a recorded file is not here, and that in words; the bytes are not read.

    The manifest is looked at only where the file is not as it was recorded.
    """
    try:
        video = open_recorded(file.file or "")
        if video.suffix in MEDIA_TYPES and file.bytes in (None, video.size):
            return "here", None
        _attest(file, kling_task_id or "", video)
    except NotShown as reason:
        return reason.place, str(reason)
    return "changed", _CHANGED.format(video.name)


@dataclass(frozen=True)
class _Attested:
    """What was saved under a file's name: the digest of its bytes, and the name of its poster."""

    sha256: str | None
    poster: str | None


def _attest(file: FileFacts, kling_task_id: str, video: OpenFile) -> _Attested:
    """Return what the manifest beside ``video`` says of it, if it says that it is of that Kling task."""
    folder = (file.file or "").rpartition("/")[0]
    for name in manifest_names(video.name):
        told, wrong = _read_beside(f"{folder}/{name}", video, ManifestFacts)
        if told is None:
            continue
        if not wrong and not told.outputs and name == manifest_names(video.name)[0]:
            raise _kept_for_another(video)
        for one in told.outputs:
            if one.file == video.name:
                _check_task(told, wrong, kling_task_id, video)
                return _Attested(one.sha256, one.poster)
    sidecar, wrong = _read_beside(f"{file.file}.json", video, SidecarFacts)
    if sidecar is None:
        raise NotShown("changed", f"There is no manifest beside {video.name} that names it.")
    if sidecar.claim:
        raise _kept_for_another(video)
    _check_task(sidecar, wrong, kling_task_id, video)
    return _Attested(sidecar.sha256, sidecar.poster)


def _read_beside(address: str, video: OpenFile, kind: type[_Facts]) -> tuple[_Facts | None, list[str]]:
    """Return what a file in the same folder says, and the fields that are something else; ``None``: it is not there."""
    try:
        beside = open_recorded(address)
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


def _kept_for_another(video: OpenFile) -> NotShown:
    return NotShown(
        "missing", f"{video.name} is not there yet: its place is kept for a result that is on its way."
    )


def _place(path: Path, roots: list[Path]) -> tuple[Path | None, list[str]]:
    """Return the allowed folder that ``path`` really lies below, and the way from there."""
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
