# SPDX-License-Identifier: Apache-2.0
"""What a hostile or broken host can do to a process that many share: nothing is endless, and nobody waits for others."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_provider.api.auth import AccessKey
from kling_provider.api.codes import TaskState
from kling_provider.exceptions import KlingError, KlingServerError
from kling_provider.hooks.kling import KlingAsyncHook, KlingHook
from kling_provider.operators.kling import KlingDownloadOperator
from kling_provider.sandbox import Sandbox
from kling_provider.triggers.kling import KlingTaskTrigger
from tests.contract.connecting import say, server
from tests.regressions.attempts import attempt, use_connection
from tests.regressions.renamed import (
    QUEUE_DEADLINE,
    QueueTrigger,
    import_renamed,
    make_authorization,
    wait_for_capacity,
)
from tests.unit.instance import Instance

queue = import_renamed("polling.queue", "polling.slots")
queue_poller = import_renamed("polling.queue_poller", "polling.desk")
wait_state = import_renamed("polling.wait_state", "polling.watch")

KLING = {"profile": "kling"}
HANGS = "it hangs"


def bounded(call: Callable[[], Any], seconds: float) -> Any:
    """What a call returns or raises, or that it hangs; a thread that hangs ends with the test process."""
    came: list[Any] = []

    def run() -> None:
        try:
            came.append(call())
        except Exception as error:
            came.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return came[0] if came else HANGS


async def within(work: Awaitable[Any], seconds: float) -> Any:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        return HANGS


async def event_of(trigger: Any) -> dict[str, Any]:
    (payload,) = [event.payload async for event in trigger.run()]
    return payload


@contextmanager
def listening() -> Iterator[list[float]]:
    """The longest time that the running loop served nobody, in the list when the block is over."""
    stalls, over = [0.0], asyncio.Event()

    async def listen() -> None:
        while not over.is_set():
            began = time.monotonic()
            await asyncio.sleep(0.02)
            stalls[0] = max(stalls[0], time.monotonic() - began)

    listener = asyncio.get_running_loop().create_task(listen())
    try:
        yield stalls
    finally:
        over.set()
        listener.cancel()


# -- answers without end -------------------------------------------------------------------------------------


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """With a connection whose time-outs are a second each."""
    monkeypatch.setattr("kling_provider.hooks.kling._READ_TRIES", 1)
    with Sandbox(time_scale=1, render_seconds=1) as running:
        extra = {**KLING, "timeout": [1, 1]}
        use_connection(monkeypatch, running.url, password=running.api_key, extra=extra)
        yield running


@pytest.mark.parametrize("head", [True, False])
def test_an_answer_that_drips_has_an_end(head: bool, sandbox: Sandbox) -> None:
    """One byte every 0.4 s, for which no time-out of a socket strikes."""
    made = attempt(Instance())
    sandbox.set_faults([{"kind": "drip", "head": head}])
    read = bounded(lambda: KlingHook().get_task(made), 30)
    assert isinstance(read, KlingServerError), read
    create = bounded(lambda: attempt(Instance(run_id="other"), on_ambiguous="stop"), 60)
    assert isinstance(create, KlingError), create
    assert create.task_state is TaskState.MAY_EXIST


def test_a_download_that_drips_has_an_end(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kling_provider.storage.download._TRIES", 1)
    made = attempt(Instance())
    sandbox.advance(60)
    sandbox.set_faults([{"kind": "drip", "on": "download"}])
    save = KlingDownloadOperator(task_id="save", kling_task_id=made, destination=str(tmp_path))
    error = bounded(lambda: save.execute(Instance("save").context), 40)
    assert isinstance(error, KlingServerError), error
    assert error.task_state is TaskState.EXISTS
    assert not list(tmp_path.rglob("*.mp4"))


@pytest.mark.parametrize("packed", [True, False])
def test_a_flood_is_not_read_to_its_end(packed: bool, sandbox: Sandbox) -> None:
    made = attempt(Instance())
    sandbox.set_faults([{"kind": "flood", "megabytes": 12, "gzip": packed}])

    async def read() -> Any:
        async with KlingAsyncHook() as hook:
            return await hook.get_task(made)

    for call in (lambda: KlingHook().get_task(made), lambda: asyncio.run(read())):
        read_it = bounded(call, 60)
        assert isinstance(read_it, KlingServerError), read_it
        assert "MB" in str(read_it)
    sandbox.set_faults([{"kind": "flood", "megabytes": 3, "gzip": packed}])
    for call in (lambda: KlingHook().get_task(made), lambda: asyncio.run(read())):
        assert bounded(call, 60).kling_task_id == made, "what an honest host may send is read"


BOMBS: dict[str, Callable[[], bytes]] = {
    "a long text": lambda: b'{"code":0,"message":"' + b"?a=b&" * 30_000_000 + b'","data":[]}',
    "a million tasks": lambda: b'{"code":0,"data":[' + b'{"id":"1"},' * 1_000_000 + b'{"id":"7"}]}',
}


@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_small_answer_that_unpacks_to_a_huge_one_stops_nobody(
    bomb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything else in the triggerer shares its loop. 300 kB stopped it for 6.6 s."""
    packed = gzip.compress(BOMBS[bomb](), compresslevel=1)
    with server(lambda request: say(request, 200, packed, Content_Encoding="gzip")) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}", extra=KLING)
        async with KlingAsyncHook() as hook:
            await hook.connection()
            with listening() as stalls:
                try:
                    came: Any = await hook.get_task("7")
                except KlingError as error:
                    came = error
    assert isinstance(came, KlingServerError), came
    assert stalls[0] < 1.5, f"the loop served nobody for {stalls[0]:.1f} s"


