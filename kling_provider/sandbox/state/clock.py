# SPDX-License-Identifier: Apache-2.0
"""The sandbox's clock: wall-clock seconds since the epoch, which a test may push forward."""

from __future__ import annotations

import threading
import time


class Clock:
    """Real time plus what :meth:`advance_by` added.

    Timestamps on the wire are this clock's; only the time a render takes is scaled.
    """

    def __init__(self) -> None:
        self._ahead = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return time.time() + self._ahead

    @property
    def seconds_ahead(self) -> float:
        """Return the seconds by which it was pushed in all."""
        return self._ahead

    def advance_by(self, seconds: float) -> None:
        """Push the clock forward.

        :raises ValueError: ``seconds`` is below 0.
        """
        if seconds < 0:
            raise ValueError("the sandbox's clock does not go backwards; skewed_clock is the fault for that")
        with self._lock:
            self._ahead += seconds


class ManualClock(Clock):
    """Stands still until it is advanced: for tests of the backend without a server."""

    def __init__(self, start: float = 1_790_000_000.0) -> None:
        super().__init__()
        self._start = start

    def __call__(self) -> float:
        return self._start + self._ahead
