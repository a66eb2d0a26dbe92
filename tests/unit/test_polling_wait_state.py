# SPDX-License-Identifier: Apache-2.0
"""The decision "given this read, what now"."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_provider.api.codes import TaskState
from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.arguments import POLL_INTERVAL
from kling_provider.exceptions import (
    KlingAuthError,
    KlingServerError,
    KlingTaskNotFound,
    KlingTimeout,
)
from kling_provider.polling.wait_state import FAULT_BUDGET, LATE_FAULT_BUDGET, MISSES, State, WaitState

START = 1_800_000_000.0


def watch(
    *, deadline: float | None = START + 3600, poll_interval: float = POLL_INTERVAL, **options
) -> WaitState:
    return WaitState(
        kling_task_id="t1", deadline=deadline, since=START, poll_interval=poll_interval, **options
    )


def task(status: TaskStatus, word: str = "") -> KlingTask:
    return KlingTask("t1", status, word or status.value, created_at=datetime.fromtimestamp(START, UTC))


RUNNING = task(TaskStatus.PROCESSING)


def test_an_end_is_an_end_also_after_the_deadline():
    for status, state in ((TaskStatus.SUCCEEDED, State.SUCCEEDED), (TaskStatus.FAILED, State.FAILED)):
        ended = task(status)
        decision = watch().note_task(ended, START + 7200)
        assert (decision.state, decision.task, decision.is_final) == (state, ended, True)


def test_the_deadline_strikes_at_a_read_only_and_the_last_read_falls_on_it():
    wait = watch(deadline=START + 14)
    assert wait.note_task(RUNNING, START + 1).delay == 10
    assert wait.note_task(RUNNING, START + 11).delay == 3
    assert wait.note_failure(KlingServerError("down"), START + 15).state is State.WAIT
    decision = wait.note_task(RUNNING, START + 30)
    assert decision.state is State.TIMEOUT
    assert isinstance(decision.error, KlingTimeout)
    assert decision.error.task_state is TaskState.EXISTS
    assert "adopts it and pays nothing" in str(decision.error)


def test_reads_grow_rarer_in_a_long_wait():
    wait = watch(deadline=None)
    assert [wait.note_task(RUNNING, START + after).delay for after in (5, 599, 601, 3599, 3601)] == [
        10,
        10,
        20,
        20,
        60,
    ]


@pytest.mark.parametrize("error", [KlingServerError("down"), KlingAuthError("bad key", http_status=401)])
def test_an_outage_of_two_minutes_is_waited_out_and_one_of_ten_is_not(error):
    wait = watch()
    now = START
    while now - START < 120:
        decision = wait.note_failure(error, now)
        assert decision.state is State.WAIT
        now += decision.delay
    assert wait.note_task(RUNNING, now).state is State.WAIT
    while (decision := wait.note_failure(error, now)).state is State.WAIT:
        now += decision.delay
    assert decision.state is State.ERROR
    assert type(decision.error) is type(error), "what retries cannot mend is not retried"
    assert "goes on" in str(decision.error)
    assert now - START > FAULT_BUDGET


def test_after_the_deadline_failing_reads_end_before_airflows_own_net():
    wait = watch(deadline=START + 100)
    now = START + 90
    while (decision := wait.note_failure(KlingServerError("down"), now)).state is State.WAIT:
        now += decision.delay
    assert LATE_FAULT_BUDGET <= now - (START + 100) < 600 - 30


def test_retry_after_is_honoured_and_the_pauses_of_many_are_spread():
    assert watch().note_failure(KlingServerError("busy", retry_after=47.0), START).delay == 47
    assert watch(spread=0.0).note_failure(KlingServerError("down"), START).delay == 10
    assert watch(spread=1.0).note_failure(KlingServerError("down"), START).delay == 12.5


def test_an_id_that_kling_does_not_know_is_lost_after_several_reads_in_a_row():
    wait = watch()
    for _ in range(MISSES - 1):
        assert wait.note_missing(START).state is State.WAIT
    assert wait.note_task(RUNNING, START).state is State.WAIT
    for _ in range(MISSES - 1):
        assert wait.note_missing(START).state is State.WAIT
    decision = wait.note_missing(START)
    assert decision.state is State.LOST
    assert isinstance(decision.error, KlingTaskNotFound)


def test_an_unknown_word_is_never_success_and_never_for_ever():
    wait, now = watch(deadline=None), START
    while (decision := wait.note_task(task(TaskStatus.UNKNOWN, "Finalizing"), now)).state is State.WAIT:
        now += decision.delay
    assert decision.state is State.ERROR
    assert 60 < now - START < 600
    assert "'Finalizing'" in str(decision.error)


def test_progress_says_how_it_stands():
    wait = watch()
    assert wait.describe_progress(START) == "not read yet"
    wait.note_task(RUNNING, START + 42)
    assert wait.describe_progress(START + 42) == "processing, made 42 s ago"
    wait.note_failure(KlingServerError("Could not reach the host."), START + 50)
    assert wait.describe_progress(START + 58).endswith("reads fail for 8 s now (Could not reach the host.)")


READS = st.one_of(
    st.sampled_from([s for s in TaskStatus if s is not TaskStatus.SUCCEEDED]).map(lambda s: ("saw", s)),
    st.just(("missed", None)),
    st.tuples(st.just("failed"), st.none() | st.floats(0, 10_000)),
)


@given(st.lists(READS, max_size=60), st.floats(0, 5000), st.floats(0.1, 120), st.floats(0, 300))
def test_no_order_of_reads_ends_in_success_without_one_and_none_lasts_for_ever(
    reads, patience, interval, latency
):
    wait = watch(deadline=START + patience, poll_interval=interval)
    now = START
    for kind, what in reads:
        if kind == "saw":
            decision = wait.note_task(task(what), now)
        elif kind == "missed":
            decision = wait.note_missing(now)
        else:
            decision = wait.note_failure(KlingServerError("down", retry_after=what), now)
        assert decision.state is not State.SUCCEEDED
        if decision.state is State.TIMEOUT:
            assert kind == "saw"
            assert now >= START + patience
        if decision.is_final:
            assert (decision.error is None) == (decision.state is State.FAILED)
            return
        assert kind != "saw" or now < START + patience
        assert 0 < decision.delay <= max(600.0, 6 * interval)
        now += decision.delay + latency


@given(st.integers(0, 2**31))
def test_failed_reads_alone_end_within_the_budget_and_one_pause(seed):
    wait, now = watch(deadline=None, spread=seed % 100 / 100), START
    while (decision := wait.note_failure(KlingServerError("down"), now)).state is State.WAIT:
        now += decision.delay
    assert FAULT_BUDGET <= now - START <= FAULT_BUDGET + 80
