# SPDX-License-Identifier: Apache-2.0
"""``KlingAsyncHook``: read tasks at Kling from an event loop.

Importing it takes about 250 ms, so do not import it at the top of a Dag file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kling_provider.hooks import operations
from kling_provider.hooks.account_methods import AsyncAccountMethods
from kling_provider.hooks.async_transport import AsyncTransport
from kling_provider.hooks.drivers import drive_async

if TYPE_CHECKING:
    from kling_provider.api.account import Pack
    from kling_provider.api.tasks import KlingTask
    from kling_provider.hooks.connection import KlingConnection
    from kling_provider.hooks.drivers import Operation, ReadCall, Result


class KlingAsyncHook(AsyncAccountMethods):
    """Read tasks at Kling from an event loop. It can make nothing, change nothing and cost nothing.

    Its methods are those of :class:`~kling_provider.hooks.kling.KlingHook` that read, with the same parameters, results
    and errors. What differs: it waits on the loop, and repeats nothing (a poller reads again anyway).

    The Airflow connection is read once, with the first call; one HTTP session serves all calls until
    :meth:`close` (or the end of ``async with``). For another connection, or a changed one, take a new hook.

    Every method raises :class:`~kling_provider.exceptions.KlingError` by the table of error codes, and
    :class:`~kling_provider.exceptions.KlingServerError` where no readable answer came.

    :param kling_conn_id: the id of the connection, of type ``kling``.
    """

    def __init__(self, kling_conn_id: str = "kling_default") -> None:
        self.kling_conn_id = kling_conn_id
        self._transport: AsyncTransport | None = None
        self._opening: asyncio.Task[AsyncTransport] | None = None

    async def __aenter__(self) -> KlingAsyncHook:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def connection(self) -> KlingConnection:
        """Return the connection as read at the first call."""
        return (await self._open_transport()).connection

    async def get_task(self, kling_task_id: str, *, type: str = "text_to_video") -> KlingTask:
        """Read one task.

        :param kling_task_id: its id at Kling, not an external id.
        :param type: the type of the request that made it; the legacy API needs it for reads.
        :raises KlingTaskNotFound: where the host does not know the id: Kling forgets a task after 30 days.
        :raises KlingRequestError: for an unknown ``type``.
        """
        return await self._run_operation(operations.read_task(await self.connection(), kling_task_id, type))

    async def get_tasks(
        self, kling_task_ids: Sequence[str], *, type: str = "text_to_video"
    ) -> dict[str, KlingTask]:
        """Read many tasks, 20 per call where the host can.

        :param kling_task_ids: their ids at Kling; each is read once.
        :param type: the type of the request that made them; the legacy API needs it for reads.
        :returns: the tasks by id; ids that the host does not know are missing.
        :raises KlingRequestError: for one text where a list is meant.
        """
        return await self._run_operation(operations.read_tasks(await self.connection(), kling_task_ids, type))

    async def get_batch(
        self, kling_task_ids: Sequence[str], *, type: str = "text_to_video"
    ) -> tuple[dict[str, KlingTask], bool]:
        """Read up to 20 tasks in one call, and tell whether missing ones are unknown.

        Where that is false the answer held an entry that cannot be read: read the missing ones alone.

        :param kling_task_ids: at most 20 ids, which is Kling's limit for one call (observed: it refuses more with 1201).
        :param type: a type of the requests that made them: the solutions are read at a path of their own.
        :returns: the tasks by id, and whether the host does not know the missing ones.
        :raises KlingRequestError: for more ids, and where the host reads one task per call.
        """
        return await self._run_operation(operations.read_batch(await self.connection(), kling_task_ids, type))

    async def find(
        self, external_task_ids: Sequence[str], *, type: str = "text_to_video"
    ) -> dict[str, list[KlingTask]]:
        """Find the tasks under each external id.

        :param external_task_ids: the ids that were sent with the requests.
        :param type: the type of the request that made them; the legacy API needs it for reads.
        :returns: the tasks by external id; ids under which the host knows nothing are missing.
        :raises KlingRequestError: where the host cannot look external ids up.
        """
        return await self._run_operation(
            operations.find_tasks(await self.connection(), external_task_ids, type)
        )

    async def list_tasks(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        statuses: Sequence[str] = (),
        product_types: Sequence[str] = (),
        max_pages: int | None = None,
        type: str = "text_to_video",
    ) -> list[KlingTask]:
        """List the account's tasks that were made in a window of time, 500 per call.

        :param since: the start of the window; without a time zone it is local time. Default: Kling's, 30 days before
            ``until``.
        :param until: the end of the window; default: Kling's, now.
        :param statuses: only these words: ``submitted``, ``processing``, ``succeeded``, ``failed``.
        :param product_types: only these: ``video``, ``image``, ``try_on``.
        :param max_pages: the number of calls to stop after; default: at the end of the list.
        :param type: any type of the list that is meant: the solutions (``goods_studio`` …) have a list of their own, which
            knows no ``product_types``.
        :raises KlingRequestError: where the host or the credential has no list.
        :raises KlingServerError: where the list does not end.
        """
        return await self._run_operation(
            operations.list_tasks(
                await self.connection(),
                since,
                until,
                statuses=statuses,
                product_types=product_types,
                max_pages=max_pages,
                type=type,
            )
        )

    async def list_page(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        statuses: Sequence[str] = (),
        cursor: str | None = None,
        type: str = "text_to_video",
    ) -> tuple[list[KlingTask], str | None]:
        """List up to 500 of the account's tasks in one call.

        :param since: the start of the window in which they were made; default: as for :meth:`list_tasks`.
        :param until: the end of the window; default: Kling's, now.
        :param statuses: only these words, as for :meth:`list_tasks`.
        :param cursor: what the page before returned, with the same filters; ``None`` for the first page.
        :param type: any type of the list that is meant.
        :returns: the tasks, and the cursor of the next page; ``None`` at the end.
        :raises KlingRequestError: where the host or the credential has no list.
        """
        return await self._run_operation(
            operations.list_page(
                await self.connection(), since, until, statuses=statuses, cursor=cursor, type=type
            )
        )

    async def list_tasks_of_type(self, type: str, *, max_pages: int | None = None) -> list[KlingTask]:
        """List the tasks of one type, at its own path of the legacy API, 500 per call. It serves access keys, too.

        :param type: the type of the requests that made them.
        :param max_pages: the number of calls to stop after; default: at the end of the list.
        :raises KlingRequestError: where the host has no such list, and for a type without one: those that only the
            standard API has, and those that Kling answers at once.
        :raises KlingServerError: where the list does not end.
        """
        return await self._run_operation(
            operations.list_tasks_of_type(await self.connection(), type, max_pages=max_pages)
        )

    async def account(self) -> tuple[Pack, ...]:
        """Read the account's resource packs, in units. Kling says that what remains may lag by 12 hours.

        Kling allows one such call per second and account, and refuses more with 1302.

        :raises KlingRequestError: where the host does not tell.
        :raises KlingRateLimitError: where others ask as well.
        """
        return await self._run_operation(operations.read_account(await self.connection()))

    async def close(self) -> None:
        """Close the HTTP session; a later call opens another."""
        opening, self._opening = self._opening, None
        transport, self._transport = self._transport, None
        if transport is None and opening is not None:
            try:
                transport = await opening
            except Exception:  # noqa: BLE001 - its caller has seen it; there is nothing to close
                return
        if transport is not None:
            await transport.close()

    async def _run_operation(self, operation: Operation[Result]) -> Result:
        async def send_read(read: ReadCall) -> Any:
            answer = await (await self._open_transport()).send_read(read.call)
            return await asyncio.to_thread(read.parse, answer) if read.is_large else read.parse(answer)

        return await drive_async(operation, send_read)

    async def _run_for_account(self, make: Callable[[KlingConnection], Operation[Result]]) -> Result:
        return await self._run_operation(make(await self.connection()))

    async def _open_transport(self) -> AsyncTransport:
        if self._transport is not None:
            return self._transport
        # A task of its own, shielded: on Airflow 3.1 a connection read that is cancelled halfway leaves its
        # answer in the triggerer's pipe, and the next reader takes it for its own. The next caller awaits the same task.
        if self._opening is None:
            self._opening = asyncio.create_task(AsyncTransport.open_transport(self.kling_conn_id))
        opening = self._opening
        try:
            transport = await asyncio.shield(opening)
        except Exception:
            if self._opening is opening:
                self._opening = None
            raise
        if self._opening is opening:
            self._transport, self._opening = transport, None
        return transport
