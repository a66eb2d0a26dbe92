# SPDX-License-Identifier: Apache-2.0
"""What the route needs of a connection, kept for a few seconds: a flood of callbacks must not become one of reads."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from dataclasses import dataclass

from airflow.models.connection import Connection

from kling_provider.hooks.connection import KlingConnection

log = logging.getLogger(__name__)

#: Seconds after which a connection is read again: how long a secret that was taken out still counts.
_LASTS = 15.0
#: Connections that are kept; ids come from outside, so they are bounded.
_MOST = 256
#: The length of the column in Airflow's database.
_LONGEST_ID = 250


@dataclass(frozen=True, slots=True)
class CallbackSettings:
    """What a connection says about callbacks; without a secret they are off."""

    secrets: tuple[str, ...] = ()
    accepts_gateway_statuses: bool = False


_OFF = CallbackSettings()


class KnownSettings:
    """The settings of the connections that callbacks came for."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[float, CallbackSettings]] = OrderedDict()

    def find_known(self, conn_id: str) -> CallbackSettings | None:
        """Return the settings where they were read lately; ``None`` where :meth:`read` has to. Never waits."""
        if not conn_id or len(conn_id) > _LONGEST_ID or "\0" in conn_id:
            return _OFF
        until, settings = self._known.get(conn_id, (0.0, _OFF))
        return settings if until > time.monotonic() else None

    def read(self, conn_id: str) -> CallbackSettings:
        """Read a connection; one that is none of ours, or cannot be read, has callbacks off. Waits for the database."""
        settings = _read_settings(conn_id)
        self._known[conn_id] = (time.monotonic() + _LASTS, settings)
        self._known.move_to_end(conn_id)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return settings


def _read_settings(conn_id: str) -> CallbackSettings:
    try:
        stored = Connection.get_connection_from_secrets(conn_id)
        if stored.conn_type != "kling":
            return _OFF
        connection = KlingConnection.parse(stored)
    except Exception as error:  # noqa: BLE001 - a secrets backend may raise anything; callbacks are off then
        log.debug("The connection %r of a callback cannot be read: %s", conn_id, type(error).__name__)
        return _OFF
    return CallbackSettings(connection.webhook_secrets, connection.profile.accepts_gateway_statuses)
