# SPDX-License-Identifier: Apache-2.0
"""A host has the model of a request no more: what the task does then, and what it costs at most."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from kling_provider.exceptions import KlingBudgetError, KlingError, KlingModelUnavailable
from kling_provider.operators.kling import KlingSubmitOperator
from kling_provider.sandbox import Sandbox
from tests.regressions.attempts import attempt, made, use_connection
from tests.unit.instance import Instance

REQUEST = {"prompt": "A red panda brews tea", "duration": 5, "model": "kling-2.6"}
#: In the words of hosts: Kling's own, and those of gateways.
GONE: dict[str, tuple[int, Any]] = {
    "Kling": (404, {"code": 1203, "message": "The model kling-2.6 has been discontinued"}),
    "Kling, not supported": (400, {"code": 1201, "message": "model is not supported"}),
    "new-api": (503, {"error": {"message": "no available channel for model kling-2.6 under group default"}}),
    "in Chinese": (503, {"error": {"message": "当前分组 default 下对于模型 kling-2.6 无可用渠道"}}),
    "no longer": (400, {"code": 1201, "message": "model kling-2.6 is no longer available"}),
}


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(time_scale=1000) as sandbox:
        use_connection(monkeypatch, sandbox.base_url, password=sandbox.api_key, extra={"profile": "kling"})
        yield sandbox


def refuse(sandbox: Sandbox, status: int, body: Any, times: int = 1) -> None:
    rule = {"kind": "answer", "status": status, "body": body, "times": times}
    sandbox.set_faults([rule])


def models_sent(sandbox: Sandbox) -> list[str]:
    """The models of the tasks that Kling has."""
    return [str(task.request.model) for task in sandbox.backend.all()]


@pytest.mark.parametrize("words", GONE)
def test_the_error_names_the_successor_and_its_price(words: str, sandbox: Sandbox) -> None:
    refuse(sandbox, *GONE[words])
    error = attempt(Instance(), request=REQUEST)
    assert isinstance(error, KlingModelUnavailable), repr(error)
    text = str(error)
    assert "Nothing was made, nothing is billed" in text
    # 5 s of 720p without sound at 0.6 units a second.
    assert "kling-3.0 would cost 3 units" in text
    assert made(sandbox) == 0


@pytest.mark.parametrize("words", GONE)
def test_fallbacks_are_tried_in_order_and_one_is_paid(words: str, sandbox: Sandbox) -> None:
    refuse(sandbox, *GONE[words])
    instance = Instance()
    fallbacks = ["kling-3.0", "kling-2.5-turbo"]  # the first is dearer than the first choice
    kling_task_id = attempt(instance, request=REQUEST, model_fallbacks=fallbacks)
    assert isinstance(kling_task_id, str), repr(kling_task_id)
    assert models_sent(sandbox) == ["kling-2.5-turbo"]
    # A retry and a clear find it: it is the same intended result.
    assert attempt(instance, request=REQUEST, model_fallbacks=fallbacks) == kling_task_id
    assert attempt(Instance(try_number=2), request=REQUEST, model_fallbacks=fallbacks) == kling_task_id
    assert made(sandbox) == 1


def test_with_max_units_a_dearer_one_may_be_taken(sandbox: Sandbox) -> None:
    refuse(sandbox, *GONE["Kling"])
    done = attempt(Instance(), request=REQUEST, model_fallbacks=["kling-3.0"], max_units=3)
    assert isinstance(done, str), repr(done)
    assert models_sent(sandbox) == ["kling-3.0"]


@pytest.mark.parametrize(
    ("fallbacks", "most", "why"),
    [
        (["kling-3.0"], None, "it costs 3.0 units, and the most is 1.5"),
        (["kling-3.0"], 2.9, "it costs 3.0 units, and the most is 2.9"),
        (["kling-no-such-model"], None, "whether it is dearer is not known"),
        (["kling-v1-5"], None, "kling-v1-5"),  # not on the standard API, and not from words
    ],
)
def test_what_may_not_be_sent_is_passed_over(
    fallbacks: list[str],
    most: float | None,
    why: str,
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
) -> None:
    refuse(sandbox, *GONE["Kling"])
    error = attempt(Instance(), request=REQUEST, model_fallbacks=fallbacks, max_units=most)
    assert isinstance(error, KlingModelUnavailable), repr(error)
    assert "is passed over" in caplog.text
    assert why in caplog.text
    assert made(sandbox) == 0


def test_other_refusals_are_no_reason_for_another_model(sandbox: Sandbox) -> None:
    refuse(sandbox, 400, {"code": 1301, "message": "sensitive"})
    error = attempt(Instance(), request=REQUEST, model_fallbacks=["kling-2.5-turbo"])
    assert isinstance(error, KlingError)
    assert not isinstance(error, KlingModelUnavailable)
    assert made(sandbox) == 0


def test_when_all_are_gone_the_last_word_is_told(sandbox: Sandbox) -> None:
    refuse(sandbox, *GONE["Kling"], times=5)
    error = attempt(Instance(), request=REQUEST, model_fallbacks=["kling-2.5-turbo"])
    assert isinstance(error, KlingModelUnavailable)
    assert made(sandbox) == 0
    assert sandbox.stats()["creates"]["received"] == 2


def test_a_lost_answer_of_the_fallback_pays_once(sandbox: Sandbox) -> None:
    status, body = GONE["Kling"]
    sandbox.set_faults(
        [
            {"kind": "answer", "status": status, "body": body, "times": 1},
            {"kind": "answer_lost_after", "match": {"nth": [2]}},
        ]
    )
    done = attempt(Instance(), request=REQUEST, model_fallbacks=["kling-2.5-turbo"])
    assert isinstance(done, str), repr(done)
    assert made(sandbox) == 1


@pytest.mark.parametrize("wrong", ["kling-3.0", [""], [7], {"kling-3.0": 1}, 5])
def test_a_wrong_list_is_refused_where_it_is_written(wrong: Any) -> None:
    with pytest.raises(Exception, match="model_fallbacks must be a list of models"):
        KlingSubmitOperator(task_id="video", request=REQUEST, model_fallbacks=wrong)


@pytest.mark.parametrize("limit", [{"max_units": 100}])
def test_at_a_gateway_a_limit_needs_a_stated_price(
    limit: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(profile="gateway", time_scale=1000) as sandbox:
        use_connection(monkeypatch, sandbox.base_url, password=sandbox.api_key, extra={"profile": "gateway"})
        error = attempt(Instance(), request=REQUEST, **limit)
        assert isinstance(error, KlingBudgetError), repr(error)
        assert "unit_price" in str(error)
        assert '"0.79 CNY"' in str(error)
        assert made(sandbox) == 0
        extra = {"profile": "gateway", "unit_price": "0.79 CNY"}
        use_connection(monkeypatch, sandbox.base_url, password=sandbox.api_key, extra=extra)
        assert isinstance(attempt(Instance(), request=REQUEST, **limit), str)
        plan = attempt(Instance(run_id="planned"), request=REQUEST, plan_only=True)
        assert plan["price"] == {
            "units": "1.5",
            "package": "video",
            "usd": None,
            "basis": "at 0.79 CNY a unit, as the connection states",
            "amount": "1.185",
            "currency": "CNY",
        }
        assert "1.5 units (1.19 CNY at 0.79 CNY a unit" in plan["summary"]
        assert made(sandbox) == 1


@pytest.mark.parametrize("wrong", ["0.79", "CNY 0.79", "0,79 CNY", "-1 CNY", "0 CNY", "0.79 yuan", "nan CNY"])
def test_a_wrong_unit_price_is_refused(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(profile="gateway", time_scale=1000) as sandbox:
        use_connection(
            monkeypatch,
            sandbox.base_url,
            password=sandbox.api_key,
            extra={"profile": "gateway", "unit_price": wrong},
        )
        error = attempt(Instance(), request=REQUEST)
        assert "unit_price must be an amount and a currency" in str(error)
        assert json.dumps(sandbox.stats()["creates"]["received"]) == "0"
