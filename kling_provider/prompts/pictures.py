# SPDX-License-Identifier: Apache-2.0
"""Pictures that a prompt file names: found beside it, so that the request says where they are from anywhere."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_provider.prompts.finding import AnyPath

# Base64 has no dot, and no path is this long without one. (A JPEG's begins like an absolute path: /9j/.)
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]{200,}")


def absolute(picture: str, folder: AnyPath) -> str:
    """``picture`` as a request carries it: an address or base64 as it is, a path made absolute.

    :param folder: that of the file which names it.
    :raises ValueError: where no file is there; the text continues ``first_frame 'a.png': …``.
    """
    if (
        not picture
        or picture.lower().startswith(("http://", "https://", "data:"))
        or _BASE64.fullmatch(picture)
    ):
        return picture
    if "://" in picture:
        from airflow.sdk import ObjectStoragePath

        path: AnyPath = ObjectStoragePath(picture)
    elif not isinstance(folder, Path) and picture.startswith("/"):
        # Whoever may write into a bucket must not thereby read the worker's disk.
        raise ValueError(f"is a path of the worker, in a prompt file of {folder}; write a relative one")
    else:
        path = folder / picture
    try:
        there = path.is_file()
    except OSError:  # a name that is too long
        there = False
    if not there:
        raise ValueError(f"there is no such file (looked for {path})")
    # Links stay: the one that a mounted volume swaps at each change must not be followed now.
    return os.path.abspath(path) if isinstance(path, Path) else str(path)  # noqa: PTH100
