# SPDX-License-Identifier: Apache-2.0
"""Whatever passes our checks passes the sandbox's own, which were written from the contract and not from ours."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from kling_provider.api.catalog import find_spec, spec_of
from kling_provider.api.dialects import DIALECTS
from kling_provider.api.models import known_model, model_names
from kling_provider.api.parsing import parse_request
from kling_provider.api.problems import InvalidRequest
from kling_provider.api.requests.fields import ApiDesign
from kling_provider.sandbox.products import Product, find_products
from kling_provider.sandbox.state.tasks import CreateRequest
from tests.contract.reference.bodies import find_wrong, list_names, list_paths, make_body
from tests.contract.reference.calls import Call, list_calls, needs_contract
from tests.contract.reference.drawing import draw_request

IMAGE, VIDEO = "https://example.org/a.png", "https://example.org/v.mp4"
PRODUCTS = find_products()
#: Fields of videos with values for all models, also of those of which only gateways have told.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "prompt": st.sampled_from(["A red panda brews tea", "x" * 2000, "雨" * 100]),
    "model": st.sampled_from(
        [name for name in model_names() if (model := known_model(name)) and model.standard]
    ),
    "duration": st.integers(1, 31),
    "resolution": st.sampled_from(["720p", "1080p", "4k"]),
    "aspect_ratio": st.sampled_from(["16:9", "9:16", "1:1", "21:9"]),
    "audio": st.sampled_from(["off", "native", "original"]),
    "multi_shot": st.booleans(),
    "watermark": st.booleans(),
    "negative_prompt": st.just("rain"),
    "cfg_scale": st.floats(0, 1),
    "first_frame": st.just(IMAGE),
    "last_frame": st.just(IMAGE),
    "middle_frames": st.lists(st.just(IMAGE), max_size=9),
    "reference_images": st.lists(st.just(IMAGE), min_size=1, max_size=8),
    "reference_video": st.just(VIDEO),
    "reference_videos": st.lists(st.just(VIDEO), max_size=6),
    "base_video": st.just(VIDEO),
    "callback_url": st.just("https://example.org/hook"),
    "external_task_id": st.just("af-1"),
}
patiently = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


def take(
    design: ApiDesign, type_: str, body: Any, model: str = "", *, lenient: bool = False
) -> CreateRequest:
    """Give a body to the sandbox's checker of the path of its type."""
    spec = find_spec(type_)
    assert spec is not None
    (product,) = [one for one in PRODUCTS if find_path(one, design) == spec.paths[design]]
    return product.read_request(design, body, model=model, lenient=lenient)


def find_path(product: Product, design: ApiDesign) -> str | None:
    return product.standard_path if design == "standard" else product.legacy_path


@needs_contract
@pytest.mark.parametrize("call", list_calls(), ids=str)
@patiently
@given(data=st.data())
def test_what_the_contract_allows_is_taken_and_has_no_other_key(call: Call, data: st.DataObject) -> None:
    request = draw_request(data.draw, call)
    assume(not find_wrong(request, call))
    parsed = parse_request(request)
    sent = DIALECTS[call.design].create(parsed, "af-1")
    # Fields of retired models are those of gateways.
    is_retired = parsed.model in call.retired_models
    taken = take(call.design, call.type, sent.json, parsed.model or "", lenient=is_retired)
    assert taken.failure_message is None, "it would be refused while it renders"
    assert set(list_paths(make_body(request, call))) <= list_names(call)


@pytest.mark.parametrize("design", get_args(ApiDesign))
@pytest.mark.parametrize("type_", ["text_to_video", "image_to_video", "omni_video"])
@patiently
@given(data=st.data())
def test_what_we_send_for_any_video_model_is_taken(
    type_: str, design: ApiDesign, data: st.DataObject
) -> None:
    spec = find_spec(type_)
    assert spec is not None
    absent = ("middle_frames", "reference_videos") if design == "legacy" else ()
    fields = [name for name in spec.request_class.model_fields if name in VALUES and name not in absent]
    asked = data.draw(st.fixed_dictionaries({}, optional={name: VALUES[name] for name in fields}))
    try:
        request = parse_request({**asked, "type": type_})
    except InvalidRequest:
        assume(False)
    assume(not request.find_unsupported(design))
    body = DIALECTS[design].create(request, "af-1").json
    taken = take(design, type_, body, (request.model or "") if design == "standard" else "")
    assert taken.failure_message is None, "it would be refused while it renders"
    assert taken.settings["resolution"] == request.summary.resolution


#: Images of Kling 4.0, which the vendor's contract does not have yet.
KLING_4: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "image_generation": {
        "model": st.just("kling-image-4.0"),
        "n": st.integers(1, 9),
        "resolution": st.sampled_from(["2k", "4k", "8k"]),
        "aspect_ratio": st.sampled_from(["auto", "16:9", "21:9"]),
        "reference_images": st.lists(st.just(IMAGE), max_size=11),
        "result_type": st.sampled_from(["single", "series"]),
        "series_amount": st.sampled_from([2, 10, "auto"]),
        "watermark": st.booleans(),
    },
    "long_image": {
        "skill": st.sampled_from(["webpage", "ecommerce"]),
        "length": st.sampled_from(["short", "medium", "long"]),
        "resolution": st.sampled_from(["1k", "2k"]),
        "style_image": st.just(IMAGE),
        "subject_image": st.just(IMAGE),
        "reference_images": st.lists(st.just(IMAGE), max_size=4),
        "watermark": st.booleans(),
    },
}


@pytest.mark.parametrize("type_", KLING_4)
@patiently
@given(data=st.data())
def test_what_we_send_for_images_of_kling_4_is_taken(type_: str, data: st.DataObject) -> None:
    values = KLING_4[type_]
    needed = {name: values[name] for name in ("model", "skill") if name in values}
    others = {name: value for name, value in values.items() if name not in needed}
    asked = data.draw(st.fixed_dictionaries(needed, optional=others))
    try:
        request = parse_request({"prompt": "A boat", **asked, "type": type_})
    except InvalidRequest:
        assume(False)
    assume(not request.find_unsupported("standard"))
    body = DIALECTS["standard"].create(request, None).json
    path = spec_of(request).paths["standard"]
    (product,) = [one for one in PRODUCTS if one.standard_path == path]
    assert product.read_request("standard", body, model=request.model or "").failure_message is None
