# SPDX-License-Identifier: Apache-2.0
"""The gate before the route of callbacks: a limit on messages a second, which costs next to nothing. It imports nothing heavy.

It stands there before what it guards is imported: that takes a second or two, in which a thousand messages may come.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from kling_provider import metrics

#: Messages a second, for long and at once; two come for each Kling task.
_RATE, _BURST = 50.0, 300.0
#: Messages that are read and handled at the same time.
_AT_ONCE = 64

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


class FloodGate:
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
