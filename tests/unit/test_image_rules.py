# SPDX-License-Identifier: Apache-2.0
"""The rules of images, just inside and just outside, and what an image costs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from kling_provider.api.catalog import estimate_price, spec_of
from kling_provider.api.dialects import DIALECTS
from kling_provider.api.image_models import image_model_names, known_image_model
from kling_provider.api.parsing import parse_request
from kling_provider.api.problems import InvalidRequest

A = "https://example.org/a.png"
SHAPES = {"16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9"}
WORDS: dict[str, Any] = {"type": "image_generation", "prompt": "A paper boat"}
V2: dict[str, Any] = {**WORDS, "model": "kling-v2-1"}
NEW: dict[str, Any] = {**WORDS, "model": "kling-image-4.0"}
OMNI: dict[str, Any] = {"type": "omni_image", "prompt": "A paper boat"}
V3_OMNI: dict[str, Any] = {**OMNI, "model": "kling-v3-omni", "images": [A]}
MULTI: dict[str, Any] = {"type": "multi_image_to_image", "images": [A]}
EXPAND: dict[str, Any] = {"type": "image_expand", "image": A, "up": 0, "down": 0, "left": 0, "right": 0}
LONG: dict[str, Any] = {"type": "long_image", "prompt": "A page", "skill": "webpage"}
SHOP: dict[str, Any] = {**LONG, "skill": "ecommerce", "reference_images": [A]}


def elements(count: int, named: bool = False) -> list[dict[str, str]]:
    return [{"element_id": str(n), **({"id": f"e{n}"} if named else {})} for n in range(count)]


def refusals(data: dict[str, Any]) -> list[str]:
    try:
        parse_request(data)
    except InvalidRequest as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    "data",
    [
        {**WORDS, "prompt": "x" * 2500},
        {**WORDS, "n": 9},
        {**WORDS, "resolution": "2k"},
        {**WORDS, "image": A, "elements": elements(9)},
        {**WORDS, "elements": elements(10)},
        {**WORDS, "negative_prompt": "x" * 2500},
        {**V2, "image": A, "image_reference": "face", "image_fidelity": 0},
        {**V2, "image": A, "image_reference": "subject", "human_fidelity": 1},
        {**NEW, "prompt": "x" * 50_000},
        {**NEW, "prompt": "雨" * 21_000},
        {**NEW, "reference_images": [A] * 10},
        {**NEW, "reference_images": [A] * 9, "elements": elements(1, named=True)},
        {**NEW, "result_type": "series", "series_amount": 10},
        {**NEW, "prompt": "write to me@example.org, @home"},
        {**OMNI, "prompt": "<<<image_1>>>", "images": [A]},
        {**OMNI, "images": [A] * 10},
        {**OMNI, "images": [A] * 8, "elements": elements(2), "prompt": "<<<element_2>>>"},
        {**V3_OMNI, "result_type": "series", "series_amount": "2"},
        {**V3_OMNI, "result_type": "series", "series_amount": 9},
        {**V3_OMNI, "resolution": "4k", "aspect_ratio": "auto"},
        {**OMNI, "aspect_ratio": "auto"},
        {**MULTI, "images": [A] * 4, "n": 9, "prompt": "x" * 2500},
        {**EXPAND, "up": 2},
        {**EXPAND, "up": 0.5, "down": 0.5, "left": 0.5},
        {**EXPAND, "prompt": "x" * 2500, "n": 9},
        {**LONG, "prompt": "x" * 166_000, "resolution": "2k"},
        {**LONG, "prompt": "雨" * 71_000},
        {**SHOP, "length": "long", "reference_images": [A] * 3},
    ],
)
def test_rules_just_inside(data: dict[str, Any]) -> None:
    assert refusals(data) == []


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        ({**WORDS, "prompt": " "}, "prompt: must be given: write what the image shows"),
        ({**OMNI, "prompt": None}, "prompt: must be given: write what the image shows"),
        ({**WORDS, "prompt": "x" * 2501}, "prompt: must be at most 2500 characters for kling-v3 (has 2501)"),
        ({**OMNI, "prompt": "x" * 2501}, "prompt: must be at most 2500 characters for kling-image-o1"),
        ({**MULTI, "prompt": "x" * 2501}, "prompt: must be at most 2500 characters for kling-v2-1"),
        ({**EXPAND, "prompt": "x" * 2501}, "must be at most 2500 characters (has 2501)"),
        ({**WORDS, "negative_prompt": "x" * 2501}, "must be at most 2500 characters (has 2501)"),
        ({**NEW, "prompt": "x" * 50_001}, "prompt: must be at most 50000 characters"),
        ({**NEW, "prompt": "雨" * 21_001}, "21000 in others, for kling-image-4.0 (has 21001)"),
        ({**LONG, "prompt": "x" * 166_001}, "prompt: must be at most 166000 characters"),
        ({**LONG, "prompt": "雨" * 71_001}, "71000 in others, for kling-long-image-4.0"),
        ({**WORDS, "n": 0}, "n 0: must be 1 or more"),
        ({**WORDS, "n": 10}, "n 10: must be 9 or less"),
        ({**MULTI, "n": 10}, "n 10: must be 9 or less"),
        ({**EXPAND, "n": 0}, "n 0: must be 1 or more"),
        ({**WORDS, "resolution": "4k"}, "resolution '4k': must be 1k or 2k for kling-v3"),
        ({**WORDS, "resolution": "1080p"}, "resolution '1080p': must be one of: 1k, 2k, 4k, 8k"),
        ({**NEW, "resolution": "1k"}, "resolution '1k': must be 2k or 4k or 8k for kling-image-4.0"),
        ({**OMNI, "resolution": "4k"}, "resolution '4k': must be 1k or 2k for kling-image-o1"),
        ({**V3_OMNI, "resolution": "8k"}, "resolution '8k': must be 1k or 2k or 4k for kling-v3-omni"),
        ({**LONG, "resolution": "4k"}, "resolution '4k': must be 1k or 2k for kling-long-image-4.0"),
        ({**WORDS, "aspect_ratio": "auto"}, "aspect_ratio 'auto': must be 16:9 or 9:16"),
        ({**WORDS, "aspect_ratio": "5:4"}, "aspect_ratio '5:4': must be 16:9 or 9:16"),
        ({**MULTI, "aspect_ratio": "auto"}, "aspect_ratio 'auto': must be 16:9 or 9:16"),
        ({**WORDS, "aspect_ratio": 969}, "must be in quotes, because YAML reads it as the number 969"),
        (
            {**V3_OMNI, "images": None, "aspect_ratio": "auto"},
            "must be a shape such as 16:9 for kling-v3-omni from words alone",
        ),
        (
            {**WORDS, "image": A, "elements": elements(10)},
            "elements: images and elements must be at most 10 together (has 11)",
        ),
        ({**OMNI, "images": [A] * 11}, "images: images and elements must be at most 10 together (has 11)"),
        (
            {**NEW, "reference_images": [A] * 11},
            "reference_images: images and elements must be at most 10 together (has 11)",
        ),
        ({**WORDS, "image": A, "negative_prompt": "rain"}, "negative_prompt: cannot be combined with image"),
        ({**V2, "image_reference": "face"}, "image: must be given: image_reference says what of it is kept"),
        (
            {**V2, "image": A, "image_reference": "face", "human_fidelity": 0.5},
            "human_fidelity 0.5: must be used with image_reference: subject",
        ),
        ({**V2, "image": A, "image_fidelity": 1.1}, "image_fidelity 1.1: must be 1 or less"),
        ({**V2, "image": A, "human_fidelity": -0.1}, "human_fidelity -0.1: must be 0 or more"),
        ({**V2, "image": A, "image_reference": "hand"}, "must be one of: subject, face"),
        (
            {**WORDS, "image": A, "image_reference": "face"},
            "image_reference: must be left out for kling-v3: only kling-v2-1 has this field",
        ),
        (
            {**WORDS, "image": A, "image_fidelity": 0.5},
            "image_fidelity: must be left out for kling-v3: only kling-v2-1 has this field",
        ),
        (
            {**V2, "elements": elements(1)},
            "elements: must be left out for kling-v2-1: only kling-v3 or kling-image-4.0 has this field",
        ),
        (
            {**NEW, "image": A},
            "image: must be left out for kling-image-4.0: only kling-v3 or kling-v2-1 has this field",
        ),
        (
            {**WORDS, "reference_images": [A]},
            "reference_images: must be left out for kling-v3: only kling-image-4.0 has this field",
        ),
        (
            {**WORDS, "result_type": "series"},
            "result_type: must be left out for kling-v3: only kling-image-4.0 has this field",
        ),
        (
            {**OMNI, "result_type": "series"},
            "result_type 'series': must be single for kling-image-o1, or write model: kling-v3-omni",
        ),
        ({**V3_OMNI, "series_amount": 3}, "series_amount 3: must be used with result_type: series"),
        (
            {**V3_OMNI, "result_type": "series", "series_amount": 1},
            "series_amount 1: must be 2 to 9, or auto, for kling-v3-omni",
        ),
        ({**V3_OMNI, "result_type": "series", "series_amount": 10}, "must be 2 to 9, or auto"),
        ({**NEW, "result_type": "series", "series_amount": 11}, "must be 2 to 10 for kling-image-4.0"),
        ({**NEW, "result_type": "series", "series_amount": "auto"}, "must be 2 to 10 for kling-image-4.0"),
        ({**V3_OMNI, "result_type": "series", "series_amount": "many"}, "must be a whole number, or auto"),
        ({**V3_OMNI, "result_type": "series", "n": 2}, "n 2: must be left out with result_type: series"),
        ({**OMNI, "prompt": "<<<image_2>>>", "images": [A]}, "<<<image_2>>> is not among it"),
        ({**OMNI, "prompt": "<<<image_0>>>", "images": [A]}, "<<<image_0>>> is not among it"),
        ({**OMNI, "prompt": "<<<element_1>>>", "images": [A]}, "<<<element_1>>> is not among it"),
        ({**OMNI, "prompt": "<<<video_1>>>", "images": [A]}, "<<<video_1>>> is not among it"),
        (
            {**NEW, "prompt": "@dog", "reference_images": [{"image": A, "id": "cat"}]},
            "prompt: must refer to names that the request has (@cat); found @dog",
        ),
        (
            {**NEW, "reference_images": [{"image": A, "id": "cat"}, {"image": A, "id": "cat"}]},
            "must have names (id) that differ: 'cat' is there 2 times",
        ),
        ({**MULTI, "images": []}, "must have at least 1 entries (has 0)"),
        ({**MULTI, "images": [A] * 5}, "must have at most 4 entries (has 5)"),
        ({"type": "multi_image_to_image"}, "images: must be given"),
        ({"type": "ai_multi_shot"}, "image: must be given"),
        ({**EXPAND, "up": 2.1}, "up 2.1: must be 2 or less"),
        ({**EXPAND, "left": -0.1}, "left -0.1: must be 0 or more"),
        ({"type": "image_expand", "image": A, "up": 1, "down": 0, "left": 0}, "right: must be given"),
        ({**EXPAND, "up": 2, "left": 0.1}, "at most 3 times the area (make 3.3 times)"),
        (
            {**EXPAND, "model": "kling-v3"},
            "model 'kling-v3': must be left out: Kling has no such field for image_expand",
        ),
        ({"type": "ai_multi_shot", "image": A, "watermark": True}, "watermark True: belongs to type"),
        ({**LONG, "skill": None}, "skill: must be given"),
        ({**LONG, "skill": "poster"}, "skill 'poster': must be one of: webpage, ecommerce"),
        ({**LONG, "length": "long"}, "length: must be left out for skill: webpage"),
        ({**LONG, "reference_images": [A]}, "reference_images: must be left out for skill: webpage"),
        ({**SHOP, "style_image": A}, "style_image: must be left out for skill: ecommerce"),
        ({**SHOP, "reference_images": []}, "must have 1 to 3 photos of the product for skill: ecommerce"),
        ({**SHOP, "reference_images": [A] * 4}, "must have at most 3 entries (has 4)"),
        (
            {**LONG, "callback_url": "https://example.org"},
            "callback_url: must be left out: Kling has no such field for long_image",
        ),
        ({**WORDS, "model": "kling-v3-omni"}, "makes omni_image only; write type: omni_image"),
        ({**OMNI, "model": "kling-v3"}, "makes image_generation only; write type: image_generation"),
        ({**WORDS, "model": "kling-V3"}, "must be a known image model. Did you mean 'kling-v3'?"),
        (
            {**WORDS, "model": "kling-3.0"},
            "must be an image model, and this one makes videos: write model: kling-v3",
        ),
        ({**OMNI, "model": "kling-3.0-omni"}, "write model: kling-v3-omni"),
        ({**WORDS, "model": "kling-3.0-turbo"}, "must be an image model, and this one makes videos"),
        ({**WORDS, "duration": 5}, "duration 5: belongs to type text_to_video"),
    ],
)
def test_rules_just_outside(data: dict[str, Any], wrong: str) -> None:
    found = refusals(data)
    assert any(wrong in one for one in found), found


@pytest.mark.parametrize("shape", sorted(SHAPES | {"auto", "4:5", "2:1"}))
@pytest.mark.parametrize("model", [*image_model_names()])
def test_the_shapes_of_each_model(model: str, shape: str) -> None:
    rules = known_image_model(model)
    assert rules is not None
    if "long_image" in rules.types:
        return
    asked = {"type": rules.types[0], "model": model, "prompt": "A", "aspect_ratio": shape}
    if rules.types[0] == "omni_image":
        asked["images"] = [A]
    auto = model in ("kling-image-o1", "kling-v3-omni", "kling-image-4.0")
    assert (not refusals(asked)) == (shape in SHAPES or (shape == "auto" and auto))


def test_what_a_design_cannot_say() -> None:
    named = parse_request({**WORDS, "elements": elements(1, named=True)})
    assert [one.field for one in named.find_unsupported("legacy")] == ["elements"]
    unnamed = parse_request({**NEW, "elements": elements(1)})
    assert [one.field for one in unnamed.find_unsupported("standard")] == ["elements"]
    called = parse_request({**NEW, "callback_url": "https://example.org", "external_task_id": "a"})
    assert [one.field for one in called.find_unsupported("standard")] == ["external_task_id", "callback_url"]


@pytest.mark.parametrize(
    ("data", "design"),
    [
        (WORDS, "legacy"),
        (NEW, "standard"),
        ({**WORDS, "model": "kling-image-9"}, "standard"),
        ({**WORDS, "model": "kling-v9"}, "legacy"),
        (OMNI, "legacy"),
        (LONG, "standard"),
    ],
)
def test_the_model_decides_the_api_design(data: dict[str, Any], design: str) -> None:
    request = parse_request(data)
    spec = spec_of(request)
    assert spec.choose_design("standard", request.model) == design
    assert spec.choose_design("legacy", request.model) == (None if design == "standard" else "legacy")
    takes_ids = spec.takes_external_id(request.model)
    assert takes_ids == (design == "legacy")
    assert spec.is_locked(request.model) == takes_ids


def test_a_read_without_its_model_goes_where_most_images_were_made() -> None:
    assert DIALECTS["legacy"].read("image_generation", "7").path == "/v1/images/generations/7"
    spec = spec_of(parse_request(WORDS))
    assert spec.choose_design("standard") == "legacy"


def test_what_is_not_known_is_told() -> None:
    (unknown,) = parse_request({**WORDS, "model": "kling-v9"}).find_warnings()
    assert unknown == "model kling-v9 is not known here: its rules are not checked"
    (retired,) = parse_request({**WORDS, "model": "kling-v1-5"}).find_warnings()
    assert "retired it on 2026-09-15; at Kling itself write model: kling-v" in retired
    assert parse_request(WORDS).find_warnings() == []


@pytest.mark.parametrize(
    ("data", "successor"),
    [
        ({**WORDS, "model": "kling-v2-new"}, "kling-v2-1"),
        ({**WORDS, "model": "kling-v3"}, "kling-v2-1"),
        ({**OMNI, "model": "kling-image-o1"}, "kling-v3-omni"),
        ({**MULTI, "model": "kling-v2"}, "kling-v2-1"),
        (MULTI, None),
        (EXPAND, None),
        (LONG, None),
        ({"prompt": "A", "model": "kling-2.6"}, "kling-3.0"),
        ({"type": "omni_video", "prompt": "A", "model": "kling-o1"}, "kling-3.0-omni"),
    ],
)
def test_the_successor_is_one_of_the_same_type(data: dict[str, Any], successor: str | None) -> None:
    assert parse_request(data).find_successor() == successor


PRICES: list[tuple[dict[str, Any], str | None]] = [
    (WORDS, "8"),
    ({**WORDS, "resolution": "2k", "n": 9}, "72"),
    ({**WORDS, "image": A}, "8"),
    (V2, "4"),
    ({**V2, "resolution": "2k", "n": 3}, "12"),
    ({**V2, "image": A}, "8"),
    (OMNI, "8"),
    ({**V3_OMNI, "resolution": "2k"}, "8"),
    ({**V3_OMNI, "resolution": "4k"}, "16"),
    ({**V3_OMNI, "result_type": "series"}, "32"),
    ({**V3_OMNI, "resolution": "4k", "result_type": "series", "series_amount": 9}, "144"),
    ({**V3_OMNI, "result_type": "series", "series_amount": "auto"}, None),
    (MULTI, "16"),
    ({**MULTI, "n": 2}, "32"),
    ({**EXPAND, "up": 1}, "8"),
    ({**EXPAND, "up": 1, "n": 4}, "32"),
    ({"type": "ai_multi_shot", "image": A}, "20"),
    (NEW, None),
    (LONG, None),
    ({**WORDS, "model": "kling-v9"}, None),
    ({**WORDS, "model": "kling-v1"}, None),
]


@pytest.mark.parametrize(("data", "units"), PRICES)
def test_prices_of_images(data: dict[str, Any], units: str | None) -> None:
    found = estimate_price(parse_request(data))
    assert found.package == "image"
    assert found.units == (None if units is None else Decimal(units))
    if units is not None:
        assert found.usd == Decimal(units) * Decimal("0.0035")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (WORDS, "8 image units (about $0.03 at the list price of 2026-09-20)"),
        (
            {**NEW, "n": 2},
            "unknown units (about $0.12 as third parties read Kling's list in November 2026, its units are not known)",
        ),
        (
            {**V3_OMNI, "result_type": "series", "series_amount": "auto"},
            "unknown price (the model decides how many images the series has)",
        ),
        (
            {**NEW, "resolution": "8k"},
            "unknown price (the price list of 2026-09-20 has no kling-image-4.0 8k)",
        ),
        (LONG, "unknown price (amount not published, it is paid from image packs)"),
    ],
)
def test_the_price_says_of_which_units_it_is(data: dict[str, Any], text: str) -> None:
    assert estimate_price(parse_request(data)).as_text() == text
    assert estimate_price(parse_request(data)).as_json()["package"] == "image"


@pytest.mark.parametrize(
    ("data", "taken"),
    [
        (WORDS, 1),
        ({**WORDS, "n": 9}, 9),
        ({**V3_OMNI, "result_type": "series"}, 4),
        ({**V3_OMNI, "result_type": "series", "series_amount": "auto"}, 1),
        ({**MULTI, "n": 3}, 3),
        ({"type": "ai_multi_shot", "image": A}, 1),
        (LONG, 1),
        ({"prompt": "A boat"}, 1),
    ],
)
def test_an_image_task_takes_as_much_of_the_limit_as_it_makes_images(
    data: dict[str, Any], taken: int
) -> None:
    assert parse_request(data).concurrency_taken == taken