@pytest.mark.parametrize("form", ["always another one", "always the same", "two in turn"])
def test_a_list_without_end_ends(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr("kling_provider.hooks.kling._READ_TRIES", 1)

    def answer(request: BaseHTTPRequestHandler) -> None:
        calls.append(1)
        number = {"always another one": len(calls), "always the same": 0, "two in turn": len(calls) % 2}[form]
        page = {"result": [], "count": 0, "has_more": True, "next_cursor": f"c{number}"}
        # So that the test of a client without an end has one.
        say(request, 200 if len(calls) < 500 else 400, {"code": 0, "data": page})

    async def read() -> Any:
        async with KlingAsyncHook() as hook:
            return await hook.list_tasks()

    with server(answer) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}", extra=KLING)
        for call in (lambda: KlingHook().list_tasks(), lambda: asyncio.run(read())):
            calls.clear()
            came = bounded(call, 120)
            # What has no end is not taken for the whole.
            assert isinstance(came, KlingServerError), came
            assert len(calls) <= 250


# -- what one host asks holds up nobody for a day --------------------------------------------------------------


def task(word: str) -> dict[str, Any]:
    return {"code": 0, "data": [{"id": "t1", "status": word}]}


@pytest.mark.parametrize("seconds", ["86400", "3600", "1e300"])
async def test_a_long_retry_after_delays_one_read_and_no_wait(
    seconds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter([True])

    def answer(request: BaseHTTPRequestHandler) -> None:
        if next(left, False):
            say(request, 429, {"code": 1302, "message": "slow"}, Retry_After=seconds)
        else:
            say(request, 200, task("succeeded"))

    with server(answer) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}", extra=KLING)
        now = time.time()
        trigger = KlingTaskTrigger(kling_task_id="t1", deadline=now + 3600, first_look=now, poll_interval=0.1)
        event = await within(event_of(trigger), 15)
    assert event != HANGS
    assert event["status"] == "succeeded"


async def test_a_long_retry_after_holds_up_no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_poller, "_TICK", 0.05)
    monkeypatch.setattr(queue, "SETTLE", 0.0)
    left = iter([True])

    def answer(request: BaseHTTPRequestHandler) -> None:
        if next(left, False):
            say(request, 503, b"busy", Retry_After="86400")
        else:
            say(request, 200, {"code": 0, "data": {"count": 0, "has_more": False}})

    with server(answer) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}", extra={**KLING, "max_concurrency": 3})
        now = time.time()
        trigger = QueueTrigger(model="kling-3.0", **{QUEUE_DEADLINE: now + 3600}, first_look=now)
        event = await within(event_of(trigger), 15)
    assert event != HANGS
    assert event["status"] == "room"


# -- clocks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [-3600.0, -86_400.0, 3600.0])
async def test_a_clock_that_is_set_stops_no_reads(step: float, monkeypatch: pytest.MonkeyPatch) -> None:
    words, real = ["processing"], time.time
    with server(lambda request: say(request, 200, task(words[0]))) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}", extra=KLING)
        now = time.time()
        trigger = KlingTaskTrigger(kling_task_id="t1", deadline=now + 600, first_look=now, poll_interval=0.2)
        running = asyncio.create_task(event_of(trigger))
        await asyncio.sleep(1.0)
        assert not running.done()
        monkeypatch.setattr("time.time", lambda: real() + step)
        await asyncio.sleep(1.0)
        words[0] = "succeeded"
        event = await within(running, 15)
    assert event != HANGS
    assert event["status"] == "succeeded", "neither stopped nor taken for late"


