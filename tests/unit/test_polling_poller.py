# SPDX-License-Identifier: Apache-2.0
"""One read for many who wait: how many calls there are, and what no fault of them may do."""

from __future__ import annotations

import asyncio
import logging
import time
from contextvars import ContextVar

import pytest
from aiohttp import web

from kling_provider.exceptions import KlingAuthError
from kling_provider.hooks.asynchronous import KlingAsyncHook
from kling_provider.polling import shared_hook, waiting
from kling_provider.polling.render_times import RenderKind
from kling_provider.polling.wait_state import State, WaitState
from tests.unit.waiting_stand_ins import KEY, Account, connection_json, error, serving

EVERY = 0.2
#: Seconds to the first look of those who shall all be read in one tick: a tick may fall while they come, one by one.
TOGETHER = 1.5


@pytest.fixture
def account():
    return Account()


@pytest.fixture
async def kling(account, monkeypatch):
    """An account that connection ``kling_default`` leads to; yields its address."""
    async with serving(account.answer) as url:
        connect(monkeypatch, url)
        yield url


def connect(monkeypatch, url, profile="kling", **fields):
    monkeypatch.setenv(
        "AIRFLOW_CONN_KLING_DEFAULT", connection_json(url, **{"extra": {"profile": profile}, **fields})
    )


async def wait(
    task,
    *,
    patience=20.0,
    every=EVERY,
    first_look=0.0,
    say=lambda line: None,
    kind="text_to_video",
    **options,
):
    state = WaitState(
        kling_task_id=task, deadline=time.time() + patience, since=time.time(), poll_interval=every
    )
    return await waiting.wait_for_video(
        "kling_default", state, kind=RenderKind(kind), first_look=first_look, say=say, **options
    )


async def waits(tasks, **options):
    return [asyncio.create_task(wait(task, **options)) for task in tasks]


async def until(true, seconds=10.0):
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_all_who_wait_are_read_together_twenty_at_a_time(account, kling):
    account.words = {f"t{number}": "processing" for number in range(45)}
    running = await waits(account.words, first_look=time.time() + TOGETHER)
    await until(lambda: len(account.calls) >= 6)
    assert {path.count("%2C") + path.count(",") for _, path in account.calls} == {19, 4}
    account.words = dict.fromkeys(account.words, "succeeded")
    decisions = await asyncio.gather(*running)
    assert {decision.state for decision in decisions} == {State.SUCCEEDED}
    assert sorted(decision.task.kling_task_id for decision in decisions) == sorted(account.words)


@pytest.mark.slow
async def test_where_very_many_wait_a_list_of_what_is_in_flight_saves_calls(account, kling):
    account.words = {f"t{number}": "processing" for number in range(200)}
    account.words["t7"] = "succeeded"
    account.words["t8"] = "Finalizing"
    running = await waits(account.words, first_look=time.time() + TOGETHER)
    await until(lambda: sum(task.done() for task in running) == 1)
    assert account.calls[0] == ("POST", "/tasks")
    assert account.calls[1][1] in ("/tasks?task_ids=t7,t8", "/tasks?task_ids=t8,t7")
    account.words = dict.fromkeys(account.words, "failed")
    states = [decision.state for decision in await asyncio.gather(*running)]
    assert states.count(State.FAILED) == 199


@pytest.mark.slow
async def test_a_list_that_fails_is_replaced_by_reads_by_id(account, kling):
    account.words = {f"t{number}": "succeeded" for number in range(61)}
    account.fault = lambda request: error(500, 5000, "down") if request.method == "POST" else None
    decisions = await asyncio.gather(*await waits(account.words, first_look=time.time() + TOGETHER))
    assert {decision.state for decision in decisions} == {State.SUCCEEDED}
    assert account.calls[0] == ("POST", "/tasks")


async def test_several_may_wait_for_one_video_and_leave_as_they_like(account, kling):
    account.words = {"t1": "processing"}
    first, second, third = await waits(["t1"] * 3)
    await until(lambda: account.calls)
    second.cancel()
    account.words["t1"] = "succeeded"
    assert (await first).state is (await third).state is State.SUCCEEDED
    assert {path for _, path in account.calls} == {"/tasks?task_ids=t1"}


