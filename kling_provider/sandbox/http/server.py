# SPDX-License-Identifier: Apache-2.0
"""The socket: HTTP/1.1 with one thread for each connection, on the standard library alone.

A web framework would hide what the faults need most: closing a connection before, in the middle of, or instead of
an answer, and a port that refuses connections for a while.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import socket
import socketserver
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, BinaryIO

from kling_provider.sandbox.http.messages import Request, Response, build_html_page

_CHUNK = 256 * 1024
_LARGEST_BODY = 256 * 1024 * 1024
_IDLE = 75.0
"""Seconds after which a connection without requests is closed."""


class Handler(BaseHTTPRequestHandler):
    """Reads requests off one connection and writes their answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.register_connection(self.connection)

    def finish(self) -> None:
        self.server.forget_connection(self.connection)
        super().finish()

    def do_GET(self) -> None:
        self._handle_exchange()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: requests are in ``/_sandbox/requests``."""

    def _handle_exchange(self) -> None:
        request = self._read_request()
        if request is None:
            answer = build_html_page(411, "Length Required")
            self.close_connection = True
        else:
            try:
                answer = self.server.answer(request)
            except Exception:  # noqa: BLE001  (a bug must not look like a lost answer)
                text = traceback.format_exc()
                sys.stderr.write(text)
                answer = Response(
                    status=500, body=f"Bug in the sandbox:\n{text}".encode(), content_type="text/plain"
                )
        if answer.delay:
            time.sleep(answer.delay)
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._write_response(answer)
        finally:
            if answer.file is not None:
                answer.file.close()

    def _read_request(self) -> Request | None:
        """Read the request; None where its body has no stated length, which no client of Kling's needs."""
        length = self.headers.get("Content-Length") or "0"
        stated = re.fullmatch(r"[0-9]{1,18}", length) is not None
        if self.headers.get("Transfer-Encoding") or not stated or int(length) > _LARGEST_BODY:
            return None
        path, _, query = self.path.partition("?")
        return Request(
            method=self.command,
            path=path,
            query=query,
            headers=list(self.headers.items()),
            body=self.rfile.read(int(length)),
        )

    def _write_response(self, answer: Response) -> None:
        if answer.drop:
            self.close_connection = True
            return
        body = b"" if answer.file else answer.encode_body()
        first, length = 0, len(body)
        if answer.file is not None:
            first, last = answer.span or (0, os.fstat(answer.file.fileno()).st_size - 1)
            length = last - first + 1
        try:
            reason = HTTPStatus(answer.status).phrase
        except ValueError:
            reason = ""
        lines = [
            f"HTTP/1.1 {answer.status} {reason}",
            f"Date: {formatdate(self.server.clock(), usegmt=True)}",
            f"Content-Type: {answer.content_type}",
            f"Content-Length: {length}",
            *(f"{name}: {value}" for name, value in answer.headers),
        ]
        if self.close_connection:
            lines.append("Connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        to_send = length
        if answer.cut is not None:
            to_send = int(length * answer.cut)
            self.close_connection = True
        if self.command == "HEAD":
            self.wfile.write(head)
        elif answer.file is None:
            self._send_chunks(head, [body[:to_send]], answer)
        else:
            answer.file.seek(first)
            self._send_chunks(head, _read_chunks(answer.file, to_send), answer)

    def _send_chunks(self, head: bytes, chunks: Iterable[bytes], answer: Response) -> None:
        """Send head and body; byte by byte where the response drips."""
        if answer.drip is None:
            for chunk in itertools.chain([head], chunks):
                self.wfile.write(chunk)
            return
        if not answer.drip_head:
            self.wfile.write(head)
            head = b""
        for chunk in itertools.chain([head], chunks):
            for byte in chunk:
                time.sleep(answer.drip)
                self.wfile.write(bytes([byte]))


def _read_chunks(file: BinaryIO, length: int) -> Iterator[bytes]:
    """Read up to ``length`` bytes of a file, piece by piece."""
    while length > 0 and (chunk := file.read(min(_CHUNK, length))):
        yield chunk
        length -= len(chunk)


class Server(socketserver.ThreadingTCPServer):
    """Accepts connections; the port can be closed for a while.

    :param port: 0 picks a free one.
    :param answer: what a request is answered; called from many threads.
    :param clock: the time of the Date header.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 512

    def __init__(
        self, host: str, port: int, *, answer: Callable[[Request], Response], clock: Callable[[], float]
    ) -> None:
        self.answer = answer
        self.clock = clock
        self._open: dict[socket.socket, int] = {}
        self._open_lock = threading.Lock()
        self._stopping = threading.Event()
        self._port_closed = threading.Event()
        self._reopen_at = 0.0
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Handler)
        self.port: int = self.socket.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.port}"

    def serve_until_stopped(self) -> None:
        """Serve until :meth:`stop_serving`, also across a closed port."""
        while not self._stopping.is_set():
            self.serve_forever(poll_interval=0.05)
            self.socket.close()
            self._drop_connections()
            self._port_closed.set()
            if not self._stopping.wait(max(0.0, self._reopen_at - time.monotonic())):
                self.socket = socket.socket(self.address_family, self.socket_type)
                self.server_bind()
                self.server_activate()

    def close_port(self, seconds: float) -> None:
        """Refuse connections for a while; the connection that asks for it gets its answer."""
        self._reopen_at = time.monotonic() + seconds
        self._port_closed.clear()
        with self._open_lock:
            for connection in [one for one, thread in self._open.items() if thread == threading.get_ident()]:
                del self._open[connection]
        self.shutdown()
        self._port_closed.wait()

    def stop_serving(self) -> None:
        """Stop serving, and end :meth:`serve_until_stopped`."""
        self._stopping.set()
        self.shutdown()

    def register_connection(self, connection: socket.socket) -> None:
        """Remember an open connection and the thread that serves it."""
        with self._open_lock:
            self._open[connection] = threading.get_ident()

    def forget_connection(self, connection: socket.socket) -> None:
        """Forget a connection that was closed."""
        with self._open_lock:
            self._open.pop(connection, None)

    def _drop_connections(self) -> None:
        with self._open_lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show the traceback of a bug; a client that went away is no news."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)
