# SPDX-License-Identifier: Apache-2.0
"""What workers and triggers make of callbacks: the URL that is sent, a hint that is ahead, a trigger whose task was woken."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from kling_provider.compat import has_callbacks
from kling_provider.operators.kling import KlingGenerateOperator
from kling_provider.sandbox import Sandbox
from kling_provider.sensors.kling import KlingTaskSensor
from kling_provider.triggers.kling import KlingTaskTrigger
from tests.unit.instance import Instance

SECRET = "whsec_dGhlIHNlY3JldCBvZiBhIGNvbm5lY3Rpb24="
REQUEST = {"prompt": "A red panda", "duration": 3, "name": "panda"}
URL = "https://airflow.example.com/hidden-path/kling-callbacks/kling_default"


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, render_seconds=60) as sandbox:
        extra = {
            "profile": "kling",
            "webhook_secret": SECRET,
            "callback_base_url": "https://airflow.example.com/hidden-path",
        }
        connection = {"conn_type": "kling", "host": sandbox.url, "password": sandbox.api_key, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(connection))
        yield sandbox


def defer(operator: Any, instance: Instance) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(instance.context)
    return deferred.value


def woken(deferred: TaskDeferred, status: str = "succeeded") -> dict[str, Any]:
    """The event of the route."""
    arguments = deferred.trigger.serialize()[1]
    return {
        "kling_task_id": arguments["kling_task_id"],
        "status": status,
        "woken_by": "callback",
        "deadline": arguments["deadline"],
    }


@pytest.mark.skipif(not has_callbacks(), reason="callbacks are off before Airflow 3.3")
def test_the_url_is_sent_and_shown_nowhere(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    instance = Instance()
    with caplog.at_level("DEBUG"):
        deferred = defer(KlingGenerateOperator(task_id="video", request=REQUEST), instance)
    (made,) = sandbox.backend.all()
    assert made.request.callback_url == URL
    told = json.dumps(
        [instance.xcoms, instance.store, deferred.kwargs, deferred.trigger.serialize()], default=str
    )
    assert "hidden-path" not in told + caplog.text
    (sent,) = [one for one in sandbox.requests() if one["method"] == "POST"]
    assert SECRET not in json.dumps(sent), "extras that HttpHook does not know become headers"


@pytest.mark.skipif(not has_callbacks(), reason="callbacks are off before Airflow 3.3")
def test_a_plan_shows_that_there_will_be_a_callback(sandbox: Sandbox) -> None:
    planned = KlingGenerateOperator(task_id="video", request=REQUEST, plan_only=True).execute(
        Instance().context
    )
    assert planned["http"]["json"]["options"]["callback_url"].startswith("https://airflow.example.com")
    assert "hidden-path" not in json.dumps(planned)


@pytest.mark.skipif(has_callbacks(), reason="from Airflow 3.3 on there are callbacks")
@pytest.mark.airflow_version
def test_before_airflow_3_3_no_url_is_sent(sandbox: Sandbox) -> None:
    defer(KlingGenerateOperator(task_id="video", request=REQUEST), Instance())
    (made,) = sandbox.backend.all()
    assert made.request.callback_url is None


def test_a_hint_that_is_ahead_makes_the_task_wait_on(sandbox: Sandbox) -> None:
    instance = Instance()
    operator = KlingGenerateOperator(task_id="video", request=REQUEST)
    first = defer(operator, instance)
    with pytest.raises(TaskDeferred) as again:
        operator.execute_complete(instance.context, woken(first), **dict(first.kwargs or {}))
    before, after = first.trigger.serialize()[1], again.value.trigger.serialize()[1]
    assert {**after, "first_look": 0, "expected_at": 0} == {**before, "first_look": 0, "expected_at": 0}
    assert after["first_look"] > time.time() + 8
    assert again.value.kwargs == first.kwargs, "what was sent stays known"
    sandbox.advance(90)
    event = woken(again.value)
    result = operator.execute_complete(instance.context, event, **dict(again.value.kwargs or {}))
    assert (result["status"], result["kling_task_id"]) == ("succeeded", after["kling_task_id"])
    assert sandbox.stats()["creates"]["received"] == 1


def test_what_a_callback_says_of_the_end_is_not_believed(sandbox: Sandbox) -> None:
    instance = Instance()
    operator = KlingGenerateOperator(task_id="video", request=REQUEST)
    deferred = defer(operator, instance)
    sandbox.advance(90)
    event = woken(deferred, "failed")
    assert (
        operator.execute_complete(instance.context, event, **dict(deferred.kwargs or {}))["status"]
        == "succeeded"
    )


def test_a_sensor_waits_on_as_well(sandbox: Sandbox) -> None:
    kling_task_id = defer(
        KlingGenerateOperator(task_id="video", request=REQUEST), Instance()
    ).trigger.serialize()[1]["kling_task_id"]
    sensor, instance = KlingTaskSensor(task_id="wait", kling_task_id=kling_task_id), Instance("wait")
    first = defer(sensor, instance)
    with pytest.raises(TaskDeferred) as again:
        sensor.execute_complete(instance.context, woken(first), **dict(first.kwargs or {}))
    assert again.value.trigger.serialize()[1]["deadline"] == first.trigger.serialize()[1]["deadline"]
    assert again.value.kwargs == first.kwargs
    sandbox.advance(90)
    assert (
        sensor.execute_complete(instance.context, woken(first), **dict(first.kwargs or {}))["status"]
        == "succeeded"
    )


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("scheduled", "is scheduled now and goes on"),
        ("queued", "is queued now and goes on"),
        ("running", "is running now and goes on"),
        ("deferred", "is deferred now and goes on"),
        (None, "is cleared now and goes on"),
        (
            "success",
            "Nothing waits for Kling task t1 any more: its Airflow task is success. If it still runs",
        ),
        ("failed", "Nothing waits for Kling task t1 any more: its Airflow task is failed. If it still runs"),
    ],
)
async def test_a_cancelled_trigger_says_what_is_true(
    state: str | None, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Airflow cancels it when a callback woke its task, and when a person marked or cleared it."""

    def tell(dag_id: str, map_index: int, task_ids: list[str], run_ids: list[str]) -> Mapping[str, Any]:
        assert (dag_id, map_index, task_ids, run_ids) == ("films", 3, ["video"], ["r1"])
        return {"r1": {"video_3": state}}

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(tell))
    trigger = KlingTaskTrigger(kling_task_id="t1")
    trigger.task_instance = SimpleNamespace(dag_id="films", task_id="video", run_id="r1", map_index=3)
    await trigger.on_kill()
    assert said in " ".join(capsys.readouterr().out.split())


async def test_a_cancelled_trigger_that_cannot_ask_says_what_is_true_of_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("no supervisor")

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(fail))
    trigger = KlingTaskTrigger(kling_task_id="t1")
    trigger.task_instance = SimpleNamespace(dag_id="films", task_id="video", run_id="r1", map_index=3)
    await trigger.on_kill()
    assert "Nothing waits for Kling task t1 any more. If it still runs" in capsys.readouterr().out