async def test_one_id_that_kling_refuses_does_not_hold_up_the_others(account, kling):
    account.words = {f"t{number}": "succeeded" for number in range(20)}

    def fault(request: web.Request):
        bad = "t13" in request.query.get("task_ids", "").split(",")
        return error(400, 1201, "task_ids is invalid") if bad else None

    account.fault = fault
    running = await waits(account.words)
    await until(lambda: sum(task.done() for task in running) == 19)
    account.fault = lambda request: None
    assert {decision.state for decision in await asyncio.gather(*running)} == {State.SUCCEEDED}


@pytest.mark.parametrize(
    "outage",
    [
        lambda: error(500, 5000, "internal"),
        lambda: error(503, 5001, "maintenance"),
        lambda: web.Response(status=502, text="<html>bad gateway</html>", content_type="text/html"),
        lambda: web.Response(text="not json at all"),
        lambda: web.Response(status=302, headers={"Location": "/elsewhere"}),
        lambda: web.json_response({"code": 0, "data": "surprise"}),
    ],
)
async def test_failed_reads_end_no_wait(account, kling, outage):
    account.words = {"t1": "succeeded"}
    left = iter([True, True, True])
    account.fault = lambda request: outage() if next(left, False) else None
    assert (await wait("t1", every=0.05)).state is State.SUCCEEDED
    assert len(account.calls) == 4


async def test_a_fault_of_our_own_does_not_end_the_loop_either(account, kling, monkeypatch, caplog):
    account.words = {"t1": "succeeded"}
    honest, left = KlingAsyncHook.get_batch, iter([True])

    async def get_batch(self, *args, **more):
        if next(left, False):
            raise RuntimeError("a bug")
        return await honest(self, *args, **more)

    monkeypatch.setattr(KlingAsyncHook, "get_batch", get_batch)
    assert (await wait("t1", every=0.05)).state is State.SUCCEEDED
    assert "A round of reads failed" in caplog.text


@pytest.mark.slow
async def test_retry_after_is_honoured(account, kling):
    account.words = {"t1": "succeeded"}
    left = iter([True])
    account.fault = lambda request: (
        error(429, 1302, "too many", **{"Retry-After": "1"}) if next(left, False) else None
    )
    await wait("t1", every=0.05)
    refused, again = account.at
    assert again - refused >= 1.0


async def test_a_rotated_key_is_read_from_the_connection_again(account, kling, monkeypatch):
    monkeypatch.setattr(shared_hook, "_MIN_AGE", 0.0)
    account.words = {"t1": "processing"}
    running = asyncio.create_task(wait("t1", every=0.05))
    await until(lambda: account.calls)
    account.keys = {"sk-new"}
    await until(lambda: len(account.calls) >= 4)
    assert not running.done()
    connect(monkeypatch, kling, password="sk-new")
    account.words["t1"] = "succeeded"
    assert (await running).state is State.SUCCEEDED


async def test_a_connection_that_cannot_be_read_is_an_outage_too(account, kling, monkeypatch):
    account.words = {"t1": "succeeded"}
    monkeypatch.delenv("AIRFLOW_CONN_KLING_DEFAULT")
    monkeypatch.setattr(shared_hook, "_MIN_AGE", 0.0)
    running = asyncio.create_task(wait("t1", every=0.05))
    await asyncio.sleep(0.5)
    assert not running.done()
    connect(monkeypatch, kling)
    assert (await running).state is State.SUCCEEDED


async def test_a_key_that_stays_wrong_ends_the_wait_when_the_budget_is_used_up(account, kling, monkeypatch):
    monkeypatch.setattr("kling_provider.polling.wait_state.FAULT_BUDGET", 0.4)
    account.keys = {"sk-another"}
    decision = await wait("t1", every=0.05)
    assert decision.state is State.ERROR
    assert isinstance(decision.error, KlingAuthError)
    assert KEY not in str(decision.error)


async def test_a_task_that_kling_does_not_know_is_lost_after_three_reads(account, kling):
    assert (await wait("t1", every=0.05)).state is State.LOST
    assert len(account.calls) == 3


async def test_the_last_read_falls_on_the_deadline(account, kling):
    account.words = {"t1": "processing"}
    began = time.time()
    decision = await wait("t1", patience=0.7, every=30.0)
    assert decision.state is State.TIMEOUT
    assert account.at[-1] >= began + 0.7
    assert time.time() - began < 15, "it waited for the next tick"


async def test_nothing_is_read_before_the_first_look(account, kling):
    account.words = {"t1": "succeeded"}
    at = time.time() + 0.6
    await wait("t1", every=0.05, first_look=at)
    assert account.at[0] >= at


