# SPDX-License-Identifier: Apache-2.0
"""Exactly-once submission, driven through all orders of answers, losses and restarts.

The state machine has no I/O, so here it runs against the sandbox's own rules (its ``Backend``: duplicates,
limits, states) on a clock that stands still unless moved.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_provider.api.codes import ApiResponse, ErrorKind, TaskState
from kling_provider.api.hosts import Lock
from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.exceptions import (
    KlingAuthError,
    KlingDuplicateUnknown,
    KlingError,
    KlingRateLimitError,
    KlingRequestError,
    KlingServerError,
    KlingSubmitUnknown,
    KlingTaskFailedFinally,
    KlingTaskNotFound,
)
from kling_provider.identity import Identity
from kling_provider.sandbox.http.errors import ApiError
from kling_provider.sandbox.options import Options
from kling_provider.sandbox.state.backend import Backend, TaskFault
from kling_provider.sandbox.state.tasks import CreateRequest
from kling_provider.submission import (
    Find,
    MustQueue,
    Outcome,
    Permit,
    Prepare,
    ReadTask,
    Send,
    Sent,
    Step,
    StoreRecord,
    Submission,
    SubmissionRecord,
    Submitted,
    Wait,
    drive_steps,
)

IDENTITY = Identity(
    namespace="", dag_id="films", scope={"per": "run", "run": "r"}, fingerprint={"prompt": "A red panda"}
)


class Killed(BaseException):
    """The worker died here."""


@dataclass
class Kling:
    """The sandbox's backend behind the machine's steps, and what befalls each call.

    ``fates``: one per create, then none: ``ok``, ``lost_after``, ``lost_before``, ``5000_after``,
    ``5000_before``, ``1302``, ``1303``, ``refused`` (no connection), ``killed_before``, ``killed_after``,
    ``fails`` (Kling makes the task and fails it).
    """

    locked: bool = True
    finds: bool = True
    fates: list[str] = field(default_factory=list)
    #: One per call that is made ready, then none: whether it cannot be.
    prepare_fates: list[bool] = field(default_factory=list)
    read_fates: list[bool] = field(default_factory=list)
    record: SubmissionRecord | None = None
    #: Creates that may have made a task as far as the client could know, in order, with whether they did.
    sent: list[str] = field(default_factory=list)
    waited: float = 0.0
    now: float = 1_790_000_000.0

    def __post_init__(self) -> None:
        self.backend = Backend(Options(concurrency=50), clock=lambda: self.now)
        self.account = self.backend.get_account()

    def submission(self, **how: Any) -> Submission:
        lock = Lock.LOCKED if self.locked else (Lock.CARRIED if self.finds else Lock.NONE)
        return Submission(
            **{
                "identity": IDENTITY,
                "lock": lock,
                "can_find_by_external_id": self.finds,
                "record": self.record,
                **how,
            }
        )

    def run(self, **how: Any) -> Outcome:
        return drive_steps(self.submission(**how).plan_steps(), self.do)

    def do(self, step: Step) -> Any:
        match step:
            case Wait(seconds):
                self.waited += seconds
                self.now += seconds
            case StoreRecord(record):
                self.record = record
            case Find(externals):
                self._maybe_down()
                found = self.backend.find_by_external_ids(self.account, externals)
                answer: dict[str, list[KlingTask]] = {}
                for task in found:
                    answer.setdefault(str(task.request.external_id), []).append(self._read(task))
                return answer
            case ReadTask(kling_task_id):
                self._maybe_down()
                tasks = self.backend.find_by_ids(self.account, [kling_task_id])
                return self._read(tasks[0]) if tasks else None
            case Permit():
                return True
            case Prepare(external):
                if self.prepare_fates and self.prepare_fates.pop(0):
                    raise KlingRequestError("no such proxy")
                return external
            case Send(external, prepared):
                assert prepared == external, "what is sent was made ready before"
                return self._send(external)
        return None

    def _maybe_down(self) -> None:
        if self.read_fates and self.read_fates.pop(0):
            raise KlingServerError("reads are down")

    def _send(self, external: str | None) -> Sent:
        fate = self.fates.pop(0) if self.fates else "ok"
        if fate == "killed_before":
            raise Killed
        if fate == "refused":
            return Sent(ApiResponse(ErrorKind.UNREADABLE, message="refused", task_state=TaskState.NONE))
        if fate in ("1302", "1303"):
            kind = ErrorKind.RATE_LIMIT if fate == "1302" else ErrorKind.CONCURRENCY_LIMIT
            return Sent(ApiResponse(kind, 429, int(fate), "wait", task_state=TaskState.NONE))
        self.sent.append(fate)
        lost = ApiResponse(ErrorKind.UNREADABLE, message="lost")
        broken = ApiResponse(ErrorKind.SERVER, 500, 5000, "internal")
        if fate in ("lost_before", "5000_before"):
            return Sent(lost if fate == "lost_before" else broken)
        request = CreateRequest(
            dialect="standard",
            product="text-to-video",
            model="kling-3.0",
            model_name="kling-3.0",
            prompt="A red panda",
            price=Decimal(3),
            external_id=external,
        )
        failing = fate == "fails"
        try:
            task = self.backend.create_task(
                self.account,
                request,
                fault=lambda: TaskFault(message="Something went wrong" if failing else None),
                locked=self.locked,
            )
        except ApiError as refusal:
            return Sent(
                ApiResponse(ErrorKind.INVALID, 400, refusal.code, str(refusal), task_state=TaskState.NONE)
            )
        if failing:
            self.now += 3600
        if fate == "killed_after":
            raise Killed
        if fate == "lost_after":
            return Sent(lost)
        if fate == "5000_after":
            return Sent(broken)
        return Sent(ApiResponse(ErrorKind.OK, 200, 0, task_state=TaskState.MAY_EXIST), self._read(task))

    def _read(self, task: Any) -> KlingTask:
        return KlingTask(
            kling_task_id=task.id,
            status=TaskStatus(task.get_state(self.now)),
            status_word=task.get_state(self.now),
            message=task.message,
            external_task_id=task.request.external_id if self.finds else None,
        )

    @property
    def tasks(self) -> list[Any]:
        return list(self.backend.all())

    @property
    def good(self) -> int:
        """Tasks that were or will be billed."""
        return sum(task.get_state(self.now) != "failed" for task in self.tasks)


FATES = st.lists(
    st.sampled_from(
        [
            "ok",
            "lost_after",
            "lost_before",
            "5000_after",
            "5000_before",
            "1302",
            "1303",
            "refused",
            "killed_before",
            "killed_after",
            "fails",
        ]
    ),
    max_size=12,
)


def live_through(kling: Kling, tries: int, *, forget_record: bool) -> None:
    """As many tries as Airflow would make: each looks first but the first one, a wait in the queue resumes."""
    for number in range(tries):
        resume = None
        try:
            for _ in range(3):
                outcome = kling.run(look_first=number > 0, resume=resume)
                if isinstance(outcome, Submitted):
                    break
                resume = outcome.external_task_id
        except (KlingError, Killed):
            pass
        if forget_record:
            kling.record = None


FAULTS = st.lists(st.booleans(), max_size=12)


@pytest.mark.slow
@given(FATES, FAULTS, FAULTS, st.booleans())
@settings(max_examples=400, deadline=None)
def test_with_a_lock_at_most_one_live_task(
    fates: list[str], reads: list[bool], prepares: list[bool], forget: bool
) -> None:
    """Also where every record is lost, and where reads fail: Kling's memory is enough."""
    kling = Kling(fates=fates, read_fates=reads, prepare_fates=prepares)
    live_through(kling, 6, forget_record=forget)
    assert kling.good <= 1
    ids = [task.request.external_id for task in kling.tasks]
    assert len(ids) == len(set(ids))
    # At last, on a good day: exactly one, and it is adopted where it was there.
    kling.fates, kling.read_fates, kling.prepare_fates, there = [], [], [], kling.good
    outcome = kling.run(look_first=True)
    assert isinstance(outcome, Submitted)
    assert outcome.adopted is bool(there)
    assert kling.good == 1


