# SPDX-License-Identifier: Apache-2.0
"""Poll slowly while Kling's callbacks come, and at the normal pace again when they stop.

Callbacks come to the API server, reads are made by the triggerer. The API server leaves a mark for each connection and API
design (:mod:`kling_provider.callback_marks`), and this looks at it once a minute, where a connection takes callbacks and
tasks wait. Nothing else changes: a read on the deadline, or after a failed one, comes when it came before.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import Variable
from asgiref.sync import sync_to_async

from kling_provider.api.catalog import find_spec
from kling_provider.callback_marks import MARK_EVERY, name_mark, read_mark
from kling_provider.compat import has_callbacks

if TYPE_CHECKING:
    from kling_provider.api.requests.fields import ApiDesign
    from kling_provider.hooks.connection import KlingConnection

log = logging.getLogger(__name__)

_DESIGNS: tuple[ApiDesign, ...] = ("standard", "legacy")
#: The least seconds between two reads of a task whose callback is expected.
SLOW_PAUSE = 300.0
#: Seconds for which a callback says that the next ones come too.
_LATELY = 3600.0
#: Tasks that a read found finished, since the last callback, after which callbacks are not expected any more.
_MOST_WITHOUT = 3


@dataclass
class _Design:
    """What is known of the callbacks of one API design."""

    #: When the last one came, as an epoch in seconds.
    marked_at: float = -math.inf
    #: Finished tasks since then without one.
    without: int = 0


@dataclass
class CallbackPace:
    """How slowly one connection may poll. It belongs to one event loop.

    :param kling_conn_id: the id of the connection.
    """

    kling_conn_id: str
    _designs: dict[ApiDesign, _Design] = field(default_factory=dict)
    _connection: KlingConnection | None = None
    _looked_at: float = -math.inf

    async def refresh(self, connection: KlingConnection) -> None:
        """Look at the marks, once a minute at most and only where the connection takes callbacks.

        :param connection: as it is now.
        """
        self._connection = connection
        if not connection.webhook_secrets or not has_callbacks():
            self._designs.clear()
            return
        now = time.monotonic()
        if now - self._looked_at < MARK_EVERY:
            return
        self._looked_at = now
        for design in _DESIGNS:
            key = name_mark(self.kling_conn_id, design)
            if key is None:
                continue
            try:
                text = await sync_to_async(Variable.get)(key, default=None)
            except Exception as error:  # noqa: BLE001 - no mark can be read: the pace stays normal
                log.debug("The Variable %s cannot be read: %s", key, type(error).__name__)
                continue
            known, marked_at = self._designs.setdefault(design, _Design()), read_mark(text)
            if marked_at > known.marked_at:
                known.marked_at, known.without = marked_at, 0

    def find_least_pause(self, type: str) -> float:
        """Return the least seconds between two reads of a task; 0 where its callback is not expected.

        :param type: the type of the request that made the task.
        """
        known = self._find(type)
        if known is None or known.without >= _MOST_WITHOUT or time.time() - known.marked_at > _LATELY:
            return 0.0
        return SLOW_PAUSE

    def note_found_end(self, type: str) -> None:
        """Note that a read found a task finished whose callback had not come.

        :param type: the type of the request that made the task.
        """
        if not self.find_least_pause(type):
            return
        known = self._find(type)
        assert known is not None
        known.without += 1
        if known.without == _MOST_WITHOUT:
            log.warning(
                "Connection %s: %d tasks of Kling's %s API have ended without a callback. Polling is back at its normal pace "
                "until the next callback comes.",
                self.kling_conn_id,
                known.without,
                self._find_design(type),
            )

    def _find(self, type: str) -> _Design | None:
        design = self._find_design(type)
        return self._designs.get(design) if design is not None else None

    def _find_design(self, type: str) -> ApiDesign | None:
        """Find the API design whose callbacks a type has: that of the connection, where the type has a path there."""
        spec, connection = find_spec(type), self._connection
        if spec is None or connection is None:
            return None
        design = connection.dialect.design
        return design if design in spec.paths else "legacy"
