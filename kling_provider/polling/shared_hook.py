# SPDX-License-Identifier: Apache-2.0
"""Share one hook among all tasks that wait on a connection, and renew it when the connection may have changed."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import TYPE_CHECKING

from kling_provider.api.auth import AccessKey
from kling_provider.exceptions import KlingError, KlingServerError
from kling_provider.hooks.asynchronous import KlingAsyncHook

if TYPE_CHECKING:
    from kling_provider.hooks.connection import KlingConnection

log = logging.getLogger(__name__)

#: Seconds after which the connection is read again without a reason.
_MAX_AGE = 300.0
#: Seconds between two readings that do have one (a 401, an unknown id).
_MIN_AGE = 5.0


class SharedHook:
    """Shares one hook.

    Waits outlive connections: a key is rotated, a host corrected while a hundred tasks wait. So the Airflow
    connection is read again every few minutes, and soon after an answer that a changed connection would explain.
    """

    def __init__(self, kling_conn_id: str) -> None:
        self.kling_conn_id = kling_conn_id
        self._hook: KlingAsyncHook | None = None
        #: The next one, while its connection is read; the caller after a cancelled one goes on with it.
        self._fresh: KlingAsyncHook | None = None
        self._read_at = -math.inf
        self._is_suspect = False
        self._lock = asyncio.Lock()

    def suspect_connection(self) -> None:
        """Let the connection be read again soon, as a changed one would explain the last response."""
        self._is_suspect = True

    async def get_hook(self) -> KlingAsyncHook:
        """Return the hook for the next calls, its connection read and its session open.

        :raises KlingError: where the connection cannot be read and none was read before.
        """
        async with self._lock:
            age = time.monotonic() - self._read_at
            if self._hook is None or age >= (_MIN_AGE if self._is_suspect else _MAX_AGE):
                await self._renew_hook()
            assert self._hook is not None
            return self._hook

    async def close_hooks(self) -> None:
        """Close the sessions. A caller that comes in the meantime gets a new one."""
        hooks = [hook for hook in (self._hook, self._fresh) if hook is not None]
        self._hook = self._fresh = None
        for hook in hooks:
            await hook.close()

    async def _renew_hook(self) -> None:
        fresh = self._fresh = self._fresh or KlingAsyncHook(self.kling_conn_id)
        try:
            connection = await fresh.connection()
        except Exception as why:
            if self._hook is None and isinstance(why, KlingError):
                raise
            reason = f"Connection {self.kling_conn_id!r} could not be read: {type(why).__name__}."
            if self._hook is None:
                raise KlingServerError(reason) from None
            log.warning("%s The connection is used as it was read before.", reason)
            self._read_at, self._is_suspect = time.monotonic(), False
            return
        old, self._hook, self._fresh = self._hook, fresh, None
        self._read_at, self._is_suspect = time.monotonic(), False
        if old is not None and _is_same_connection(await old.connection(), connection):
            self._hook = old
            await fresh.close()
        elif old is not None:
            log.info("Connection %s has changed: reading with the new one.", self.kling_conn_id)
            await old.close()


def _is_same_connection(one: KlingConnection, other: KlingConnection) -> bool:
    return _list_facts(one) == _list_facts(other)


def _list_facts(connection: KlingConnection) -> tuple[object, ...]:
    """List what makes two connections the same for reads."""
    credential = connection.credential
    return (
        connection.base_url,
        connection.api,
        connection.profile,
        connection.max_concurrency,
        connection.webhook_secrets,
        connection.http_extras,
        # Two access keys with the same secret are equal, whatever tokens they have made.
        (credential.access_key, credential.secret_key) if isinstance(credential, AccessKey) else credential,
    )
