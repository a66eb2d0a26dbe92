# SPDX-License-Identifier: Apache-2.0
"""Videos and images are paid from packs of two kinds, whose units are never added up."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from airflow.sdk import DAG

from kling_provider.api.account import Pack, units_left
from kling_provider.api.catalog import all_specs, estimate_price
from kling_provider.api.parsing import parse_request
from kling_provider.api.pricing import UnitPrice
from kling_provider.exceptions import KlingBudgetError, KlingModelUnavailable
from kling_provider.operators.kling import KlingBudgetOperator, KlingGenerateOperator, KlingSubmitOperator
from kling_provider.sandbox import Sandbox
from tests.contract.connecting import say, server
from tests.regressions.attempts import attempt, use_connection
from tests.unit.instance import Instance

VIDEO = {"name": "film", "prompt": "A boat", "duration": 5}  # 3 video units
IMAGE = {"name": "still", "type": "image_generation", "prompt": "A boat", "n": 2}  # 16 image units
UNPRICED = {
    "name": "coat",
    "type": "virtual_try_on",
    "product_image": "https://x/a",
    "person_image": "https://x/b",
}


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, render_seconds=90, units=100) as sandbox:
        use_connection(monkeypatch, sandbox.base_url, password=sandbox.api_key, extra={"profile": "kling"})
        yield sandbox


def budget(requests: list[dict[str, Any]], **limits: Any) -> Any:
    with DAG("films", start_date=datetime(2026, 1, 1), schedule=None) as dag:
        gate = KlingBudgetOperator(task_id="budget", requests=requests, **limits)
        gate >> KlingGenerateOperator.partial(task_id="video").expand(request=requests)
    return gate.execute(Instance("budget", dag=dag).context)


def test_each_kind_is_summed_for_itself(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        # 3 + 16 would be more than 16.
        assert budget([VIDEO, IMAGE], max_units=16) == [VIDEO, IMAGE]
    assert "2 of 2 to be paid: 3 video units and 16 image units (about $0.48) at list price" in caplog.text
    assert "left in the account: 100 video units and 10000 image units" in caplog.text


def test_max_units_says_of_which_kind(sandbox: Sandbox) -> None:
    with pytest.raises(KlingBudgetError) as caught:
        budget([VIDEO, IMAGE], max_units=2)
    text = str(caught.value)
    assert "max_units must be 3 or more (3 units to be paid and 0 units in flight); found 2" in text
    assert "max_units must be 16 or more (16 image units to be paid and 0 image units in flight)" in text
    with pytest.raises(KlingBudgetError, match=r"max_requests must be 2 or more \(2 results to be paid"):
        budget([VIDEO, IMAGE], max_requests=1)
    with pytest.raises(KlingBudgetError, match=r"max_units must be 16 or more \(16 image units"):
        budget([IMAGE], max_units=15)


def test_a_video_in_flight_counts_for_videos_alone(sandbox: Sandbox) -> None:
    KlingSubmitOperator(task_id="other", request=VIDEO).execute(Instance("other").context)
    assert budget([IMAGE], max_units=16) == [IMAGE]
    with pytest.raises(KlingBudgetError, match="3 units to be paid and 3 units in flight"):
        budget([VIDEO], max_units=5)


def test_what_is_left_is_compared_by_kind(sandbox: Sandbox) -> None:
    sandbox.backend.set_limits(units=10)
    assert budget([IMAGE]) == [IMAGE], "16 image units are there, though no 16 video units are"
    many = [{**VIDEO, "name": f"film-{n}", "prompt": f"Boat {n}"} for n in range(4)]
    with pytest.raises(KlingBudgetError, match=r"12 units to be paid .*the account has 10 units left"):
        budget([*many, IMAGE])


def test_an_unknown_price_of_a_solution_keeps_no_limit(sandbox: Sandbox) -> None:
    assert budget([UNPRICED]) == [UNPRICED]
    with pytest.raises(KlingBudgetError, match="no known price for coat, so max_units cannot be kept"):
        budget([UNPRICED], max_units=1000)


def test_max_units_of_one_image_counts_image_units(sandbox: Sandbox) -> None:
    error = attempt(Instance(), request=IMAGE, max_units=15)
    assert isinstance(error, KlingBudgetError), repr(error)
    assert "max_units must be 16 or more for" in str(error)
    assert "which costs 16 image units" in str(error)
    assert "max_units counts image units here" in str(error)
    assert sandbox.stats()["creates"]["received"] == 0


def test_a_plan_says_the_kind(sandbox: Sandbox) -> None:
    plan = attempt(Instance(), request=IMAGE, plan_only=True, max_units=16)
    assert plan["price"] == {
        "units": "16",
        "package": "image",
        "usd": "0.056",
        "basis": "at the list price of 2026-09-20",
    }
    assert plan["summary"].startswith("it would be sent for 16 image units")
    assert plan["http"]["url"].endswith("/v1/images/generations")


def test_what_is_left_by_kind() -> None:
    packs = [
        Pack("Trial-Video-100Units-5Con-1Months", "online", Decimal(100), Decimal(40)),
        Pack("Standard", "online", Decimal(10), Decimal(2)),
        Pack("Trial-Image-10000Units-100Con-1Months", "online", Decimal(10_000), Decimal(70)),
        Pack("Image, old", "expired", Decimal(10_000), Decimal(9)),
        Pack("Image, new", "online"),
    ]
    assert units_left(packs) == {"video": Decimal(42), "image": Decimal(70)}
    assert [pack.package for pack in packs] == ["video", "video", "image", "image", "image"]


def test_the_price_of_a_video_unit_is_none_of_an_image_unit() -> None:
    stated = UnitPrice.parse("0.79 CNY")
    assert stated is not None
    price = stated.apply(estimate_price(parse_request(IMAGE)))
    assert (price.units, price.usd, price.amount, price.package) == (Decimal(16), None, None, "image")
    assert price.as_text() == (
        "16 image units (in money unknown: the connection states the price of a video unit)"
    )


def test_every_row_and_its_price_name_the_same_packs() -> None:
    examples: dict[str, dict[str, Any]] = {"image_generation": IMAGE, "virtual_try_on": UNPRICED}
    for spec in all_specs():
        if (request := examples.get(spec.type)) is not None:
            assert estimate_price(parse_request(request)).package == spec.package


# -- models ---------------------------------------------------------------------------------------------------


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host that has nothing, and no model any more."""

    def answer(request: Any) -> None:
        if request.command == "GET":
            say(request, 200, {"code": 0, "data": []})
        else:
            say(request, 404, {"code": 1203, "message": "The model has been discontinued"})

    with server(answer) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}", extra={"profile": "kling"})
        yield