@pytest.mark.slow
@given(FATES, FAULTS, FAULTS, st.booleans())
@settings(max_examples=400, deadline=None)
def test_without_a_lock_no_second_create_after_an_ambiguous_call(
    fates: list[str], reads: list[bool], prepares: list[bool], finds: bool
) -> None:
    """Nothing is sent after a call whose end is unknown, by whoever it was sent."""
    kling = Kling(locked=False, finds=finds, fates=fates, read_fates=reads, prepare_fates=prepares)
    live_through(kling, 6, forget_record=False)
    ambiguous = ("lost_after", "lost_before", "5000_after", "5000_before", "killed_after")
    ambiguous_calls = [number for number, fate in enumerate(kling.sent) if fate in ambiguous]
    if not finds:
        assert ambiguous_calls in ([], [len(kling.sent) - 1])
    assert kling.good <= 1


def test_the_first_try_notes_what_it_sends_and_asks_nothing() -> None:
    steps = Kling().submission().plan_steps()
    assert isinstance(next(steps), Permit)
    assert isinstance(steps.send(True), Prepare)
    assert isinstance(next(steps), StoreRecord)
    assert isinstance(next(steps), Send)


def test_without_permission_the_request_waits_in_the_queue_and_nothing_is_noted() -> None:
    steps = Kling().submission().plan_steps()
    permit = next(steps)
    assert isinstance(permit, Permit)
    with pytest.raises(StopIteration) as end:
        steps.send(False)
    assert end.value.value == MustQueue(permit.external_task_id, permit.attempt, full=False, refused=False)