async def test_a_host_without_such_reads_gets_single_ones_a_few_at_a_time(account, kling, monkeypatch):
    connect(monkeypatch, kling, profile="gateway")
    account.words = {f"t{number}": "succeed" for number in range(30)}
    account.slowness = 0.02
    decisions = await asyncio.gather(*await waits(account.words))
    assert {decision.state for decision in decisions} == {State.SUCCEEDED}
    assert len(account.calls) == 30
    assert 1 < account.most_at_once <= 8


@pytest.mark.slow
async def test_a_proxys_bare_404_is_an_outage_and_klings_word_about_an_id_is_not(account, kling, monkeypatch):
    connect(monkeypatch, kling, profile="gateway")
    account.words = {"t1": "succeed"}
    left = iter([True] * 4)
    account.fault = lambda request: web.Response(status=404, text="no backend") if next(left, False) else None
    assert (await wait("t1", every=0.05)).state is State.SUCCEEDED
    assert (await wait("t2", every=0.05)).state is State.LOST


async def test_when_the_last_has_left_nothing_remains_and_the_next_one_starts_anew(account, kling):
    account.words = {"t1": "processing", "t2": "succeeded"}
    others = asyncio.all_tasks()
    running = asyncio.create_task(wait("t1"))
    await until(lambda: account.calls)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: asyncio.all_tasks() <= others)
    assert (await wait("t2")).state is State.SUCCEEDED


async def test_who_leaves_while_it_is_being_read_and_comes_back_is_read_again(account, kling):
    account.words = {"t1": "processing"}
    account.slowness = 0.3
    running = asyncio.create_task(wait("t1"))
    await until(lambda: account.at_once)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    account.words["t1"] = "succeeded"
    assert (await wait("t1")).state is State.SUCCEEDED


async def test_leaving_while_the_connection_is_being_read_leaves_no_session_open(account, kling, recwarn):
    others = asyncio.all_tasks()
    for _ in range(5):
        running = asyncio.create_task(wait("t1", every=0.01))
        await asyncio.sleep(0.02)
        running.cancel()
    await until(lambda: asyncio.all_tasks() <= others)
    assert not [warning for warning in recwarn if "nclosed" in str(warning.message)]


async def test_lines_of_the_shared_reads_belong_to_no_task(account, kling):
    """A background task inherits the log context of whoever starts it, if it is not started in an empty one."""
    whose: ContextVar[str] = ContextVar("whose", default="nobody's")
    lines: dict[str, str] = {}

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines[record.name] = whose.get()

    logger, handler = logging.getLogger("kling_provider.polling"), Collect()
    logger.addHandler(handler)
    try:
        left = iter([True])
        account.fault = lambda request: error(500, 5000, "down") if next(left, False) else None
        account.words = {"t1": "succeeded"}
        whose.set("the first task's")
        await wait("t1", every=0.05)
    finally:
        logger.removeHandler(handler)
    assert lines == {"kling_provider.polling.poller": "nobody's"}


@pytest.mark.slow
async def test_progress_is_told_to_each_who_waits(account, kling, monkeypatch):
    monkeypatch.setattr("kling_provider.polling.progress_lines._PROGRESS", 0.3)
    account.words = {"t1": "processing"}
    lines: list[str] = []
    began = time.monotonic()
    await wait("t1", patience=1.0, every=0.05, say=lines.append)
    # On a busy machine the wait ends late, and each third of a second has its line.
    assert 1 <= len(lines) <= 1 + (time.monotonic() - began) / 0.3
    assert lines[-1].startswith("Waiting for task t1: processing, made ")


async def test_each_type_is_read_at_its_own_path(account, kling):
    account.words = {"t1": "succeeded", "t2": "succeeded", "t3": "succeed"}
    kinds = {"t1": "text_to_video", "t2": "goods_studio", "t3": "virtual_try_on"}
    together = time.time() + 0.5
    running = [
        asyncio.create_task(wait(task, kind=kind, first_look=together)) for task, kind in kinds.items()
    ]
    decisions = await asyncio.gather(*running)
    assert {decision.state for decision in decisions} == {State.SUCCEEDED}
    read = {"/tasks": set(), "/solutions": set()}
    for _, address in account.calls:
        path, _, ids = address.partition("?task_ids=")
        read[path] |= set(ids.replace("%2C", ",").split(","))
    assert read == {"/tasks": {"t1"}, "/solutions": {"t2", "t3"}}
