# SPDX-License-Identifier: Apache-2.0
"""Send the calls of ``KlingHook``, with requests.

:func:`prepare_call` makes a call complete, so that after it only the network can fail; it may raise. :func:`send_call` sends it
and always returns a response. A call is sent a second time only if Kling refused its token as early or late, and made
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest, Request, Response, Session
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.exceptions import InvalidSchema, RequestException
from requests.utils import select_proxy
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from kling_provider.api.codes import ApiResponse, ErrorKind, TaskState
from kling_provider.exceptions import KlingRequestError
from kling_provider.hooks.authorization import find_skew_for_retry, make_authorization
from kling_provider.hooks.connection_errors import explain_error, make_answer
from kling_provider.hooks.http_options import check_tls, make_session, split_extras
from kling_provider.hooks.patience import Patience, make_patient_response
from kling_provider.hooks.responses import LARGEST_RESPONSE, read_response, refuse_large_response

if TYPE_CHECKING:
    from kling_provider.api.auth import Credential
    from kling_provider.api.calls import ApiRequest
    from kling_provider.hooks.connection import KlingConnection


#: Bytes of an answer that are unpacked at once.
_PIECE = 64 * 1024
#: Seconds in which a request must be sent, at least: images travel in it.
_SEND_TIME = 300.0


class _Bearer(AuthBase):
    """An auth object of our own: without one ``requests`` would let a netrc file override the key."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = self._token
        return request


