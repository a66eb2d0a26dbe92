# SPDX-License-Identifier: Apache-2.0
"""``soft_fail`` and ``never_fail`` of the sensor: one outcome, whenever Kling failed and however the sensor waits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_provider.operators.kling import KlingSubmitOperator
from kling_provider.sandbox import Sandbox
from kling_provider.sensors.kling import KlingTaskSensor
from tests.regressions.outcomes import RED_PANDA, connected, outcome_of
from tests.unit.instance import Instance

#: How the sensor learns of it.
WAYS = ("before it defers", "after it deferred", "poke", "reschedule")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch, connected(patch) as running:
        yield running


@pytest.fixture(scope="module")
def failed(sandbox: Sandbox) -> str:
    """A task that Kling failed."""
    sandbox.set_faults([{"kind": "task_fails", "message": "Internal render error", "times": 1}])
    kling_task_id: str = KlingSubmitOperator(task_id="submit", request=RED_PANDA).execute(Instance().context)
    sandbox.advance(20)
    return kling_task_id


def look(kling_task_id: str, way: str, instance: Instance, event: str = "failed", **settings: Any) -> Any:
    """What the sensor comes to when it learns of ``kling_task_id`` in this way."""
    sensor = KlingTaskSensor(
        task_id="wait",
        kling_task_id=kling_task_id,
        deferrable="defer" in way,
        mode="reschedule" if way == "reschedule" else "poke",
        **settings,
    )
    instance.ti.get_first_reschedule_date = lambda context: None
    if way == "after it deferred":
        told = {"kling_task_id": kling_task_id, "status": event, "message": "said by the trigger"}
        return outcome_of(
            lambda: sensor.resume_execution("execute_complete", {"event": told}, instance.context)
        )
    return outcome_of(lambda: sensor.execute(instance.context))


@pytest.mark.airflow_version
@pytest.mark.parametrize("flag", ["soft_fail", "never_fail"])
def test_a_video_that_kling_failed_has_one_outcome(flag: str, failed: str) -> None:
    for way in WAYS:
        plain = look(failed, way, Instance("wait"))
        assert isinstance(plain, AirflowFailException), (way, plain)
        instance = Instance("wait")
        outcome = look(failed, way, instance, **{flag: True})
        assert isinstance(outcome, AirflowSkipException), (way, outcome)
        assert "Internal render error" in str(outcome), way
        # Skipped or failed: the gallery has the reason.
        left = instance.xcoms.get("kling")
        assert left is not None, way
        assert (left["state"], left["kling_task_id"]) == ("failed", failed)


@pytest.mark.airflow_version
@settings(max_examples=20, deadline=None)
@given(
    flag=st.sampled_from(["soft_fail", "never_fail"]),
    ways=st.lists(st.sampled_from(WAYS), min_size=2, max_size=4, unique=True),
)
def test_any_two_ways_agree(flag: str, ways: list[str], failed: str) -> None:
    kinds = {type(look(failed, way, Instance("wait"), **{flag: True})) for way in ways}
    assert len(kinds) == 1, (flag, ways, kinds)


@pytest.mark.parametrize("flag", ["soft_fail", "never_fail"])
def test_a_task_that_kling_does_not_know_has_one_outcome(flag: str, sandbox: Sandbox) -> None:
    for way in WAYS:
        plain = look("123", way, Instance("wait"), event="lost")
        assert isinstance(plain, AirflowFailException), (way, plain)
        outcome = look("123", way, Instance("wait"), event="lost", **{flag: True})
        assert isinstance(outcome, AirflowSkipException), (way, outcome)


def test_what_a_retry_may_mend_is_retried_and_skipped_by_never_fail_alone(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kling_provider.hooks.kling._READ_TRIES", 1)
    sandbox.set_faults([{"kind": "outage"}])
    try:
        for way in WAYS:
            plain, soft, never = (
                look("123", way, Instance("wait"), event="error", **flags)
                for flags in ({}, {"soft_fail": True}, {"never_fail": True})
            )
            assert type(plain).__name__ == "KlingServerError", (way, plain)
            assert type(soft) is type(plain), (way, soft)
            assert isinstance(never, AirflowSkipException), (way, never)
    finally:
        sandbox.set_faults([])


@pytest.mark.airflow_version
def test_a_timeout_has_one_outcome(sandbox: Sandbox) -> None:
    sandbox.set_faults([{"kind": "stuck", "times": 1}])
    request = {**RED_PANDA, "take": 1}
    stuck: str = KlingSubmitOperator(task_id="submit", request=request).execute(Instance().context)
    for flags in ({}, {"soft_fail": True}, {"never_fail": True}):
        after = look(stuck, "after it deferred", Instance("wait"), event="timeout", **flags)
        poked = look(stuck, "poke", Instance("wait"), timeout=0, **flags)
        wanted = AirflowSkipException if flags else AirflowSensorTimeout
        assert isinstance(after, wanted), (flags, after)
        assert isinstance(poked, wanted), (flags, poked)