@pytest.mark.parametrize("locked", [True, False])
def test_a_call_that_cannot_be_made_ready_leaves_no_trace(locked: bool) -> None:
    """The connection is mended, and the task goes on as if nothing had been."""
    kling = Kling(locked=locked, finds=locked, prepare_fates=[True, True])
    for look_first in (False, True):
        with pytest.raises(KlingRequestError) as caught:
            kling.run(look_first=look_first)
        assert caught.value.task_state is TaskState.NONE
        assert kling.record is None
    assert isinstance(kling.run(look_first=True), Submitted)
    assert len(kling.sent) == 1


def test_a_call_that_cannot_be_made_ready_after_an_ambiguous_one_stays_ambiguous() -> None:
    kling = Kling(locked=False, finds=False, fates=["lost_after"])
    with pytest.raises(KlingSubmitUnknown):
        kling.run()
    kling.prepare_fates = [True]
    with pytest.raises(KlingRequestError, match="may have made a task") as caught:
        kling.run(look_first=True, resubmit=True)
    assert caught.value.task_state is TaskState.MAY_EXIST
    with pytest.raises(KlingSubmitUnknown):
        kling.run(look_first=True)


@pytest.mark.parametrize(
    ("kind", "seconds", "waits_deferred"),
    [
        (ErrorKind.RATE_LIMIT, None, False),
        (ErrorKind.RATE_LIMIT, 30.0, False),
        (ErrorKind.RATE_LIMIT, 31.0, True),
        (ErrorKind.RATE_LIMIT, 86_400.0, True),
        (ErrorKind.CONCURRENCY_LIMIT, None, True),
        (ErrorKind.CONCURRENCY_LIMIT, 7.0, True),
    ],
)
@pytest.mark.parametrize("locked", [True, False])
def test_a_short_retry_after_is_slept_and_a_long_one_waits_without_a_worker(
    kind: ErrorKind, seconds: float | None, waits_deferred: bool, locked: bool
) -> None:
    kling = Kling(locked=locked, finds=locked)
    refusals = [Sent(ApiResponse(kind, 429, None, "slow", retry_after=seconds, task_state=TaskState.NONE))]

    def do(step: Step) -> Any:
        return refusals.pop() if isinstance(step, Send) and refusals else kling.do(step)

    began = time.time()
    outcome = drive_steps(kling.submission().plan_steps(), do)
    assert isinstance(outcome, MustQueue) is waits_deferred
    if isinstance(outcome, MustQueue):
        assert kling.waited == 0
        assert outcome.full is (kind is ErrorKind.CONCURRENCY_LIMIT)
        told = None if outcome.not_before is None else outcome.not_before - began
        assert told == (None if seconds is None else pytest.approx(seconds, abs=5))
        assert isinstance(kling.run(resume=outcome.external_task_id), Submitted)
    else:
        assert kling.waited == (seconds or 2.0)
    assert len(kling.tasks) == 1


