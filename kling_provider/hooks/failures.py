# SPDX-License-Identifier: Apache-2.0
"""A call that got no answer -> an :class:`Answer` that says whether the request may have arrived.

Only what failed before the connection stood counts as "not made": a name that is not known, a connect that was
refused or timed out, TLS, a proxy that opened no way. After that a task may have been made, whatever failed.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from kling_provider.api.codes import Answer, Kind, TaskState


def no_answer(error: BaseException, *, connected: bool) -> Answer:
    """What a ``requests`` exception means. The text names no address: those may carry secrets.

    :param connected: the connection for this call stood, so that the request may have arrived.
    """
    state = TaskState.MAY_EXIST if connected else TaskState.NONE
    return Answer(Kind.UNREADABLE, message=reason(error, connected=connected), task_state=state)


def reason(error: BaseException, *, connected: bool = False) -> str:
    """What a ``requests`` exception means, in words without an address.

    :param connected: it came after the connection stood.
    """
    from urllib3 import exceptions as urllib3

    chain = list(_chain(error))
    if connected:
        if any(isinstance(cause, urllib3.ReadTimeoutError | TimeoutError) for cause in chain):
            return "no answer in time"
        return "the connection broke before an answer came"
    if any(isinstance(cause, urllib3.ProxyError) for cause in chain):
        return "the proxy did not open a way to the host: check the proxy"
    for cause in chain:
        if isinstance(cause, urllib3.NameResolutionError):
            return "the host's name is not known"
        if isinstance(cause, urllib3.ConnectTimeoutError):
            return "the host did not accept a connection in time"
        if isinstance(cause, ConnectionRefusedError):
            return "the host refused the connection"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed ({cause.reason}): check the scheme of host, and verify"
        if isinstance(cause, urllib3.NewConnectionError):
            return "no connection to the host"
        if isinstance(cause, urllib3.ReadTimeoutError):
            return "no answer in time"
    return "the connection broke before an answer came"


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
