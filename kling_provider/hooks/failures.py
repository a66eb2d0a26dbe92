# SPDX-License-Identifier: Apache-2.0
"""A call that got no answer -> an :class:`Answer` that says whether the request may have arrived.

Only failures that certainly came before the first byte of the request count as "not made": name not
found, connect refused or timed out, TLS hand-shake. Everything else may have made a task.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from kling_provider.api.codes import Answer, Kind, TaskState

#: Reasons that OpenSSL gives only while shaking hands.
_HANDSHAKE = (
    "CERTIFICATE_VERIFY_FAILED",
    "WRONG_VERSION_NUMBER",
    "UNSUPPORTED_PROTOCOL",
    "HANDSHAKE_FAILURE",
    "ALERT_PROTOCOL_VERSION",
    "ALERT_UNKNOWN_CA",
    "UNRECOGNIZED_NAME",
)


def no_answer(error: BaseException) -> Answer:
    """What a ``requests`` exception means. The text names no address: those may carry secrets."""
    from urllib3 import exceptions as urllib3

    chain = list(_chain(error))
    text, arrived = "the connection broke before an answer came", True
    if any(isinstance(cause, urllib3.ProxyError) and _is_connect(cause) for cause in chain):
        text = "the proxy did not open a way to the host: check the proxy"
        return Answer(Kind.UNREADABLE, message=text, task_state=TaskState.NONE)
    for cause in chain:
        if isinstance(cause, urllib3.NameResolutionError):
            text, arrived = "the host's name is not known", False
        elif isinstance(cause, urllib3.ConnectTimeoutError):
            text, arrived = "the host did not accept a connection in time", False
        elif isinstance(cause, ConnectionRefusedError):
            text, arrived = "the host refused the connection", False
        elif isinstance(cause, ssl.SSLError) and any(r in (cause.reason or "") for r in _HANDSHAKE):
            text, arrived = f"TLS failed ({cause.reason}): check the scheme of host, and verify", False
        elif isinstance(cause, urllib3.NewConnectionError):
            text, arrived = "no connection to the host", False
        elif isinstance(cause, urllib3.ReadTimeoutError):
            text = "no answer in time"
        else:
            continue
        break
    state = TaskState.MAY_EXIST if arrived else TaskState.NONE
    return Answer(Kind.UNREADABLE, message=text, task_state=state)


def _is_connect(error: BaseException) -> bool:
    """A proxy that failed the CONNECT saw no request; one that failed a plain http request may have."""
    return any("Tunnel connection failed" in str(cause) for cause in _chain(error)) or (
        "Unable to connect to proxy" in str(error)
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and what is behind it: causes, contexts, and urllib3's ``reason``, most precise last.

    Yielded from the inside out, since the outer ones only say that something failed.
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
