# SPDX-License-Identifier: Apache-2.0
"""The route ``POST /kling-callbacks/{conn_id}`` of Airflow's API server. It needs no user; a signature stands for one.

Outsiders may send anything, as fast as they like. So what costs least comes first: a limit on messages a second
(:mod:`kling_provider.plugins.callbacks.gate`), then the size while the body is read, then the signature, and only then a look
into the body and at the database. All refused messages get the same answer, whether a connection exists or not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from fastapi import FastAPI, Request
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

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
#: Seconds in which a body must arrive.
_READ_TIME = 10.0


class _TooLarge(Exception):
    """The body is larger than any of Kling's."""


def make_app() -> FastAPI:
    """Return the app that the plugin mounts at ``/kling-callbacks``; without the package that verifies it refuses all."""
    app = FastAPI(
        title="Kling callbacks", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    if not _IS_INSTALLED:
        log.warning(
            "Callbacks of Kling are refused: the API server needs the package standardwebhooks, which "
            "airflow-provider-kling[callbacks] installs."
        )
        return app
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

    return app


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
