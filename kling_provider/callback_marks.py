# SPDX-License-Identifier: Apache-2.0
"""The marks that callbacks leave: an Airflow Variable for each connection and API design says when the last one came.

The API server writes it, the triggerer reads it: two processes, which share nothing else that both may use.
"""

from __future__ import annotations

import math

#: Seconds between two writes of one mark, and between two looks at it.
MARK_EVERY = 60.0
#: What a Variable's key may have.
_LONGEST_KEY = 250
DESCRIPTION = "When Kling's last valid callback woke a task (written by the Kling provider)"


def name_mark(conn_id: str, design: str) -> str | None:
    """Return the key of the Variable; ``None`` for a connection whose id is too long for one.

    :param design: the API design, ``standard`` or ``legacy``.
    """
    key = f"kling_callbacks:{conn_id}:{design}"
    return key if len(key) <= _LONGEST_KEY else None


def read_mark(text: object) -> float:
    """Return the time in a mark, as an epoch in seconds; minus infinity where there is none."""
    try:
        at = float(str(text))
    except ValueError:
        return -math.inf
    return at if math.isfinite(at) else -math.inf