def test_lost_answer_is_adopted_not_paid_again() -> None:
    kling = Kling(fates=["lost_after"])
    outcome = kling.run()
    assert isinstance(outcome, Submitted)
    assert outcome.adopted
    assert len(kling.tasks) == 1


def test_lost_before_sends_again_with_the_same_id() -> None:
    kling = Kling(fates=["lost_before", "5000_before"])
    outcome = kling.run()
    assert isinstance(outcome, Submitted)
    assert not outcome.adopted
    assert outcome.external_task_id == IDENTITY.external_task_id(0)
    assert len(kling.sent) == 3


def test_calls_that_stay_ambiguous_end_in_a_retry_that_says_so() -> None:
    kling = Kling(fates=["5000_before"] * 9)
    with pytest.raises(KlingServerError, match=r"may exist.*retry looks for it first") as caught:
        kling.run()
    assert caught.value.task_state is TaskState.MAY_EXIST
    assert kling.waited < 60


@pytest.mark.parametrize(
    ("error", "who"),
    [
        (KlingServerError("down"), "The retry"),
        (KlingRateLimitError("too fast"), "The retry"),
        (KlingAuthError("the key is no more"), "A clear"),
    ],
)
@pytest.mark.parametrize("before", ["answer lost", "duplicate", "open"])
def test_a_look_up_that_fails_leaves_the_error_ambiguous(error: KlingError, who: str, before: str) -> None:
    """Whatever it fails with: what was sent may exist, though this read knows of nothing."""
    kling = Kling(locked=before != "open", fates=["lost_after"] if before == "answer lost" else [])
    error = type(error)(str(error))  # a fresh one: it is added to
    if before != "answer lost":
        kling.fates = ["killed_after"]
        with pytest.raises(Killed):
            kling.run()
    if before == "duplicate":
        kling.record = None  # with a lock the record is no must

    def do(step: Step) -> Any:
        if isinstance(step, Find):
            raise error
        return kling.do(step)

    with pytest.raises(type(error)) as caught:
        drive_steps(kling.submission(look_first=before == "open").plan_steps(), do)
    assert caught.value.task_state is TaskState.MAY_EXIST
    assert f"may be billed. {who} looks for it first and adopts it." in str(caught.value)
    assert len(kling.tasks) == 1


def test_a_first_look_that_fails_does_not_say_that_there_is_no_task() -> None:
    kling = Kling()
    made = kling.run()
    assert isinstance(made, Submitted)
    kling.read_fates = [True, True]
    with pytest.raises(
        KlingServerError, match=r"task [0-9]+ .* billed .* The retry looks for it first"
    ) as caught:
        kling.run(look_first=True)
    assert caught.value.task_state is TaskState.EXISTS
    assert caught.value.kling_task_id == made.task.kling_task_id
    kling.record = None
    with pytest.raises(KlingServerError, match="nothing was sent by this try") as caught:
        kling.run(look_first=True)
    assert caught.value.task_state is TaskState.MAY_EXIST