@pytest.mark.parametrize(
    ("request_", "said", "not_said"),
    [
        (
            {"type": "image_generation", "prompt": "A boat", "model": "kling-v2-1"},
            ["the nearest current one is kling-v3", "kling-v3 would cost 8 image units"],
            "kling-3.0",
        ),
        (
            {"type": "omni_image", "prompt": "A boat", "model": "kling-v3-omni"},
            ["the nearest current one is kling-image-o1", "kling-image-o1 would cost 8 image units"],
            "kling-3.0",
        ),
        ({"type": "multi_image_to_image", "images": ["https://x/a"]}, ["kling-v2-1"], "nearest"),
        ({"type": "ai_multi_shot", "image": "https://x/a"}, ["has been discontinued"], "nearest"),
    ],
)
def test_a_model_that_is_gone_names_a_successor_of_its_type(
    gone: None, request_: dict[str, Any], said: list[str], not_said: str
) -> None:
    error = attempt(Instance(), request=request_, model_fallbacks=["kling-3.0"])
    assert isinstance(error, KlingModelUnavailable), repr(error)
    assert all(text in str(error) for text in said), str(error)
    assert not_said not in str(error)


def test_fallbacks_of_images_are_image_models(gone: None, caplog: pytest.LogCaptureFixture) -> None:
    request = {"type": "image_generation", "prompt": "A boat", "model": "kling-v2-1"}
    fallbacks = ["kling-3.0", "kling-v3"]
    error = attempt(Instance(), request=request, model_fallbacks=fallbacks)
    assert isinstance(error, KlingModelUnavailable), repr(error)
    assert "The fallback kling-3.0 is passed over" in caplog.text
    assert "must be an image model, and this one makes videos: write model: kling-v3" in caplog.text
    assert "The fallback kling-v3 is passed over: it costs 8 units, and the most is 4" in caplog.text
    error = attempt(Instance(), request=request, model_fallbacks=fallbacks, max_units=8)
    assert isinstance(error, KlingModelUnavailable), repr(error)
    assert "trying kling-v3, for 8 image units" in caplog.text


def test_what_is_not_known_is_warned_of_before_it_is_paid(
    gone: None, caplog: pytest.LogCaptureFixture
) -> None:
    request = {"type": "image_generation", "name": "still", "prompt": "A boat", "model": "kling-v9"}
    attempt(Instance(), request=request)
    assert "still of type image_generation: model kling-v9 is not known here" in caplog.text
