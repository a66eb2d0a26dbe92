# SPDX-License-Identifier: Apache-2.0
"""A first call looks at the limit that the connection states, and waits in the queue instead of being refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_provider.operators.kling import KlingGenerateOperator, KlingSubmitOperator
from kling_provider.sandbox import Sandbox
from tests.regressions.conftest import Start
from tests.regressions.playing import context, made
from tests.regressions.renamed import QueueTrigger
from tests.unit.instance import Instance


def state_limit(sandbox: Sandbox, limit: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    extra: dict[str, Any] = {"profile": "kling"}
    if limit is not None:
        extra["max_concurrency"] = limit
    connection = {
        "conn_type": "kling",
        "host": sandbox.base_url,
        "password": sandbox.api_key,
        "extra": extra,
    }
    monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(connection))


def first_calls(how_many: int, kind: type[KlingSubmitOperator] = KlingSubmitOperator) -> list[Instance]:
    """So many mapped instances, each at its first try; returns those that wait in the queue."""
    waiting = []
    for index in range(how_many):
        instance = Instance(map_index=index)
        operator = kind(task_id="video", request={"prompt": f"panda {index}", "duration": 3})
        try:
            operator.execute(context(instance))
        except BaseException as deferred:
            if type(deferred).__name__ != "TaskDeferred":
                raise
            if isinstance(deferred.trigger, QueueTrigger):  # type: ignore[attr-defined]
                waiting.append(instance)
    return waiting


def refused(sandbox: Sandbox) -> int:
    creates = sandbox.stats()["creates"]
    return int(creates["received"] - creates["made"])


@pytest.mark.parametrize("kind", [KlingSubmitOperator, KlingGenerateOperator])
def test_with_a_stated_limit_nothing_is_sent_that_would_be_refused(
    kind: type[KlingSubmitOperator], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = start(concurrency=3)
    state_limit(sandbox, 3, monkeypatch)
    waiting = first_calls(8, kind)
    assert (made(sandbox), len(waiting), refused(sandbox)) == (3, 5, 0)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 4), more=st.integers(0, 3))
def test_whatever_the_limit_is_it_is_kept(
    limit: int, more: int, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = start(concurrency=limit)
    state_limit(sandbox, limit, monkeypatch)
    waiting = first_calls(limit + more)
    assert (made(sandbox), len(waiting), refused(sandbox)) == (limit, more, 0)


def test_a_stated_limit_below_klings_own_is_kept(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who shares an account leaves room for others."""
    sandbox = start(concurrency=10)
    state_limit(sandbox, 2, monkeypatch)
    waiting = first_calls(4)
    assert (made(sandbox), len(waiting)) == (2, 2)


def test_where_the_list_fails_the_request_is_sent(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in flight is worth a look, and no video less."""
    sandbox = start(concurrency=3)
    state_limit(sandbox, 3, monkeypatch)
    sandbox.set_faults([{"kind": "error_before", "on": "list", "code": 5000}])
    assert first_calls(2) == []
    assert made(sandbox) == 2


def test_without_a_stated_limit_nothing_is_listed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = start(concurrency=3)
    state_limit(sandbox, None, monkeypatch)
    waiting = first_calls(4)
    assert (made(sandbox), len(waiting), refused(sandbox)) == (3, 1, 1)
    assert "list" not in [one["operation"] for one in sandbox.requests()]


def test_what_takes_more_than_the_limit_is_sent_where_nothing_else_is_in_flight(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether nine images fit is the host's word."""
    sandbox = start(concurrency=9)
    state_limit(sandbox, 3, monkeypatch)
    images = {"type": "image_generation", "prompt": "nine pandas", "n": 9}
    assert KlingSubmitOperator(task_id="images", request=images).execute(context(Instance("images")))


def test_who_was_woken_sends_also_without_an_external_id(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list names no model: tasks of others would keep a model without external ids waiting for ever."""
    sandbox = start(concurrency=3)
    state_limit(sandbox, 2, monkeypatch)
    assert first_calls(2) == []
    instance = Instance("newest")
    newest = {"prompt": "a panda", "duration": 5, "model": "kling-4.0"}
    operator = KlingSubmitOperator(task_id="newest", request=newest)
    with pytest.raises(BaseException) as queued:
        operator.execute(context(instance))
    place = queued.value.trigger.serialize()[1]  # type: ignore[attr-defined]
    assert place["external_task_id"] is None
    assert operator.execute_after_queue(context(instance), {**place, "status": "room"})
    assert made(sandbox) == 3
