# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with files, in words: what happened, what is paid for, and what a retry does."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from kling_provider.api.codes import TaskState
from kling_provider.api.redaction import redact_urls
from kling_provider.exceptions import KlingStorageError

_WORDS = {
    errno.ENOSPC: "there is no space left on that disk",
    errno.EDQUOT: "the quota of that disk is used up",
    errno.EFBIG: "the file is larger than this process may write",
    errno.EACCES: "the worker's user must have permission to do that there",
    errno.EPERM: "the worker's user must have permission to do that there",
    errno.EROFS: "that disk is read-only",
    errno.EEXIST: "a file exists where a folder must be",
    errno.ENOTDIR: "a file exists where a folder must be",
    errno.EISDIR: "a folder exists where the file must be",
}


@contextmanager
def as_storage_error(
    doing: str, *, kling_task_id: str | None = None, until: datetime | None = None
) -> Iterator[None]:
    """Turn an ``OSError`` into :class:`KlingStorageError`.

    :param kling_task_id: the finished task whose result is being saved; without one nothing was paid yet.
    """
    try:
        yield
        return
    except OSError as error:
        reason = _WORDS.get(error.errno or 0) or redact_urls(error.strerror or error)
    text = f"Could not {doing}: {reason}."
    if kling_task_id is None:
        raise KlingStorageError(f"{text} Nothing was sent to Kling.") from None
    raise KlingStorageError(
        f"{text} {say_where_it_stays(kling_task_id, until)} Correct that and clear the task, or let it retry: "
        "it is downloaded again at no cost.",
        task_state=TaskState.EXISTS,
        kling_task_id=kling_task_id,
    ) from None


def say_where_it_stays(kling_task_id: str, until: datetime | None) -> str:
    """Say where a paid result stays, for every failure after the payment."""
    when = f" until {until:%Y-%m-%d %H:%M} UTC" if until else ""
    return f"The result is paid for and stays at Kling{when} (task {kling_task_id})."


@contextmanager
def as_os_error() -> Iterator[None]:
    """Turn what an object store raises into an ``OSError``: their classes share nothing but ``Exception``."""
    try:
        yield
        return
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        reason = f"{type(error).__name__}: {redact_urls(error)[:300]}"
    raise OSError(errno.EIO, reason) from None
