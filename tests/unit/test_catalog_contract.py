# SPDX-License-Identifier: Apache-2.0
"""The rows of the catalog against the contract: paths, outputs, ids, callbacks, status and prices."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from kling_provider.api.catalog import all_specs, estimate_price, find_spec, request_types
from kling_provider.api.models import known_model
from kling_provider.api.parsing import parse_request
from kling_provider.api.request_types import RequestSpec
from kling_provider.prompts import load_prompts

#: Of Kling 4.0, whose paths Kling has not published: named by the form of the others.
BY_ANALOGY = {
    "image_generation": {"standard": "/image-generation/{model}"},
    "long_image": {"standard": "/long-image/{model}"},
}
#: The contract tells the solutions apart from the standard API, whose form they have.
DESIGNS = {"solutions": "standard"}


def test_paths_by_analogy_stand_nowhere_else(contract: dict[str, Any]) -> None:
    for type_, paths in BY_ANALOGY.items():
        spec = find_spec(type_)
        assert spec is not None
        told = [call for one in contract["endpoints"] if one["key"] == type_ for call in one["dialects"]]
        assert not set(told) & set(paths)
        assert dict(spec.paths).items() >= paths.items()


@pytest.mark.parametrize("type_", [one for one in request_types() if one != "long_image"])
def test_paths_and_outputs_are_those_of_the_contract(type_: str, contract: dict[str, Any]) -> None:
    (entry,) = [one for one in contract["endpoints"] if one["key"] == type_]
    spec = find_spec(type_)
    assert spec is not None
    told = {DESIGNS.get(design, design): call["path"] for design, call in entry["dialects"].items()}
    assert dict(spec.paths) == told | BY_ANALOGY.get(type_, {})
    assert list(spec.outputs) == entry["outputs"]
    for call in entry["dialects"].values():
        assert (call["external_task_id"] == "yes") == spec.external_ids
        assert (call["callback"] == "yes") == spec.callbacks
        assert (call["mode"] == "task") == (spec.answered == "task")
    # Where one way to read it finds it by either id, a task is found.
    by_both = [call for call in entry["dialects"].values() if "external_task_id" in call.get("read_by", ())]
    assert bool(by_both) == spec.found_by_external_id
    alive = any(call["status"] == "alive" for call in entry["dialects"].values())
    assert ("alive" if alive else "unknown") == spec.status


#: Prices that the contract states in words with numbers: what the words are like, and how many units that is.
STATED_PRICES = (
    (r"([\d.]+) (?:(video|image) )?units(?: per call| \(L\)|$)", {}, 1),
    (r"([\d.]+) (image) units per image x n", {}, 1),
    (r"([\d.]+) (video) units per begun 5 s", {"video": 5.1}, 2),
    (r"([\d.]+) \(std\) / [\d.]+ \(pro\) (video) units x whole seconds of the audio", {"sound": 11.3}, 11),
)


@pytest.mark.parametrize("spec", [one for one in all_specs() if one.example], ids=lambda spec: spec.type)
def test_a_price_in_numbers_is_that_of_the_contract(
    spec: RequestSpec, contract: dict[str, Any], repository: Path
) -> None:
    said = {one["key"]: one["price"] for one in contract["endpoints"]}.get(spec.type, "not published")
    (data,) = load_prompts(repository / "dags/requests" / spec.example)
    request = parse_request({**data, "n": 1} if "n" in spec.request_class.field_names() else data)
    found = [(re.match(words, said), *facts) for words, *facts in STATED_PRICES]
    stated = [one for one in found if one[0] is not None]
    if re.search(r"unknown|not published|not on the vendor's page", said):
        assert estimate_price(request).units is None
        assert not stated or "third-party" in said
    for match, seconds, times in stated if "third-party" not in said else ():
        price = estimate_price(request, seconds)
        assert price.units == Decimal(match[1]) * times
        assert price.package == (match[2] or "video")


def test_the_rates_of_videos_and_images_are_those_of_the_contract(contract: dict[str, Any]) -> None:
    rates = contract["prices"]["video_units_per_second"]
    checked = 0
    for model, by_rate in rates.items():
        for rate, by_resolution in by_rate.items() if model != "avatar" else ():
            for resolution, units in by_resolution.items():
                data, seconds = make_video(model, rate)
                price = estimate_price(parse_request({**data, "resolution": resolution}), seconds)
                assert price.units == Decimal(str(units)) * 5, (model, rate, resolution)
                checked += 1
    assert checked == sum(
        len(one) for model, by_rate in rates.items() if model != "avatar" for one in by_rate.values()
    )
    for data, row in IMAGES:
        request = parse_request({**data, "prompt": "A boat"})
        told = contract["prices"]["image_units_per_image"][request.model]
        assert estimate_price(request).units == (told[row] if row else told)


def make_video(model: str, rate: str) -> tuple[dict[str, Any], dict[str, float]]:
    """Make a request for 5 seconds that is billed at a rate of the contract, and what its inputs last."""
    image, video = "https://example.org/a.png", "https://example.org/a.mp4"
    if rate == "motion":
        data = {"image": image, "video": video, "character_orientation": "video"}
        return {"type": "motion_control", "model": model, **data}, {"video": 5}
    found: dict[str, Any] = {"prompt": "A boat", "model": model}
    if "omni" in model or "o1" in model:
        found["type"] = "omni_video"
    if rate == "video_input":
        return found | {"reference_video": video}, {"reference_video": 5}
    if rate == "voice":
        voice = {"type": "image_to_video", "first_frame": image, "voices": [{"voice_id": "1", "id": "a"}]}
        return found | voice | {"audio": "native"}, {}
    known = known_model(model)
    if rate == "native" and known is not None and not known.always_audio:
        found["audio"] = "native"
    return found, {}


PICTURE = "https://example.org/a.png"
#: Requests for one image, and the row of the contract's table where a model has several.
IMAGES: list[tuple[dict[str, Any], str | None]] = [
    ({"type": "image_generation", "model": "kling-v3"}, None),
    ({"type": "image_generation", "model": "kling-v2-1"}, "text_to_image"),
    ({"type": "image_generation", "model": "kling-v2-1", "image": PICTURE}, "image_to_image"),
    ({"type": "multi_image_to_image", "images": [PICTURE]}, "multi_image_to_image"),
    ({"type": "omni_image", "model": "kling-image-o1"}, None),
    *(
        ({"type": "omni_image", "model": "kling-v3-omni", "resolution": size}, size)
        for size in ("1k", "2k", "4k")
    ),
]


@pytest.fixture(scope="session")
def contract(repository: Path) -> dict[str, Any]:
    file = repository.parent / "shared/endpoints.yaml"
    if not file.exists():
        pytest.skip("NO endpoints.yaml beside the checkout")
    read: dict[str, Any] = yaml.safe_load(file.read_text())
    return read
