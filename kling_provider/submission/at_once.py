# SPDX-License-Identifier: Apache-2.0
"""The state machine of one request whose answer is the result: a class without I/O.

Kling has no external id and no look-up for such a call. So what was paid is known from the record alone: the number of
calls is stored before each of them, and the answer right after it. While the outcome of a call is unknown, it is sent again as
often as the caller allows in all tries together, and not once more.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kling_provider.api.codes import ApiResponse, ErrorKind, TaskState
from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.exceptions import KlingError, KlingTaskFailedFinally
from kling_provider.identity import Identity
from kling_provider.submission import state_machine
from kling_provider.submission.answers import keep_answer, read_kept_answer
from kling_provider.submission.messages import AtOnceMessages, format_now
from kling_provider.submission.steps import (
    MustQueue,
    Permit,
    Prepare,
    Send,
    Sent,
    Step,
    Steps,
    StoreRecord,
    SubmissionRecord,
    Submitted,
    Wait,
)

#: States of a record after which nothing of it is left to wait for, or to pay.
_OVER = ("not_created", "failed")


@dataclass(frozen=True, kw_only=True)
class AtOnceSubmission:
    """One try to have one intended result made by a call that Kling answers at once.

    :param identity: what makes it the same result in every try.
    :param most_calls: how often the paid call is sent in all, over the tries of the task instance, while its outcome is
        unknown.
    :param resubmit: the user accepts more calls than those (``on_ambiguous="resubmit"``).
    :param record: what an earlier try of this task instance, or another run, left.
    :param new_in_cleared_run: a first try in a run that was cleared, of a mapped task: it is unknown whether its request was
        paid at another map index.
    :param cleared: a person cleared the task since ``record`` was left: another request now is meant to be made.
    :param what: the request in a few words.
    :param host: the name of the host, for messages.
    :param prompt: what the record says of the request, for people.
    """

    identity: Identity
    most_calls: int = 1
    resubmit: bool = False
    record: SubmissionRecord | None = None
    new_in_cleared_run: bool = False
    cleared: bool = False
    what: str = "the result"
    host: str = "Kling"
    prompt: str = ""

    @cached_property
    def _error_messages(self) -> AtOnceMessages:
        return AtOnceMessages(
            what=self.what, host=self.host, take=self.identity.take, most_calls=self.most_calls
        )

    def plan_steps(self) -> Steps:
        """Yield the steps up to an :data:`Outcome`, or raise a :class:`KlingError`."""
        record = self.record if self.record and self.record.get("identity") == self.identity.key else None
        if record is not None and record.get("state") == "created":
            return recover_kept_answer(record, self._error_messages)
        attempt = int(record.get("attempt") or 0) if record is not None else 0
        if record is not None and record.get("state") == "failed":
            return (yield from self._call(attempt + 1, 0))
        # The calls of an automatic retry count, whatever the request says now.
        left = record or (None if self.cleared else self.record)
        if not self.resubmit:
            yield from self._stop_where_unknown(record)
        times_sent = count_ambiguous_calls(left)
        if times_sent >= self.most_calls and not self.resubmit:
            raise self._error_messages.build_stop(
                f"the outcome of the call of {left.get('at') if left else 'an unknown time'} is unknown",
                times_sent,
            )
        return (yield from self._call(attempt, times_sent))

    def _stop_where_unknown(self, record: SubmissionRecord | None) -> Generator[Step, Any, None]:
        """Stop where it may have been paid elsewhere: at another map index, or as another request of this instance."""
        before = self.record
        was_stopped = before is not None and before.get("state") == "newcomer"
        if was_stopped or (self.new_in_cleared_run and before is None):
            # Kept, or a plain clear would be a later try without a record, and send.
            yield StoreRecord(self._build_record(0, "newcomer", 0))
            raise self._error_messages.build_stop(
                "this run was cleared and this mapped instance is new in it, so its request may have been paid at another "
                "map index",
                0,
            )
        if record is None and before is not None and not self.cleared and before.get("state") == "created":
            raise self._error_messages.build_stop(
                f"this task instance already paid for another request at {before.get('at')} "
                f"({before.get('kling_task_id') or 'unknown'})",
                0,
            )

    def _call(self, attempt: int, times_sent: int) -> Steps:
        """Make the paid call, and repeat it as often as that is allowed.

        :param times_sent: the calls whose outcome is unknown, of all tries until now.
        """
        if attempt >= self.identity.attempts:
            raise KlingTaskFailedFinally(
                f"Kling failed {attempt} attempts for {self.what}. Nothing more is sent: change the request, or "
                f"{self._error_messages.another_result}.",
                task_state=TaskState.EXISTS,
            )
        may_send = yield Permit(None, attempt)
        if not may_send:
            return MustQueue(None, attempt, full=False, refused=False)
        prepared = yield from self._prepare_call(times_sent)
        for pause in (*state_machine.BACKOFF, None):
            yield StoreRecord(self._build_record(attempt, "open", times_sent + 1))
            sent: Sent = yield Send(None, prepared)
            answer = sent.answer
            if answer.ok and sent.task is not None:
                return (yield from self._keep(sent.task, attempt, times_sent + 1))
            ambiguous = answer.ok or answer.task_state is not TaskState.NONE
            if ambiguous:
                times_sent += 1
                if pause is None or (times_sent >= self.most_calls and not self.resubmit):
                    raise self._build_unknown(answer, times_sent)
                yield Wait(pause)
                continue
            yield StoreRecord(
                self._build_record(attempt, "open" if times_sent else "not_created", times_sent)
            )
            if answer.kind is ErrorKind.CONCURRENCY_LIMIT or state_machine.must_wait_long(answer):
                not_before = None if answer.retry_after is None else time.time() + answer.retry_after
                return MustQueue(None, attempt, answer.kind is ErrorKind.CONCURRENCY_LIMIT, not_before)
            if pause is None or not answer.is_temporary:
                raise self._error_messages.build_refusal(answer, times_sent)
            yield Wait(pause if answer.retry_after is None else answer.retry_after)
        raise AssertionError("unreachable")

    def _prepare_call(self, times_sent: int) -> Generator[Step, Any, Any]:
        try:
            return (yield Prepare(None))
        except KlingError as error:
            if not times_sent:
                raise
            raise error.with_context(
                suffix=f" {self._error_messages.describe_calls(times_sent)}", task_state=TaskState.MAY_EXIST
            ) from error.__cause__

    def _keep(self, task: KlingTask, attempt: int, times_sent: int) -> Steps:
        """Store the answer before anything else can fail: nobody can be asked for it again."""
        failed = task.status is TaskStatus.FAILED
        record = self._build_record(attempt, "failed" if failed else "created", times_sent)
        yield StoreRecord(
            {**record, "kling_task_id": task.kling_task_id}
            if failed
            else {**record, "kling_task_id": task.kling_task_id, "answer": keep_answer(task)}
        )
        return Submitted(task, None, attempt, adopted=False, times_sent=times_sent)

    def _build_unknown(self, answer: ApiResponse, times_sent: int) -> KlingError:
        said = self._error_messages.describe_unknown(answer)
        if self.resubmit or times_sent >= self.most_calls:
            return self._error_messages.build_stop(said, times_sent)
        return self._error_messages.build_pause(said, times_sent)

    def _build_record(self, attempt: int, state: str, times_sent: int) -> SubmissionRecord:
        return {
            "identity": self.identity.key,
            "external_task_id": None,
            "attempt": attempt,
            "state": state,
            "kling_task_id": None,
            "times_sent": times_sent,
            "at": format_now(),
            "prompt": self.prompt[:200],
            "host": self.host,
        }


def count_ambiguous_calls(record: SubmissionRecord | None) -> int:
    """Count the calls of a record whose outcome is unknown."""
    if record is None or record.get("state") != "open":
        return 0
    return int(record.get("times_sent") or 1)


def recover_kept_answer(record: SubmissionRecord, messages: AtOnceMessages) -> Submitted:
    """Return the result that an earlier call gave, from its kept answer. Nothing is sent.

    :param record: one in the state ``created``.
    :raises KlingTaskNotFound: where its links, or its session, have ended.
    :raises KlingSubmitUnknown: where the record holds no answer that this release can read.
    """
    task = read_kept_answer(record.get("answer"))
    if task is None:
        raise messages.build_stop(
            f"it was answered at {record.get('at')} ({record.get('kling_task_id')}), and this release cannot read the kept "
            "answer",
            int(record.get("times_sent") or 1),
        )
    if task.expires_at is not None and task.expires_at.timestamp() <= time.time():
        raise messages.build_ended(task)
    return Submitted(
        task,
        None,
        int(record.get("attempt") or 0),
        adopted=True,
        times_sent=int(record.get("times_sent") or 1),
    )
