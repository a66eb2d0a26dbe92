# SPDX-License-Identifier: Apache-2.0
"""The budget gate and plan_only, against the sandbox: what is priced, what is counted, what is stopped."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import DAG

from kling_provider.exceptions import KlingBudgetError, KlingRequestError
from kling_provider.hooks.kling import KlingHook
from kling_provider.operators.kling import KlingBudgetOperator, KlingGenerateOperator, KlingSubmitOperator
from kling_provider.sandbox import Sandbox
from tests.unit.instance import Instance

LIST = [{"name": f"film-{n}", "prompt": f"Film {n}", "duration": 5} for n in range(4)]  # 3 units each


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, render_seconds=90, units=100) as sandbox:
        connection = {
            "conn_type": "kling",
            "host": sandbox.url,
            "password": sandbox.api_key,
            "extra": {"profile": "kling"},
        }
        monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(connection))
        yield sandbox


def gate(requests: list[dict[str, Any]] = LIST, *, scope: str = "run", **limits: Any) -> tuple[Any, Instance]:
    with DAG("films", start_date=datetime(2026, 1, 1), schedule=None) as dag:
        budget = KlingBudgetOperator(task_id="budget", requests=requests, **limits)
        budget >> KlingGenerateOperator.partial(task_id="video", pay_once_per=scope).expand(request=LIST)
    return budget, Instance("budget", dag=dag)


def run(requests: list[dict[str, Any]] = LIST, *, scope: str = "run", **limits: Any) -> Any:
    budget, instance = gate(requests, scope=scope, **limits)
    return budget.execute(instance.context)


def submit(index: int) -> str:
    operator = KlingSubmitOperator(task_id="video", request=LIST[index])
    kling_task_id: str = operator.execute(Instance(map_index=index).context)
    return kling_task_id


def test_a_list_within_all_limits_is_passed_on(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert run(max_requests=4, max_units=12, max_usd=1.69) == LIST
    assert sandbox.stats()["creates"]["received"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ({"max_requests": 3}, "max_requests must be 4 or more (4 videos to be paid); found 3"),
        (
            {"max_units": 11.9},
            "max_units must be 12 or more (12 units to be paid and 0 units in flight); found 11.9",
        ),
        (
            {"max_usd": 1.67},
            "max_usd must be $1.68 or more, the list price of what is to be paid; found 1.67",
        ),
    ],
)
def test_each_limit_stops_with_the_sums(sandbox: Sandbox, limit: dict[str, Any], text: str) -> None:
    with pytest.raises(KlingBudgetError) as caught:
        run(**limit)
    assert text in str(caught.value)
    with pytest.raises(AirflowSkipException):
        run(**limit, on_exceed="skip")
    assert sandbox.stats()["creates"]["received"] == 0


@pytest.mark.slow
def test_what_is_paid_already_is_not_counted_but_is_in_flight(sandbox: Sandbox) -> None:
    submit(0)
    assert run(max_requests=3, max_units=12) == LIST
    with pytest.raises(KlingBudgetError, match="9 units to be paid and 3 units in flight"):
        run(max_units=11)
    sandbox.advance(100)
    assert run(max_units=9) == LIST


def test_a_failed_task_is_to_be_paid_again(sandbox: Sandbox) -> None:
    sandbox.set_faults([{"kind": "task_fails", "times": 1}])
    submit(0)
    sandbox.advance(100)
    with pytest.raises(KlingBudgetError, match="4 videos"):
        run(max_requests=3)


def test_more_than_the_account_has(sandbox: Sandbox) -> None:
    sandbox.backend.set_limits(units=11)
    with pytest.raises(KlingBudgetError, match="the account has 11 units left"):
        run()


def test_an_account_that_does_not_answer_stops_nobody(sandbox: Sandbox) -> None:
    sandbox.set_faults([{"kind": "outage", "on": "account"}])
    assert run(max_units=12) == LIST


@pytest.mark.slow
def test_a_request_without_a_known_price(sandbox: Sandbox) -> None:
    unknown = [{"name": "odd", "prompt": "x", "model": "kling-9"}]
    assert run(unknown) == unknown
    with pytest.raises(KlingBudgetError, match="no known price for odd"):
        run(unknown, max_units=1000)


def test_every_wrong_request_is_named(sandbox: Sandbox) -> None:
    wrong = [{"name": "a", "prompt": "x", "duration": 99}, {"name": "b", "promt": "x"}, LIST[0]]
    with pytest.raises(KlingRequestError) as caught:
        run(wrong)
    assert "a: duration" in str(caught.value)
    assert "b: promt" in str(caught.value)


def test_who_pays_must_be_known(sandbox: Sandbox) -> None:
    with DAG("films", start_date=datetime(2026, 1, 1), schedule=None) as dag:
        budget = KlingBudgetOperator(task_id="budget", requests=LIST)
    with pytest.raises(KlingRequestError, match="video_task_id"):
        budget.execute(Instance("budget", dag=dag).context)


def test_max_units_of_one_instance_pays_nothing(sandbox: Sandbox) -> None:
    operator = KlingSubmitOperator(task_id="video", request=LIST[0], max_units=2.9)
    with pytest.raises(KlingBudgetError, match="costs 3 units"):
        operator.execute(Instance().context)
    assert sandbox.stats()["creates"]["received"] == 0
    operator = KlingSubmitOperator(task_id="video", request=LIST[0], max_units=3)
    instance = Instance()
    kling_task_id = operator.execute(instance.context)
    # What is paid is not held back by a lower limit.
    operator.max_units = 1
    instance.ti.try_number = 2
    assert operator.execute(instance.context) == kling_task_id


def test_a_plan_is_the_exact_call_and_sends_nothing(sandbox: Sandbox) -> None:
    operator = KlingSubmitOperator(task_id="video", request=LIST[0], plan_only=True)
    instance = Instance()
    plan = operator.execute(instance.context)
    assert sandbox.stats()["creates"]["received"] == 0
    assert instance.store == {}
    assert plan["price"]["units"] == "3"
    operator.plan_only = False
    operator.execute(Instance().context)
    sent = next(request for request in sandbox.requests() if request["method"] == "POST")
    assert plan["http"]["url"] == sandbox.url + sent["path"]
    assert plan["http"]["json"] == json.loads(sent["body"])
    # And with the task there, the plan says that nothing would be paid.
    operator.plan_only = True
    again = Instance(try_number=2)
    assert operator.execute(again.context)["kling_task_id"]


def test_estimates_equal_what_kling_bills(sandbox: Sandbox) -> None:
    """One request per documented price cell, made, rendered and compared with ``billing``."""
    sandbox.backend.set_limits(units=10_000, concurrency=100)
    cells = [
        {"model": model, "resolution": resolution, "duration": 5, **({"audio": audio} if audio else {})}
        for model, resolutions, audios in (
            ("kling-3.0", ("720p", "1080p", "4k"), ("off", "native")),
            ("kling-3.0-turbo", ("720p", "1080p"), (None,)),
            ("kling-2.6", ("720p", "1080p"), ("off",)),
            ("kling-2.6", ("1080p",), ("native",)),
            ("kling-2.5-turbo", ("720p", "1080p"), (None,)),
        )
        for resolution in resolutions
        for audio in audios
    ]
    plans, ids = {}, {}
    for number, cell in enumerate(cells):
        operator = KlingSubmitOperator(
            task_id="video", request={"prompt": f"Cell {number}", **cell}, plan_only=True
        )
        instance = Instance(map_index=number)
        plans[number] = operator.execute(instance.context)["price"]["units"]
        operator.plan_only = False
        ids[number] = operator.execute(instance.context)
    sandbox.advance(100)
    tasks = KlingHook().get_tasks(list(ids.values()))
    for number, kling_task_id in ids.items():
        billed = [item.amount for item in tasks[kling_task_id].billing]
        assert billed == [Decimal(plans[number])], cells[number]
    assert len(cells) == 13


# -- inputs of the paying task --------------------------------------------------------------------------------------

RESULT = {
    "kling_task_id": "858100000000000001",
    "status": "succeeded",
    "outputs": [{"type": "video", "id": "v-1", "url": "https://v16.example/a.mp4", "duration": 5.0}],
}
NIGHT = {"type": "omni_video", "prompt": "By night", "duration": 3, "name": "night"}


def gate_with_inputs(*, mapped: bool = False, result: Any = RESULT) -> Any:
    inputs: Any = {"reference_video": result}
    with DAG("films", start_date=datetime(2026, 1, 1), schedule=None) as dag:
        budget = KlingBudgetOperator(task_id="budget", requests=[NIGHT])
        if mapped:
            budget >> KlingGenerateOperator.partial(task_id="video", request=NIGHT).expand(inputs=[inputs])
        else:
            budget >> KlingGenerateOperator.partial(task_id="video", inputs=inputs).expand(request=[NIGHT])
    return budget.execute(Instance("budget", dag=dag).context)


def test_the_inputs_of_the_paying_task_count(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """3 seconds at the rate of a video that goes in: 0.9 units each."""
    with caplog.at_level(logging.INFO):
        assert gate_with_inputs() == [NIGHT]
    assert "2.7 units" in caplog.text


@pytest.mark.parametrize("how", [{"mapped": True}, {"result": None}], ids=["mapped", "not known yet"])
def test_inputs_that_are_not_known_yet_cannot_be_priced(how: dict[str, Any], sandbox: Sandbox) -> None:
    with pytest.raises(KlingRequestError, match="The inputs of task video must be known before it is priced"):
        gate_with_inputs(**how)
