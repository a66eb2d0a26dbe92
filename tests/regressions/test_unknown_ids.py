# SPDX-License-Identifier: Apache-2.0
"""A task that a host does not know: whether it can have expired is said by its id, so nobody looks for the wrong cause."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_provider.exceptions import KlingTaskNotFound
from kling_provider.hooks.kling import KlingHook
from kling_provider.operators.kling import KlingDownloadOperator
from kling_provider.sandbox import Sandbox
from kling_provider.sensors.kling import KlingTaskSensor
from tests.regressions.attempts import PANDA, attempt, use_connection
from tests.unit.instance import Instance


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1000) as running:
        yield running


@pytest.fixture
def connected(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    use_connection(monkeypatch, sandbox.url, password=sandbox.api_key, extra={"profile": "kling"})
    return sandbox


def id_of(age: timedelta) -> str:
    """An id that Kling would have given so long ago."""
    return str(int((datetime.now(UTC) - age).timestamp() * 1000 - 1_568_028_519_586) << 22)


def say_unknown(kling_task_id: str) -> list[str]:
    """What hook, sensor, download and ``adopt`` say of it."""
    with pytest.raises(KlingTaskNotFound) as of_hook:
        KlingHook("kling_default").get_task(kling_task_id)
    with pytest.raises(KlingTaskNotFound) as of_sensor:
        KlingTaskSensor(task_id="wait", kling_task_id=kling_task_id).execute(Instance("wait").context)
    save = KlingDownloadOperator(task_id="save", kling_task_id=kling_task_id, destination="/tmp/none")
    with pytest.raises(KlingTaskNotFound) as of_download:
        save.execute(Instance("save").context)
    of_adopt = attempt(Instance(), request={**PANDA, "adopt": kling_task_id})
    assert isinstance(of_adopt, KlingTaskNotFound)
    return [str(of_hook.value), str(of_sensor.value), str(of_download.value), str(of_adopt)]


@pytest.mark.usefixtures("connected")
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.timedeltas(timedelta(minutes=1), timedelta(days=29)))
def test_a_young_one_is_another_accounts(age: timedelta) -> None:
    for text in say_unknown(id_of(age)):
        assert "another account" in text
        assert "a sandbox that was started anew" in text
        assert "30 days" not in text


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize("days", [31, 90, 300])
def test_an_old_one_is_forgotten_and_no_account_is_blamed(days: int) -> None:
    for text in say_unknown(id_of(timedelta(days=days))):
        assert f"{days} days ago, and Kling forgets a task after 30 days" in text
        assert "another account" not in text


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize("kling_task_id", ["123", "task_8a1b2c", "Cl2WTmTSAAAAAAB"])
def test_an_id_of_another_form_may_be_either(kling_task_id: str) -> None:
    for text in say_unknown(kling_task_id):
        assert "another account" in text
        assert "older than 30 days" in text


def test_a_sandbox_that_was_started_anew_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task was made by this very instance, and its retry meets a sandbox that has forgotten it."""

    def play(sandbox: Sandbox) -> Any:
        use_connection(monkeypatch, sandbox.url, password=sandbox.api_key, extra={"profile": "kling"})
        return attempt(instance)

    instance = Instance()
    with Sandbox() as before:
        kling_task_id = play(before)
    assert isinstance(kling_task_id, str)
    save = KlingDownloadOperator(task_id="save", kling_task_id=kling_task_id, destination="/tmp/none")
    with Sandbox() as after:
        use_connection(monkeypatch, after.url, password=after.api_key, extra={"profile": "kling"})
        with pytest.raises(
            KlingTaskNotFound, match=r"less than a minute ago, so it is not too old: .* started anew"
        ):
            save.execute(Instance("save").context)
