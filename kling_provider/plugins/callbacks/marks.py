# SPDX-License-Identifier: Apache-2.0
"""Write down that valid callbacks come, for the triggerer, which then polls slowly."""

from __future__ import annotations

import logging
import time

from airflow.models.variable import Variable
from airflow.utils.session import create_session

from kling_provider.callback_marks import DESCRIPTION, MARK_EVERY, name_mark

log = logging.getLogger(__name__)


class Marks:
    """Writes the mark of a connection and API design, once a minute at most."""

    def __init__(self) -> None:
        self._written: dict[str, float] = {}

    def write(self, conn_id: str, design: str) -> None:
        """Write that a callback came now, unless that was written lately. Waits for the database.

        :param design: the API design in whose form it came.
        """
        key, now = name_mark(conn_id, design), time.monotonic()
        if key is None or now - self._written.get(key, -MARK_EVERY) < MARK_EVERY:
            return
        self._written[key] = now
        try:
            with create_session(scoped=False) as session:
                Variable.set(key, f"{time.time():.0f}", description=DESCRIPTION, session=session)
        except Exception as error:  # noqa: BLE001 - polling stays as it is then
            log.warning(
                "That callbacks come could not be written to Variable %s: %s", key, type(error).__name__
            )
