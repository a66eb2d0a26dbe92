# SPDX-License-Identifier: Apache-2.0
"""The two triggers as the triggerer runs them: made from their row, one event, gone."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from contextvars import ContextVar

import pytest
from airflow.triggers.base import BaseTrigger, TriggerEvent

from kling_provider.execution.arrival import Arrival
from kling_provider.hooks.connection import KlingConnection
from kling_provider.hooks.kling import KlingHook
from kling_provider.polling import clock, queue_poller, waiting
from kling_provider.sandbox import Sandbox
from kling_provider.triggers.kling import FIRST_LOOK, KlingConcurrencyTrigger, KlingTaskTrigger
from tests.unit.waiting_stand_ins import KEY, Account, connection_json, error, ok, serving


@pytest.fixture
def account():
    return Account()


@pytest.fixture
async def kling(account, monkeypatch):
    async with serving(account.answer) as url:
        monkeypatch.setenv(
            "AIRFLOW_CONN_KLING_DEFAULT",
            connection_json(url, extra={"profile": "kling", "max_concurrency": 2}),
        )
        yield url


@pytest.fixture
def ticks(monkeypatch):
    """The queue looks often, and does not settle: tests have no triggerer that restarts."""
    monkeypatch.setattr(queue_poller, "_TICK", 0.05)
    monkeypatch.setattr("kling_provider.polling.queue.SETTLE", 0.0)


def from_row(trigger: BaseTrigger) -> BaseTrigger:
    """The trigger as the triggerer makes it from its database row."""
    path, kwargs = trigger.serialize()
    module, _, name = path.rpartition(".")
    assert module == "kling_provider.triggers.kling"
    return {"KlingTaskTrigger": KlingTaskTrigger, "KlingConcurrencyTrigger": KlingConcurrencyTrigger}[name](
        **json.loads(json.dumps(kwargs))
    )


async def events(trigger: BaseTrigger) -> list[TriggerEvent]:
    return [event async for event in from_row(trigger).run()]


async def the_event(trigger: BaseTrigger) -> dict:
    (event,) = await events(trigger)
    return event.payload


def video(kling_task_id="t1", **options) -> KlingTaskTrigger:
    now = time.time()
    defaults = {"deadline": now + 20, "first_look": now, "poll_interval": 0.1}
    return KlingTaskTrigger(kling_task_id=kling_task_id, **{**defaults, **options})


def queued(name="af-1", **options) -> KlingConcurrencyTrigger:
    now = time.time()
    defaults = {
        "model": "kling-3.0",
        "dag_id": "d",
        "queued_at": now,
        "queue_deadline": now + 20,
        "first_look": now,
    }
    return KlingConcurrencyTrigger(external_task_id=name, **{**defaults, **options})


# -- what is in the database --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trigger", [video(model="kling-3.0", external_task_id="af-1"), queued(), queued(None)]
)
def test_a_row_makes_the_same_trigger_and_holds_nothing_secret(trigger, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", connection_json("http://127.0.0.1:9"))
    path, kwargs = trigger.serialize()
    assert from_row(trigger).serialize() == (path, kwargs)
    assert KEY not in json.dumps(kwargs)
    assert "http" not in json.dumps(kwargs)


@pytest.mark.parametrize("made", [KlingTaskTrigger, KlingConcurrencyTrigger])
def test_rows_of_other_versions_are_understood(made):
    assert made(kling_conn_id="other", of_a_newer_version=1).serialize()[1]["kling_conn_id"] == "other"
    now = time.time()
    assert made().first_look == pytest.approx(now + FIRST_LOOK, abs=2)


@pytest.mark.parametrize("weight", [None, "high", 2.5])
def test_a_weight_that_is_none_holds_up_nobody(weight):
    assert queued(priority_weight=weight).priority_weight == 1
    assert queued(priority_weight=-7).priority_weight == -7


def test_a_row_of_the_first_release_is_understood():
    row = queued().serialize()[1]
    for name in ("priority_weight", "worker_start", "seconds", "resolution", "sound"):
        del row[name]
    assert KlingConcurrencyTrigger(**row).serialize()[1] == queued().serialize()[1] | row


def test_airflows_task_id_does_not_poison_ours():
    trigger = video("t1")
    trigger.task_id = "an airflow task"  # what the triggerer does
    assert trigger.serialize()[1]["kling_task_id"] == "t1"


@pytest.mark.slow
def test_importing_the_triggers_is_cheap():
    """The triggerer imports the module inside its event loop, workers while they parse a DAG file."""
    heavy = (
        "aiohttp",
        "requests",
        "jwt",
        "kling_provider.sandbox",
        "kling_provider.api.requests",
        "kling_provider.hooks",
    )
    code = (
        "import sys, airflow.triggers.base; before = set(sys.modules); import kling_provider.triggers.kling; "
        f"print([name for name in {heavy!r} if name in set(sys.modules) - before])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


# -- waiting for a video ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_videos_of_a_real_sandbox(monkeypatch):
    with Sandbox(time_scale=60, render_seconds=60) as sandbox:
        monkeypatch.setenv(
            "AIRFLOW_CONN_KLING_DEFAULT",
            connection_json(sandbox.url, password=sandbox.api_key, extra={"profile": "kling"}),
        )
        hook = KlingHook()
        ids = [
            hook.submit({"prompt": f"film {number}"}, external_task_id=f"e{number}").kling_task_id
            for number in range(3)
        ]

        async def main():
            return await asyncio.gather(*(the_event(video(one)) for one in ids))

        assert asyncio.run(main()) == [{"kling_task_id": one, "status": "succeeded"} for one in ids]


@pytest.mark.parametrize(
    ("word", "status"), [("succeeded", "succeeded"), ("failed", "failed"), ("processing", "timeout")]
)
async def test_one_event_with_ids_and_status_and_nothing_else(account, kling, word, status):
    account.words = {"t1": word}
    event = await the_event(video(deadline=time.time() + 0.3))
    message = event.pop("message", "")
    assert event == {"kling_task_id": "t1", "status": status}
    assert ("still processing" in message) == (status == "timeout")


@pytest.mark.slow
async def test_a_task_that_kling_does_not_know(account, kling):
    event = await the_event(video())
    assert event["status"] == "lost"
    assert "does not know task t1" in event["message"]


@pytest.mark.slow
async def test_reads_that_fail_for_too_long(account, kling, monkeypatch):
    monkeypatch.setattr("kling_provider.polling.wait_state.FAULT_BUDGET", 0.3)
    account.fault = lambda request: error(500, 5000, "internal")
    event = await the_event(video())
    assert event["status"] == "error"
    assert "could not be read" in event["message"]
    assert "adopts it and pays nothing" in event["message"]


async def test_no_event_before_the_first_look(account, kling):
    account.words = {"t1": "succeeded"}
    at = time.time() + 0.5
    await the_event(video(first_look=at))
    assert time.time() >= at


@pytest.mark.slow
async def test_a_cancelled_trigger_leaves_without_a_word_to_kling(account, kling):
    account.words = {"t1": "processing"}
    others = asyncio.all_tasks()
    running = asyncio.create_task(the_event(video()))
    async with asyncio.timeout(5):
        while not account.calls:
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    calls = len(account.calls)
    async with asyncio.timeout(5):
        while not asyncio.all_tasks() <= others:
            await asyncio.sleep(0.01)
    assert len(account.calls) == calls


@pytest.mark.parametrize("trigger", [video(), queued()])
async def test_on_kill_only_says_what_goes_on(account, kling, capsys, trigger):
    await trigger.on_kill()
    await trigger.cleanup()
    assert " waits for " in capsys.readouterr().out
    assert account.calls == []


@pytest.mark.slow
async def test_a_slow_connection_does_not_block_the_loop(account, kling, monkeypatch):
    """Secrets are masked by messages to the supervisor, certificates are read, tokens signed: in a thread."""
    account.words = {"t1": "succeeded"}
    honest = KlingConnection.parse
    monkeypatch.setattr(KlingConnection, "parse", lambda found: time.sleep(3) or honest(found))
    slowest, done = 0.0, asyncio.Event()

    async def watchdog():
        nonlocal slowest
        while not done.is_set():
            began = time.monotonic()
            await asyncio.sleep(0.01)
            slowest = max(slowest, time.monotonic() - began)

    dog = asyncio.create_task(watchdog())
    await the_event(video())
    done.set()
    await dog
    assert slowest < 2.5


# -- waiting in the queue -----------------------------------------------------------------------------------


async def test_room_wakes_the_first_in_line(account, kling, ticks):
    account.words = {"a": "processing", "b": "submitted", "old": "succeeded"}
    now = time.time()
    later = asyncio.create_task(the_event(queued("af-2", queued_at=now - 5)))
    first = asyncio.create_task(the_event(queued("af-1", queued_at=now - 9, refusals=3)))
    await account.read_again()
    assert not first.done()
    account.words["a"] = "succeeded"
    event = await first
    assert event.pop("granted_at") == pytest.approx(time.time(), abs=2)
    assert event == {"external_task_id": "af-1", "status": "room", "queued_at": now - 9, "refusals": 3}
    await account.read_again()
    assert not later.done(), "the turn that was given counts until its task is seen"
    account.words["new"], account.externals["new"] = "submitted", "af-1"
    account.words["b"] = "failed"
    assert (await later)["external_task_id"] == "af-2"
    paths = {path.partition("?")[0] for _, path in account.calls}
    assert paths <= {"/tasks"}, "it reads, and sends nothing"


async def test_the_limit_of_the_accounts_pack_counts_where_the_connection_says_nothing(
    account, kling, ticks, monkeypatch
):
    monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", connection_json(kling, extra={"profile": "kling"}))
    account.words = {"a": "processing", "b": "processing"}
    account.packs = [{"resource_pack_name": "Trial-Video-100Units-3Con-1Months", "status": "online"}]
    assert (await the_event(queued()))["status"] == "room"
    assert [path for _, path in account.calls if "costs" in path] != []


async def test_without_a_stated_limit_it_is_what_was_in_flight_at_the_refusal(
    account, kling, ticks, monkeypatch
):
    monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", connection_json(kling, extra={"profile": "kling"}))
    account.words = {"a": "processing", "b": "processing"}
    running = asyncio.create_task(the_event(queued()))
    await account.read_again()
    assert not running.done()
    account.words["a"] = "succeeded"
    assert (await running)["status"] == "room"


@pytest.mark.slow
async def test_no_queue_event_before_the_first_look_not_even_a_timeout(account, kling, ticks):
    at = time.time() + 0.5
    assert (await the_event(queued(first_look=at)))["status"] == "room"
    assert time.time() >= at
    account.words = {"a": "processing", "b": "processing"}
    at = time.time() + 0.5
    event = await the_event(queued(first_look=at, queue_deadline=at - 5))
    assert (event["status"], time.time() >= at) == ("timeout", True)


@pytest.mark.slow
async def test_an_outage_is_waited_out_and_a_wrong_key_is_said(account, kling, ticks, monkeypatch):
    monkeypatch.setattr(queue_poller, "_MAX_PAUSE", 0.05)
    monkeypatch.setattr(queue_poller, "FAULT_BUDGET", 0.3)
    account.fault = lambda request: error(503, 5001, "maintenance")
    running = asyncio.create_task(the_event(queued()))
    await asyncio.sleep(0.8)
    assert not running.done()
    account.keys = {"sk-another"}
    event = await running
    assert event["status"] == "error"
    assert KEY not in event["message"]


async def test_a_cancelled_queue_trigger_leaves_its_position(account, kling, ticks):
    account.words = {"a": "processing", "b": "processing"}
    now = time.time()
    gone = asyncio.create_task(the_event(queued("af-1", queued_at=now - 9)))
    here = asyncio.create_task(the_event(queued("af-2", queued_at=now - 5)))
    await account.read_again()
    gone.cancel()
    account.words["a"] = "succeeded"
    assert (await here)["status"] == "room"
    assert waiting.get_pollers("kling_default").queue_poller.is_idle


async def test_a_task_that_was_made_after_the_list_was_read_takes_its_place(
    account, kling, ticks, monkeypatch
):
    """The list does not show it yet, the look-up by its external id does."""
    monkeypatch.setattr(queue_poller, "_UNSEEN", 0.0)
    account.words = {"a": "succeeded", "b": "processing"}
    assert (await the_event(queued("af-1")))["status"] == "room"
    made_since = ["new"]

    def list_before_it_was_made(request):
        if request.method == "POST" and request.path == "/tasks" and made_since:
            made_since.clear()
            return ok({"result": [account._task("b")], "count": 1, "has_more": False})
        return None

    account.fault = list_before_it_was_made
    account.words["new"], account.externals["new"] = "processing", "af-1"
    later = asyncio.create_task(the_event(queued("af-2")))
    await account.read_again(6)
    assert not later.done()
    account.words["b"] = "failed"
    assert (await later)["status"] == "room"


async def test_each_line_of_progress_goes_to_the_log_of_its_own_task(account, kling, ticks, monkeypatch):
    """One timer writes them all, and Airflow finds the log of a line by the context that it is written in."""
    monkeypatch.setattr("kling_provider.polling.progress_lines._PROGRESS", 0.01)
    account.words = {"a": "processing", "b": "processing"}
    owner: ContextVar[str] = ContextVar("owner")
    said: list[tuple[str, str]] = []

    async def wait(name: str):
        owner.set(name)
        entry = waiting.Entry(name, name, "kling-3.0", "d", time.time() - 60, 0.0)
        return await waiting.wait_for_capacity(
            "kling_default",
            entry,
            deadline=clock.now() + 1.0,
            say=lambda line: said.append((owner.get(), line)),
        )

    assert await asyncio.gather(wait("af-1"), wait("af-2")) == [None, None], "their deadline came"
    assert {name for name, _ in said} == {"af-1", "af-2"}
    assert all(line == "Queued at the concurrency limit of kling-3.0 for 60 s." for _, line in said[:2])
    assert waiting.get_pollers("kling_default").queue_poller.is_idle


@pytest.mark.slow
def test_a_queue_in_front_of_a_real_sandbox(monkeypatch, ticks):
    """Twelve videos, a limit of three: as the operators do it, with workers that start at once."""
    with Sandbox(time_scale=60, render_seconds=60, concurrency=3) as sandbox:
        monkeypatch.setenv(
            "AIRFLOW_CONN_KLING_DEFAULT",
            connection_json(sandbox.url, password=sandbox.api_key, extra={"profile": "kling"}),
        )
        hook = KlingHook()
        request = hook.validate_request({"prompt": "a film"})
        order: list[int] = []

        def create(external_task_id: str):
            return hook.create(hook.prepare_create(request, external_task_id=external_task_id))

        async def worker(number: int) -> int:
            creates, queued_at, arrival = 0, 0.0, Arrival({})
            while True:
                if await asyncio.to_thread(arrival.wait_for_place, hook, "text_to_video"):
                    creates += 1
                    answer, task = await asyncio.to_thread(create, f"e{number}")
                    if task is not None:
                        return creates
                    assert answer.code == 1303
                queued_at = queued_at or time.time() + number * 1e-3
                event = await the_event(queued(f"e{number}", queued_at=queued_at))
                assert event["status"] == "room"
                arrival = Arrival.of_event(event)
                order.append(number)

        async def main() -> list[int]:
            return await asyncio.gather(*map(worker, range(12)))

        creates = asyncio.run(main())
        made = len(sandbox.backend.all())
    assert made == 12
    assert sum(creates) / 12 <= 3.0
    assert len(set(order)) == 9, "three got through at once"
