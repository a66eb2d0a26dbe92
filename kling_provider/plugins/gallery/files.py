# SPDX-License-Identifier: Apache-2.0
"""Which files the gallery may show: only those that it finds recorded, below an allowed folder, and unchanged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from airflow.configuration import AIRFLOW_HOME, conf

#: The setting, as an administrator writes it.
SETTING = "[kling] gallery_roots"
_DEFAULT = "kling-videos"
#: Bytes; a larger sidecar is none of ours.
_LARGEST_SIDECAR = 1024 * 1024
#: What is served, and as what: nothing that a browser would run.
MEDIA_TYPES = {".mp4": "video/mp4", ".mp3": "audio/mpeg", ".png": "image/png"}
POSTER_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}

_CHANGED = "{} is not the file that was saved: it was changed or replaced."


class NotShown(Exception):
    """Why a file is not served, in words for the user. ``place`` is the short form for a card."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(why)
        self.place = place


def allowed_roots() -> list[Path]:
    """The folders below which files are shown: ``[kling] gallery_roots``, separated by commas or new lines.

    The default is ``$AIRFLOW_HOME/kling-videos``. An entry that is no absolute path is left out.
    """
    written = (conf.get("kling", "gallery_roots", fallback="") or "").replace("\n", ",").split(",")
    roots = [Path(one.strip()) for one in written if one.strip()] or [Path(AIRFLOW_HOME) / _DEFAULT]
    return [root.resolve() for root in roots if root.is_absolute()]


def local_path(address: str) -> Path | None:
    """The path of a file on a local disk, or ``None`` for an object store."""
    for scheme in ("file://", "local://"):
        address = address.removeprefix(scheme)
    return Path(address) if address.startswith("/") else None


def confined(address: str) -> Path:
    """The real path of a recorded local file, which lies below an allowed folder.

    :raises NotShown: ``elsewhere`` (an object store), ``outside`` or ``missing``.
    """
    path = local_path(address)
    if path is None:
        raise NotShown("elsewhere", f"The video is stored at {address}.")
    roots = allowed_roots()
    if ".." in path.parts or not _below(path, roots):
        raise NotShown(
            "outside",
            f"The video is outside the folders that the gallery may show. An administrator can add its folder to "
            f"{SETTING}, which is now {', '.join(map(str, roots)) or 'empty'}.",
        )
    if not path.is_file():
        raise NotShown("missing", f"{path} is not on this server's disk, or was removed.")
    return path.resolve()


def checked(file: Mapping[str, Any], kling_task_id: str) -> Path:
    """The real path of a recorded video whose sidecar names that Kling task, and whose bytes are the saved ones.

    :param file: an entry of the event's ``files``.
    :raises NotShown: where anything of that is not so.
    """
    path, told = _attested(file, kling_task_id)
    if path.suffix.lower() not in MEDIA_TYPES or digest(path) != told:
        raise NotShown("changed", _CHANGED.format(path.name))
    return path


def checked_poster(file: Mapping[str, Any], kling_task_id: str) -> Path:
    """The real path of a video's poster, which lies beside the video.

    :raises NotShown: where there is none.
    """
    poster = confined(str(file.get("poster") or ""))
    path, _ = _attested(file, kling_task_id)
    if poster.parent != path.parent or poster.suffix.lower() not in POSTER_TYPES:
        raise NotShown("outside", "The picture is not beside its video.")
    return poster


def _attested(file: Mapping[str, Any], kling_task_id: str) -> tuple[Path, str]:
    """The real path, and the sha256 of the sidecar, which agrees with what the server has recorded."""
    address = str(file.get("file") or "")
    path, beside = confined(address), confined(f"{address}.json")
    try:
        sidecar = json.loads(beside.read_bytes()) if beside.stat().st_size <= _LARGEST_SIDECAR else {}
        told, whose = str(sidecar["sha256"]), str(sidecar["kling_task_id"])
    except (OSError, ValueError, KeyError, TypeError):
        raise NotShown(
            "changed", f"The file beside {path.name} is not the one that was saved with it."
        ) from None
    if whose != kling_task_id or file.get("sha256") not in (None, told):
        raise NotShown("changed", _CHANGED.format(path.name))
    return path, told


def place_of(file: Mapping[str, Any]) -> tuple[str, str | None]:
    """For a card, without reading the file: ``here`` or why not, and that in words."""
    try:
        path = confined(str(file.get("file") or ""))
    except NotShown as reason:
        return reason.place, str(reason)
    size = file.get("bytes")
    if path.suffix.lower() not in MEDIA_TYPES or (isinstance(size, int) and path.stat().st_size != size):
        return "changed", _CHANGED.format(path.name)
    return "here", None


def digest(path: Path) -> str:
    """The file's sha256, computed once for as long as the file stays as it is."""
    seen = path.stat()
    return _digest(path, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


@lru_cache(maxsize=4096)
def _digest(path: Path, *_identity: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _below(path: Path, roots: list[Path]) -> bool:
    try:
        real = path.resolve()
    except (OSError, RuntimeError, ValueError):  # a ring of links, a zero byte
        return False
    return any(real.is_relative_to(root) for root in roots)
