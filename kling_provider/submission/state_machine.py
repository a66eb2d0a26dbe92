# SPDX-License-Identifier: Apache-2.0
"""The state machine of one submission: a class without I/O."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kling_provider.api.codes import ApiResponse, ErrorKind, TaskState
from kling_provider.api.hosts import Lock
from kling_provider.api.ids import explain_unknown
from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.exceptions import KlingError, KlingTaskFailedFinally, KlingTaskNotFound
from kling_provider.identity import Identity
from kling_provider.submission.lookups import choose_best, look_up, read_recorded
from kling_provider.submission.messages import SubmissionMessages, describe_answer, format_now
from kling_provider.submission.steps import (
    Find,
    MustQueue,
    Permit,
    Prepare,
    ReadTask,
    Send,
    Sent,
    Step,
    Steps,
    StoreRecord,
    SubmissionRecord,
    Submitted,
    Wait,
)

#: Seconds before each look after an ambiguous call. A task was visible at once in 152 of 152
#: live reads; the waits are for the create that is still on its way.
LOOKS = (0.0, 1.0, 3.0)
#: Seconds of the same where Kling says "already exists" and shows nothing: up to 60 s.
DUPLICATE_LOOKS = (0.0, 2.0, 5.0, 10.0, 20.0, 23.0)
#: Where ids are looked up one by one: so many unknown ones are the end. The first attempts may be older than 30
#: days and forgotten, and a later one is still there.
_GAP = 3
#: Seconds before a create is sent again after 1302 (unless the response says), and after an ambiguous call with a lock.
BACKOFF = (2.0, 5.0, 12.0)
#: The longest ``Retry-After`` that is waited out here, in seconds: longer ones after a refusal wait without a worker.
_LONGEST_WAIT = 30.0


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One try to have one intended result made.

    :param identity: what makes it the same result in every try.
    :param lock: what the external id is worth at this host for this model.
    :param batch: the host finds up to 20 external ids in one call.
    :param look_first: look before sending (every try but the first of scope ``run``).
    :param record: what an earlier try of this task instance left.
    :param adopt: a Kling task id to take over instead of making one.
    :param resubmit: the user accepts that an ambiguous call is sent again (``on_ambiguous="resubmit"``).
    :param new_in_cleared_run: a first try in a run that was cleared, of a mapped task: without a lock it is unknown
        whether its prompt was paid at another map index.
    :param resume: the external id of this try, after a wait in the queue.
    :param cleared: a person cleared the task since ``record`` was left: another request now is meant to be made.
    :param can_find_by_external_id: the host finds tasks by external id.
    :param at_kling: the host is Kling's own, and no gateway.
    :param what: the request in a few words.
    :param host: the name of the host, for messages.
    :param prompt: what the record says of the request, for people.
    """

    identity: Identity
    can_find_by_external_id: bool
    lock: Lock
    at_kling: bool = True
    what: str = "the result"
    host: str = "Kling"
    prompt: str = ""
    batch: bool = True
    look_first: bool = False
    record: SubmissionRecord | None = None
    adopt: str | None = None
    resubmit: bool = False
    new_in_cleared_run: bool = False
    resume: str | None = None
    cleared: bool = False

    @cached_property
    def _error_messages(self) -> SubmissionMessages:
        return SubmissionMessages(
            identity=self.identity,
            what=self.what,
            host=self.host,
            prompt=self.prompt,
            can_find_by_external_id=self.can_find_by_external_id,
        )

    def plan_steps(self) -> Steps:
        """Yield the steps up to an :data:`Outcome`, or raise a :class:`KlingError`."""
        record = self.record if self.record and self.record.get("identity") == self.identity.key else None
        if self.adopt:
            return (yield from self._adopt_named_task(self.adopt, record))
        if record is None and self.record is not None and self._is_under_own_id(self.record):
            raise self._error_messages.build_own_id_taken(self.record)
        locked = self.lock is Lock.LOCKED
        if record is not None and record.get("echoed") is False:
            # The host was seen to ignore our id: whatever its profile says, the id protects nothing here.
            locked = False
        if record is not None and record.get("kling_task_id"):
            known = yield from self._read_recorded_task(record)
            if known is not None:
                return known
            return (yield from self._create_task(int(record.get("attempt") or 0) + 1, locked))
        if not locked:
            return (yield from self._submit_without_lock(record))
        resumed = self.identity.attempt_of(self.resume) if self.resume else None
        ambiguous = record is not None and record.get("state") == "open"
        if resumed is not None and not self.look_first and not ambiguous:
            return (yield from self._create_task(resumed, locked))
        if self.look_first or self.resume or ambiguous:
            best, attempt = yield from self._find_latest_attempt()
            if best is not None and best.status is not TaskStatus.FAILED:
                return (yield from self._take_over(best, attempt))
            return (yield from self._create_task(attempt + 1 if best else 0, locked))
        return (yield from self._create_task(0, locked))

    def _is_under_own_id(self, record: SubmissionRecord) -> bool:
        """Return whether the record is of another request under the user's own external id, which names one task only."""
        return (
            self.identity.own is not None
            and record.get("external_task_id") == self.identity.own
            and record.get("state") in ("open", "created")
        )

    # -- before the call ------------------------------------------------------------------------------------

    def _adopt_named_task(self, kling_task_id: str, record: SubmissionRecord | None) -> Steps:
        task: KlingTask | None = yield ReadTask(kling_task_id)
        if task is None:
            raise KlingTaskNotFound(
                f"adopt must be the id of a task at {self.host}; {kling_task_id} is not known there: it "
                f"{explain_unknown(kling_task_id, at_kling=self.at_kling)}. Nothing was sent.",
                kling_task_id=kling_task_id,
            )
        attempt = self.identity.attempt_of(task.external_task_id or "")
        if (record is not None and record.get("kling_task_id")) or (
            attempt is None and task.status is TaskStatus.FAILED
        ):
            # What was paid here must be found again when adopt is taken out of the request; and a failed task that
            # is not known to be ours neither is an attempt of ours nor settles an ambiguous one.
            return Submitted(task, task.external_task_id or None, attempt or 0, adopted=True)
        return (yield from self._take_over(task, attempt or 0))

    def _read_recorded_task(self, record: SubmissionRecord) -> Generator[Step, Any, Submitted | None]:
        """Read the task that an earlier try made; ``None`` where it failed and the next attempt may be made."""
        task = yield from read_recorded(
            record,
            what=self.what,
            host=self.host,
            another=self._error_messages.another_result,
            at_kling=self.at_kling,
        )
        if task.status is TaskStatus.FAILED:
            return None
        return Submitted(task, record.get("external_task_id"), int(record.get("attempt") or 0), adopted=True)

    def _submit_without_lock(self, record: SubmissionRecord | None) -> Steps:
        """Submit to a host that has no lock: go on as the record says, or stop."""
        attempt = int(record.get("attempt") or 0) if record is not None else 0
        ambiguous = record is not None and record.get("state") == "open"
        if record is not None and ambiguous:
            external = record.get("external_task_id")
            if self.can_find_by_external_id and external:
                sent = f"An earlier try sent {self.what} at {record.get('at')} and its outcome is unknown"
                found = yield from look_up(external, LOOKS, sent)
                if found is not None:
                    return (yield from self._take_over(found, attempt))
        if self.resubmit:
            return (yield from self._create_task(attempt, locked=False, earlier_ambiguous=ambiguous))
        was_stopped = self.record is not None and self.record.get("state") == "newcomer"
        if was_stopped or (self.new_in_cleared_run and self.record is None):
            # Kept, or a plain clear would be a later try without a record, and send.
            yield StoreRecord(self._build_record(None, attempt, "newcomer"))
            raise self._error_messages.build_stop(
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
            raise self._error_messages.build_stop(
                f"this task instance already sent another request at {self.record.get('at')} "
                f"(Kling task {self.record.get('kling_task_id') or 'unknown'})"
            )
        if record is not None and ambiguous:
            raise self._error_messages.build_stop(
                f"an earlier try sent it at {record.get('at')} and its outcome is unknown"
            )
        if record is None and self.look_first and self.can_find_by_external_id and self.lock is Lock.CARRIED:
            # The record may be gone (clear_on_success); what the host shows was paid.
            best, found_attempt = yield from self._find_latest_attempt()
            if best is not None and best.status is not TaskStatus.FAILED:
                return (yield from self._take_over(best, found_attempt))
            attempt = found_attempt + 1
        return (yield from self._create_task(attempt, locked=False))

    def _find_latest_attempt(self) -> Generator[Step, Any, tuple[KlingTask | None, int]]:
        """Find the task of the highest attempt that Kling knows, and that attempt; ``(None, -1)`` where it knows none."""
        ids = [self.identity.external_task_id(n) for n in range(self.identity.attempts)]
        best: tuple[KlingTask | None, int] = (None, -1)
        misses = 0
        for group in [ids] if self.batch else [[one] for one in ids]:
            try:
                found: dict[str, list[KlingTask]] = yield Find(tuple(group))
            except KlingError as error:
                raise error.with_context(
                    prefix=f"Could not check whether {self.what} was made already, and nothing was sent by this try: ",
                    task_state=TaskState.MAY_EXIST,
                ) from error.__cause__
            for external, tasks in found.items():
                attempt = ids.index(external)
                if tasks and attempt > best[1]:
                    best = (choose_best(tasks), attempt)
            misses = 0 if found else misses + 1
            if misses >= _GAP or (misses and best[0] is not None):
                break
        return best

    # -- the call -------------------------------------------------------------------------------------------

    def _create_task(self, attempt: int, locked: bool, earlier_ambiguous: bool = False) -> Steps:
        """Make the paid call, and repeat it where that is safe.

        :param earlier_ambiguous: an earlier call for this very attempt may have made a task.
        """
        if attempt >= self.identity.attempts:
            if self.identity.own is not None:
                raise KlingTaskFailedFinally(
                    f"The task under your external_task_id {self.identity.own} failed at {self.host}, and an id can "
                    "be used once only. Nothing was sent: choose another external_task_id, or leave it out.",
                    task_state=TaskState.EXISTS,
                )
            raise KlingTaskFailedFinally(
                f"Kling failed {attempt} attempts for {self.what}. Nothing more is sent: change the request, or "
                f"{self._error_messages.another_result}.",
                task_state=TaskState.EXISTS,
            )
        external = self.identity.external_task_id(attempt) if self.lock is not Lock.NONE else None
        may_send = yield Permit(external, attempt)
        if not (may_send or earlier_ambiguous):
            return MustQueue(external, attempt, full=False, refused=False)
        prepared = yield from self._prepare_call(external, earlier_ambiguous)
        for pause in (*BACKOFF, None):
            # With a lock too: the record says what was sent, which the request of a later try may not.
            yield StoreRecord(self._build_record(external, attempt, "open"))
            sent: Sent = yield Send(external, prepared)
            answer = sent.answer
            if answer.ok and sent.task is not None:
                return (yield from self._store_created(sent.task, external, attempt))
            ambiguous = answer.ok or answer.task_state is not TaskState.NONE
            if not ambiguous and not earlier_ambiguous:
                yield StoreRecord(self._build_record(external, attempt, "not_created"))
            if not ambiguous and answer.code == 1201 and external:
                return (
                    yield from self._resolve_1201(
                        answer, external, attempt, earlier_ambiguous=earlier_ambiguous, locked=locked
                    )
                )
            if ambiguous or (earlier_ambiguous and answer.kind is ErrorKind.CONCURRENCY_LIMIT):
                # A 1303 after an ambiguous call may well mean that our own task fills the limit.
                found = yield from self._look_after_ambiguous_call(external, answer)
                if found is not None:
                    return (yield from self._take_over(found, attempt))
            if not ambiguous and (answer.kind is ErrorKind.CONCURRENCY_LIMIT or must_wait_long(answer)):
                not_before = None if answer.retry_after is None else time.time() + answer.retry_after
                return MustQueue(external, attempt, answer.kind is ErrorKind.CONCURRENCY_LIMIT, not_before)
            earlier_ambiguous = earlier_ambiguous or ambiguous
            if not locked and ambiguous:
                if self.resubmit and pause is not None:
                    yield Wait(pause)
                    continue
                raise self._error_messages.build_stop(
                    f"the call was sent at {format_now()} and its response does not say whether a task was made "
                    f"({describe_answer(answer)})"
                    + (f", though it names task {sent.task.kling_task_id}" if sent.task else "")
                )
            again = ambiguous or answer.is_temporary
            if not again or pause is None:
                raise self._error_messages.build_create_failure(
                    answer, earlier_ambiguous=earlier_ambiguous, locked=locked
                )
            yield Wait(pause if answer.retry_after is None else min(answer.retry_after, _LONGEST_WAIT))
        raise AssertionError("unreachable")

    def _prepare_call(self, external: str | None, earlier_ambiguous: bool) -> Generator[Step, Any, Any]:
        try:
            return (yield Prepare(external))
        except KlingError as error:
            if not earlier_ambiguous:
                raise
            raise error.with_context(
                suffix=" An earlier call may have made a task, which would be billed.",
                task_state=TaskState.MAY_EXIST,
            ) from error.__cause__

    def _store_created(self, task: KlingTask, external: str | None, attempt: int) -> Steps:
        echoed = external is not None and task.external_task_id == external
        record = self._build_record(external, attempt, "created")
        yield StoreRecord({**record, "kling_task_id": task.kling_task_id, "echoed": echoed})
        return Submitted(task, external, attempt, adopted=False)

    def _take_over(self, task: KlingTask, attempt: int) -> Steps:
        """Take over a task that was there before. Its status is for the caller to read."""
        external = task.external_task_id or None
        record = self._build_record(external, attempt, "created")
        yield StoreRecord({**record, "kling_task_id": task.kling_task_id})
        return Submitted(task, external, attempt, adopted=True)

    def _resolve_1201(
        self, answer: ApiResponse, external: str, attempt: int, *, earlier_ambiguous: bool, locked: bool
    ) -> Steps:
        """Resolve a 1201, which says "duplicate" by its text alone: the look-up decides, whatever the text says.

        :param earlier_ambiguous: an earlier call for this attempt may have made the task that is found.
        """
        if not self.can_find_by_external_id:
            if answer.is_duplicate:
                raise self._error_messages.build_unknown_duplicate(
                    answer, external, earlier_ambiguous=earlier_ambiguous
                )
            raise self._error_messages.build_create_failure(
                answer, earlier_ambiguous=earlier_ambiguous, locked=locked
            )
        waits = DUPLICATE_LOOKS if answer.is_duplicate else (0.0,)
        found = yield from look_up(external, waits, self._error_messages.describe_failed_create(answer))
        if found is None:
            if answer.is_duplicate:
                raise self._error_messages.build_unknown_duplicate(
                    answer, external, earlier_ambiguous=earlier_ambiguous
                )
            raise self._error_messages.build_create_failure(
                answer, earlier_ambiguous=earlier_ambiguous, locked=locked
            )
        if found.status is TaskStatus.FAILED and self.identity.own is None and not earlier_ambiguous:
            return (yield from self._create_task(attempt + 1, locked=self.lock is Lock.LOCKED))
        return (yield from self._take_over(found, attempt))

    def _look_after_ambiguous_call(
        self, external: str | None, answer: ApiResponse
    ) -> Generator[Step, Any, KlingTask | None]:
        if not (self.can_find_by_external_id and external):
            return None
        return (yield from look_up(external, LOOKS, self._error_messages.describe_failed_create(answer)))

    def _build_record(self, external: str | None, attempt: int, state: str) -> SubmissionRecord:
        record: SubmissionRecord = {
            "identity": self.identity.key,
            "external_task_id": external,
            "attempt": attempt,
            "state": state,
            "kling_task_id": None,
            "at": format_now(),
            "prompt": self.prompt[:200],
            "host": self.host,
        }
        if self.record is not None and self.record.get("echoed") is False:
            record["echoed"] = False  # of the host, so it holds for every later record, too
        return record


def must_wait_long(answer: ApiResponse) -> bool:
    """Tell whether the host wants to be left alone for longer than a worker should wait."""
    return answer.kind is ErrorKind.RATE_LIMIT and (answer.retry_after or 0.0) > _LONGEST_WAIT
