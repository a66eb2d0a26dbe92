# SPDX-License-Identifier: Apache-2.0
"""A clock that does not jump when the time of the machine is set.

Its times look like epochs, so that log lines can show them: it starts at the machine's time, and counts on evenly. Convert
epochs from elsewhere (a database, a worker) with :func:`convert_wall_time` when a wait begins.
"""

from __future__ import annotations

import time

_STARTED_AT = time.time() - time.monotonic()


def now() -> float:
    """Return the time of this clock in seconds. Compare it with other times of this clock only."""
    return _STARTED_AT + time.monotonic()


def convert_wall_time(epoch: float) -> float:
    """Convert an epoch in seconds to the time of this clock."""
    return epoch + now() - time.time()
