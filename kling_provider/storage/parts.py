# SPDX-License-Identifier: Apache-2.0
"""Temporary files of downloads. Each is locked while its process lives, so dead ones can be told and removed."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

#: Where a file system has no locks, a part that was not touched for an hour is dead.
_DEAD_AFTER = 3600.0


@dataclass(frozen=True, slots=True)
class PartFile:
    """``file`` is open for reading and writing."""

    file: BinaryIO
    path: Path

    def sync(self) -> None:
        """Write the file to the disk, not only to the kernel."""
        self.file.flush()
        os.fsync(self.file.fileno())


@contextmanager
def part_file(folder: Path, prefix: str, *, private: bool = False) -> Iterator[PartFile]:
    """Open a new file ``{prefix}{random}`` in ``folder``, gone afterwards unless it was renamed.

    :param private: readable by this user only (in a folder that is shared with other users).
    """
    path, descriptor = _create_locked(folder, prefix, 0o600 if private else 0o666)
    try:
        with open(descriptor, "w+b", closefd=False) as file:
            yield PartFile(file, path)
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)  # also ends the lock


def _create_locked(folder: Path, prefix: str, mode: int) -> tuple[Path, int]:
    while True:
        path = folder / f"{prefix}{secrets.token_hex(4)}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            _lock_file(descriptor)
            taken = not os.fstat(descriptor).st_nlink
        except BlockingIOError:
            taken = True
        except OSError:
            taken = False  # no locks here
        if not taken:
            return path, descriptor
        # Another process that cleaned up took it for dead in the moment before it was locked, and has removed it or will.
        os.close(descriptor)


def remove_dead(folder: Path, *prefixes: str) -> None:
    """Remove the parts of processes that died, so that they do not pile up. A missing folder has none."""
    try:
        with os.scandir(folder) as entries:
            found = [folder / entry.name for entry in entries if entry.name.startswith(prefixes)]
    except (FileNotFoundError, NotADirectoryError):
        return
    for path in found:
        try:
            # For writing, because some network file systems lock nothing else.
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue  # gone by now, or another user's
        try:
            if _is_dead(descriptor):
                path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def _is_dead(descriptor: int) -> bool:
    try:
        _lock_file(descriptor)
    except BlockingIOError:
        return False
    except OSError:
        return time.time() - os.fstat(descriptor).st_mtime > _DEAD_AFTER
    return True


def _lock_file(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
