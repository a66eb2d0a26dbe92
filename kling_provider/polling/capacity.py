# SPDX-License-Identifier: Apache-2.0
"""Estimate how many more tasks of one model an account accepts now. Every refusal corrects the estimate. No I/O.

Kling counts tasks in flight per account and model and refuses one more with 1303. What can be seen is less exact:
its list names no model. So the estimate is

    free = limit - (ours + unknown - others) - grants

*ours* are tasks that are known to be of this model; *unknown* those whose model is not known; *others* is how many of
the unknown must belong to other models, because at a refusal exactly ``limit`` of all were ours.

The limit is given (by the connection or the name of the account's pack) or learned: at a refusal, what is in flight
*is* the limit. Where the estimate may be too low, a probe, one try beyond it, finds out.
"""

from __future__ import annotations

#: Seconds between a refusal, or a probe, and the next probe.
_PROBE = 30.0
#: Refusals in spite of estimated capacity, one after another, before the estimate is lowered. One alone may be a
#: coincidence: another client was faster, or there were too many calls in a second (the same code, 1303).
_REFUSALS_BEFORE_LOWERING = 2


class CapacityEstimate:
    """The estimate for one model. Call :meth:`estimate_free` once per tick, then :meth:`take_probe` if nothing is free."""

    def __init__(self) -> None:
        #: How many in flight are allowed, where no limit is given or the given one proved too high.
        self._learned: int | None = None
        self._others = 0
        self._strikes = 0
        self._before = 0
        self._refused = False
        self._in_spite = False
        self._probe_accepted = False
        self._probe_at = 0.0
        self._may_probe = False

    @property
    def others(self) -> int:
        """Return how many of the tasks whose model is not known must belong to other models."""
        return self._others

    @property
    def is_doubted(self) -> bool:
        """Return whether a task was refused in spite of estimated capacity, and none was accepted since."""
        return self._strikes > 0

    def record_refusal(self, now: float, *, in_spite: bool) -> None:
        """Note a create that Kling refused with 1303.

        :param in_spite: the task had been woken because capacity was estimated (it was neither new in the queue nor a
            probe).
        """
        self._refused = True
        self._in_spite |= in_spite
        self._probe_at = now + _PROBE

    def record_acceptance(self, *, probe: bool) -> None:
        """Note a task that was woken and that Kling has accepted.

        :param probe: it was woken beyond the estimate.
        """
        self._strikes = 0
        self._probe_accepted |= probe

    def estimate_free(self, now: float, *, ours: int, unknown: int, grants: int, limit: int | None) -> int:
        """Estimate how many more tasks the account accepts now; negative where it is over the limit.

        :param ours: tasks in flight that are known to be of this model.
        :param unknown: tasks in flight whose model is not known.
        :param grants: tasks that were woken and of which nothing was seen yet.
        :param limit: tasks in flight that the account allows per model, where it is given.
        """
        total = ours + unknown
        # A refusal happened between two ticks; the fuller one is the nearer to that moment.
        fullest = max(total, self._before)
        self._before = total
        if self._refused:
            self._after_refusal(fullest, unknown, limit)
        if self._probe_accepted:
            self._after_probe(now, total, limit)
        self._refused = self._in_spite = self._probe_accepted = False

        self._others = min(self._others, unknown)
        count = total - self._others
        if limit is None:
            self._learned = max(self._learned if self._learned is not None else 1, ours)
        allowed = min(x for x in (limit, self._learned) if x is not None)
        self._may_probe = limit is None or self._learned is not None or unknown > self._others
        free = allowed - count - grants
        # One after the other, until one is accepted.
        return min(free, 1 - grants) if self._strikes else free

    def take_probe(self, now: float) -> bool:
        """Decide whether one task may try beyond the estimate, and start the pause before the next probe if so.

        To be called only where no grant is outstanding.
        """
        if not self._may_probe or now < self._probe_at:
            return False
        self._probe_at = now + _PROBE
        return True

    def _after_refusal(self, fullest: int, unknown: int, limit: int | None) -> None:
        if limit is not None:
            self._others = max(0, min(fullest - limit, unknown))
        count = fullest - self._others
        self._strikes += self._in_spite
        if self._strikes >= _REFUSALS_BEFORE_LOWERING:
            # The account allows less than we believed.
            self._learned = count if limit is None else min(count, limit)
        elif limit is None:
            self._learned = max(self._learned or 1, count)

    def _after_probe(self, now: float, total: int, limit: int | None) -> None:
        if limit is not None:
            # More fits than we counted: the lowered limit was wrong, or the unknown are others'.
            self._learned = None
            self._others = max(self._others, total - limit)
        elif total > (self._learned or 0):
            self._learned = total
            self._probe_at = now  # there may be still more
