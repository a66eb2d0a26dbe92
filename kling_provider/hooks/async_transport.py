# SPDX-License-Identifier: Apache-2.0
"""Send the reads of ``KlingAsyncHook``, with aiohttp.

Importing it takes about 250 ms, so do not import it at the top of a Dag file.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import aiohttp
from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import AirflowNotFoundException
from asgiref.sync import sync_to_async

from kling_provider.api.auth import AccessKey
from kling_provider.exceptions import KlingRequestError
from kling_provider.hooks import connection_errors
from kling_provider.hooks.authorization import find_skew_for_retry, make_authorization
from kling_provider.hooks.connection import KlingConnection, read_connection
from kling_provider.hooks.connection_errors import make_answer
from kling_provider.hooks.http_options import HttpOptions, Route, find_route, load_tls, split_extras
from kling_provider.hooks.responses import ACCEPTED_ENCODINGS, LARGEST_RESPONSE, read_packed_response

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from kling_provider.api.calls import ApiRequest
    from kling_provider.api.codes import ApiResponse

#: Bytes of a response that are read on the loop; larger ones in a thread.
_SMALL = 8 * 1024


@dataclass(frozen=True, slots=True)
class AsyncTransport:
    """An open way to one host for ``KlingAsyncHook``: all that one Airflow connection decides."""

    connection: KlingConnection
    options: HttpOptions
    route: Route
    session: aiohttp.ClientSession

    @classmethod
    async def open_transport(cls, conn_id: str) -> AsyncTransport:
        """Read the Airflow connection and open an HTTP session.

        :raises KlingError: where the connection cannot work.
        """
        found = await _read_connection(conn_id)
        # Masks secrets, which on the triggerer is a blocking message to its supervisor; signs; reads
        # certificates: all of it off the loop, and in the thread that Airflow's own bridge expects.
        connection, options, route, context = await sync_to_async(_prepare_transport)(found)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context),
            # trust_env would let a netrc file replace the key; the environment's proxies are in the route.
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            # A small response may unpack to a huge one, which is for a thread.
            auto_decompress=False,
            headers={"Accept-Encoding": ACCEPTED_ENCODINGS},
            timeout=aiohttp.ClientTimeout(
                # For what neither of the two covers: a name server that hangs, a response that drips.
                total=options.answer_time,
                sock_connect=options.connect_timeout,
                sock_read=options.read_timeout,
            ),
        )
        return cls(connection, options, route, session)

    async def send_read(self, call: ApiRequest) -> ApiResponse:
        """Send one read, and send it once more with a new token where Kling's clock differs from ours.

        :raises KlingRequestError: where the call cannot be made; nothing was sent.
        """
        answer, headers = await self._send_once(call, None)
        skew = find_skew_for_retry(answer, headers, self.connection.credential)
        if skew is not None:
            answer, _ = await self._send_once(call, skew)
        return answer

    async def close(self) -> None:
        """Close the session."""
        await self.session.close()

    async def _send_once(self, call: ApiRequest, skew: float | None) -> tuple[ApiResponse, Mapping[str, str]]:
        headers = {**self.options.headers, "Authorization": await self._make_authorization(skew)}
        try:
            async with self.session.request(
                call.method,
                self.connection.base_url + call.path,
                params=call.params,
                json=call.json,
                headers=headers,
                proxy=self.route.proxy,
                allow_redirects=False,
            ) as response:
                body = await _read_body(response)
                read = partial(
                    read_packed_response,
                    response.status,
                    response.headers,
                    body,
                    headers["Authorization"],
                    at_kling=self.connection.profile.is_kling,
                )
                small = len(body) <= _SMALL and not response.headers.get("Content-Encoding")
                answer = read() if small else await asyncio.to_thread(read)
                return answer, response.headers
        except (aiohttp.ClientError, TimeoutError, OSError) as why:
            # Not its text: aiohttp's texts carry whole URLs.
            return make_answer(_explain_error(why), connected=_is_connected(why)), {}
        except ValueError:
            raise KlingRequestError(
                f"Connection {self.connection.conn_id!r}: its password, a header extra or its proxy holds a character "
                "that cannot be sent."
            ) from None

    async def _make_authorization(self, skew: float | None) -> str:
        credential = self.connection.credential
        if isinstance(credential, AccessKey):
            return await sync_to_async(make_authorization)(credential, skew=skew)
        return make_authorization(credential)


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    """Read the packed body, up to a little more than the largest response."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > LARGEST_RESPONSE:
            break
    return b"".join(parts)


async def _read_connection(conn_id: str) -> Connection:
    """Read the Airflow connection, from the database too.

    Under ``airflow dags test`` only a synchronous read finds it there.
    """
    try:
        return await get_async_connection(conn_id)
    except AirflowNotFoundException:
        return await sync_to_async(read_connection)(conn_id)


def _prepare_transport(found: Connection) -> tuple[KlingConnection, HttpOptions, Route, ssl.SSLContext]:
    connection = KlingConnection.parse(found)
    options = split_extras(connection.http_extras)
    route = find_route(connection.base_url, options)
    if route.proxy and not route.proxy.startswith(("http://", "https://")):
        raise KlingRequestError(
            f"Connection {connection.conn_id!r}: the reads of deferrable tasks take http and https proxies only; "
            "use such a proxy, or set deferrable=False."
        )
    context = load_tls(f"Connection {connection.conn_id!r}", route.verify, route.cert)
    return connection, options, route, context


def _is_connected(why: BaseException) -> bool:
    """Tell whether an exception of aiohttp may have come after the connection was established."""
    return not isinstance(why, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)


def _explain_error(why: BaseException) -> str:
    """Explain an exception of aiohttp, in the same words as one of ``requests``."""
    if isinstance(why, aiohttp.ConnectionTimeoutError):
        return connection_errors.LATE_CONNECT
    if isinstance(why, TimeoutError):
        return connection_errors.LATE
    if isinstance(why, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        return connection_errors.NO_PROXY
    if isinstance(why, aiohttp.ClientConnectorCertificateError):
        return connection_errors.explain_tls(why.certificate_error)
    if isinstance(why, aiohttp.ClientConnectorSSLError):
        return connection_errors.explain_tls(why.os_error)
    if isinstance(why, aiohttp.ClientConnectorDNSError):
        return connection_errors.NO_NAME
    if isinstance(why, aiohttp.ClientConnectorError):
        refused = isinstance(why.os_error, ConnectionRefusedError)
        return connection_errors.REFUSED if refused else connection_errors.NO_CONNECTION
    return connection_errors.BROKEN