class WatchedAdapter(HTTPAdapter):
    """Tries once, knows whether the connection came to stand, and waits for the end of an answer only so long.

    What fails before the connection stands, at the host or at a proxy on the way to it, has sent nothing.

    :param answer_time: seconds for a whole answer, from when the request was sent.
    :param slowest: bytes a second, for answers that are long: what has come gives so much more time.
    """

    def __init__(self, *, answer_time: float, slowest: float | None = None) -> None:
        self.connected = False
        self.answer_time = answer_time
        self.slowest = slowest
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._watch_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not known:
            self._watch_pools(manager)
        return manager

    def send(self, *args: Any, **kwargs: Any) -> Response:
        self.connected = False
        return super().send(*args, **kwargs)

    def check_route(self, request: PreparedRequest, settings: Mapping[str, Any]) -> None:
        """Find out whether the URL and the proxy can be used; nothing is sent.

        It raises what ``requests`` raises.
        """
        self.get_connection_with_tls_context(
            request, settings["verify"], proxies=settings["proxies"], cert=settings["cert"]
        )

    def _watch_pools(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = {
            scheme: type(
                pool.__name__, (pool,), {"ConnectionCls": self._make_watched_class(pool.ConnectionCls)}
            )
            for scheme, pool in manager.pool_classes_by_scheme.items()
        }

    def _make_watched_class(self, connection: type[HTTPConnection]) -> type[HTTPConnection]:
        adapter = self

        class Watched(connection):  # type: ignore[misc, valid-type]
            def connect(self) -> None:
                self._patience = Patience(adapter.answer_time)  # for a proxy that opens the way
                super().connect()
                adapter.connected = True
                # Until now the time to connect counts; a large request takes longer on a slow line.
                self.sock.settimeout(max(adapter.answer_time, _SEND_TIME))

            def getresponse(self) -> Any:
                self._patience = Patience(adapter.answer_time, adapter.slowest)
                return super().getresponse()

            def response_class(self, sock: Any, *args: Any, **kwargs: Any) -> Any:
                return make_patient_response(sock, self._patience, *args, **kwargs)

        return Watched


@dataclass(frozen=True, slots=True)
class PreparedCall:
    """One call with URL, headers, body, proxy, certificates and time-outs in their last form."""

    session: Session = field(repr=False)
    adapter: WatchedAdapter = field(repr=False)
    request: PreparedRequest = field(repr=False)
    #: Proxies and certificates, as ``Session.send`` takes them.
    settings: Mapping[str, Any] = field(repr=False)
    #: Seconds until a connection stands, and between two pieces of an answer.
    timeout: tuple[float, float]
    credential: Credential = field(repr=False)
    at_kling: bool = True
    #: The model that a create asks for, as the host calls it.
    model: str | None = None
    #: The type of the request of a create: the answer to some is the result, and names no task.
    type: str | None = None
    #: The nearest one that Kling serves now, for people.
    nearest_model: str | None = None

    @property
    def is_read_by_proxy(self) -> bool:
        """Tell whether a proxy reads this request itself; for ``https`` it only opens a tunnel."""
        url = str(self.request.url)
        return url.startswith("http:") and select_proxy(url, self.settings["proxies"]) is not None


class SyncTransport:
    """The way to one host for ``KlingHook``: sessions with what a connection of providers-http may say, and calls by them.

    ``HttpHook`` itself is not asked for them: importing it loads aiohttp, which every start of a worker would pay, and its
    ``run`` would send a paid call again (decision 0031).

    :param connection: what the Airflow connection means.
    """

    def __init__(self, connection: KlingConnection) -> None:
        self._connection = connection

    def send_read(self, call: ApiRequest) -> ApiResponse:
        """Send a free call, on a connection that is kept open for the next one.

        :raises KlingRequestError: where the call cannot be made; nothing was sent.
        """
        return send_call(prepare_call(self._kept_session, self._connection, call))

    def open_session(self) -> Session:
        """Return a new session with the connection's own headers, proxies and certificates.

        :raises KlingRequestError: for an extra that cannot be used.
        """
        return make_session(split_extras(self._connection.http_extras))

    @cached_property
    def _kept_session(self) -> Session:
        return self.open_session()


def prepare_call(session: Session, connection: KlingConnection, call: ApiRequest) -> PreparedCall:
    """Prepare a call for :func:`send_call`.

    :param session: with the connection's own headers, proxies and certificates.
    :raises KlingRequestError: where the call cannot be made; the text does not say whether anything was sent.
    """
    where = f"Connection {connection.conn_id!r}"
    options = split_extras(connection.http_extras)
    session.auth = _Bearer(make_authorization(connection.credential))
    try:
        request = session.prepare_request(
            Request(call.method, connection.base_url + call.path, params=call.params, json=call.json)
        )
        settings = session.merge_environment_settings(
            request.url, session.proxies, False, session.verify, options.cert
        )
    except (RequestException, HTTPError, ValueError):
        raise KlingRequestError(
            f"{where}: no call to {connection.host} can be made of this connection and this request: "
            "its host must be a URL such as https://api-singapore.klingai.com, and numbers "
            "must be finite."
        ) from None
    check_tls(where, settings["verify"], settings["cert"])
    adapter = _find_adapter(session, str(request.url), options.answer_time)
    try:
        adapter.check_route(request, settings)
    except (RequestException, HTTPError, ValueError, AssertionError) as why:
        socks = " SOCKS proxies need the package PySocks." if isinstance(why, InvalidSchema) else ""
        raise KlingRequestError(
            f"{where}: its proxy (extra proxies, or HTTPS_PROXY) or its host cannot be used: a "
            f"proxy must be a URL such as http://proxy.example:3128.{socks}"
        ) from None
    timeout = options.connect_timeout, options.read_timeout
    return PreparedCall(
        session, adapter, request, settings, timeout, connection.credential, connection.profile.is_kling
    )


def send_call(prepared: PreparedCall) -> ApiResponse:
    """Send a call once, without redirects and without any library's retry; never raise, whatever happens.

    Where Kling found the token early or late, nothing was made: the call gets a token by Kling's clock, and is sent once
    more.
    """
    answer, headers = _send_once(prepared)
    skew = find_skew_for_retry(answer, headers, prepared.credential)
    if skew is not None:
        _Bearer(make_authorization(prepared.credential, skew=skew))(prepared.request)
        answer, _ = _send_once(prepared)
    return answer


def _send_once(prepared: PreparedCall) -> tuple[ApiResponse, Mapping[str, str]]:
    try:
        # Not by the session: that looks at the address of a redirect even where it is told not to follow.
        settings = {**prepared.settings, "stream": True}
        response = prepared.adapter.send(prepared.request, timeout=prepared.timeout, **settings)
        body = _read_body(response)
    except (
        RequestException,
        HTTPError,
        OSError,
        ValueError,
    ) as error:  # requests lets some of them through bare
        connected = prepared.adapter.connected
        return make_answer(explain_error(error, connected=connected), connected=connected), {}
    if body is None:
        return refuse_large_response(response.status_code, at_kling=prepared.at_kling), response.headers
    authorization = prepared.request.headers["Authorization"]
    answer = read_response(
        response.status_code, response.headers, body, authorization, at_kling=prepared.at_kling
    )
    if response.status_code == 407 and prepared.is_read_by_proxy:
        text = "the proxy requires a user name and a password: write them into its URL"
        answer = replace(answer, kind=ErrorKind.INVALID, message=text, task_state=TaskState.NONE)
    return answer, response.headers


def _read_body(response: Response) -> bytes | None:
    """Read the whole body, unpacked; return ``None`` where it is larger than any answer of Kling's."""
    with response:
        parts, size = [], 0
        for part in response.raw.stream(_PIECE, decode_content=True):
            size += len(part)
            if size > LARGEST_RESPONSE:
                return None
            parts.append(part)
        return b"".join(parts)


def _find_adapter(session: Session, url: str, answer_time: float) -> WatchedAdapter:
    """Find the session's adapter, which replaces that of requests at its first call."""
    found = session.get_adapter(url)
    if isinstance(found, WatchedAdapter):
        return found
    watched = WatchedAdapter(answer_time=answer_time)
    session.mount("http://", watched)
    session.mount("https://", watched)
    return watched
