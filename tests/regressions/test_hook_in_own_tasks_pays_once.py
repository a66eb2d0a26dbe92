# SPDX-License-Identifier: Apache-2.0
"""A task of one's own that calls the hook is retried by Airflow like any other, and must not pay again."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk.execution_time.context import set_current_context
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_provider.exceptions import KlingError
from kling_provider.hooks.kling import KlingHook
from kling_provider.sandbox import Sandbox
from tests.contract.sandbox_client import png
from tests.regressions.outcomes import RED_PANDA, connected, creates, outcome_of
from tests.unit.instance import Instance

IMAGE = base64.b64encode(png(320, 320)).decode()
REQUESTS: list[dict[str, Any]] = [
    {"prompt": "A red panda brews tea", "duration": 3},
    {"prompt": "一只小熊猫在泡茶", "duration": 5, "name": "tea", "take": 2},
    {"type": "image_to_video", "prompt": "It drifts away", "first_frame": IMAGE},
]


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    monkeypatch.setattr("kling_provider.hooks.kling._READ_TRIES", 1)
    with connected(monkeypatch) as running:
        yield running


def submit(request: dict[str, Any], instance: Instance | None = None) -> Any:
    """What ``hook.submit(request)`` comes to in a task."""
    context: Any = (instance or Instance("own")).context
    with set_current_context(context):
        return outcome_of(lambda: KlingHook().submit(request))


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request["prompt"])
def test_a_retry_gets_what_the_first_try_made(request_: dict[str, Any], sandbox: Sandbox) -> None:
    first = submit(request_)
    again = submit(request_, Instance("own", try_number=2))
    assert not isinstance(first, BaseException), repr(first)
    assert again.kling_task_id == first.kling_task_id
    assert creates(sandbox) == 1


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request["prompt"])
def test_an_answer_that_was_lost_is_not_paid_twice(request_: dict[str, Any], sandbox: Sandbox) -> None:
    sandbox.set_faults([{"kind": "answer_lost_after", "times": 1}])
    lost = submit(request_)
    found = submit(request_, Instance("own", try_number=2))
    assert isinstance(lost, KlingError), repr(lost)
    assert str(lost.task_state) == "may_exist"
    assert not isinstance(found, BaseException), repr(found)
    assert creates(sandbox) == 1


def test_a_retry_before_which_the_host_does_not_answer_sends_nothing(sandbox: Sandbox) -> None:
    submit(RED_PANDA)
    sandbox.set_faults([{"kind": "outage", "on": "read", "times": 1}])
    failed = submit(RED_PANDA, Instance("own", try_number=2))
    assert isinstance(failed, KlingError), repr(failed)
    assert "nothing was sent" in str(failed)
    assert creates(sandbox) == 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    others=st.lists(
        st.fixed_dictionaries(
            {
                "task_id": st.sampled_from(["a", "b"]),
                "run_id": st.sampled_from(["manual__1", "manual__2"]),
                "map_index": st.integers(-1, 2),
            }
        ),
        min_size=1,
        max_size=4,
        unique_by=lambda one: tuple(sorted(one.items())),
    ),
    take=st.integers(1, 10_000),
)
def test_each_task_instance_gets_its_own_however_often_it_is_tried(
    others: list[dict[str, Any]], take: int, sandbox: Sandbox
) -> None:
    request = {"prompt": "A boat", "duration": 3, "take": take}
    dag = f"dag-{sandbox.stats()['creates']['received']}"
    made: list[Any] = []
    for number in (1, 2, 3):
        tried = [submit(request, Instance(dag_id=dag, try_number=number, **other)) for other in others]
        assert not [one for one in tried if isinstance(one, BaseException)]
        made.append([one.kling_task_id for one in tried])
    assert made[0] == made[1] == made[2]
    assert len(set(made[0])) == len(others)


def test_what_kling_failed_is_made_anew_by_the_retry(sandbox: Sandbox) -> None:
    sandbox.set_faults([{"kind": "task_fails", "times": 1}])
    first = submit(RED_PANDA)
    assert not isinstance(first, BaseException), repr(first)
    sandbox.advance(600)
    sandbox.set_faults([])
    again = submit(RED_PANDA, Instance("own", try_number=2))
    assert again.kling_task_id != first.kling_task_id
    assert submit(RED_PANDA, Instance("own", try_number=3)).kling_task_id == again.kling_task_id


def test_without_a_task_around_it_the_hook_says_that_nothing_protects(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        made = [outcome_of(lambda: KlingHook().submit(RED_PANDA)) for _ in range(2)]
    assert not [one for one in made if isinstance(one, BaseException)], made
    assert creates(sandbox) == 2
    assert caplog.text.count("if it is sent again, it is paid again") == 2


def test_nothing_that_the_hook_inherits_can_send_a_paid_call_again() -> None:
    assert [
        name
        for name in ("run", "run_and_check", "run_with_advanced_retry", "check_response")
        if hasattr(KlingHook, name)
    ] == []
