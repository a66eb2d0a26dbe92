# SPDX-License-Identifier: Apache-2.0
"""Omni videos: bodies as the vendor's reference writes them, and each rule just outside."""

from __future__ import annotations

from typing import Any

import pytest

from kling_provider.api.catalog import estimate_price
from kling_provider.api.dialects import DIALECTS
from kling_provider.api.parsing import parse_request
from kling_provider.api.problems import InvalidRequest

IMAGE, OTHER, VIDEO = "https://example.org/a.png", "https://example.org/b.png", "https://example.org/v.mp4"
O1 = {"model": "kling-o1"}


def read(**fields: Any) -> Any:
    return parse_request({"type": "omni_video", "prompt": "A cat", **fields})


def test_the_standard_body_with_everything_that_goes_together() -> None:
    request = read(
        prompt="@cat chases @ball",
        first_frame=IMAGE,
        last_frame=OTHER,
        reference_images=[{"image": IMAGE, "id": "cat"}, OTHER],
        elements=[{"element_id": "7", "id": "ball"}],
        duration=10,
        resolution="1080p",
        audio="native",
        multi_shot=True,
        watermark=True,
        callback_url="https://example.org/hook",
    )
    call = DIALECTS["standard"].create(request, "af-1")
    assert call.path == "/omni-video/kling-3.0-omni"
    assert call.json == {
        "contents": [
            {"type": "prompt", "text": "@cat chases @ball"},
            {"type": "first_frame", "url": IMAGE},
            {"type": "last_frame", "url": OTHER},
            {"type": "element", "element_id": "7", "id": "ball"},
            {"type": "refer_image", "url": IMAGE, "id": "cat"},
            {"type": "refer_image", "url": OTHER},
        ],
        "settings": {"resolution": "1080p", "duration": 10, "audio": "native", "multi_shot": True},
        "options": {
            "external_task_id": "af-1",
            "callback_url": "https://example.org/hook",
            "watermark_info": {"enabled": True},
        },
    }


def test_the_legacy_body_has_lists_with_roles() -> None:
    request = read(first_frame=IMAGE, last_frame=OTHER, audio="on", resolution="4k", duration=3)
    call = DIALECTS["legacy"].create(request, "af-1")
    assert call.path == "/v1/videos/omni-video"
    assert call.json == {
        "model_name": "kling-v3-omni",
        "prompt": "A cat",
        "image_list": [
            {"image_url": IMAGE, "type": "first_frame"},
            {"image_url": OTHER, "type": "end_frame"},
        ],
        "mode": "4k",
        "duration": "3",
        "sound": "on",
        "multi_shot": False,
        "external_task_id": "af-1",
    }


@pytest.mark.parametrize(
    ("field", "role", "audio", "kept"),
    [("reference_video", "feature", "off", "no"), ("base_video", "base", "original", "yes")],
)
def test_a_video_on_the_legacy_api(field: str, role: str, audio: str, kept: str) -> None:
    request = read(**O1, **{field: VIDEO}, audio=audio)
    body = DIALECTS["legacy"].create(request, None).json
    assert body is not None
    assert body["video_list"] == [{"video_url": VIDEO, "refer_type": role, "keep_original_sound": kept}]
    assert "sound" not in body, "O1 has no such field there"
    assert ("duration" in body) == (field == "reference_video")


def test_our_defaults_are_sent() -> None:
    body = DIALECTS["standard"].create(read(), None).json
    assert body is not None
    assert body["settings"] == {
        "resolution": "720p",
        "duration": 5,
        "aspect_ratio": "16:9",
        "audio": "off",
        "multi_shot": False,
    }
    beside_video = DIALECTS["standard"].create(read(reference_video=VIDEO), None).json
    assert beside_video is not None
    assert beside_video["settings"] == {
        "resolution": "720p",
        "duration": 5,
        "audio": "off",
        "multi_shot": True,
    }


