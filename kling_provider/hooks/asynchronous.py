# SPDX-License-Identifier: Apache-2.0
"""Kling's reads for event loops, on aiohttp. Importing it costs 250 ms: never at a DAG file's top."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
from airflow.providers.common.compat.connection import get_async_connection
from asgiref.sync import sync_to_async

from kling_provider.api.account import Pack
from kling_provider.api.auth import AccessKey
from kling_provider.api.codes import Answer, Kind
from kling_provider.api.dialects.standard import MAX_IDS, account_costs, find_tasks, list_tasks, read_tasks
from kling_provider.exceptions import (
    KlingError,
    KlingRequestError,
    KlingServerError,
    KlingTaskNotFound,
)
from kling_provider.hooks import reads
from kling_provider.hooks.connection import KlingConnection, read_connection
from kling_provider.hooks.wire import (
    ACCEPTED_ENCODINGS,
    LARGEST_ANSWER,
    HttpOptions,
    Route,
    answer_of_packed,
    auth_header,
    route_to,
    skew_from,
    split_extras,
    tls_context,
)

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from kling_provider.api.calls import HttpCall
    from kling_provider.api.tasks import KlingTask

#: Single reads at the same time, on hosts that read one task per call.
_AT_ONCE = 8
#: Bytes of an answer that are read on the loop; larger ones in a thread.
_SMALL = 32 * 1024


@dataclass(frozen=True, slots=True)
class _Line:
    """An open way to the host: all that one connection decides."""

    connection: KlingConnection
    options: HttpOptions
    route: Route
    session: aiohttp.ClientSession


class KlingAsyncHook:
    """Read tasks at Kling from an event loop. It can make nothing, change nothing and cost nothing.

    The Airflow connection is read once, with the first call; one HTTP session serves all calls until
    :meth:`close` (or the end of ``async with``). For another connection, or a changed one, take a new hook.

    Every method raises :class:`~kling_provider.exceptions.KlingError` by the table of error codes, and
    :class:`~kling_provider.exceptions.KlingServerError` where no readable answer came.

    :param kling_conn_id: the Airflow connection.
    """

    def __init__(self, kling_conn_id: str = "kling_default") -> None:
        self.kling_conn_id = kling_conn_id
        self._line: _Line | None = None
        self._opening: asyncio.Task[_Line] | None = None

    async def __aenter__(self) -> KlingAsyncHook:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def connection(self) -> KlingConnection:
        """The connection as read at the first call."""
        return (await self._open()).connection

    async def get_task(self, kling_task_id: str, type: str = "text_to_video") -> KlingTask:
        """Read one task.

        :param type: needed by the legacy API alone, whose reads are bound to the kind's path.
        :raises KlingTaskNotFound: where the host does not know the id.
        """
        connection = await self.connection()
        answer = await self._ask(reads.call_to_read(connection, type, kling_task_id))
        return reads.read_one(connection, answer, kling_task_id)

    async def get_tasks(
        self, kling_task_ids: Sequence[str], type: str = "text_to_video"
    ) -> dict[str, KlingTask]:
        """Read many tasks, up to 20 per call where the host can; unknown ids are missing in the result."""
        found: dict[str, KlingTask] = {}
        alone = reads.word_list(kling_task_ids, "kling_task_ids")
        if (await self.connection()).profile.task_reads:
            batches, alone = list(_batches(alone)), []
            for batch in batches:
                part, complete = await self.get_batch(batch)
                found |= part
                alone += [] if complete else [one for one in batch if one not in part]
        gate = asyncio.Semaphore(_AT_ONCE)

        async def read(kling_task_id: str) -> None:
            async with gate:
                with suppress(KlingTaskNotFound):
                    found[kling_task_id] = await self.get_task(kling_task_id, type)

        await asyncio.gather(*map(read, alone))
        return found

    async def get_batch(self, kling_task_ids: Sequence[str]) -> tuple[dict[str, KlingTask], bool]:
        """Read up to 20 tasks in one call, and tell whether missing ones are unknown.

        Where that is false the answer held an entry that cannot be read: read the missing ones alone.

        :raises KlingRequestError: where the host reads one task per call.
        """
        connection = await self.connection()
        if not connection.profile.task_reads:
            raise KlingRequestError(f"{connection.host} reads one task per call.")
        answer = await self._ask(read_tasks(kling_task_ids))
        doing = f"read {len(kling_task_ids)} tasks at {connection.host}"
        return reads.read_batch(connection, answer, kling_task_ids, doing)

    async def find(
        self, external_task_ids: Sequence[str], type: str = "text_to_video"
    ) -> dict[str, list[KlingTask]]:
        """The tasks under each external id; ids under which nothing is known are missing.

        :raises KlingRequestError: where the host cannot look up external ids.
        """
        connection = await self.connection()
        if not connection.profile.finds:
            raise KlingRequestError(f"{connection.host} cannot look up external task ids.")
        external_task_ids = reads.word_list(external_task_ids, "external_task_ids")
        found: dict[str, list[KlingTask]] = {}
        together = connection.profile.task_reads
        for batch in _batches(external_task_ids) if together else [[one] for one in external_task_ids]:
            call = find_tasks(batch) if together else reads.call_to_find(connection, type, batch[0])
            doing = f"look up {len(batch)} external ids at {connection.host}"
            found |= reads.read_found(connection, await self._ask(call), batch, doing)
        return found

    async def list_tasks(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        statuses: Sequence[str] = (),
        product_types: Sequence[str] = (),
        max_pages: int | None = None,
    ) -> list[KlingTask]:
        """The account's tasks of a window (default: Kling's, the last 30 days), 500 per call.

        :param statuses: only these words: ``submitted``, ``processing``, ``succeeded``, ``failed``.
        :param product_types: only these: ``video``, ``image``, ``try_on``.
        :param max_pages: stop after so many pages; default: at the end.
        :raises KlingRequestError: where the host has no list (gateways; access key and secret key).
        :raises KlingServerError: where the list has no end.
        """
        connection = await self.connection()
        if not connection.profile.task_reads:
            raise KlingRequestError(
                f"{connection.host} has no list of tasks (gateways, and access key with secret key, have none)."
            )
        statuses = reads.word_list(statuses, "statuses", reads.STATUS_WORDS)
        product_types = reads.word_list(product_types, "product_types", reads.PRODUCT_TYPES)
        found: dict[str, KlingTask] = {}
        pages = reads.Pages(connection, max_pages)
        while pages.more:
            call = list_tasks(
                since, until, statuses=statuses, product_types=product_types, cursor=pages.cursor
            )
            found |= {task.kling_task_id: task for task in pages.read(await self._ask(call))}
        return list(found.values())

    async def account(self) -> tuple[Pack, ...]:
        """The account's resource packs (Kling allows one such call a second).

        :raises KlingRequestError: where the host does not tell.
        """
        connection = await self.connection()
        if not connection.profile.account:
            raise KlingRequestError(f"{connection.host} does not tell about the account.")
        now = datetime.now(UTC)
        answer = await self._ask(account_costs(now - timedelta(days=365), now + timedelta(days=1)))
        return reads.read_account(answer, f"read the account at {connection.host}")

    async def close(self) -> None:
        """Close the HTTP session; a later call opens another."""
        opening, self._opening = self._opening, None
        line, self._line = self._line, None
        if line is None and opening is not None:
            try:
                line = await opening
            except Exception:  # noqa: BLE001 - its caller has seen it; there is nothing to close
                return
        if line is not None:
            await line.session.close()

    async def _open(self) -> _Line:
        if self._line is not None:
            return self._line
        # A task of its own, shielded: on Airflow 3.1 a connection read that is cancelled halfway leaves its
        # answer in the triggerer's pipe, and the next reader takes it for his. Whoever comes next goes on with it.
        if self._opening is None:
            self._opening = asyncio.create_task(self._opened())
        opening = self._opening
        try:
            line = await asyncio.shield(opening)
        except Exception:
            if self._opening is opening:
                self._opening = None
            raise
        if self._opening is opening:
            self._line, self._opening = line, None
        return line

    async def _opened(self) -> _Line:
        found = await _read_connection(self.kling_conn_id)
        # Masks secrets, which on the triggerer is a blocking message to its supervisor; signs; reads
        # certificates: all of it off the loop, and in the thread that Airflow's own bridge expects.
        connection, options, route, context = await sync_to_async(_prepare)(found)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context),
            # trust_env would let a netrc file replace the key; the environment's proxies are in the route.
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            # A small answer may unpack to a huge one, which is for a thread.
            auto_decompress=False,
            headers={"Accept-Encoding": ACCEPTED_ENCODINGS},
            timeout=aiohttp.ClientTimeout(
                # For what neither of the two covers: a name server that hangs, an answer that drips.
                total=options.answer_time,
                sock_connect=options.connect_timeout,
                sock_read=options.read_timeout,
            ),
        )
        return _Line(connection, options, route, session)

    async def _ask(self, call: HttpCall) -> Answer:
        """Send one read; a JWT that Kling finds early or late is signed again once by Kling's clock."""
        line = await self._open()
        answer, skew = await self._send(line, call, None)
        if answer.kind is Kind.TOKEN_TIME and isinstance(line.connection.credential, AccessKey):
            answer, _ = await self._send(line, call, skew or 0.0)
        return answer

    async def _send(
        self, line: _Line, call: HttpCall, sign_again: float | None
    ) -> tuple[Answer, float | None]:
        headers = {**line.options.headers, "Authorization": await _authorization(line, sign_again)}
        try:
            async with line.session.request(
                call.method,
                line.connection.base_url + call.path,
                params=call.params,
                json=call.json,
                headers=headers,
                proxy=line.route.proxy,
                allow_redirects=False,
            ) as response:
                body = await _read_body(response)
                read = partial(
                    answer_of_packed,
                    response.status,
                    response.headers,
                    body,
                    headers["Authorization"],
                    at_kling=line.connection.profile.is_kling,
                )
                small = len(body) <= _SMALL and not response.headers.get("Content-Encoding")
                answer = read() if small else await asyncio.to_thread(read)
                return answer, skew_from(response.headers)
        except (aiohttp.ClientError, TimeoutError, OSError) as why:
            # No cause: aiohttp's texts carry whole addresses.
            raise _unreachable(line, why) from None
        except ValueError:
            raise KlingRequestError(
                f"Connection {self.kling_conn_id!r}: its password, a header extra or its proxy holds a character "
                "that cannot be sent."
            ) from None


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    """The body as it came, up to a little more than the largest answer."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            break
    return b"".join(parts)


async def _read_connection(conn_id: str) -> Connection:
    """Read the Airflow connection, also where only a synchronous read finds it: in the database, under
    ``airflow dags test``."""
    from airflow.providers.common.compat.sdk import AirflowNotFoundException

    try:
        return await get_async_connection(conn_id)
    except AirflowNotFoundException:
        return await sync_to_async(read_connection)(conn_id)


async def _authorization(line: _Line, skew: float | None) -> str:
    credential = line.connection.credential
    if isinstance(credential, AccessKey):
        return await sync_to_async(auth_header)(credential, skew=skew)
    return auth_header(credential)


def _prepare(found: Any) -> tuple[KlingConnection, HttpOptions, Route, ssl.SSLContext]:
    connection = KlingConnection.parse(found)
    options = split_extras(connection.http_extras)
    route = route_to(connection.base_url, options)
    if route.proxy and not route.proxy.startswith(("http://", "https://")):
        raise KlingRequestError(
            f"Connection {connection.conn_id!r}: the reads of deferrable tasks take http and https proxies only; "
            "use such a proxy, or set deferrable=False."
        )
    context = tls_context(f"Connection {connection.conn_id!r}", route.verify, route.cert)
    return connection, options, route, context


def _unreachable(line: _Line, why: BaseException) -> KlingError:
    if isinstance(why, TimeoutError):
        reason = "no answer in time"
    elif isinstance(why, aiohttp.ClientProxyConnectionError):
        reason = "the proxy cannot be reached"
    elif isinstance(why, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        reason = "TLS failed: check the extra verify, and the certificate"
    elif isinstance(why, OSError) and why.strerror:
        reason = why.strerror
    else:
        reason = type(why).__name__
    return KlingServerError(f"Could not reach {line.connection.host}: {reason}.")


def _batches(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + MAX_IDS] for start in range(0, len(ids), MAX_IDS))
