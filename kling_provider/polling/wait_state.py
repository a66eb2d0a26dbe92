# SPDX-License-Identifier: Apache-2.0
"""Waiting for one result: given this read, what now. No I/O, no clock.

The trigger, the sensor's poke mode and the operators' wait in the worker all decide here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kling_provider.api.codes import TaskState
from kling_provider.api.ids import explain_unknown
from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.arguments import POLL_INTERVAL
from kling_provider.exceptions import (
    KlingConnectionMissing,
    KlingError,
    KlingServerError,
    KlingTaskNotFound,
    KlingTimeout,
)

#: A wait that has lasted so many seconds is read at so many times the interval: what took ten minutes will not
#: be over in the next ten seconds.
_PACES = ((3600.0, 6), (600.0, 2))
#: Seconds of nothing but failed reads that a wait survives. By time, not by count: an outage lasts as long for a
#: short interval as for a long one.
FAULT_BUDGET = 600.0
#: Seconds of the same once the deadline has passed; ends before the net of ``defer(timeout=deadline + 10 minutes)`` strikes.
LATE_FAULT_BUDGET = 300.0
#: Seconds of the same where the connection that the wait was started with does not exist.
MISSING_BUDGET = 20.0
#: The longest pause between two tries of a failing read, and the longest ``Retry-After`` that is followed: a host that
#: wants to be left alone for a day holds up one read, and no wait.
_MAX_BACKOFF = 60.0
#: Consecutive reads without the id before it counts as unknown (reads were up to date in 152 of 152 live tries).
MISSES = 3
#: Consecutive reads with a status word that is not documented.
_UNKNOWN_WORDS = 12


def get_requested_pause(error: KlingError) -> float:
    """Return the seconds for which the host asks to be left alone; 0 above :data:`_MAX_BACKOFF`, which is not followed."""
    asked = error.retry_after or 0.0
    return asked if asked <= _MAX_BACKOFF else 0.0


class State(StrEnum):
    """Where a wait stands. All but ``wait`` are final."""

    WAIT = "wait"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    #: The deadline has passed, and a read after it found the task still running.
    TIMEOUT = "timeout"
    #: Kling does not know the id.
    LOST = "lost"
    #: It is unknown how the task stands: reads failed for too long, or a status word is unknown.
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class WaitDecision:
    """What a read decides.

    :param delay: seconds until the next read; belongs to ``wait``.
    :param task: the task, where the last read showed one.
    :param error: ready to be raised; belongs to ``timeout``, ``lost`` and ``error``.
    :param as_expected: the read showed the task running, so that the next one may wait until its end is likely.
    """

    state: State
    delay: float = 0.0
    task: KlingTask | None = None
    error: KlingError | None = None
    as_expected: bool = False

    @property
    def is_final(self) -> bool:
        """Return whether the wait is over."""
        return self.state is not State.WAIT


class WaitState:
    """One wait for one task, and what to do after each read. All times are epochs in seconds.

    :param deadline: when to give up; ``None`` waits for ever. Only a read after it gives up.
    :param since: when the wait began, for the pace of reads.
    :param poll_interval: seconds between reads; twice as many once a wait has lasted ten minutes, six times after an hour.
        ``None``: as many as the caller learned to be right, else 10.
    :param spread: 0 to 1, stretches the pauses after failed reads, so that clients of one outage do not come
        back all at once.
    """

    # Thousands of these are kept at the same time.
    __slots__ = (
        "_failing_since",
        "_fault",
        "_faults",
        "_misses",
        "_since",
        "_spread",
        "_task",
        "_unknown",
        "deadline",
        "interval",
        "kling_task_id",
        "poll_interval",
    )

    def __init__(
        self,
        *,
        kling_task_id: str,
        deadline: float | None,
        since: float,
        poll_interval: float | None = None,
        spread: float = 0.0,
    ) -> None:
        self.kling_task_id = kling_task_id
        self.deadline = deadline
        #: What the user asked for, where that is known.
        self.interval = poll_interval
        self.poll_interval = POLL_INTERVAL if poll_interval is None else poll_interval
        self._since = since
        self._spread = spread
        self._task: KlingTask | None = None
        self._misses = 0
        self._unknown = 0
        self._faults = 0
        self._failing_since: float | None = None
        self._fault: KlingError | None = None

    def note_task(self, task: KlingTask, now: float) -> WaitDecision:
        """Note a read that showed the task, and decide what now."""
        self._task = task
        self._reset_failures()
        self._misses = 0
        if task.status is TaskStatus.SUCCEEDED:
            return WaitDecision(State.SUCCEEDED, task=task)
        if task.status is TaskStatus.FAILED:
            return WaitDecision(State.FAILED, task=task)
        self._unknown = self._unknown + 1 if task.status is TaskStatus.UNKNOWN else 0
        if self._is_late(now):
            return self._give_up_at_deadline()
        if self._unknown >= _UNKNOWN_WORDS:
            return WaitDecision(State.ERROR, task=task, error=self._build_unknown_word_error(task))
        return self._keep_waiting(now, as_expected=task.status.running)

    def note_missing(self, now: float, said: str | None = None) -> WaitDecision:
        """Note a read that was answered without the id, and decide what now.

        :param said: what the host says about that, as a sentence.
        """
        self._reset_failures()
        self._misses += 1
        if self._misses >= MISSES:
            return WaitDecision(
                State.LOST,
                error=KlingTaskNotFound(
                    said
                    or f"Kling does not know task {self.kling_task_id} ({self._misses} reads in a row): it "
                    f"{explain_unknown(self.kling_task_id)}.",
                    kling_task_id=self.kling_task_id,
                ),
            )
        return self._keep_waiting(now)

    def note_failure(self, error: KlingError, now: float) -> WaitDecision:
        """Note a read that failed, and decide what now.

        Errors that a person can correct (a rotated key) have as much time as outages: :data:`FAULT_BUDGET`.
        """
        self._faults += 1
        self._fault = error
        if self._failing_since is None:
            self._failing_since = now
        lasted = now - self._failing_since
        budget = MISSING_BUDGET if isinstance(error, KlingConnectionMissing) else FAULT_BUDGET
        if lasted >= budget or (
            self._is_late(now) and lasted > 0 and now >= (self.deadline or 0.0) + LATE_FAULT_BUDGET
        ):
            return WaitDecision(
                State.ERROR, task=self._task, error=self._build_unreadable_error(error, lasted)
            )
        backoff = min(
            self.poll_interval * 2.0 ** min(self._faults - 1, 10), max(_MAX_BACKOFF, self.poll_interval)
        )
        pause = max(backoff * (1.0 + 0.25 * self._spread), get_requested_pause(error))
        return WaitDecision(State.WAIT, delay=min(pause, FAULT_BUDGET), task=self._task)

    def describe_progress(self, now: float) -> str:
        """Describe how the task stands, for a log line: ``"processing, made 42 s ago"``."""
        if self._task is None:
            said = "not read yet"
        else:
            made = self._task.created_at.timestamp() if self._task.created_at else self._since
            said = f"{self._task.word}, made {max(0, round(now - made))} s ago"
        if self._misses:
            said += ", unknown to Kling in the last read"
        if self._fault is not None and self._failing_since is not None:
            said += f"; reads fail for {max(0, round(now - self._failing_since))} s now ({self._fault})"
        return said

    def _reset_failures(self) -> None:
        self._faults = 0
        self._failing_since = None
        self._fault = None

    def _is_late(self, now: float) -> bool:
        return self.deadline is not None and now >= self.deadline

    def _keep_waiting(self, now: float, *, as_expected: bool = False) -> WaitDecision:
        age = now - self._since
        delay = self.poll_interval * next((times for limit, times in _PACES if age >= limit), 1)
        if self.deadline is not None and now < self.deadline:
            # The last read falls on the deadline, neither before nor a whole interval after it.
            delay = min(delay, self.deadline - now)
        return WaitDecision(State.WAIT, delay=delay, task=self._task, as_expected=as_expected)

    def _give_up_at_deadline(self) -> WaitDecision:
        word = self._task.word if self._task else ""
        return WaitDecision(
            State.TIMEOUT,
            task=self._task,
            error=KlingTimeout(
                f"Kling task {self.kling_task_id} is still {word or 'running'} at the end of timeout. It "
                "goes on at Kling and is billed when it succeeds. Clear this task (or let it retry) to wait "
                "again: that adopts it and pays nothing.",
                task_state=TaskState.EXISTS,
                kling_task_id=self.kling_task_id,
            ),
        )

    def _build_unknown_word_error(self, task: KlingTask) -> KlingError:
        return KlingServerError(
            f"Kling says that task {self.kling_task_id} is {task.status_word[:40]!r}, a status that is not "
            f"documented, in {self._unknown} reads in a row. It may have finished: look it up in Kling's "
            "console. Clear this task (or let it retry) to wait again: that adopts it and pays nothing.",
            task_state=TaskState.EXISTS,
            kling_task_id=self.kling_task_id,
        )

    def _build_unreadable_error(self, error: KlingError, lasted: float) -> KlingError:
        """Build an error of the same type as ``error``, so that what a retry cannot correct is not retried."""
        return type(error)(
            f"Kling task {self.kling_task_id} could not be read for {round(lasted)} s: {error} The task itself goes on at "
            "Kling and is billed when it succeeds. Clear this task (or let it retry) when reads work again: that "
            "adopts it and pays nothing.",
            code=error.code,
            request_id=error.request_id,
            http_status=error.http_status,
            task_state=TaskState.EXISTS,
            kling_task_id=self.kling_task_id,
        )
