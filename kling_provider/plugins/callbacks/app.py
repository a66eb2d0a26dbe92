# SPDX-License-Identifier: Apache-2.0
"""The route ``POST /kling-callbacks/{conn_id}`` of Airflow's API server. It needs no user; a signature stands for one.

Outsiders may send anything, as fast as they like. So what costs least comes first: a limit on messages a second, then the
size while the body is read, then the signature, and only then a look into the body and at the database. All refused
messages get the same answer, whether a connection exists or not.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import FastAPI, Request
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from kling_provider import metrics

try:
    from kling_provider.plugins.callbacks.receiver import Answer, Receiver
except ModuleNotFoundError as missing:
    if missing.name != "standardwebhooks":
        raise
    _IS_INSTALLED = False
else:
    _IS_INSTALLED = True

log = logging.getLogger(__name__)

#: Bytes of the largest body that is read. Kling's are about 1 KB.
_MOST_BYTES = 64 * 1024
#: Messages a second, for long and at once; two come for each Kling task.
_RATE, _BURST = 50.0, 300.0
#: Messages that are read and handled at the same time.
_AT_ONCE = 64
#: Seconds in which a body must arrive.
_READ_TIME = 10.0

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_App = Callable[[_Scope, _Receive, _Send], Awaitable[None]]

#: Marks what the gate has let in, for its place further inside.
_LET_IN = "kling_callbacks.let_in"
_TOO_MANY = b'{"detail":"Too many requests."}'
_TOO_MANY_HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", str(len(_TOO_MANY)).encode()),
    (b"retry-after", b"2"),
]


class _TooLarge(Exception):
    """The body is larger than any of Kling's."""


class _FloodGate:
    """Answers 429 to what comes too fast, before anything is done for it (ASGI).

    What Airflow itself does for each request (log, sign in, compress) costs many times what a refusal costs. So from the
    first message on it also stands before all of that, for the paths of callbacks alone.

    :param app: what answers the others.
    """

    def __init__(self, app: _App) -> None:
        self._app = app
        self._left = _BURST
        self._at = time.monotonic()
        self._open = 0
        self._refused = 0
        self._path = ""
        self._outer: _App | None = None

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not scope.get(_LET_IN):
            self._stand_before_airflow(scope)
            if not self._let_in():
                await self._refuse(send)
                return
        self._open += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open -= 1

    def _stand_before_airflow(self, scope: _Scope) -> None:
        """Put the gate before Airflow's own layers, where this Airflow has them in the usual place."""
        airflow = scope.get("app")
        outer = getattr(airflow, "middleware_stack", None)
        if outer is not None and self._outer is None:
            self._outer, self._path = outer, f"{scope.get('root_path', '')}/"
            airflow.middleware_stack = self._meet_first  # type: ignore[union-attr]

    async def _meet_first(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """Stand in for Airflow's layers: refuse what is too much for callbacks, and pass on all else as it is."""
        assert self._outer is not None
        if scope["type"] == "http" and scope["path"].startswith(self._path):
            if not self._let_in():
                await self._refuse(send)
                return
            scope[_LET_IN] = True
        await self._outer(scope, receive, send)

    def _let_in(self) -> bool:
        now = time.monotonic()
        self._left = min(_BURST, self._left + (now - self._at) * _RATE)
        self._at = now
        if self._left < 1 or self._open >= _AT_ONCE:
            return False
        self._left -= 1
        return True

    async def _refuse(self, send: _Send) -> None:
        if not self._refused:  # a metric for each would cost more than the refusal
            asyncio.get_running_loop().call_later(1.0, self._count_refused)
        self._refused += 1
        await send({"type": "http.response.start", "status": 429, "headers": _TOO_MANY_HEADERS})
        await send({"type": "http.response.body", "body": _TOO_MANY})

    def _count_refused(self) -> None:
        refused, self._refused = self._refused, 0
        metrics.count_refused_callback("too_many", refused)


def make_app() -> _FloodGate:
    """Return the app that the plugin mounts at ``/kling-callbacks``; without the package that verifies it refuses all."""
    app = FastAPI(
        title="Kling callbacks", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    if not _IS_INSTALLED:
        log.warning(
            "Callbacks of Kling are refused: the API server needs the package standardwebhooks, which "
            "airflow-provider-kling[callbacks] installs."
        )
        return _FloodGate(app)
    receiver = Receiver()
    answers: dict[Answer, Callable[[], Response]] = {
        Answer.TAKEN: lambda: JSONResponse({}),
        Answer.REFUSED: lambda: _answer(404, "Not Found"),
        Answer.FAILED: lambda: _answer(503, "Try again.", {"Retry-After": "10"}),
    }

    @app.post("/{conn_id}")
    async def take_callback(conn_id: str, request: Request) -> Response:
        """Take one callback of Kling to the URL of a connection."""
        try:
            async with asyncio.timeout(_READ_TIME):
                body = await _read_body(request)
        except _TooLarge:
            receiver.refuse_too_large()
            return _answer(413, "Too large.", {"Connection": "close"})
        except ClientDisconnect:
            return _answer(400, "Gone.")
        except TimeoutError:
            return _answer(408, "Too slow.", {"Connection": "close"})
        return answers[await receiver.handle(conn_id, request.headers, body)]()

    return _FloodGate(app)


async def _read_body(request: Request) -> bytes:
    """Read the body, and stop as soon as it is too large."""
    try:
        announced = int(request.headers.get("content-length", 0))
    except ValueError:
        announced = 0
    if announced > _MOST_BYTES:
        raise _TooLarge
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > _MOST_BYTES:
            raise _TooLarge
        parts.append(part)
    return b"".join(parts)


def _answer(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"detail": detail}, status_code=status, headers=headers)
