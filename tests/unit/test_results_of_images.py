# SPDX-License-Identifier: Apache-2.0
"""What a task of images or of a solution made, as both API designs describe it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kling_provider.api.billing import billing_text, sums_text
from kling_provider.api.dialects.reading import parse_task
from kling_provider.api.output_types import SUFFIXES_OF_TYPES
from kling_provider.api.result_facts import ResultFacts
from kling_provider.api.tasks import TaskStatus


def legacy(result: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"task_id": "7", "task_status": "succeed", "task_result": result, **more}


def outputs(data: dict[str, Any]) -> list[tuple[str, str | None, str | None]]:
    return [(one.type, one.url, one.watermark_url) for one in parse_task(data).outputs]


def test_images_stand_in_the_order_of_their_index() -> None:
    images = [
        {"index": 2, "url": "https://x/c.png"},
        {"index": 0, "url": "https://x/a.png", "watermark_url": "https://x/aw.png"},
        {"index": 1, "url": "https://x/b.png"},
    ]
    assert outputs(legacy({"images": images})) == [
        ("image", "https://x/a.png", "https://x/aw.png"),
        ("image", "https://x/b.png", None),
        ("image", "https://x/c.png", None),
    ]


def test_a_series_is_images_too() -> None:
    series = [{"index": number, "url": f"https://x/{number}.png"} for number in (10, 9, 0)]
    found = legacy({"result_type": "series", "images": [], "series_images": series})
    assert [url for _, url, _ in outputs(found)] == ["https://x/0.png", "https://x/9.png", "https://x/10.png"]
    assert {type_ for type_, _, _ in outputs(found)} == {"image"}


def test_a_subject_of_other_sides_has_up_to_three_images_each() -> None:
    images = [
        {"index": 1, "url_1": "https://x/4.png", "url_2": "", "url_3": "https://x/6.png"},
        {"index": 0, "url_1": "https://x/1.png", "url_2": "https://x/2.png", "url_3": "https://x/3.png"},
    ]
    assert [url for _, url, _ in outputs(legacy({"images": images}))] == [
        f"https://x/{number}.png" for number in (1, 2, 3, 4, 6)
    ]


def test_images_that_belong_together_say_so() -> None:
    made = [{"type": "image", "url": f"https://x/{n}.png", "group_id": "g1"} for n in range(2)]
    read = parse_task({"id": "7", "status": "succeeded", "outputs": made})
    assert [one.group_id for one in read.outputs] == ["g1", "g1"]


@pytest.mark.parametrize(
    "types",
    [
        ("video",),
        ("image",),
        ("product_image", "model_images", "product_video"),
        ("subbed_video", "srt", "ass"),
    ],
)
@pytest.mark.parametrize("word", ["succeeded", "succeed"])
def test_solutions_name_what_they_make(types: tuple[str, ...], word: str) -> None:
    made = [{"type": one, "url": f"https://x/{one}", "watermark_url": f"https://x/w/{one}"} for one in types]
    read = parse_task({"id": "7", "status": word, "outputs": made})
    assert (read.status, read.status_word) == (TaskStatus.SUCCEEDED, word)
    assert [one.type for one in read.outputs] == list(types)
    assert [one.watermark_url for one in read.outputs] == [f"https://x/w/{one}" for one in types]
    assert all(one in SUFFIXES_OF_TYPES for one in types), "each becomes a file"


def test_the_documented_answers_are_read(captures: Path) -> None:
    records = json.loads((captures / "62_doc_legacy_query_examples.json").read_text())["records"]
    omni = parse_task(records["omni_image_query"]["data"])
    assert [one.type for one in omni.outputs] == ["image", "image"]
    sides = parse_task(records["subject_completion_query"]["data"])
    assert [one.type for one in sides.outputs] == ["image"] * 3


@pytest.mark.parametrize(
    ("type_", "billing", "package", "text"),
    [
        # The legacy API does not say which pack paid: the type does.
        ("image_expand", {"final_unit_deduction": "8"}, "image", "8 image units"),
        ("text_to_video", {"final_unit_deduction": "3"}, "video", "3 units"),
        (
            "virtual_try_on",
            {"billing": [{"charge_type": "unit", "amount": "1", "package_type": "image"}]},
            "image",
            "1 image unit",
        ),
        (
            "text_to_video",
            {"billing": [{"charge_type": "unit", "amount": "8", "package_type": "image"}]},
            "image",
            "8 image units",
        ),
        (
            "goods_studio",
            {"billing": [{"charge_type": "cash", "amount": "0.5", "currency": "USD"}]},
            None,
            "0.5 USD",
        ),
        (None, {"final_unit_deduction": "3"}, None, "3 units"),
    ],
)
def test_a_bill_says_which_packs_units_it_counts(
    type_: str | None, billing: dict[str, Any], package: str | None, text: str
) -> None:
    facts = ResultFacts.of_request(None, type=type_).with_task(parse_task(legacy({}, **billing)))
    assert [one["package_type"] for one in facts.billing] == [package]
    assert billing_text(facts.billing) == text


@pytest.mark.parametrize(
    ("units", "quota", "text"), [("0.05", "0", "0.05 units"), ("0", "0", "0 units"), ("0", "0.5", "0.5 in a")]
)
def test_of_units_and_money_side_by_side_what_is_0_is_not_named(units: str, quota: str, text: str) -> None:
    billed = {"final_unit_deduction": units, "final_balance_deduction": {"quota": quota, "list_price": "0"}}
    facts = ResultFacts.of_request(None, type="tts").with_task(parse_task(legacy({}, **billed)))
    assert len(facts.billing) == 2
    told = billing_text(facts.billing)
    assert told
    assert told.removesuffix(" currency that Kling does not say") == text


def test_sums_of_two_kinds_are_told_apart() -> None:
    assert sums_text({"video": Decimal(12), "image": Decimal(16)}) == "12 video units and 16 image units"
    assert sums_text({"video": Decimal(1), "image": Decimal(1)}) == "1 video unit and 1 image unit"
    assert sums_text({"video": Decimal(12)}) == "12 units"
    assert sums_text({"video": Decimal(0), "image": Decimal(16)}) == "16 image units"
    assert sums_text({"image": Decimal(0)}) == "0 image units"
    assert sums_text({}) == "0 units"
