# SPDX-License-Identifier: Apache-2.0
"""Open a file below a folder, once, by descriptors: what was checked is what is read, whatever is renamed meanwhile."""

from __future__ import annotations

import os
import stat
import weakref
from collections.abc import Sequence
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Not blocking: to open a FIFO without a writer would hold the thread for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class OpenFile:
    """A regular file that is open for reading. It is read from its descriptor, never by its name again.

    It is closed when no reference to it is left.

    :param descriptor: of the open file; it belongs to this object from now on.
    :param name: the file's name, for texts and downloads.
    :param folder: device and inode of the folder that it was opened in.
    """

    def __init__(self, descriptor: int, name: str, folder: tuple[int, int]) -> None:
        self._descriptor = descriptor
        self._close = weakref.finalize(self, os.close, descriptor)
        self.name = name
        self.folder = folder
        self.size = os.fstat(descriptor).st_size
        #: Changes when the file is written to or replaced.
        self.identity = self._read_identity()

    @property
    def suffix(self) -> str:
        """Return the suffix in lower case, such as ``.mp4``."""
        return Path(self.name).suffix.lower()

    def read(self, length: int, offset: int = 0) -> bytes:
        """Read up to ``length`` bytes from ``offset``; several threads may read at once."""
        return os.pread(self._descriptor, length, offset)

    def is_unchanged(self) -> bool:
        """Say whether the file is as it was when it was opened."""
        return self._read_identity() == self.identity

    def close(self) -> None:
        """Close the descriptor; a second call does nothing."""
        self._close()

    def _read_identity(self) -> tuple[int, ...]:
        seen = os.fstat(self._descriptor)
        return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns


def open_below(root: Path, parts: Sequence[str]) -> OpenFile:
    """Open the regular file that lies at ``parts`` below ``root``.

    Each step is opened relative to the folder before it and no link is followed, so nothing that is renamed or linked
    while this runs leads out of ``root``.

    :param root: the folder.
    :param parts: the names of the folders below it, and of the file.
    :raises OSError: if there is no such file, a step is a link, or it is not a regular file.
    """
    folder = os.open(root, _FOLDER)
    try:
        for part in parts[:-1]:
            deeper = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = deeper
        descriptor = os.open(parts[-1], _FILE, dir_fd=folder)
        seen = os.fstat(folder)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(f"{parts[-1]} must be a regular file")
    return OpenFile(descriptor, parts[-1], (seen.st_dev, seen.st_ino))
