# SPDX-License-Identifier: Apache-2.0
"""The clock of a process that waits: it runs on evenly when the machine's clock is set.

Its times look like epochs, so that log lines can show them; they are the wall clock's as this process found it first.
Epochs that come from elsewhere (a database, a worker) go through :func:`from_wall` when a wait begins.
"""

from __future__ import annotations

import time

_STARTED_AT = time.time() - time.monotonic()


def now() -> float:
    """Return the time of this clock, in seconds: comparable with its other times only."""
    return _STARTED_AT + time.monotonic()


def from_wall(epoch: float) -> float:
    """Return the time of this clock at which the wall clock, left alone from now on, will show ``epoch``."""
    return epoch + now() - time.time()
