# SPDX-License-Identifier: Apache-2.0
"""When a wait says in its log that it still waits."""

from __future__ import annotations

import random

#: Seconds between two lines of progress, at first and in a long wait.
_PROGRESS = 30.0
_SLOW_PROGRESS = 300.0


def find_pause_to_next_line(waited: float) -> float:
    """Find the seconds to the next line of a wait.

    :param waited: how long it has lasted, in seconds.
    """
    pause = _PROGRESS if waited < _SLOW_PROGRESS else _SLOW_PROGRESS
    # Thousands that began together do not all write in the same moment.
    return pause * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, keeps no secret
