# SPDX-License-Identifier: Apache-2.0
"""Requests that Kling answers at once, driven through all orders of answers, losses and restarts.

Such a call has no lock and no look-up: how often it was sent is known from the record alone, which counts before each call.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_provider.api.codes import ApiResponse, ErrorKind, TaskState
from kling_provider.api.tasks import Billing, KlingTask, Output, TaskStatus
from kling_provider.exceptions import (
    KlingError,
    KlingRequestError,
    KlingServerError,
    KlingSubmitUnknown,
    KlingTaskFailedFinally,
    KlingTaskNotFound,
)
from kling_provider.identity import Identity
from kling_provider.submission import (
    MustQueue,
    Outcome,
    Permit,
    Prepare,
    Send,
    Sent,
    Step,
    StoreRecord,
    SubmissionRecord,
    Submitted,
    Wait,
    drive_steps,
)
from kling_provider.submission.answers import keep_answer, read_kept_answer
from kling_provider.submission.at_once import AtOnceSubmission

IDENTITY = Identity(
    namespace="", dag_id="films", scope={"per": "run", "run": "r"}, fingerprint={"text": "Good morning"}
)
OTHER = replace(IDENTITY, fingerprint={"text": "Good evening"})


class Killed(BaseException):
    """The worker died here."""


@dataclass
class Kling:
    """A host that answers at once, behind the machine's steps, and what befalls each call.

    ``fates``: one per call, then none: ``ok``, ``lost_after``, ``lost_before``, ``no_result``, ``5000``, ``1302``, ``1303``,
    ``later`` (1302 with a long Retry-After), ``1201``, ``failed`` (the answer says that it failed), ``unsent`` (no connection),
    ``killed_before``, ``killed_after``.
    """

    fates: list[str] = field(default_factory=list)
    record: SubmissionRecord | None = None
    #: Calls that reached the host, and how many of them it billed.
    reached: int = 0
    billed: int = 0
    waited: float = 0.0
    #: The step at whose begin, or end, the worker dies.
    dies_at: tuple[int, str] | None = None
    steps: int = 0
    permits: bool = True
    lives: timedelta = timedelta(hours=24)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def run(self, **how: Any) -> Outcome:
        machine = AtOnceSubmission(**{"identity": IDENTITY, "most_calls": 3, "record": self.record, **how})
        return drive_steps(machine.plan_steps(), self.do)

    def do(self, step: Step) -> Any:
        self.steps += 1
        if self.dies_at == (self.steps, "begin"):
            raise Killed
        result = self._carry_out(step)
        if self.dies_at == (self.steps, "end"):
            raise Killed
        return result

    def _carry_out(self, step: Step) -> Any:
        match step:
            case Wait(seconds):
                self.waited += seconds
            case StoreRecord(record):
                self.record = record
            case Permit():
                return self.permits
            case Prepare(external):
                assert external is None, "such a call takes no id"
                return "prepared"
            case Send(external, prepared):
                assert (external, prepared) == (None, "prepared")
                return self._send()
        return None

    def _send(self) -> Sent:
        fate = self.fates.pop(0) if self.fates else "ok"
        if fate == "killed_before":
            raise Killed
        if fate == "unsent":
            return Sent(ApiResponse(ErrorKind.UNREADABLE, message="refused", task_state=TaskState.NONE))
        self.reached += 1
        if fate in ("1302", "1303", "later"):
            kind = ErrorKind.CONCURRENCY_LIMIT if fate == "1303" else ErrorKind.RATE_LIMIT
            after = 600.0 if fate == "later" else None
            return Sent(ApiResponse(kind, 429, 1302, "wait", retry_after=after, task_state=TaskState.NONE))
        if fate == "1201":
            return Sent(ApiResponse(ErrorKind.INVALID, 400, 1201, "bad", task_state=TaskState.NONE))
        if fate == "lost_before":
            return Sent(ApiResponse(ErrorKind.UNREADABLE, message="lost"))
        if fate == "5000":
            return Sent(ApiResponse(ErrorKind.SERVER, 500, 5000, "internal"))
        if fate == "failed":
            failed = replace(self._answer(), status=TaskStatus.FAILED, outputs=(), message="no such voice")
            return Sent(ApiResponse(ErrorKind.OK, 200, 0), failed)
        self.billed += 1
        if fate == "killed_after":
            raise Killed
        if fate == "lost_after":
            return Sent(ApiResponse(ErrorKind.UNREADABLE, message="lost"))
        if fate == "no_result":
            return Sent(ApiResponse(ErrorKind.OK, 200, 0, "the response names no session"))
        return Sent(ApiResponse(ErrorKind.OK, 200, 0), self._answer())

    def _answer(self) -> KlingTask:
        return KlingTask(
            kling_task_id=f"session-{self.billed}",
            status=TaskStatus.SUCCEEDED,
            outputs=(Output("session", id=f"session-{self.billed}", details={"faces": [{"face_id": "0"}]}),),
            billing=(Billing("unit", Decimal("0.05")),),
            created_at=self.at,
            updated_at=self.at,
            retention=self.lives,
        )


FATES = [
    "ok",
    "lost_after",
    "lost_before",
    "no_result",
    "5000",
    "1302",
    "1303",
    "later",
    "1201",
    "unsent",
    "killed_before",
    "killed_after",
]


def live_through(kling: Kling, tries: int, **how: Any) -> Submitted | None:
    """Make tries as Airflow would, up to the first result."""
    for _ in range(tries):
        try:
            outcome = kling.run(**how)
        except (KlingError, Killed):
            continue
        if isinstance(outcome, Submitted):
            return outcome
    return None


@given(st.lists(st.sampled_from(FATES), max_size=14), st.sampled_from([1, 3]))
@settings(max_examples=300, deadline=None)
def test_it_is_billed_at_most_as_often_as_it_may_be_sent(fates: list[str], most_calls: int) -> None:
    kling = Kling(fates=list(fates))
    done = live_through(kling, 8, most_calls=most_calls)
    assert kling.billed <= most_calls
    if done is None:
        return
    # A call whose worker died before it was sent counts as well: nobody can know.
    assert kling.billed <= (done.times_sent or 0) <= most_calls
    before = kling.reached
    again = kling.run(most_calls=most_calls)
    assert isinstance(again, Submitted)
    assert again.adopted
    assert (again.task, again.times_sent) == (read_kept_answer(keep_answer(done.task)), done.times_sent)
    assert kling.reached == before


@pytest.mark.parametrize("when", ["begin", "end"])
@pytest.mark.parametrize("number", range(1, 6))
@pytest.mark.parametrize("most_calls", [1, 3])
def test_a_worker_that_dies_at_any_step_leaves_what_the_next_one_needs(
    most_calls: int, number: int, when: str
) -> None:
    """Permit, prepare, store, send, store: the steps of a call that is answered."""
    kling = Kling(dies_at=(number, when))
    with pytest.raises(Killed):
        kling.run(most_calls=most_calls)
    kept = kling.record or {}
    may_be_paid = kept.get("state") == "open"
    assert may_be_paid is ((number, when) in [(3, "end"), (4, "begin"), (4, "end"), (5, "begin")])
    kling.dies_at = None
    if may_be_paid and most_calls == 1:
        with pytest.raises(KlingSubmitUnknown, match="not paid again"):
            kling.run(most_calls=most_calls)
        return
    done = kling.run(most_calls=most_calls)
    assert isinstance(done, Submitted)
    assert done.times_sent == (2 if may_be_paid else 1)
    assert kling.billed == (2 if (number, when) in [(4, "end"), (5, "begin")] else 1)


def test_three_calls_with_an_unknown_end_are_the_last_also_for_later_tries() -> None:
    kling = Kling(fates=["lost_after"] * 9)
    with pytest.raises(KlingSubmitUnknown) as stopped:
        kling.run()
    assert kling.reached == 3
    assert stopped.value.task_state is TaskState.MAY_EXIST
    assert "3 calls were sent, and each may be billed" in str(stopped.value)
    for cleared in (False, True):
        with pytest.raises(KlingSubmitUnknown):
            kling.run(cleared=cleared)
    assert kling.reached == 3


def test_the_calls_of_several_workers_count_together() -> None:
    kling = Kling(fates=["killed_after", "killed_before", "ok", "ok"])
    for _ in range(2):
        with pytest.raises(Killed):
            kling.run()
    done = kling.run()
    assert isinstance(done, Submitted)
    assert (done.times_sent, kling.billed) == (3, 2)


def test_refused_calls_do_not_count() -> None:
    kling = Kling(fates=["1302", "lost_before", "unsent", "ok"])
    with pytest.raises(KlingError):  # no connection: for the retry
        kling.run()
    assert kling.record is not None
    assert (kling.record["state"], kling.record["times_sent"]) == ("open", 1)
    done = kling.run()
    assert isinstance(done, Submitted)
    assert done.times_sent == 2


def test_a_refusal_says_what_earlier_calls_may_cost() -> None:
    kling = Kling(fates=["1201", "lost_after", "1201"])
    with pytest.raises(KlingRequestError) as alone:
        kling.run()
    assert alone.value.task_state is TaskState.NONE
    assert (kling.record or {}).get("state") == "not_created"
    with pytest.raises(KlingRequestError, match="One call was sent, which may be billed") as after:
        kling.run()
    assert after.value.task_state is TaskState.MAY_EXIST


@pytest.mark.parametrize("fate", ["1303", "later"])
def test_a_full_host_is_waited_for_with_the_count_kept(fate: str) -> None:
    kling = Kling(fates=["lost_after", fate, "ok"])
    queued = kling.run()
    assert isinstance(queued, MustQueue)
    assert (queued.full, queued.not_before is None) == (fate == "1303", fate == "1303")
    done = kling.run()
    assert isinstance(done, Submitted)
    assert (done.times_sent, kling.billed) == (2, 2)


def test_nothing_is_sent_without_leave() -> None:
    kling = Kling(permits=False)
    assert kling.run() == MustQueue(None, 0, full=False, refused=False)
    assert (kling.reached, kling.record) == (0, None)


def test_resubmit_goes_on_after_the_last_call() -> None:
    kling = Kling(fates=["lost_after"])
    with pytest.raises(KlingSubmitUnknown):
        kling.run(most_calls=1)
    done = kling.run(most_calls=1, resubmit=True)
    assert isinstance(done, Submitted)
    assert done.times_sent == 2


def test_resubmit_has_an_end_within_a_try() -> None:
    kling = Kling(fates=["lost_after"] * 9)
    with pytest.raises(KlingSubmitUnknown):
        kling.run(resubmit=True)
    assert kling.reached == 4


def test_what_an_automatic_retry_may_send_does_not_depend_on_its_request() -> None:
    kling = Kling(fates=["lost_after"] * 2 + ["killed_after"])
    with pytest.raises(Killed):
        kling.run()
    with pytest.raises(KlingSubmitUnknown):
        kling.run(identity=OTHER)
    done = kling.run(identity=OTHER, cleared=True)
    assert isinstance(done, Submitted)
    assert done.times_sent == 1


def test_another_request_of_the_same_instance_stops_unless_it_was_cleared() -> None:
    kling = Kling()
    kling.run()
    with pytest.raises(KlingSubmitUnknown, match="already paid for another request"):
        kling.run(identity=OTHER)
    assert isinstance(kling.run(identity=OTHER, cleared=True), Submitted)


def test_a_newcomer_of_a_cleared_run_stops_and_stays_stopped() -> None:
    kling = Kling()
    with pytest.raises(KlingSubmitUnknown, match="another map index"):
        kling.run(new_in_cleared_run=True)
    with pytest.raises(KlingSubmitUnknown, match="another map index"):
        kling.run()
    assert isinstance(kling.run(resubmit=True), Submitted)


def test_a_failed_answer_makes_place_for_the_next_attempt_up_to_a_limit() -> None:
    kling = Kling(fates=["failed"] * 30)
    for attempt in range(20):
        outcome = kling.run()
        assert isinstance(outcome, Submitted)
        assert (outcome.task.status, outcome.attempt) == (TaskStatus.FAILED, attempt)
    with pytest.raises(KlingTaskFailedFinally, match="20 attempts"):
        kling.run()
    assert kling.reached == 20


def test_a_result_that_has_ended_is_not_delivered_and_not_paid_again() -> None:
    kling = Kling(at=datetime.now(UTC) - timedelta(hours=25))
    kling.run()
    with pytest.raises(KlingTaskNotFound, match=r"Nothing was sent.*raise take in the request \(now 0\)"):
        kling.run()
    assert kling.reached == 1


@pytest.mark.parametrize(
    "kept", [None, {}, {"kling_task_id": "1"}, {"kling_task_id": "1", "outputs": [1]}, 7]
)
def test_an_answer_that_cannot_be_read_is_never_nothing(kept: Any) -> None:
    kling = Kling()
    kling.run()
    assert kling.record is not None
    kling.record["answer"] = kept
    with pytest.raises(KlingSubmitUnknown, match="cannot read the kept answer"):
        kling.run()
    assert kling.reached == 1


def test_a_host_without_an_answer_leaves_the_rest_to_the_retry() -> None:
    """Refusals that pass take the calls of a try, so that it ends before the third call with an unknown end."""
    kling = Kling(fates=["1302", "1302", "lost_after", "lost_after", "ok"])
    with pytest.raises(KlingServerError, match="up to 3 times in all"):
        kling.run()
    done = kling.run()
    assert isinstance(done, Submitted)
    assert done.times_sent == 3


# -- what is kept of an answer -------------------------------------------------------------------------------------------


def test_a_kept_answer_is_the_answer() -> None:
    task = KlingTask(
        kling_task_id="t1",
        status=TaskStatus.SUCCEEDED,
        status_word="succeeded",
        outputs=(
            Output("audio", id="a1", url="https://example.org/a.mp3?sign=1", duration=2.5),
            Output("session", id="s1", details={"faces": [{"face_id": "0", "start_time": 0}]}),
        ),
        billing=(
            Billing("unit", Decimal("0.05")),
            Billing("cash", Decimal("0.1"), list_price=Decimal("0.2")),
        ),
        created_at=datetime(2026, 11, 27, 9, tzinfo=UTC),
        updated_at=datetime(2026, 11, 27, 9, 1, tzinfo=UTC),
        retention=timedelta(hours=24),
    )
    assert read_kept_answer(keep_answer(task)) == task


def test_what_nobody_deletes_has_no_end() -> None:
    made = KlingTask(
        kling_task_id="e1",
        status=TaskStatus.SUCCEEDED,
        outputs=(Output("element", id="e1"),),
        updated_at=datetime(2020, 1, 1, tzinfo=UTC),
        retention=None,
    )
    kept = read_kept_answer(keep_answer(made))
    assert kept is not None
    assert (kept.retention, kept.expires_at) == (None, None)


def test_masks_that_are_too_large_are_left_out_and_links_stay() -> None:
    masks = [{"object_id": n, "png_mask": {"size": [720, 1280], "base64": "A" * 200_000}} for n in range(3)]
    link = "https://example.org/video.mp4?" + "s" * 3000
    task = KlingTask(
        kling_task_id="s1",
        status=TaskStatus.SUCCEEDED,
        outputs=(Output("session", id="s1", url=link, details={"masks": masks}),),
    )
    kept = keep_answer(task)
    (output,) = kept["outputs"]
    assert output["url"] == link
    assert output["details"]["masks"][2] == {
        "object_id": 2,
        "png_mask": {"size": [720, 1280], "base64": "(not kept: 200000 characters)"},
    }