@pytest.mark.parametrize(
    ("kind", "code", "text"),
    [
        (ErrorKind.AUTH, 1002, "no such key"),
        (ErrorKind.BALANCE, 1102, "no units"),
        (ErrorKind.INVALID, 1201, "this id was used"),  # a duplicate in words that we do not know
    ],
)
@pytest.mark.parametrize("locked", [True, False])
def test_a_refusal_after_an_ambiguous_call_stays_ambiguous_and_promises_no_retry(
    kind: ErrorKind, code: int, text: str, locked: bool
) -> None:
    kling = Kling(locked=locked, fates=["lost_after"])

    def do(step: Step) -> Any:
        if isinstance(step, Find):
            return {}
        if isinstance(step, Send) and kling.sent:
            return Sent(ApiResponse(kind, 400, code, text, task_state=TaskState.NONE))
        return kling.do(step)

    with pytest.raises(KlingError) as caught:
        drive_steps(kling.submission(resubmit=not locked).plan_steps(), do)
    said = str(caught.value)
    assert caught.value.task_state is TaskState.MAY_EXIST
    assert "Nothing was made" not in said
    assert "The retry" not in said
    assert ("A clear looks for it first" if locked else "A clear sends it again") in said


def test_a_1303_after_an_ambiguous_call_looks_before_it_waits() -> None:
    """Our own task may be what fills the limit."""
    kling = Kling(fates=["lost_before", "1303"])
    assert isinstance(kling.run(), MustQueue)
    kling = Kling(fates=["lost_before", "1303"])
    twin = Kling(fates=[])
    twin.backend = kling.backend
    calls: list[Step] = []

    def do(step: Step) -> Any:
        calls.append(step)
        if isinstance(step, Send) and len([c for c in calls if isinstance(c, Send)]) == 2:
            twin.do(step)  # the first create arrives late
        return kling.do(step)

    outcome = drive_steps(kling.submission().plan_steps(), do)
    assert isinstance(outcome, Submitted)
    assert outcome.adopted


def test_a_failed_task_makes_the_next_attempt() -> None:
    kling = Kling(fates=["fails"])
    first = kling.run()
    second = kling.run(look_first=True)
    assert isinstance(first, Submitted)
    assert isinstance(second, Submitted)
    assert (first.attempt, second.attempt) == (0, 1)
    assert [task.request.external_id for task in kling.tasks] == [
        IDENTITY.external_task_id(n) for n in (0, 1)
    ]


def test_twenty_failed_attempts_are_the_end() -> None:
    kling = Kling(fates=["fails"] * 20)
    for number in range(20):
        kling.run(look_first=number > 0)
    with pytest.raises(KlingTaskFailedFinally, match="20 attempts"):
        kling.run(look_first=True)
    assert len(kling.tasks) == 20


def test_one_by_one_look_ups_find_the_same() -> None:
    kling = Kling(fates=["fails", "fails"])
    kling.run()
    kling.run(look_first=True)
    kling.record = None
    third = kling.run(look_first=True, batch=False)
    assert isinstance(third, Submitted)
    assert third.attempt == 2


def test_one_by_one_look_ups_pass_over_attempts_that_are_forgotten() -> None:
    """The first attempts failed more than 30 days ago, the good one was made a little later."""
    kling = Kling(fates=["fails", "fails"])
    for number in range(3):
        kling.run(look_first=number > 0)
    kling.record = None
    forgotten = {IDENTITY.external_task_id(0), IDENTITY.external_task_id(1)}

    def do(step: Step) -> Any:
        return {} if isinstance(step, Find) and forgotten & {*step.external_task_ids} else kling.do(step)

    outcome = drive_steps(kling.submission(look_first=True, batch=False).plan_steps(), do)
    assert isinstance(outcome, Submitted)
    assert (outcome.adopted, outcome.attempt) == (True, 2)


def test_an_own_id_has_one_attempt() -> None:
    own = Identity(namespace="", dag_id="d", scope={}, fingerprint={}, own="mine")
    kling = Kling(fates=["fails"])
    kling.run(identity=own)
    with pytest.raises(KlingTaskFailedFinally, match="mine"):
        kling.run(identity=own, look_first=True)