@pytest.mark.parametrize(
    ("fields", "units"),
    [
        ({}, "3.0"),
        ({"audio": "native"}, "4.0"),
        ({"reference_video": VIDEO}, "4.5"),
        ({**O1, "resolution": "1080p"}, "4.0"),
        ({"base_video": VIDEO}, None),
    ],
)
def test_prices_of_omni_videos(fields: dict[str, Any], units: str | None) -> None:
    found = estimate_price(read(**fields)).units
    assert (None if found is None else f"{found:.1f}") == units


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"prompt": None}, "prompt: must be given"),
        ({"last_frame": IMAGE}, "first_frame: must be given: a last_frame alone is not accepted"),
        (
            {"reference_video": VIDEO, "base_video": VIDEO},
            "base_video: cannot be combined with reference_video",
        ),
        ({"base_video": VIDEO, "first_frame": IMAGE}, "first_frame: cannot be combined with base_video"),
        ({"base_video": VIDEO, "multi_shot": True}, "multi_shot True: cannot be combined with base_video"),
        ({"base_video": VIDEO, "audio": "native"}, "audio 'native': must be original or off with base_video"),
        ({"base_video": VIDEO, "duration": 5}, "duration: must be left out: it follows the base video"),
        ({"base_video": ""}, "base_video '': must not be empty"),
        (
            {"reference_video": VIDEO, "multi_shot": False},
            "multi_shot False: must be true with reference_video",
        ),
        (
            {"reference_video": VIDEO, "audio": "original"},
            "audio 'original': must be off with reference_video",
        ),
        ({"audio": "original"}, "audio 'original': needs reference_video or base_video"),
        ({"reference_images": [IMAGE] * 8}, "images and elements must be at most 7 together"),
        (
            {"reference_video": VIDEO, "reference_images": [IMAGE] * 5},
            "images and elements must be at most 4 together beside a video",
        ),
        (
            {"first_frame": IMAGE, "elements": [{"element_id": str(n), "id": f"e{n}"} for n in range(4)]},
            "elements: must be at most 3 beside a first frame",
        ),
        ({"duration": 2}, "duration 2: must be 3 to 15 seconds for kling-3.0-omni"),
        ({**O1, "duration": 11}, "duration 11: must be 3 to 10 seconds for kling-o1"),
        ({**O1, "resolution": "4k"}, "resolution '4k': must be 720p or 1080p for kling-o1"),
        ({**O1, "audio": "native"}, "audio 'native': must be left out: kling-o1 makes no sound"),
        ({**O1, "first_frame": IMAGE, "duration": 7}, "duration 7: must be 5 or 10 seconds for kling-o1"),
        (
            {**O1, "first_frame": IMAGE, "last_frame": IMAGE, "reference_images": [OTHER]},
            "reference_images: must be left out for kling-o1 beside a last frame",
        ),
        (
            {**O1, "first_frame": IMAGE, "last_frame": IMAGE, "reference_video": VIDEO},
            "last_frame: must be left out for kling-o1 beside reference_video",
        ),
        (
            {"model": "kling-3.0"},
            "model 'kling-3.0': makes text_to_video or image_to_video or motion_control only",
        ),
        ({"camera_control": {"type": "down_back"}}, "camera_control {'type': 'down_back'}: belongs to type"),
        ({"aspect_ratio": "21:9"}, "aspect_ratio '21:9': must be 16:9 or 9:16 or 1:1 for kling-3.0-omni"),
    ],
)
def test_rules_just_outside(fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(InvalidRequest) as invalid:
        read(**fields)
    assert wrong in str(invalid.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"reference_images": [IMAGE] * 7},
        {"reference_video": VIDEO, "reference_images": [IMAGE] * 4},
        {"base_video": VIDEO, "audio": "original"},
        {"duration": 3},
        {"duration": 15},
        {**O1, "first_frame": IMAGE, "duration": 10},
        {**O1, "first_frame": IMAGE, "reference_images": [OTHER], "duration": 7},
    ],
)
def test_rules_just_inside(fields: dict[str, Any]) -> None:
    assert read(**fields).type == "omni_video"


def test_what_the_legacy_api_cannot_say() -> None:
    named = read(reference_images=[{"image": IMAGE, "id": "cat"}])
    assert [one.field for one in named.find_unsupported("legacy")] == ["reference_images"]
    many = read(first_frame=IMAGE, last_frame=IMAGE, reference_images=[OTHER])
    assert [one.field for one in many.find_unsupported("legacy")] == ["last_frame"]
    assert many.find_unsupported("standard") == []


def test_the_identity_is_that_of_what_is_sent() -> None:
    assert read().fingerprint() == {"type": "omni_video", "prompt": "A cat"}
    assert read(aspect_ratio="16:9", duration=5, audio="off").fingerprint() == read().fingerprint()
    assert read(reference_images=[IMAGE]).fingerprint({"reference_images.0.image": "sha256:1"}) == {
        "type": "omni_video",
        "prompt": "A cat",
        "reference_images": [{"image": "sha256:1"}],
    }
