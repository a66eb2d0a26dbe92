# SPDX-License-Identifier: Apache-2.0
"""The text of one prompt file: of a regular file, of a bounded size, in UTF-8."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

from kling_provider.prompts.paths import get_local_path
from kling_provider.prompts.problems import TextProblem

if TYPE_CHECKING:
    from kling_provider.prompts.paths import AnyPath

MAX_FILE_BYTES = 16 * 1024 * 1024


def read_text(path: AnyPath) -> str | TextProblem:
    """Read ``path``, every line ended by ``\\n``, so that one text has one form on all systems."""
    try:
        content = _read_bytes(path)
    except OSError as error:
        return TextProblem(None, "", f"cannot be read: {error.strerror or type(error).__name__}")
    if content is None:
        return TextProblem(None, "", "is no regular file")
    if len(content) > MAX_FILE_BYTES:
        limit = f"has more than {MAX_FILE_BYTES // 1024 // 1024} MB; split it, and name images by path"
        return TextProblem(None, "", limit)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        wrong = f"is not UTF-8 (byte 0x{content[error.start]:02x}): save the file as UTF-8"
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            wrong += " (it is UTF-16, which spreadsheets call Unicode text)"
        return TextProblem(line, "", wrong)
    # Files that were put together with cat have the next one's byte order mark in the middle.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return re.sub("^\ufeff", "", text, flags=re.MULTILINE)


def _read_bytes(path: AnyPath) -> bytes | None:
    """Read no more than one byte beyond the limit; ``None`` for what is no regular file."""
    local = get_local_path(path)
    if local is None:
        with path.open("rb") as remote:
            return bytes(remote.read(MAX_FILE_BYTES + 1))
    # Without O_NONBLOCK the open of a named pipe waits for a writer for ever.
    descriptor = os.open(os.path.realpath(local), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_FILE_BYTES + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