def test_1201_with_another_text_is_a_wrong_request() -> None:
    kling = Kling()

    def do(step: Step) -> Any:
        if isinstance(step, Send):
            return Sent(
                ApiResponse(ErrorKind.INVALID, 400, 1201, "prompt is required", task_state=TaskState.NONE)
            )
        return kling.do(step)

    with pytest.raises(KlingRequestError, match="prompt is required"):
        drive_steps(kling.submission().plan_steps(), do)


def test_already_exists_and_never_found_stops_after_a_minute() -> None:
    kling = Kling()
    text = "External_task_id x already exists"

    def do(step: Step) -> Any:
        if isinstance(step, Send):
            kling.sent.append("refused")
            return Sent(ApiResponse(ErrorKind.INVALID, 400, 1201, text, task_state=TaskState.NONE))
        return kling.do(step)

    with pytest.raises(KlingDuplicateUnknown, match="take"):
        drive_steps(kling.submission().plan_steps(), do)
    assert kling.sent == ["refused"]
    assert 55 <= kling.waited <= 65


def test_already_exists_after_a_lost_answer_may_well_be_our_own_call() -> None:
    """A host that refuses duplicates and shows no external ids: nothing is paid twice, but what this very try
    paid for must not be called older than 30 days."""
    kling = Kling(fates=["lost_after"])

    def do(step: Step) -> Any:
        return {} if isinstance(step, Find) else kling.do(step)

    with pytest.raises(KlingDuplicateUnknown) as stopped:
        drive_steps(kling.submission().plan_steps(), do)
    assert kling.good == 1
    text = str(stopped.value)
    assert "the response to its call was lost" in text
    assert "adopt" in text
    assert "30 days" not in text
    assert "Nothing was made now" not in text


def test_1302_backs_off_and_leaves_the_rest_to_airflow() -> None:
    kling = Kling(fates=["1302", "1302"])
    assert isinstance(kling.run(), Submitted)
    kling = Kling(fates=["1302"] * 9)
    with pytest.raises(KlingRateLimitError):
        kling.run()
    assert kling.tasks == []


@pytest.mark.parametrize("locked", [True, False])
@pytest.mark.parametrize("fate", ["ok", "fails"])
def test_what_was_paid_is_found_again_when_adopt_is_taken_out(locked: bool, fate: str) -> None:
    """Somebody else's task is taken over for as long as adopt says so; a failed one makes no next attempt."""
    kling = Kling(locked=locked, finds=locked, fates=[fate])
    other = Identity(namespace="", dag_id="others", scope={}, fingerprint={})
    theirs = kling.run(identity=other)
    kling.record = None
    ours = kling.run()
    assert isinstance(ours, Submitted)
    assert isinstance(theirs, Submitted)
    adopted = kling.run(look_first=True, adopt=theirs.task.kling_task_id)
    assert isinstance(adopted, Submitted)
    assert adopted.task.kling_task_id == theirs.task.kling_task_id
    again = kling.run(look_first=True)
    assert isinstance(again, Submitted)
    assert again.task.kling_task_id == ours.task.kling_task_id
    assert len(kling.tasks) == 2


def test_a_failed_adopted_task_hides_no_task_of_ours() -> None:
    """The worker died between the paid call and its record, and a wrong id was adopted then."""
    kling = Kling(fates=["fails", "killed_after"])
    theirs = kling.run(identity=Identity(namespace="", dag_id="others", scope={}, fingerprint={}))
    assert isinstance(theirs, Submitted)
    kling.record = None
    with pytest.raises(Killed):
        kling.run()
    kling.run(look_first=True, adopt=theirs.task.kling_task_id)
    again = kling.run(look_first=True)
    assert isinstance(again, Submitted)
    assert again.adopted
    assert len(kling.tasks) == 2


