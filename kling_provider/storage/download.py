# SPDX-License-Identifier: Apache-2.0
"""One result link -> checked bytes in a local file.

The API key never travels here: results lie on other hosts than the API. Links are signed, so no text, log
line or exception shows more of one than its host.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, BinaryIO

import requests
from requests import exceptions
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random

from kling_provider.api.codes import TaskState
from kling_provider.api.output_types import name_output
from kling_provider.api.redaction import clean_text, show_host
from kling_provider.api.tasks import KlingTask, Output
from kling_provider.exceptions import KlingServerError, KlingTaskNotFound
from kling_provider.hooks.connection_errors import explain_error
from kling_provider.hooks.http_options import HttpOptions, split_extras
from kling_provider.hooks.transport import WatchedAdapter
from kling_provider.storage.addresses import Reach, Refused, guard_session, is_downgrade
from kling_provider.storage.failures import say_where_it_stays
from kling_provider.storage.links import hide_queries_in_debug_logs
from kling_provider.storage.output_types import find_defect, find_suffix

if TYPE_CHECKING:
    from requests import Response, Session
    from tenacity import RetryCallState

log = logging.getLogger(__name__)

_TRIES = 5
_CHUNK = 256 * 1024
#: A bound for hosts that never stop sending: far above 30 seconds of 4k, Kling's longest videos.
_LARGEST = 4 * 1024**3

#: Bytes a second; a host that sends less for minutes is given up, as it would hold the worker for ever.
_SLOWEST = 16 * 1024

#: These say "later", everything else that is not 200 says "not with this link".
_LATER = frozenset((408, 425, 429))


@dataclass(frozen=True, slots=True)
class Fetched:
    """``suffix`` is that of its format, ``host`` is where the bytes came from."""

    size: int
    sha256: str
    suffix: str
    host: str


class _Transient(Exception):
    """The network or the server failed; the link may be good."""


class _DeadLink(Exception):
    """The link will not give the file; a fresh one may."""


def fetch_output(
    task: KlingTask,
    index: int,
    file: BinaryIO,
    *,
    refresh: Callable[[], KlingTask],
    http_extras: Mapping[str, Any],
    reach: Reach | None = None,
) -> Fetched:
    """Download output ``index`` of ``task`` into ``file``, whole and checked.

    Cuts, time-outs and 5xx are tried again with growing pauses. A dead link (403, 404, 410, …) is replaced
    once by a fresh one.

    :param refresh: reads the task again.
    :param reach: which private addresses may be connected to; ``None`` is all.
    :raises KlingServerError: a retry may get it, at no cost.
    :raises KlingTaskNotFound: it is gone from Kling for good.
    """
    hide_queries_in_debug_logs()
    options = split_extras(http_extras)
    wanted = task.outputs[index]
    with _open_session(options, reach) as session:
        got = _try_link(session, options, wanted, file)
        if isinstance(got, _DeadLink):
            log.info(
                "The link of Kling task %s does not work any more (%s): Kling is asked for a new one",
                task.kling_task_id,
                got,
            )
            task = refresh()
            got = _try_link(session, options, _find_same_output(task, wanted, index), file)
    if isinstance(got, Fetched):
        return got
    expires = task.expires_at
    if isinstance(got, _DeadLink) and expires is not None and expires <= datetime.now(UTC):
        raise KlingTaskNotFound(
            f"The {name_output(wanted.type)} of Kling task {task.kling_task_id} is gone: Kling kept it until {expires:%Y-%m-%d}. It was "
            "paid for. For a new one raise take.",
            task_state=TaskState.EXISTS,
            kling_task_id=task.kling_task_id,
        )
    raise KlingServerError(
        f"Could not download the {name_output(wanted.type)}: {got}. {say_where_it_stays(task.kling_task_id, task.expires_at)} "
        "A retry or a clear of this task downloads it again at no cost.",
        task_state=TaskState.EXISTS,
        kling_task_id=task.kling_task_id,
    )


def _find_same_output(task: KlingTask, wanted: Output, index: int) -> Output:
    """Find the same output in a fresh response: by its id, else by its index."""
    for output in task.outputs:
        if wanted.id is not None and output.id == wanted.id:
            return output
    return task.outputs[index] if index < len(task.outputs) else Output(wanted.type)


def _open_session(options: HttpOptions, reach: Reach | None) -> Session:
    """Open a session without any credential: not ours, not the user's header extras, not a client certificate, no netrc."""

    class Anonymous(requests.Session):
        def rebuild_auth(self, prepared_request: Any, response: Any) -> None:
            """Do nothing: requests would ask netrc here, at every redirect."""

        def get_redirect_target(self, resp: Any) -> str | None:
            target = super().get_redirect_target(resp)
            if is_downgrade(str(resp.url), target):
                raise Refused(f"{show_host(str(resp.url))} redirects from https to http")
            return target

    session = Anonymous()
    session.auth = _no_auth  # with one that does nothing, requests does not ask netrc
    session.trust_env = options.trust_env
    if reach is not None:
        guard_session(session, reach, answer_time=options.answer_time, slowest=_SLOWEST)
    else:
        adapter = WatchedAdapter(answer_time=options.answer_time, slowest=_SLOWEST)
        for scheme in ("http://", "https://"):
            session.mount(scheme, adapter)
    session.headers["Accept-Encoding"] = "identity"  # so that Content-Length counts the file's own bytes
    return session


