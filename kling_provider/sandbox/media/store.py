# SPDX-License-Identifier: Apache-2.0
"""The store of media: each file is made when it is first fetched, once, and kept while there is room."""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from kling_provider.sandbox.media.derived import DerivedFile
from kling_provider.sandbox.media.files import MediaFile, VideoFile
from kling_provider.sandbox.media.inputs import InputImage
from kling_provider.sandbox.media.sources import Source

_Media = TypeVar("_Media", bound=MediaFile | DerivedFile)

AT_ONCE = 2
"""Files made side by side; more would only take each other's time."""


class MediaStore:
    """Files on disk, oldest use thrown away first.

    :param folder: parent of the store's own folder, which :meth:`remove_folder` removes; default: the system's. The
        files of a task that is kept longer are made again.
    :param limit: bytes that may be kept.
    :param short_side: pixels of the shorter side of every video; default: what its resolution means.
    :param find_file: returns the name and the maker of the file that a source stands for.
    :param find_image: returns those of an image that is a file of the sandbox itself; None for any other.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        limit: int,
        short_side: int | None = None,
        find_file: Callable[[Source], tuple[str, MediaFile | DerivedFile]],
        find_image: Callable[[InputImage], tuple[str, MediaFile | DerivedFile] | None],
    ) -> None:
        self._parent = folder
        self._made: Path | None = None
        self._limit = limit
        self._short_side = short_side
        self._find_file = find_file
        self._find_image = find_image
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}
        self._kept: dict[str, int] = {}
        self._at_once = threading.BoundedSemaphore(AT_ONCE)
        self.rendered = 0

    def _ensure_folder(self) -> Path:
        """Return the store's folder, made with the first file: without downloads a sandbox leaves no trace."""
        with self._lock:
            if self._made is None:
                if self._parent is not None:
                    self._parent.mkdir(parents=True, exist_ok=True)
                self._made = Path(tempfile.mkdtemp(prefix="kling-sandbox-", dir=self._parent))
            return self._made

    def open_file(self, name: str, media: MediaFile | DerivedFile) -> BinaryIO:
        """Open the file ``name``, made now if it is not there. Two callers at once make it once."""
        path = self._ensure_folder() / name
        with self._lock:
            making = self._making.setdefault(name, threading.Lock())
        with making:
            while True:
                try:
                    file = path.open("rb")
                except FileNotFoundError:
                    self._make_file(media, path)
                else:
                    self._mark_used(name, path)
                    return file

    def _make_file(self, media: MediaFile | DerivedFile, path: Path) -> None:
        unfinished = path.with_suffix(".part")
        media = self._load_inputs(media)
        if isinstance(media, DerivedFile):
            with contextlib.ExitStack() as opened:
                # before taking a place: what a file is made of may have to be made first
                parts = [opened.enter_context(self._open_source(source)) for source in media.sources]
                with self._at_once:
                    media.write_from(parts, unfinished, short_side=self._short_side)
        else:
            with self._at_once:
                media.write_file(unfinished, short_side=self._short_side)
        unfinished.rename(path)
        with self._lock:
            self.rendered += 1

    def _load_inputs(self, media: _Media) -> _Media:
        """Return the description with the bytes of images in it that are files of the sandbox itself, also in its parts."""
        loaded: dict[str, Any] = {}
        for name, value in vars(media).items():
            if isinstance(value, InputImage):
                loaded[name] = self._load_image(value)
            elif isinstance(value, VideoFile):
                loaded[name] = self._load_inputs(value)
            elif isinstance(value, tuple):
                loaded[name] = tuple(
                    self._load_image(one) if isinstance(one, InputImage) else one for one in value
                )
        return replace(media, **loaded) if loaded else media  # type: ignore[type-var]

    def _load_image(self, image: InputImage) -> InputImage:
        found = self._find_image(image) if image.data is None else None
        if found is None:
            return image
        with self.open_file(*found) as file:
            return replace(image, data=file.read())

    def _open_source(self, source: Source) -> BinaryIO:
        if source.data:
            return io.BytesIO(source.load_data())
        return self.open_file(*self._find_file(source))

    def _mark_used(self, name: str, path: Path) -> None:
        with self._lock:
            size = self._kept.pop(name, None)
            self._kept[name] = path.stat().st_size if size is None and path.exists() else size or 0
            while sum(self._kept.values()) > self._limit and len(self._kept) > 1:
                oldest = next(iter(self._kept))
                del self._kept[oldest]
                # whoever is reading it keeps the open file
                path.with_name(oldest).unlink(missing_ok=True)

    def clear_files(self) -> None:
        """Throw all files away."""
        with self._lock:
            for name in self._kept:
                assert self._made is not None
                (self._made / name).unlink(missing_ok=True)
            self._kept.clear()

    def remove_folder(self) -> None:
        """Remove the store's folder."""
        if self._made is not None:
            shutil.rmtree(self._made, ignore_errors=True)