class TestWithoutALock:
    def test_a_kill_after_the_call_stops_the_retry_with_the_facts(self) -> None:
        kling = Kling(locked=False, finds=False, fates=["killed_after"])
        with pytest.raises(Killed):
            kling.run()
        with pytest.raises(KlingSubmitUnknown, match="adopt") as caught:
            kling.run(look_first=True)
        assert caught.value.task_state is TaskState.MAY_EXIST
        assert len(kling.tasks) == 1

    def test_adopt_goes_on(self) -> None:
        kling = Kling(locked=False, finds=False, fates=["killed_after"])
        with pytest.raises(Killed):
            kling.run()
        outcome = kling.run(look_first=True, adopt=kling.tasks[0].id)
        assert isinstance(outcome, Submitted)
        assert outcome.adopted
        again = kling.run(look_first=True)
        assert isinstance(again, Submitted)
        assert again.task.kling_task_id == kling.tasks[0].id

    def test_a_wrong_and_failed_adopt_does_not_end_the_ambiguity(self) -> None:
        kling = Kling(locked=False, finds=False, fates=["fails", "lost_after"])
        theirs = kling.run(identity=Identity(namespace="", dag_id="others", scope={}, fingerprint={}))
        assert isinstance(theirs, Submitted)
        kling.record = None
        with pytest.raises(KlingSubmitUnknown):
            kling.run()
        kling.run(look_first=True, adopt=theirs.task.kling_task_id)
        with pytest.raises(KlingSubmitUnknown):
            kling.run(look_first=True)
        assert len(kling.tasks) == 2

    def test_adopting_what_is_not_there_sends_nothing(self) -> None:
        kling = Kling(locked=False, finds=False)
        with pytest.raises(KlingTaskNotFound, match="Nothing was sent"):
            kling.run(adopt="123")
        assert kling.sent == []

    def test_resubmit_is_the_users_word(self) -> None:
        kling = Kling(locked=False, finds=False, fates=["killed_after"])
        with pytest.raises(Killed):
            kling.run()
        assert isinstance(kling.run(look_first=True, resubmit=True), Submitted)
        assert len(kling.tasks) == 2

    def test_where_the_record_is_gone_the_host_is_asked_if_it_can_be(self) -> None:
        kling = Kling(locked=False, fates=["fails"])
        kling.run()
        kling.record = None
        second = kling.run(look_first=True)
        kling.record = None
        third = kling.run(look_first=True)
        assert isinstance(second, Submitted)
        assert isinstance(third, Submitted)
        assert (second.attempt, third.attempt, third.adopted) == (1, 1, True)
        assert kling.good == 1

    def test_resubmit_looks_first_where_the_host_can(self) -> None:
        kling = Kling(locked=False, fates=["killed_after"])
        with pytest.raises(Killed):
            kling.run()
        outcome = kling.run(look_first=True, resubmit=True)
        assert isinstance(outcome, Submitted)
        assert outcome.adopted
        assert len(kling.tasks) == 1

    def test_a_refusal_after_a_resubmitted_ambiguous_call_does_not_close_the_intent(self) -> None:
        """Who takes resubmit back is stopped again: the first call may have made a task."""
        kling = Kling(locked=False, finds=False, fates=["lost_after", "1303"])
        assert isinstance(kling.run(resubmit=True), MustQueue)
        with pytest.raises(KlingSubmitUnknown):
            kling.run(look_first=True)
        assert len(kling.tasks) == 1

    def test_a_resubmitted_duplicate_behind_a_host_that_cannot_look_up(self) -> None:
        """A gateway without look-ups before a Kling that locks: the ambiguous call's task, not one of 30 days ago."""
        kling = Kling(fates=["killed_after"])
        how: dict[str, Any] = {"lock": Lock.CARRIED, "can_find_by_external_id": False}
        with pytest.raises(Killed):
            kling.run(**how)
        with pytest.raises(KlingDuplicateUnknown) as stopped:
            kling.run(look_first=True, resubmit=True, **how)
        text = str(stopped.value)
        assert "the response to its call was lost" in text
        assert "adopt" in text
        assert "shows no task" not in text
        assert "30 days" not in text

    def test_the_next_attempt_stays_the_next_one_after_a_wait_in_the_queue(self) -> None:
        """Behind such a gateway the first attempt's id is taken for good."""
        kling = Kling(fates=["fails", "1303"])
        how: dict[str, Any] = {"lock": Lock.CARRIED, "can_find_by_external_id": False}
        kling.run(**how)
        refused = kling.run(look_first=True, **how)
        assert isinstance(refused, MustQueue)
        made = kling.run(look_first=True, resume=refused.external_task_id, **how)
        assert isinstance(made, Submitted)
        assert (refused.attempt, made.attempt) == (1, 1)

    def test_a_definite_refusal_may_be_sent_again(self) -> None:
        kling = Kling(locked=False, finds=False, fates=["refused"])
        with pytest.raises(KlingServerError):
            kling.run()
        assert isinstance(kling.run(look_first=True), Submitted)

    def test_another_request_at_this_instance_is_a_stop(self) -> None:
        kling = Kling(locked=False, finds=False)
        kling.run()
        other = Identity(namespace="", dag_id="films", scope={}, fingerprint={"prompt": "other"})
        with pytest.raises(KlingSubmitUnknown, match="another request"):
            kling.run(identity=other, look_first=True)

    def test_a_new_instance_in_a_cleared_run_is_a_stop(self) -> None:
        kling = Kling(locked=False, finds=False)
        with pytest.raises(KlingSubmitUnknown, match="cleared"):
            kling.run(new_in_cleared_run=True)
        # A clear that changes nothing is stopped again: it is no first try any more.
        with pytest.raises(KlingSubmitUnknown, match="cleared"):
            kling.run(look_first=True)
        assert kling.sent == []
        assert isinstance(kling.run(look_first=True, resubmit=True), Submitted)
        assert isinstance(kling.run(look_first=True), Submitted)
        assert len(kling.tasks) == 1

    def test_a_finished_one_is_read_and_delivered(self) -> None:
        kling = Kling(locked=False, finds=False)
        kling.run()
        kling.now += 3600
        outcome = kling.run(look_first=True)
        assert isinstance(outcome, Submitted)
        assert outcome.adopted
        assert outcome.task.status is TaskStatus.SUCCEEDED