def _no_auth(request: Any) -> Any:
    return request


def _try_link(
    session: Session, options: HttpOptions, output: Output, file: BinaryIO
) -> Fetched | _DeadLink | _Transient:
    """Try one link several times. Faults are returned: raised, they would carry requests' text with the link."""
    retrying = Retrying(
        stop=stop_after_attempt(_TRIES),
        wait=wait_exponential(multiplier=0.5, max=10) + wait_random(0, 0.5),
        retry=retry_if_exception_type(_Transient),
        before_sleep=_log_next_try,
        reraise=True,
    )
    try:
        return retrying(_fetch_once, session, options, output, file)
    except (_DeadLink, _Transient) as fault:
        return fault


def _log_next_try(state: RetryCallState) -> None:
    fault = state.outcome.exception() if state.outcome else None
    wait = state.next_action.sleep if state.next_action else 0
    log.warning("Download attempt %d of %d: %s; again in %.1f s", state.attempt_number, _TRIES, fault, wait)


def _fetch_once(session: Session, options: HttpOptions, output: Output, file: BinaryIO) -> Fetched:
    url = output.url or ""
    if not url.lower().startswith(("http://", "https://")):
        raise _DeadLink(
            "the URL that the task names must begin with http:// or https://"
            if url
            else "the task names no URL"
        )
    host = show_host(url)
    with _open_link(session, options, url) as response:
        if response.status_code in _LATER or response.status_code >= 500:
            raise _Transient(f"{host} answered {response.status_code}")
        if response.status_code != 200:
            raise _DeadLink(f"{host} answered {response.status_code}")
        size, digest = _stream_to_file(response, file, host)
        kind = clean_text(response.headers.get("Content-Type", "unknown type"), 60)
    if (wrong := find_defect(output.type, file, size)) is not None:
        raise _Transient(f"what {host} sent is not a whole {output.type}: {wrong} ({size} bytes, {kind})")
    return Fetched(size, digest, find_suffix(output.type, file, url), host)


def _open_link(session: Session, options: HttpOptions, url: str) -> Response:
    """Open a link. Redirects are followed, to http and https only (requests knows nothing else)."""
    try:
        return session.get(
            url,
            stream=True,
            timeout=(options.connect_timeout, options.read_timeout),
            proxies=dict(options.proxies or {}),
            verify=options.verify,
        )
    except Refused as error:
        dead = _DeadLink(str(error))
    except (exceptions.InvalidSchema, exceptions.InvalidURL, exceptions.TooManyRedirects):
        dead = _DeadLink(f"{show_host(url)} redirects to where nothing can be fetched")
    except exceptions.RequestException as error:
        raise _Transient(f"{show_host(url)}: {explain_error(error)}") from None
    except OSError as error:
        # requests looks for the CA bundle before it connects.
        raise _Transient(f"the connection's extra verify cannot be used: {error}") from None
    raise dead


def _stream_to_file(response: Response, file: BinaryIO, host: str) -> tuple[int, str]:
    """Write the body of a response to ``file``; return its size in bytes and its sha256. Errors of ``file`` pass through."""
    stated = response.headers.get("Content-Length", "")
    expected = (
        int(stated)
        if re.fullmatch(r"[0-9]{1,18}", stated)
        and response.headers.get("Content-Encoding", "identity") == "identity"
        else None
    )
    _not_too_large(expected or 0, host)
    file.seek(0)
    file.truncate()
    size, digest = 0, sha256()
    try:
        for chunk in response.iter_content(_CHUNK):
            size += len(chunk)
            _not_too_large(size, host)
            digest.update(chunk)
            file.write(chunk)
    except exceptions.RequestException:
        raise _Transient(f"the download from {host} was cut, of {stated or 'unknown'} bytes") from None
    file.flush()
    if expected is not None and size != expected:
        raise _Transient(f"{host} sent {size} of {expected} bytes")
    return size, digest.hexdigest()


def _not_too_large(size: int, host: str) -> None:
    if size > _LARGEST:
        raise _DeadLink(f"{host} sends more than {_LARGEST // 1024**3} GiB, which is no result of Kling's")
