# SPDX-License-Identifier: Apache-2.0
"""Whatever passes our checks passes the sandbox's own, which were written from the contract and not from ours."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from kling_provider.api.catalog import all_specs
from kling_provider.api.dialects import DIALECTS
from kling_provider.api.models import known_model, model_names
from kling_provider.api.parsing import parse_request
from kling_provider.api.problems import InvalidRequest
from kling_provider.api.requests.fields import ApiDesign
from kling_provider.sandbox.products import Product, find_products

IMAGE, VIDEO = "https://example.org/a.png", "https://example.org/v.mp4"
PRODUCTS = find_products()
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
    "reference_images": st.lists(st.just(IMAGE), min_size=1, max_size=8),
    "reference_video": st.just(VIDEO),
    "base_video": st.just(VIDEO),
    "callback_url": st.just("https://example.org/hook"),
    "external_task_id": st.just("af-1"),
}


def product_of(design: ApiDesign, path: str) -> Product:
    (found,) = [
        one for one in PRODUCTS if path == (one.standard_path if design == "standard" else one.legacy_path)
    ]
    return found


@pytest.mark.parametrize("design", get_args(ApiDesign))
@pytest.mark.parametrize("spec", all_specs(), ids=lambda spec: spec.type)
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)
@given(data=st.data())
def test_what_we_send_is_taken(spec: Any, design: ApiDesign, data: st.DataObject) -> None:
    fields = [name for name in spec.request_class.model_fields if name in VALUES]
    asked = data.draw(st.fixed_dictionaries({}, optional={name: VALUES[name] for name in fields}))
    try:
        request = parse_request({**asked, "type": spec.type})
    except InvalidRequest:
        assume(False)
    assume(not request.find_unsupported(design))
    call = DIALECTS[design].create(request, "af-1")
    product = product_of(design, spec.paths[design])
    taken = product.read_request(design, call.json, model=request.model if design == "standard" else "")
    assert taken.failure_message is None, "it would be refused while it renders"
    assert taken.settings["resolution"] == request.summary.resolution
