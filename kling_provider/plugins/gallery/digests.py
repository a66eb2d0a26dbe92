# SPDX-License-Identifier: Apache-2.0
"""SHA-256 of files: one computation at a time per file, remembered for as long as the file stays as it is."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property

from kling_provider.plugins.gallery.opening import OpenFile

_CHUNK = 1024 * 1024


class TooManyFiles(Exception):
    """The queue of files that wait for their digest is full."""


class Digests:
    """Computes and remembers digests. A request that waits for one holds no thread of the API server.

    :param remembered: files whose digest is kept; the one that was asked for longest ago goes first.
    :param at_once: files that are read at the same time.
    :param waiting: files that may wait or be read; one more is refused.
    """

    def __init__(self, *, remembered: int = 4096, at_once: int = 2, waiting: int = 64) -> None:
        self._remembered = remembered
        self._at_once = at_once
        self._waiting = waiting
        self._known: OrderedDict[tuple[int, ...], str] = OrderedDict()
        self._computing: dict[tuple[int, ...], Future[str | None]] = {}
        self._lock = threading.Lock()

    async def compute_digest(self, file: OpenFile) -> str | None:
        """Compute the SHA-256 of a file in hexadecimal digits; return ``None`` if the file changed meanwhile.

        :raises TooManyFiles: if the queue is full.
        """
        with self._lock:
            if (known := self._known.get(file.identity)) is not None:
                self._known.move_to_end(file.identity)
                return known
            future = self._computing.get(file.identity)
            if future is None:
                if len(self._computing) >= self._waiting:
                    raise TooManyFiles
                future = self._thread_pool.submit(self._read_digest, file)
                self._computing[file.identity] = future
        # Shielded: a client that disconnects must not cancel it for the others.
        return await asyncio.shield(asyncio.wrap_future(future))

    @cached_property
    def _thread_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._at_once, thread_name_prefix="kling-digest")

    def _read_digest(self, file: OpenFile) -> str | None:
        found: str | None = None
        try:
            digest, offset = hashlib.sha256(), 0
            while chunk := file.read(_CHUNK, offset):
                digest.update(chunk)
                offset += len(chunk)
            found = digest.hexdigest() if file.is_unchanged() else None
            return found
        finally:
            with self._lock:
                del self._computing[file.identity]
                if found is not None:
                    self._known[file.identity] = found
                    while len(self._known) > self._remembered:
                        self._known.popitem(last=False)
