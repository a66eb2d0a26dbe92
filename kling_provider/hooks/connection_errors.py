# SPDX-License-Identifier: Apache-2.0
"""Make an :class:`ApiResponse` of a call that got no response. It says whether the request may have arrived.

A request has not arrived if the connection was never established: the name is unknown, the connection was refused or timed
out, TLS failed, or a proxy opened no tunnel. After that Kling may have made a task, whatever failed. Both transports use
this.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from urllib3 import exceptions as urllib3

from kling_provider.api.codes import ApiResponse, ErrorKind, TaskState

LATE = "no response in time"
BROKEN = "the connection broke before a response came"
NO_PROXY = "the proxy did not open a way to the host: check the proxy"
NO_NAME = "the host's name is not known"
LATE_CONNECT = "the host did not accept a connection in time"
REFUSED = "the host refused the connection"
NO_CONNECTION = "no connection to the host"


def explain_tls(error: object) -> str:
    """Explain a failure of TLS, with OpenSSL's word for it."""
    return f"TLS failed ({getattr(error, 'reason', None)}): check the scheme of host, and verify"


def make_answer(reason: str, *, connected: bool) -> ApiResponse:
    """Return the answer that represents a missing response.

    :param reason: in words without a URL: those may carry secrets.
    :param connected: the connection for this call was established, so that the request may have arrived.
    """
    state = TaskState.MAY_EXIST if connected else TaskState.NONE
    return ApiResponse(ErrorKind.UNREADABLE, message=reason, task_state=state)


def explain_error(error: BaseException, *, connected: bool = False) -> str:
    """Explain an exception of ``requests``, in words without a URL.

    :param connected: it came after the connection was established.
    """
    chain = list(_walk_causes(error))
    if connected:
        late = any(isinstance(cause, urllib3.ReadTimeoutError | TimeoutError) for cause in chain)
        return LATE if late else BROKEN
    if any(isinstance(cause, urllib3.ProxyError) for cause in chain):
        return NO_PROXY
    for cause in chain:
        if isinstance(cause, urllib3.NameResolutionError):
            return NO_NAME
        if isinstance(cause, urllib3.ConnectTimeoutError):
            return LATE_CONNECT
        if isinstance(cause, ConnectionRefusedError):
            return REFUSED
        if isinstance(cause, ssl.SSLError):
            return explain_tls(cause)
        if isinstance(cause, urllib3.NewConnectionError):
            return NO_CONNECTION
        if isinstance(cause, urllib3.ReadTimeoutError):
            return LATE
    return BROKEN


def _walk_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception and those behind it: causes, contexts, and urllib3's ``reason``.

    From the inside out, since the outer ones only say that something failed.
    """
    seen: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        current = todo.pop()
        if current is None or current in seen:
            continue
        seen.append(current)
        todo += [current.__cause__, current.__context__]
        for inner in (getattr(current, "reason", None), *current.args):
            if isinstance(inner, BaseException):
                todo.append(inner)
    precise = [item for item in seen if isinstance(item, OSError | ssl.SSLError)]
    return iter(sorted(seen, key=lambda item: item not in precise))
