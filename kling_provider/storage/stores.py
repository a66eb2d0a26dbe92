# SPDX-License-Identifier: Apache-2.0
"""Reading and writing single files below an ``ObjectStoragePath``, so that each appears whole or not at all.

Paths are used through their ``fs`` only: other methods of an ``ObjectStoragePath`` without a connection id
go past Airflow's own file system on 3.3 (to one without credentials).
"""

from __future__ import annotations

import errno
import inspect
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from hashlib import file_digest
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, BinaryIO, Protocol

from kling_provider.storage.failures import as_os_error
from kling_provider.storage.parts import PartFile, part_file, remove_dead

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

#: Stores where an object appears when its upload is complete, and not before.
_WHOLE_UPLOADS = frozenset(("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "wasb", "wasbs"))

#: How s3fs sends a file: by default it holds up to ten pieces of 50 MB. S3 takes none below 5 MB.
_S3_UPLOAD = {"chunksize": 5 * 2**20, "max_concurrency": 3}

#: File systems without hard links say one of these.
_NO_LINKS = frozenset((errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK))

#: Downloads on their way to an object store, in the worker's folder for temporary files.
_DOWNLOADS = ".kling-download.part-"


class FileStore(Protocol):
    """One kind of place. Raises ``OSError``; ``failures.as_storage_error`` turns that into an error for users."""

    def get_size(self, path: ObjectStoragePath) -> int | None:
        """Return the size of the file in bytes; ``None`` where nothing is there, -1 where something is that is no file."""

    def read_file(self, path: ObjectStoragePath) -> bytes:
        """Read the whole file."""

    def open_file(self, path: ObjectStoragePath) -> BinaryIO:
        """Open the file for reading and seeking."""

    def has_bytes(self, path: ObjectStoragePath, sha256: str) -> bool:
        """Return whether a file of the right size is the right one, as far as that can be asked cheaply."""

    def remove_file(self, path: ObjectStoragePath) -> None:
        """Remove the file, if it is there."""

    def remove_leftovers(self, *paths: ObjectStoragePath) -> None:
        """Remove what killed workers left of these files (all in one folder)."""

    def open_part(self, path: ObjectStoragePath) -> AbstractContextManager[PartFile]:
        """Open a context with a local temporary file (:class:`PartFile`) that :meth:`publish_part` turns into ``path``."""

    def publish_part(self, part: PartFile, path: ObjectStoragePath) -> None:
        """Publish ``part`` as ``path``: the file appears, whole.

        :raises FileExistsError: where one is there already.
        """

    def write_file(self, path: ObjectStoragePath, data: bytes, *, new: bool) -> None:
        """Write a small file, whole. With ``new`` it must not be there yet (``FileExistsError``)."""

    def write_claim(self, path: ObjectStoragePath, data: bytes) -> bool:
        """Write a small file, whole and durable, that must not be there yet (``FileExistsError``).

        :returns: whether the store itself lets one of two simultaneous claims fail; else it was only looked before.
        """


class LocalStore:
    """The worker's disk, or one that is mounted there."""

    def get_size(self, path: ObjectStoragePath) -> int | None:
        place = _to_local(path)
        if not os.path.lexists(place):
            return None
        return place.stat().st_size if place.is_file() else -1

    def read_file(self, path: ObjectStoragePath) -> bytes:
        return _to_local(path).read_bytes()

    def open_file(self, path: ObjectStoragePath) -> BinaryIO:
        return _to_local(path).open("rb")

    def has_bytes(self, path: ObjectStoragePath, sha256: str) -> bool:
        with _to_local(path).open("rb") as file:
            return file_digest(file, "sha256").hexdigest() == sha256

    def remove_file(self, path: ObjectStoragePath) -> None:
        _to_local(path).unlink(missing_ok=True)

    def remove_leftovers(self, *paths: ObjectStoragePath) -> None:
        remove_dead(_to_local(paths[0]).parent, *(_part_prefix(_to_local(path)) for path in paths))

    @contextmanager
    def open_part(self, path: ObjectStoragePath) -> Iterator[PartFile]:
        place = _to_local(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        with part_file(place.parent, _part_prefix(place)) as part:
            yield part

    def publish_part(self, part: PartFile, path: ObjectStoragePath) -> None:
        place = _to_local(path)
        part.sync()
        try:
            os.link(part.path, place)  # unlike a rename, never over something
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
            part.path.replace(place)
        _sync_folder(place.parent)

    def write_file(self, path: ObjectStoragePath, data: bytes, *, new: bool) -> None:
        with self.open_part(path) as part:
            part.file.write(data)
            if new:
                self.publish_part(part, path)
            else:
                part.sync()
                part.path.replace(_to_local(path))
                _sync_folder(part.path.parent)

    def write_claim(self, path: ObjectStoragePath, data: bytes) -> bool:
        self.write_file(path, data, new=True)
        return True


class RemoteStore:
    """An object store, or a file server: what is published was complete and checked on local disk before."""

    def get_size(self, path: ObjectStoragePath) -> int | None:
        try:
            with as_os_error():
                path.fs.invalidate_cache()  # a listing from before a long wait may lie
                info = path.fs.info(path.path)
        except FileNotFoundError:
            return None
        return int(info["size"]) if info.get("type") == "file" and info.get("size") is not None else -1

    def read_file(self, path: ObjectStoragePath) -> bytes:
        with as_os_error():
            return bytes(path.fs.cat_file(path.path))

    def open_file(self, path: ObjectStoragePath) -> BinaryIO:
        with as_os_error():
            file: BinaryIO = path.fs.open(path.path, "rb")
        return file

    def has_bytes(self, path: ObjectStoragePath, sha256: str) -> bool:
        return True  # comparing would download it again

    def remove_file(self, path: ObjectStoragePath) -> None:
        if self.get_size(path) is not None:
            with as_os_error():
                path.fs.rm_file(path.path)

    def remove_leftovers(self, *paths: ObjectStoragePath) -> None:
        remove_dead(Path(gettempdir()), _DOWNLOADS)

    @contextmanager
    def open_part(self, path: ObjectStoragePath) -> Iterator[PartFile]:
        with part_file(Path(gettempdir()), _DOWNLOADS, private=True) as part:
            yield part

    def publish_part(self, part: PartFile, path: ObjectStoragePath) -> None:
        part.sync()
        self._must_be_free(path)
        with as_os_error(), self._open_target(path) as target:
            path.fs.put_file(str(part.path), target, **_choose_upload_options(path))
        if (arrived := self.get_size(path)) != (size := part.path.stat().st_size):
            self.remove_file(path)
            raise OSError(errno.EIO, f"{size} bytes were sent and {arrived} arrived")

    def write_file(self, path: ObjectStoragePath, data: bytes, *, new: bool) -> None:
        if new and path.protocol in _WHOLE_UPLOADS:
            self._create_if_absent(path, data)
            return
        if new:
            self._must_be_free(path)
        self._upload_whole(path, data)

    def _upload_whole(self, path: ObjectStoragePath, data: bytes) -> None:
        with as_os_error(), self._open_target(path) as target:
            path.fs.pipe_file(target, data)

    def write_claim(self, path: ObjectStoragePath, data: bytes) -> bool:
        if path.protocol not in _WHOLE_UPLOADS:
            self.write_file(path, data, new=True)
            return False
        if not self._create_if_absent(path, data):
            return False
        try:
            # A server, or an older client, that does not know the condition ignores it: seen by doing it twice.
            self._create_if_absent(path, data)
        except FileExistsError:
            return True
        return False

    def _create_if_absent(self, path: ObjectStoragePath, data: bytes) -> bool:
        """Upload on condition that nothing is there; ``False`` where that is not known, and it was only looked."""
        try:
            with as_os_error():
                path.fs.pipe_file(path.path, data, mode="create")
        except FileExistsError:
            raise
        except OSError as error:
            # The refusal has many forms, and an upload that was done twice by the client is refused by itself.
            self._must_be_free(path)
            if error.errno != errno.ENOSYS and "TypeError" not in str(error):
                raise
            self._upload_whole(path, data)
            return False
        return True

    def _must_be_free(self, path: ObjectStoragePath) -> None:
        """Raise ``FileExistsError`` where the file is there: a look, and no lock."""
        if self.get_size(path) is not None:
            raise FileExistsError(errno.EEXIST, "is there already", str(path))

    @contextmanager
    def _open_target(self, path: ObjectStoragePath) -> Iterator[str]:
        """Open where to upload to: the file itself, or beside it where a half upload would be seen.

        The name beside is always the same one, so that what a killed worker left is written over.
        """
        if path.protocol in _WHOLE_UPLOADS:
            yield path.path
            return
        folder = path.parent.path
        path.fs.makedirs(folder, exist_ok=True)
        beside = f"{folder.rstrip('/')}/.{path.name}.part"
        try:
            yield beside
            self.remove_file(path)
            path.fs.mv(beside, path.path)
        except BaseException:
            if path.fs.exists(beside):
                path.fs.rm_file(beside)
            raise


def _choose_upload_options(path: ObjectStoragePath) -> dict[str, int]:
    """Return what the file system's ``put_file`` is told beside the paths; others than s3fs have other names for it."""
    if path.protocol not in ("s3", "s3a"):
        return {}
    known = inspect.signature(getattr(path.fs, "_put_file", path.fs.put_file)).parameters
    return {name: value for name, value in _S3_UPLOAD.items() if name in known}


_LOCAL, _REMOTE = LocalStore(), RemoteStore()


def is_local(path: ObjectStoragePath) -> bool:
    """Tell whether a path is one of the worker's disk, by its protocol."""
    return path.protocol in ("", "file", "local")


def store_of(path: ObjectStoragePath) -> FileStore:
    """Return the store of a path, by its protocol."""
    return _LOCAL if is_local(path) else _REMOTE


def may_write(path: ObjectStoragePath) -> None:
    """Check, before anything is paid, that the file could be made.

    On a local disk the folder's permissions decide, in an object store the bucket.

    :raises OSError: where not.
    """
    if store_of(path) is not _LOCAL:
        _bucket_exists(path)
        return
    folder = _to_local(path).parent
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is no folder", str(folder))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "may not be written", str(folder))


def _bucket_exists(path: ObjectStoragePath) -> None:
    if path.protocol not in _WHOLE_UPLOADS:
        return
    bucket = path.path.lstrip("/").partition("/")[0]
    try:
        path.fs.info(bucket)
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, f"there is no bucket {bucket}") from None
    except Exception:  # noqa: BLE001 - many credentials that may write a bucket may not ask about it: the upload will tell
        return


def _part_prefix(place: Path) -> str:
    """Return how the names of parts begin: hidden, and without a video's suffix, so that none is taken for a video."""
    return f".{place.name}.part-"


def _to_local(path: ObjectStoragePath) -> Path:
    return Path(path.path)


def _sync_folder(folder: Path) -> None:
    """Write a folder to the disk: a new name survives a power cut only then."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that cannot
            raise
    finally:
        os.close(descriptor)
