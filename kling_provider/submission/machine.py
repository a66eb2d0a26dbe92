# SPDX-License-Identifier: Apache-2.0
"""The state machine: a class without I/O."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from kling_provider.api.codes import Answer, Kind, TaskState
from kling_provider.api.hosts import Lock
from kling_provider.api.ids import explain_unknown
from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.exceptions import KlingError, KlingTaskFailedFinally, KlingTaskNotFound
from kling_provider.submission.lookups import best_of, look_up, read_recorded
from kling_provider.submission.steps import (
    Find,
    NoSlot,
    Permit,
    Prepare,
    Read,
    Record,
    Send,
    Sent,
    Step,
    Steps,
    Store,
    Submitted,
    Wait,
)
from kling_provider.submission.words import Words, now, said

#: Seconds before each look after an answer that leaves doubt. A task was visible at once in 152 of 152
#: live reads; the waits are for the create that is still on its way.
LOOKS = (0.0, 1.0, 3.0)
#: The same where Kling says "already exists" and shows nothing: up to 60 s.
DUPLICATE_LOOKS = (0.0, 2.0, 5.0, 10.0, 20.0, 23.0)
#: Where ids are looked up one by one: so many unknown ones are the end. The first attempts may be older than 30
#: days and forgotten, and a later one is still there.
GAP = 3
#: Seconds before a create is sent again after 1302 (unless the answer says), and after doubt with a lock.
BACKOFF = (2.0, 5.0, 12.0)
#: The longest ``Retry-After`` that is waited out here, in seconds: longer ones after a refusal wait without a worker.
LONGEST_WAIT = 30.0


@dataclass(frozen=True, kw_only=True)
class Submission(Words):
    """One try to have one intended video made.

    :param lock: what the external id is worth at this host for this model.
    :param batch: the host finds up to 20 external ids in one call.
    :param look_first: look before sending (every try but the first of scope ``run``).
    :param record: what an earlier try of this task instance left.
    :param adopt: a Kling task id to take over instead of making one.
    :param resubmit: the user accepts that a doubtful call is sent again (``on_ambiguous="resubmit"``).
    :param newcomer: a first try in a run that was cleared, of a mapped task: without a lock nobody knows
        whether its prompt was paid at another map index.
    :param resume: the external id of this try, after a wait for a slot.
    :param cleared: a person cleared the task since ``record`` was left: another request now is meant to be made.
    :param prompt: what the record says of the request, for people.
    """

    lock: Lock
    batch: bool = True
    look_first: bool = False
    record: Record | None = None
    adopt: str | None = None
    resubmit: bool = False
    newcomer: bool = False
    resume: str | None = None
    cleared: bool = False

    def steps(self) -> Steps:
        """Run to an :data:`Outcome`, or raise a :class:`KlingError`."""
        record = self.record if self.record and self.record.get("identity") == self.identity.key else None
        if self.adopt:
            return (yield from self._adopt(self.adopt, record))
        if record is None and self.record is not None and self._is_under_own_id(self.record):
            raise self._own_id_is_taken(self.record)
        locked = self.lock is Lock.LOCKED
        if record is not None and record.get("echoed") is False:
            # The host was seen to ignore our id: whatever its profile says, the id protects nothing here.
            locked = False
        if record is not None and record.get("kling_task_id"):
            known = yield from self._recorded(record)
            if known is not None:
                return known
            return (yield from self._create(int(record.get("attempt") or 0) + 1, locked))
        if not locked:
            return (yield from self._unlocked(record))
        resumed = self.identity.attempt_of(self.resume) if self.resume else None
        ambiguous = record is not None and record.get("state") == "open"
        if resumed is not None and not self.look_first and not ambiguous:
            return (yield from self._create(resumed, locked))
        if self.look_first or self.resume or ambiguous:
            best, attempt = yield from self._current()
            if best is not None and best.status is not TaskStatus.FAILED:
                return (yield from self._take_over(best, attempt))
            return (yield from self._create(attempt + 1 if best else 0, locked))
        return (yield from self._create(0, locked))

    def _is_under_own_id(self, record: Record) -> bool:
        """Whether the record is of another request under the user's own external id, which names one task only."""
        return (
            self.identity.own is not None
            and record.get("external_task_id") == self.identity.own
            and record.get("state") in ("open", "created")
        )

    # -- before the call ------------------------------------------------------------------------------------

    def _adopt(self, kling_task_id: str, record: Record | None) -> Steps:
        task: KlingTask | None = yield Read(kling_task_id)
        if task is None:
            raise KlingTaskNotFound(
                f"There is no task {kling_task_id} at {self.host} to adopt: check the id; it "
                f"{explain_unknown(kling_task_id, at_kling=self.at_kling)}. Nothing was sent.",
                kling_task_id=kling_task_id,
            )
        attempt = self.identity.attempt_of(task.external_task_id or "")
        if (record is not None and record.get("kling_task_id")) or (
            attempt is None and task.status is TaskStatus.FAILED
        ):
            # What was paid here must be found again when adopt is taken out of the request; and a failed task that
            # nobody knows to be ours neither is an attempt of ours nor ends the doubt about one.
            return Submitted(task, task.external_task_id or None, attempt or 0, adopted=True)
        return (yield from self._take_over(task, attempt or 0))

    def _recorded(self, record: Record) -> Generator[Step, Any, Submitted | None]:
        """The task that an earlier try made; ``None`` where it failed and the next attempt may be made."""
        task = yield from read_recorded(
            record, what=self.what, host=self.host, another=self._another, at_kling=self.at_kling
        )
        if task.status is TaskStatus.FAILED:
            return None
        return Submitted(task, record.get("external_task_id"), int(record.get("attempt") or 0), adopted=True)

    def _unlocked(self, record: Record | None) -> Steps:
        """No lock: what the record says, or a stop."""
        attempt = int(record.get("attempt") or 0) if record is not None else 0
        doubt = record is not None and record.get("state") == "open"
        if record is not None and doubt:
            external = record.get("external_task_id")
            if self.finds and external:
                sent = f"An earlier try sent {self.what} at {record.get('at')} and its end is unknown"
                found = yield from look_up(external, LOOKS, sent)
                if found is not None:
                    return (yield from self._take_over(found, attempt))
        if self.resubmit:
            return (yield from self._create(attempt, locked=False, doubt=doubt))
        newcomer = self.record is not None and self.record.get("state") == "newcomer"
        if newcomer or (self.newcomer and self.record is None):
            # Kept, or a plain clear would be a later try without a record, and send.
            yield Store(self._record(None, attempt, "newcomer"))
            raise self._stop(
                "this run was cleared and this mapped instance is new in it, so its request may have been "
                "paid at another map index"
            )
        over = ("not_created", "failed")
        if (
            self.record is not None
            and record is None
            and not self.cleared
            and self.record.get("state") not in over
        ):
            raise self._stop(
                f"this task instance already sent another request at {self.record.get('at')} "
                f"(Kling task {self.record.get('kling_task_id') or 'unknown'})"
            )
        if record is not None and doubt:
            raise self._stop(f"an earlier try sent it at {record.get('at')} and its end is unknown")
        if record is None and self.look_first and self.finds and self.lock is Lock.CARRIED:
            # The record may be gone (clear_on_success); what the host shows was paid.
            best, found_attempt = yield from self._current()
            if best is not None and best.status is not TaskStatus.FAILED:
                return (yield from self._take_over(best, found_attempt))
            attempt = found_attempt + 1
        return (yield from self._create(attempt, locked=False))

    def _current(self) -> Generator[Step, Any, tuple[KlingTask | None, int]]:
        """The task of the highest attempt that Kling knows, and that attempt."""
        ids = [self.identity.external_task_id(n) for n in range(self.identity.attempts)]
        best: tuple[KlingTask | None, int] = (None, -1)
        misses = 0
        for group in [ids] if self.batch else [[one] for one in ids]:
            try:
                found: dict[str, list[KlingTask]] = yield Find(tuple(group))
            except KlingError as error:
                raise error.with_context(
                    prefix=f"Could not look whether {self.what} was made already, and nothing was sent by this try: ",
                    task_state=TaskState.MAY_EXIST,
                ) from error.__cause__
            for external, tasks in found.items():
                attempt = ids.index(external)
                if tasks and attempt > best[1]:
                    best = (best_of(tasks), attempt)
            misses = 0 if found else misses + 1
            if misses >= GAP or (misses and best[0] is not None):
                break
        return best

    # -- the call -------------------------------------------------------------------------------------------

    def _create(self, attempt: int, locked: bool, doubt: bool = False) -> Steps:
        """:param doubt: an earlier call for this very attempt may have made a task."""
        if attempt >= self.identity.attempts:
            if self.identity.own is not None:
                raise KlingTaskFailedFinally(
                    f"The task under your external_task_id {self.identity.own} failed at {self.host}, and an id can "
                    "be used once only. Nothing was sent: choose another external_task_id, or leave it out.",
                    task_state=TaskState.EXISTS,
                )
            raise KlingTaskFailedFinally(
                f"Kling failed {attempt} attempts for {self.what}. Nothing more is sent: change the request, or "
                f"{self._another}.",
                task_state=TaskState.EXISTS,
            )
        external = self.identity.external_task_id(attempt) if self.lock is not Lock.NONE else None
        may_send = yield Permit(external, attempt)
        if not (may_send or doubt):
            return NoSlot(external, attempt, full=False, refused=False)
        prepared = yield from self._prepared(external, doubt)
        for pause in (*BACKOFF, None):
            # With a lock too: the record says what was sent, which the request of a later try may not.
            yield Store(self._record(external, attempt, "open"))
            sent: Sent = yield Send(external, prepared)
            answer = sent.answer
            if answer.ok and sent.task is not None:
                return (yield from self._created(sent.task, external, attempt))
            unclear = answer.ok or answer.task_state is not TaskState.NONE
            if not unclear and not doubt:
                yield Store(self._record(external, attempt, "not_created"))
            if not unclear and answer.code == 1201 and external:
                return (yield from self._refused_1201(answer, external, attempt, doubt=doubt, locked=locked))
            if unclear or (doubt and answer.kind is Kind.NO_SLOT):
                # A 1303 after doubt may well be our own task that fills the slot.
                found = yield from self._after_doubt(external, answer)
                if found is not None:
                    return (yield from self._take_over(found, attempt))
            if not unclear and (answer.kind is Kind.NO_SLOT or self._waits_long(answer)):
                not_before = None if answer.retry_after is None else time.time() + answer.retry_after
                return NoSlot(external, attempt, answer.kind is Kind.NO_SLOT, not_before)
            doubt = doubt or unclear
            if not locked and unclear:
                if self.resubmit and pause is not None:
                    yield Wait(pause)
                    continue
                raise self._stop(
                    f"the call was sent at {now()} and its answer does not say whether a task was made "
                    f"({said(answer)})"
                    + (f", though it names task {sent.task.kling_task_id}" if sent.task else "")
                )
            again = unclear or answer.is_temporary
            if not again or pause is None:
                raise self._failed(answer, doubt, locked)
            yield Wait(pause if answer.retry_after is None else min(answer.retry_after, LONGEST_WAIT))
        raise AssertionError("unreachable")

    def _prepared(self, external: str | None, doubt: bool) -> Generator[Step, Any, Any]:
        try:
            return (yield Prepare(external))
        except KlingError as error:
            if not doubt:
                raise
            raise error.with_context(
                suffix=" An earlier call may have made a task, which would be billed.",
                task_state=TaskState.MAY_EXIST,
            ) from error.__cause__

    def _waits_long(self, answer: Answer) -> bool:
        return answer.kind is Kind.RATE_LIMIT and (answer.retry_after or 0.0) > LONGEST_WAIT

    def _created(self, task: KlingTask, external: str | None, attempt: int) -> Steps:
        echoed = external is not None and task.external_task_id == external
        record = self._record(external, attempt, "created")
        yield Store({**record, "kling_task_id": task.kling_task_id, "echoed": echoed})
        return Submitted(task, external, attempt, adopted=False)

    def _take_over(self, task: KlingTask, attempt: int) -> Steps:
        """A task that was there before. What it came to is for the caller, who reads its status."""
        external = task.external_task_id or None
        record = self._record(external, attempt, "created")
        yield Store({**record, "kling_task_id": task.kling_task_id})
        return Submitted(task, external, attempt, adopted=True)

    def _refused_1201(
        self, answer: Answer, external: str, attempt: int, *, doubt: bool, locked: bool
    ) -> Steps:
        """1201 says "duplicate" by its text alone: the look-up decides, whatever the text says.

        :param doubt: an earlier call for this attempt may have made the task that is found.
        """
        if not self.finds:
            if answer.is_duplicate:
                raise self._unknown_duplicate(answer, external, doubt)
            raise self._failed(answer, doubt, locked)
        waits = DUPLICATE_LOOKS if answer.is_duplicate else (0.0,)
        found = yield from look_up(external, waits, self._could_not(answer))
        if found is None:
            if answer.is_duplicate:
                raise self._unknown_duplicate(answer, external, doubt)
            raise self._failed(answer, doubt, locked)
        if found.status is TaskStatus.FAILED and self.identity.own is None and not doubt:
            return (yield from self._create(attempt + 1, locked=self.lock is Lock.LOCKED))
        return (yield from self._take_over(found, attempt))

    def _after_doubt(self, external: str | None, answer: Answer) -> Generator[Step, Any, KlingTask | None]:
        if not (self.finds and external):
            return None
        return (yield from look_up(external, LOOKS, self._could_not(answer)))

    def _record(self, external: str | None, attempt: int, state: str) -> Record:
        record: Record = {
            "identity": self.identity.key,
            "external_task_id": external,
            "attempt": attempt,
            "state": state,
            "kling_task_id": None,
            "at": now(),
            "prompt": self.prompt[:200],
            "host": self.host,
        }
        if self.record is not None and self.record.get("echoed") is False:
            record["echoed"] = False  # of the host, so it holds for every later record, too
        return record
