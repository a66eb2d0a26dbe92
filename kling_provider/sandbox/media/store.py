# SPDX-License-Identifier: Apache-2.0
"""The store of rendered films: each is made when first fetched, once, and kept while there is room."""

from __future__ import annotations

import shutil
import tempfile
import threading
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qs

from kling_provider.sandbox.state.tasks import Task

AT_ONCE = 2
"""Renders side by side; more would only take each other's time."""


class MediaStore:
    """
    MediaStore on disk, oldest use thrown away first.

    :param folder: parent of the store's own folder, which is removed by :meth:`close`; default: the system's. The
        films of a task that is kept longer are rendered again.
    :param limit: bytes that may be kept.
    :param short_side: pixels of the shorter side of every video; default: what its resolution means.
    """

    def __init__(self, folder: Path | None, *, limit: int, short_side: int | None = None) -> None:
        self._parent = folder
        self._made: Path | None = None
        self._limit = limit
        self._short_side = short_side
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}
        self._kept: dict[str, int] = {}
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        self.rendered = 0

    @property
    def _folder(self) -> Path:
        """Made with the first film, so that a sandbox without films leaves no trace."""
        with self._lock:
            if self._made is None:
                if self._parent is not None:
                    self._parent.mkdir(parents=True, exist_ok=True)
                self._made = Path(tempfile.mkdtemp(prefix="kling-sandbox-", dir=self._parent))
            return self._made

    def open(self, task: Task, *, watermark: bool = False) -> BinaryIO:
        """The film of a task, rendered now if it is not there. Two callers at once render once."""
        name = f"{task.id}{'-watermark' if watermark else ''}.mp4"
        path = self._folder / name
        with self._lock:
            making = self._making.setdefault(name, threading.Lock())
        with making:
            while True:
                try:
                    film = path.open("rb")
                except FileNotFoundError:
                    with self._slots:
                        self._render(task, path, watermark)
                else:
                    self._touch(name, path)
                    return film

    def _render(self, task: Task, path: Path, watermark: bool) -> None:
        from kling_provider.sandbox.media import video as film  # the drawing libraries are heavy: only now

        unfinished = path.with_suffix(".part")
        film.render(
            task, unfinished, picture=_picture(task), watermark=watermark, short_side=self._short_side
        )
        unfinished.rename(path)
        with self._lock:
            self.rendered += 1

    def _touch(self, name: str, path: Path) -> None:
        with self._lock:
            size = self._kept.pop(name, None)
            self._kept[name] = path.stat().st_size if size is None and path.exists() else size or 0
            while sum(self._kept.values()) > self._limit and len(self._kept) > 1:
                oldest = next(iter(self._kept))
                del self._kept[oldest]
                # whoever is reading it keeps the open file
                path.with_name(oldest).unlink(missing_ok=True)

    def clear(self) -> None:
        with self._lock:
            for name in self._kept:
                assert self._made is not None
                (self._made / name).unlink(missing_ok=True)
            self._kept.clear()

    def close(self) -> None:
        if self._made is not None:
            shutil.rmtree(self._made, ignore_errors=True)


def _picture(task: Task) -> bytes | None:
    image = task.request.image
    if image is None:
        return None
    if image.sample_query is not None:
        return sample(image.sample_query)
    return image.data


def sample(query: str) -> bytes:
    """The sandbox's own picture for ``w``, ``h`` (bounded) and ``seed`` of a query."""
    from kling_provider.sandbox.media import video as film

    values = parse_qs(query)

    def side(key: str, default: int) -> int:
        text = values.get(key, [""])[0]
        return min(4096, max(1, int(text))) if text.isascii() and text.isdigit() else default

    return film.sample_picture(side("w", 1280), side("h", 720), values.get("seed", ["1"])[0])
