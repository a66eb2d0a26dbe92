# SPDX-License-Identifier: Apache-2.0
"""Limit the time for a whole response.

The time-out of a socket starts anew with every byte. A host that sends one byte now and then would hold a worker for ever.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any


class Patience:
    """So many seconds, and for what has come as many more as the slowest line takes for it.

    :param seconds: for an answer without a byte.
    :param slowest: bytes a second; ``None``: what comes gives no more time.
    """

    def __init__(self, seconds: float, slowest: float | None = None) -> None:
        self._end = time.monotonic() + seconds
        self._slowest = slowest

    def find_time_left(self) -> float:
        """Return the seconds until the end.

        :raises TimeoutError: where it is over.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def add_bytes(self, size: int) -> None:
        """Add the time that the slowest line takes for so many bytes that have come."""
        if self._slowest is not None:
            self._end += size / self._slowest


class _Reader(io.RawIOBase):
    """What comes out of a socket, as long as patience lasts."""

    def __init__(self, sock: socket.socket, patience: Patience) -> None:
        self._sock = sock
        self._patience = patience
        self._between = sock.gettimeout()
        # Holds the socket open for as long as the answer is read.
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._patience.find_time_left()
        self._sock.settimeout(left if self._between is None else min(left, self._between))
        size = self._raw.readinto(buffer)
        self._patience.add_bytes(size or 0)
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Socket:
    """The one thing that ``http.client`` asks of a socket when it reads an answer."""

    def __init__(self, sock: socket.socket, patience: Patience) -> None:
        self._sock = sock
        self._patience = patience

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._patience))


def make_patient_response(
    sock: socket.socket, patience: Patience, *args: Any, **kwargs: Any
) -> http.client.HTTPResponse:
    """Return ``http.client``'s response, which stops reading at the end of ``patience``."""
    return http.client.HTTPResponse(_Socket(sock, patience), *args, **kwargs)  # type: ignore[arg-type]
