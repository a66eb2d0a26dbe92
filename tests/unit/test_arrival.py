# SPDX-License-Identifier: Apache-2.0
"""A worker that was woken before its place is free: it looks, which is free, and sends when it may."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from kling_provider.execution import arrival as module
from kling_provider.execution.arrival import Arrival
from kling_provider.hooks.kling import KlingHook
from kling_provider.operators.kling import KlingGenerateOperator
from kling_provider.sandbox import Sandbox
from tests.contract.connecting import connect_to
from tests.unit.instance import Instance


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, render_seconds=60, concurrency=2) as running:
        connect_to(monkeypatch, running)
        yield running


@pytest.fixture
def in_flight(sandbox: Sandbox) -> list[str]:
    """Two tasks that fill the limit; the second one ends 30 s after the first."""
    hook = KlingHook("kling_test")
    request = hook.validate_request({"prompt": "a paper boat"})
    made = []
    for name in ("e1", "e2"):
        sandbox.advance(30)
        answer, task = hook.create(hook.prepare_create(request, external_task_id=name))
        assert task is not None, answer
        made.append(task.kling_task_id)
    return made


def count_creates(sandbox: Sandbox) -> int:
    received: int = sandbox.stats()["creates"]["received"]
    return received


def test_an_event_of_an_earlier_version_says_that_the_place_is_free() -> None:
    assert Arrival.of_event({"status": "room"}).wait_for_place(KlingHook("of_no_connection"), "text_to_video")
    assert Arrival.of_event(None).measure_start() is None


def test_the_start_of_the_worker_is_measured() -> None:
    assert Arrival.of_event({"granted_at": time.time() - 7}).measure_start() == pytest.approx(7, abs=2)
    assert Arrival.of_event({"granted_at": time.time() + 60}).measure_start() == 0.0, "clocks may differ"


def test_it_sends_when_its_place_has_become_free(
    sandbox: Sandbox, in_flight: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PACE", 0.01)
    one = Arrival(dict.fromkeys(in_flight, 1), needed=1)
    before = len(sandbox.requests())
    with ThreadPoolExecutor(1) as worker:
        found = worker.submit(one.wait_for_place, KlingHook("kling_test"), "text_to_video")
        while len(sandbox.requests()) < before + 3:
            assert not found.done()
        sandbox.advance(40)
        assert found.result(timeout=20)
    assert count_creates(sandbox) == 2


@pytest.mark.parametrize(
    ("ended", "needed", "tries"), [(0, 1, False), (1, 2, True), (1, 1, True), (2, 2, True)]
)
def test_it_gives_back_where_nothing_has_ended(
    sandbox: Sandbox,
    in_flight: list[str],
    monkeypatch: pytest.MonkeyPatch,
    ended: int,
    needed: int,
    tries: bool,
) -> None:
    """Where fewer ended than expected, one that was woken before may be gone: then it tries, once."""
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    sandbox.advance({0: 0, 1: 40, 2: 70}[ended])
    one = Arrival(dict.fromkeys(in_flight, 1), needed=needed)
    assert one.wait_for_place(KlingHook("kling_test"), "text_to_video") is tries


def test_what_cannot_be_read_is_no_free_place(
    sandbox: Sandbox, in_flight: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    sandbox.advance(600)
    sandbox.set_faults([{"kind": "auth", "on": "read", "code": 1002}])
    assert not Arrival(dict.fromkeys(in_flight, 1), needed=1).wait_for_place(
        KlingHook("kling_test"), "text_to_video"
    )


def test_a_task_that_kling_has_forgotten_is_in_flight_no_more(sandbox: Sandbox) -> None:
    assert Arrival({"888888888888888888": 1}, needed=1).wait_for_place(
        KlingHook("kling_test"), "text_to_video"
    )


def test_the_operator_queues_again_without_a_paid_call(
    sandbox: Sandbox, in_flight: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    queued_at = time.time() - 100
    event = {
        "external_task_id": "e3",
        "status": "room",
        "queued_at": queued_at,
        "refusals": 1,
        "granted_at": time.time() - 7,
        "watch": dict.fromkeys(in_flight, 1),
        "needed": 1,
    }
    operator = KlingGenerateOperator(
        task_id="video", kling_conn_id="kling_test", request={"prompt": "a fox"}, priority_weight=7
    )
    instance = Instance()
    context: Any = {**instance.context, "outlet_events": defaultdict(lambda: SimpleNamespace(extra={}))}
    with pytest.raises(BaseException) as deferred:
        operator.execute_after_queue(context, event)
    assert type(deferred.value).__name__ == "TaskDeferred", deferred.value
    assert count_creates(sandbox) == 2
    row = deferred.value.trigger.serialize()[1]  # type: ignore[attr-defined]
    assert row["queued_at"] == queued_at
    assert row["full"] is False, "it says nothing about the limit"
    assert row["worker_start"] == pytest.approx(7, abs=3)
    assert row["priority_weight"] == 7
    assert row["first_look"] > time.time() + 5
