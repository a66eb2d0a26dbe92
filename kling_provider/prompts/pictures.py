# SPDX-License-Identifier: Apache-2.0
"""Inputs that a prompt file names: found beside it, and only where prompt files may point to.

A request in Dag code may name any path. A prompt file may come from somebody else, and what it names is read on the
worker and sent to Kling.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from kling_provider.api.redaction import shorten
from kling_provider.prompts.finding import find_root, on_disk, refused

if TYPE_CHECKING:
    from kling_provider.prompts.finding import AnyPath

_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]{200,}")
#: How a jpg and a png begin. A jpg's looks like an absolute path, and a path may be written to look like base64.
_BEGINNINGS = ("/9j/", "iVBORw0KGgo")
#: Longer ones are no paths (PATH_MAX).
_LONGEST_PATH = 4096
_WIDER = "put its folder into inputs_below of load_prompts if that is meant"


class Inputs:
    """Where the inputs that prompt files name may lie.

    :param own: the folder that is loaded. It is all that counts by default; of a bucket, the whole bucket.
    :param below: folders and buckets instead.
    """

    def __init__(self, own: AnyPath, below: Sequence[str | os.PathLike[str]] | str | None) -> None:
        if below is None:
            self._allowed = [own if on_disk(own) else _bucket(own)]
            return
        given = [below] if isinstance(below, str | os.PathLike) else below
        if not isinstance(given, list | tuple) or not all(
            isinstance(one, str | os.PathLike) for one in given
        ):
            raise refused(f"inputs_below must be a list of folders and buckets; found {below!r:.80}")
        self._allowed = [find_root(str(one)) for one in given]

    def find(self, picture: str, folder: AnyPath) -> str:
        """``picture`` as a request carries it: a URL or base64 as it is, a path made absolute.

        :param folder: that of the file which names it.
        :raises ValueError: where no file is there, or it lies elsewhere; the text continues ``first_frame 'a.png': …``.
        """
        if not picture or picture.lower().startswith(("http://", "https://", "data:")) or _is_base64(picture):
            return picture
        path = _path(picture, folder)
        if not any(_is_below(path, one) for one in self._allowed):
            raise ValueError(f"lies outside of what prompt files may name ({self._shown()}); {_WIDER}")
        try:
            there = path.is_file()
        except ImportError as error:
            raise ValueError(f"cannot be read here: {error}") from None
        except (OSError, ValueError):  # a name that is too long, or holds a zero byte
            there = False
        if not there:
            raise ValueError(f"there is no such file (looked for {shorten(str(path))})")
        # Links stay: the one that a mounted volume swaps at each change must not be followed now.
        return os.path.abspath(path) if isinstance(path, Path) else str(path)  # noqa: PTH100

    def _shown(self) -> str:
        return ", ".join(map(str, self._allowed)) or "no files"


def _is_base64(text: str) -> bool:
    return bool(_BASE64.fullmatch(text)) and (text.startswith(_BEGINNINGS) or len(text) > _LONGEST_PATH)


def _path(picture: str, folder: AnyPath) -> AnyPath:
    """Where ``picture`` is, wherever that is."""
    if "://" in picture:
        from airflow.sdk import ObjectStoragePath

        try:
            named = ObjectStoragePath(picture)
        except ValueError as error:
            raise ValueError(f"cannot be read here: {error}") from None
        if on_disk(named) is None:
            return named
        picture = named.path
    if isinstance(folder, Path):
        return folder / picture
    if picture.startswith("/"):
        # Whoever may write into a bucket must not thereby read the worker's disk.
        raise ValueError(f"is a path of the worker, in a prompt file of {folder}; write a relative one")
    place = folder
    for part in PurePosixPath(picture).parts:
        place = place.parent if part == ".." else place / part
    return place


def _is_below(path: AnyPath, allowed: AnyPath) -> bool:
    here, there = on_disk(path), on_disk(allowed)
    if here is not None:
        try:
            return there is not None and Path(os.path.realpath(here)).is_relative_to(os.path.realpath(there))
        except ValueError:  # a zero byte
            return False
    if isinstance(path, Path) or isinstance(allowed, Path) or path.protocol != allowed.protocol:
        return False
    # Whose credentials are used is no prompt file's choice.
    if path.conn_id not in (None, allowed.conn_id):
        return False
    # A key may hold .. as a name, and some stores take it for a way up.
    key = PurePosixPath(path.path)
    return ".." not in key.parts and key.is_relative_to(allowed.path)


def _bucket(path: AnyPath) -> AnyPath:
    if isinstance(path, Path):
        return path
    bucket = PurePosixPath(path.path.lstrip("/")).parts[0]
    return type(path)(f"{path.protocol}://{bucket}", conn_id=path.conn_id)