def test_a_host_that_ignores_ids_although_its_profile_says_otherwise_has_no_lock() -> None:
    """The first answer shows it: from then on the record protects, not the id."""
    kling = Kling(locked=False, finds=False)
    first = kling.run(lock=Lock.LOCKED, can_find_by_external_id=True)
    assert isinstance(first, Submitted)
    assert kling.record is not None
    assert kling.record["echoed"] is False
    again = kling.run(lock=Lock.LOCKED, can_find_by_external_id=True, look_first=True)
    assert isinstance(again, Submitted)
    assert again.task.kling_task_id == first.task.kling_task_id


def test_a_host_that_was_seen_to_ignore_ids_is_not_trusted_at_the_next_attempt_either() -> None:
    """The next attempt's intent must not forget it: the look-up of a later try would find nothing, and pay again."""
    kling = Kling(locked=False, finds=False, fates=["fails", "killed_after"])

    def run(**how: Any) -> Outcome:
        steps = kling.submission(lock=Lock.LOCKED, can_find_by_external_id=True, **how).plan_steps()
        return drive_steps(steps, lambda step: {} if isinstance(step, Find) else kling.do(step))

    run()
    with pytest.raises(Killed):
        run(look_first=True)
    with pytest.raises(KlingSubmitUnknown):
        run(look_first=True)
    assert kling.good == 1
    run(look_first=True, adopt=kling.tasks[1].id)
    again = run(look_first=True)
    assert isinstance(again, Submitted)
    assert again.task.kling_task_id == kling.tasks[1].id
