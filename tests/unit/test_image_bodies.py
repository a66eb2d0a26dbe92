# SPDX-License-Identifier: Apache-2.0
"""Bodies of image requests as Kling's reference writes them, and their identities, pinned for ever.

If an identity here changes, every image of every user would be paid once more: mend the code, not the test.
"""

from __future__ import annotations

from typing import Any

import pytest

from kling_provider.api.catalog import spec_of
from kling_provider.api.dialects import DIALECTS, find_dialect
from kling_provider.api.parsing import parse_request
from kling_provider.identity import Identity

A, B, C = (f"https://example.org/{name}.png" for name in "abc")
HOOK = "https://example.org/hook"

#: Request -> design, path and body, written from the reference.
GOLDEN: dict[str, tuple[dict[str, Any], str, str, dict[str, Any]]] = {
    "image_generation": (
        {"type": "image_generation", "prompt": "A paper boat"},
        "legacy",
        "/v1/images/generations",
        {
            "model_name": "kling-v3",
            "prompt": "A paper boat",
            "resolution": "1k",
            "n": 1,
            "aspect_ratio": "16:9",
            "external_task_id": "af-1",
        },
    ),
    "image_generation of v3, full": (
        {
            "type": "image_generation",
            "prompt": "A paper boat",
            "image": A,
            "elements": [{"element_id": "7"}, {"element_id": 8}],
            "resolution": "2K",
            "n": "9",
            "aspect_ratio": "21:9",
            "watermark": True,
            "callback_url": HOOK,
        },
        "legacy",
        "/v1/images/generations",
        {
            "model_name": "kling-v3",
            "prompt": "A paper boat",
            "image": A,
            "element_list": [{"element_id": "7"}, {"element_id": "8"}],
            "resolution": "2k",
            "n": 9,
            "aspect_ratio": "21:9",
            "watermark_info": {"enabled": True},
            "callback_url": HOOK,
            "external_task_id": "af-1",
        },
    ),
    "image_generation of v2-1, full": (
        {
            "type": "image_generation",
            "model_name": "kling-v2-1",
            "prompt": "A paper boat",
            "image": A,
            "image_reference": "subject",
            "image_fidelity": 0.7,
            "n": 2,
            "aspect_ratio": "1:1",
        },
        "legacy",
        "/v1/images/generations",
        {
            "model_name": "kling-v2-1",
            "prompt": "A paper boat",
            "image": A,
            "image_reference": "subject",
            "image_fidelity": 0.7,
            "human_fidelity": 0.45,
            "resolution": "1k",
            "n": 2,
            "aspect_ratio": "1:1",
            "external_task_id": "af-1",
        },
    ),
    "image_generation of v2-1 from words": (
        {
            "type": "image_generation",
            "model": "kling-v2-1",
            "prompt": "A paper boat",
            "negative_prompt": "rain",
        },
        "legacy",
        "/v1/images/generations",
        {
            "model_name": "kling-v2-1",
            "prompt": "A paper boat",
            "negative_prompt": "rain",
            "resolution": "1k",
            "n": 1,
            "aspect_ratio": "16:9",
            "external_task_id": "af-1",
        },
    ),
    "image_generation of 4.0": (
        {"type": "image_generation", "model": "kling-image-4.0", "prompt": "A paper boat"},
        "standard",
        "/image-generation/kling-image-4.0",
        {
            "contents": [{"type": "prompt", "text": "A paper boat"}],
            "settings": {"resolution": "2k", "n": 1, "aspect_ratio": "auto", "result_type": "single"},
        },
    ),
    "image_generation of 4.0, full": (
        {
            "type": "image_generation",
            "model": "kling-image-4.0",
            "prompt": "@cat in @boat",
            "reference_images": [{"image": A, "id": "boat"}, B],
            "elements": [{"element_id": "7", "id": "cat"}],
            "resolution": "8k",
            "aspect_ratio": "3:2",
            "result_type": "series",
            "series_amount": 6,
            "watermark": True,
        },
        "standard",
        "/image-generation/kling-image-4.0",
        {
            "contents": [
                {"type": "prompt", "text": "@cat in @boat"},
                {"type": "element", "element_id": "7", "id": "cat"},
                {"type": "refer_image", "url": A, "id": "boat"},
                {"type": "refer_image", "url": B},
            ],
            "settings": {
                "resolution": "8k",
                "aspect_ratio": "3:2",
                "result_type": "series",
                "series_amount": 6,
            },
            "options": {"watermark_info": {"enabled": True}},
        },
    ),
    "omni_image": (
        {"type": "omni_image", "prompt": "A paper boat"},
        "legacy",
        "/v1/images/omni-image",
        {
            "model_name": "kling-image-o1",
            "prompt": "A paper boat",
            "resolution": "1k",
            "result_type": "single",
            "n": 1,
            "aspect_ratio": "auto",
            "external_task_id": "af-1",
        },
    ),
    "omni_image, full": (
        {
            "type": "omni_image",
            "model": "kling-v3-omni",
            "prompt": "<<<image_2>>> beside <<<object_1>>>",
            "images": [A, B],
            "elements": [{"element_id": "7"}],
            "resolution": "4k",
            "result_type": "series",
            "aspect_ratio": "9:16",
            "watermark": True,
            "callback_url": HOOK,
        },
        "legacy",
        "/v1/images/omni-image",
        {
            "model_name": "kling-v3-omni",
            "prompt": "<<<image_2>>> beside <<<object_1>>>",
            "image_list": [{"image": A}, {"image": B}],
            "element_list": [{"element_id": "7"}],
            "resolution": "4k",
            "result_type": "series",
            "series_amount": 4,
            "aspect_ratio": "9:16",
            "watermark_info": {"enabled": True},
            "callback_url": HOOK,
            "external_task_id": "af-1",
        },
    ),
    # By the capability map this model takes no auto from words alone, though that is the default.
    "omni_image of v3-omni from words": (
        {"type": "omni_image", "model": "kling-v3-omni", "prompt": "A paper boat"},
        "legacy",
        "/v1/images/omni-image",
        {
            "model_name": "kling-v3-omni",
            "prompt": "A paper boat",
            "resolution": "1k",
            "result_type": "single",
            "n": 1,
            "aspect_ratio": "16:9",
            "external_task_id": "af-1",
        },
    ),
    "multi_image_to_image": (
        {"type": "multi_image_to_image", "images": [A]},
        "legacy",
        "/v1/images/multi-image2image",
        {
            "model_name": "kling-v2-1",
            "subject_image_list": [{"subject_image": A}],
            "n": 1,
            "aspect_ratio": "16:9",
            "external_task_id": "af-1",
        },
    ),
    "multi_image_to_image, full": (
        {
            "type": "multi_image_to_image",
            "prompt": "A boat in a harbour",
            "images": [A, B],
            "scene_image": C,
            "style_image": A,
            "n": 3,
            "aspect_ratio": "2:3",
            "watermark": True,
            "callback_url": HOOK,
        },
        "legacy",
        "/v1/images/multi-image2image",
        {
            "model_name": "kling-v2-1",
            "prompt": "A boat in a harbour",
            "subject_image_list": [{"subject_image": A}, {"subject_image": B}],
            "scene_image": C,
            "style_image": A,
            "n": 3,
            "aspect_ratio": "2:3",
            "watermark_info": {"enabled": True},
            "callback_url": HOOK,
            "external_task_id": "af-1",
        },
    ),
    "image_expand": (
        {"type": "image_expand", "image": A, "up": 0, "down": 0, "left": 0.5, "right": "0.25"},
        "legacy",
        "/v1/images/editing/expand",
        {
            "image": A,
            "up_expansion_ratio": 0,
            "down_expansion_ratio": 0,
            "left_expansion_ratio": 0.5,
            "right_expansion_ratio": 0.25,
            "n": 1,
            "external_task_id": "af-1",
        },
    ),
    "image_expand, full": (
        {
            "type": "image_expand",
            "image": A,
            "up_expansion_ratio": 0.1,
            "down_expansion_ratio": 0.2,
            "left_expansion_ratio": 0.3,
            "right_expansion_ratio": 0.4,
            "prompt": "More sea",
            "n": 2,
            "watermark": True,
            "callback_url": HOOK,
        },
        "legacy",
        "/v1/images/editing/expand",
        {
            "image": A,
            "up_expansion_ratio": 0.1,
            "down_expansion_ratio": 0.2,
            "left_expansion_ratio": 0.3,
            "right_expansion_ratio": 0.4,
            "prompt": "More sea",
            "n": 2,
            "watermark_info": {"enabled": True},
            "callback_url": HOOK,
            "external_task_id": "af-1",
        },
    ),
    "ai_multi_shot": (
        {"type": "ai_multi_shot", "image": A},
        "legacy",
        "/v1/general/ai-multi-shot",
        {"element_frontal_image": A, "external_task_id": "af-1"},
    ),
    "ai_multi_shot, full": (
        {"type": "ai_multi_shot", "element_frontal_image": A, "callback_url": HOOK},
        "legacy",
        "/v1/general/ai-multi-shot",
        {"element_frontal_image": A, "callback_url": HOOK, "external_task_id": "af-1"},
    ),
    "long_image": (
        {"type": "long_image", "prompt": "A page of tea", "skill": "webpage"},
        "standard",
        "/long-image/kling-long-image-4.0",
        {
            "contents": [{"type": "prompt", "text": "A page of tea"}],
            "settings": {"skill": "webpage", "resolution": "1k"},
        },
    ),
    "long_image of a web page, full": (
        {
            "type": "long_image",
            "prompt": "A page of tea",
            "skill": "webpage",
            "style_image": A,
            "subject_image": B,
            "resolution": "2k",
            "watermark": True,
        },
        "standard",
        "/long-image/kling-long-image-4.0",
        {
            "contents": [
                {"type": "prompt", "text": "A page of tea"},
                {"type": "style_refer_image", "url": A},
                {"type": "subject_refer_image", "url": B},
            ],
            "settings": {"skill": "webpage", "resolution": "2k"},
            "options": {"watermark_info": {"enabled": True}},
        },
    ),
    "long_image of a shop": (
        {
            "type": "long_image",
            "prompt": "@cup for tea",
            "skill": "ecommerce",
            "reference_images": [{"image": A, "id": "cup"}],
        },
        "standard",
        "/long-image/kling-long-image-4.0",
        {
            "contents": [
                {"type": "prompt", "text": "@cup for tea"},
                {"type": "refer_image", "url": A, "id": "cup"},
            ],
            "settings": {"skill": "ecommerce", "length": "medium", "resolution": "1k"},
        },
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_what_is_sent_is_what_the_reference_writes(name: str) -> None:
    data, design, path, body = GOLDEN[name]
    request = parse_request(data)
    # What a connection with api: standard speaks, which falls back to the legacy path.
    dialect = find_dialect(DIALECTS["standard"], spec_of(request), request.model)
    assert dialect.design == design
    assert request.find_unsupported(dialect.design) == []
    call = dialect.create(request, "af-1")
    assert (call.method, call.path, call.json) == ("POST", path, body)


IDENTITIES: dict[str, str] = {
    "image_generation": "af-3a51054dcde2a6d3ddf2f0ebec1b6cbf3d3c46a9",
    "image_generation of v3, full": "af-3a51054d8d01db7893d87b4b0ae825c28008d703",
    "image_generation of v2-1, full": "af-3a51054d77e5ed59862f95289cb8d222788a82c5",
    "image_generation of v2-1 from words": "af-3a51054d29eb65aed4b39cd5af14a651475da476",
    "image_generation of 4.0": "af-3a51054d040200c0eeb723864acb774fb8657097",
    "image_generation of 4.0, full": "af-3a51054d9c6536de4ae6825200e8b517b8106561",
    "omni_image": "af-3a51054dc84c131d80061aa00f1b6416d1ed20ed",
    "omni_image, full": "af-3a51054db621cdc3e067de4c67d1265372468409",
    "omni_image of v3-omni from words": "af-3a51054d84ebaa47e88017836d5064fdbd145822",
    "multi_image_to_image": "af-3a51054d8b50189b604997dfc12b87e9088f42f2",
    "multi_image_to_image, full": "af-3a51054db75638453d8fd83e6a8c867700c7572b",
    "image_expand": "af-3a51054d2ac2f475f3c2c6a830c4163f3dd50b5e",
    "image_expand, full": "af-3a51054de9792c01e897d437def1ac9a64d00757",
    "ai_multi_shot": "af-3a51054d7d0ec5142aa982bf89aa648b4de51f5a",
    "ai_multi_shot, full": "af-3a51054d7d0ec5142aa982bf89aa648b4de51f5a",
    "long_image": "af-3a51054d20171ea339643526f79fbab1fe4cd8e6",
    "long_image of a web page, full": "af-3a51054de02de634c6366bf7eedf848aa23d3229",
    "long_image of a shop": "af-3a51054daab7822c967710fd24b8e461c226ac50",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_identities(name: str) -> None:
    identity = Identity.of_request(
        parse_request(GOLDEN[name][0]),
        pay_once_per="run",
        namespace="",
        dag_id="films",
        task_id="image",
        run_id="manual__2026-11-24",
        map_index=-1,
        images={},
    )
    assert identity.external_task_id() == IDENTITIES[name]


@pytest.mark.parametrize(
    ("short", "long"),
    [
        (
            {"type": "image_generation", "prompt": "A"},
            {
                "model": "kling-v3",
                "resolution": "1k",
                "n": 1,
                "aspect_ratio": "16:9",
                "watermark": False,
            },
        ),
        (
            {"type": "omni_image", "prompt": "A", "images": [A]},
            {
                "model": "kling-image-o1",
                "resolution": "1k",
                "result_type": "single",
                "n": "1",
                "aspect_ratio": "auto",
            },
        ),
        (
            {"type": "omni_image", "prompt": "A", "model": "kling-v3-omni", "result_type": "series"},
            {"series_amount": 4, "aspect_ratio": "16:9"},
        ),
        (
            {
                "type": "image_generation",
                "prompt": "A",
                "model": "kling-v2-1",
                "image": A,
                "image_reference": "subject",
            },
            {"image_fidelity": 0.5, "human_fidelity": 0.45},
        ),
        (
            {"type": "multi_image_to_image", "images": [A]},
            {"model": "kling-v2-1", "n": 1, "aspect_ratio": "16:9"},
        ),
        ({"type": "long_image", "prompt": "A", "skill": "webpage"}, {"resolution": "1k"}),
    ],
)
def test_a_default_that_is_written_out_is_the_same_result(
    short: dict[str, Any], long: dict[str, Any]
) -> None:
    one, other = parse_request(short), parse_request({**short, **long})
    assert one.fingerprint() == other.fingerprint()
    for design in ("standard", "legacy"):
        assert one.to_body(design) == other.to_body(design)  # type: ignore[arg-type]


def test_a_shape_of_its_own_is_another_result() -> None:
    words = {"type": "omni_image", "prompt": "A"}
    assert parse_request(words).fingerprint() != parse_request({**words, "aspect_ratio": "1:1"}).fingerprint()
    assert parse_request(words).fingerprint() != parse_request({**words, "n": 2}).fingerprint()