@pytest.mark.parametrize("step", [-3600.0, -86_400.0])
async def test_a_clock_that_is_set_back_stops_no_queue(step: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_poller, "_TICK", 0.05)
    monkeypatch.setattr(queue, "SETTLE", 0.0)
    real = time.time
    with server(
        lambda request: say(request, 200, {"code": 0, "data": {"count": 0, "has_more": False}})
    ) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}", extra={**KLING, "max_concurrency": 3})
        now = time.time()
        trigger = QueueTrigger(model="kling-3.0", **{QUEUE_DEADLINE: now + 600}, first_look=now + 2.0)
        running = asyncio.create_task(event_of(trigger))
        await asyncio.sleep(1.0)
        monkeypatch.setattr("time.time", lambda: real() + step)
        event = await within(running, 20)
    assert event != HANGS
    assert event["status"] == "room"


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(-90_000, 90_000), min_size=1, max_size=4))
def test_whatever_the_clock_does_the_wait_goes_on(
    monkeypatch: pytest.MonkeyPatch, steps: list[float]
) -> None:
    words, real = ["processing"], time.time

    async def main(trigger: KlingTaskTrigger) -> Any:
        running = asyncio.create_task(event_of(trigger))
        for step in steps:
            await asyncio.sleep(0.25)
            monkeypatch.setattr("time.time", lambda step=step: real() + step)
        words[0] = "succeeded"
        return await within(running, 15)

    with server(lambda request: say(request, 200, task(words[0]))) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}", extra=KLING)
        now = real()
        trigger = KlingTaskTrigger(kling_task_id="t1", deadline=now + 600, first_look=now, poll_interval=0.1)
        try:
            event = asyncio.run(main(trigger))
        finally:
            monkeypatch.setattr("time.time", real)
    assert event != HANGS
    assert event["status"] == "succeeded"


# -- what is kept ----------------------------------------------------------------------------------------------


def test_old_tokens_are_not_masked_for_ever() -> None:
    """Each further secret costs the more the more there are: 134 ms with 400."""
    from airflow.sdk._shared.secrets_masker import _secrets_masker
    from airflow.sdk.log import redact

    key = AccessKey("ak-of-this-test", "a-secret-key-of-thirty-two-letters")
    before = len(_secrets_masker().patterns)
    tokens = [
        make_authorization(key, skew=float(60 * number)).removeprefix("Bearer ") for number in range(100)
    ]
    assert len(set(tokens)) == 100
    assert len(_secrets_masker().patterns) - before <= 40
    assert tokens[-1] not in str(redact(f"sent {tokens[-1]}"))


def test_all_hooks_of_a_process_share_the_token_of_a_key() -> None:
    tokens = {make_authorization(AccessKey("ak-shared", "a-secret-key-of-thirty-two-letters"))}
    time.sleep(1.1)  # the seconds of a token are whole
    tokens.add(make_authorization(AccessKey("ak-shared", "a-secret-key-of-thirty-two-letters")))
    assert len(tokens) == 1


# -- thousands -------------------------------------------------------------------------------------------------


async def test_two_thousand_in_the_queue_look_at_themselves_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each says now and then that it waits. Counted by each, the others were all that the loop did: 3.7 s for 5,000."""
    sort_key = "sort_key" if hasattr(queue.Entry, "sort_key") else "place"
    looks, place, many = [0], getattr(queue.Entry, sort_key).fget, 2000

    def looked_at(entry: Any) -> Any:
        looks[0] += 1
        return place(entry)

    monkeypatch.setattr(queue.Entry, sort_key, property(looked_at))
    monkeypatch.setattr("kling_provider.polling.progress_lines._PROGRESS", 0.5)
    busy = {
        "result": [{"id": str(n), "status": "processing"} for n in range(3)],
        "count": 3,
        "has_more": False,
    }
    with server(lambda request: say(request, 200, {"code": 0, "data": busy})) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}", extra={**KLING, "max_concurrency": 3})
        now, said, enough = time.time(), [0], asyncio.Event()

        def tell(text: str) -> None:
            said[0] += 1
            if said[0] >= many:
                enough.set()

        async def wait(number: int) -> bool:
            entry = queue.Entry(
                ticket=f"af-{number}",
                external_task_id=f"af-{number}",
                model="kling-3.0",
                dag_id=f"dag-{number % 7}",
                queued_at=now + number * 1e-3,
                not_before=now,
            )
            return await wait_for_capacity("kling_default", entry, deadline=now + 600, say=tell)

        waits = [asyncio.create_task(wait(number)) for number in range(many)]
        assert await within(enough.wait(), 60) is True
        for one in waits:
            one.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
    assert looks[0] <= 50 * many, f"{looks[0] / many:.0f} looks at others for each that waits"


# -- no such connection ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["video", "queue"])
async def test_a_connection_that_does_not_exist_ends_the_wait_soon(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (wait_state, queue_poller):
        monkeypatch.setattr(module, "MISSING_BUDGET", 1.0, raising=False)
    monkeypatch.setattr(queue_poller, "_TICK", 0.2)
    monkeypatch.delenv("AIRFLOW_CONN_KLING_NOWHERE", raising=False)
    now = time.time()
    trigger: Any = KlingTaskTrigger(
        kling_conn_id="kling_nowhere",
        kling_task_id="t1",
        deadline=now + 3600,
        first_look=now,
        poll_interval=0.3,
    )
    if kind == "queue":
        trigger = QueueTrigger(
            kling_conn_id="kling_nowhere", model="kling-3.0", **{QUEUE_DEADLINE: now + 3600}, first_look=now
        )
    event = await within(event_of(trigger), 25)
    assert event != HANGS
    assert event["status"] == "error"
    assert "kling_nowhere" in json.dumps(event)
    assert "There is no connection" in event["message"]
