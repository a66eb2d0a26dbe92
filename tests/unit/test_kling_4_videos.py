# SPDX-License-Identifier: Apache-2.0
"""Videos of Kling 4.0, as far as gateways' pages of November 2026 tell: bodies, and each rule just inside and outside."""

from __future__ import annotations

from typing import Any

import pytest

from kling_provider.api.dialects import DIALECTS
from kling_provider.api.parsing import parse_request
from kling_provider.api.problems import InvalidRequest

IMAGE, OTHER, VIDEO = "https://example.org/a.png", "https://example.org/b.png", "https://example.org/v.mp4"
FRAMES = {"type": "image_to_video", "model": "kling-4.0", "first_frame": IMAGE}
OMNI = {"type": "omni_video", "model": "kling-4.0", "prompt": "A cat"}


def elements(count: int) -> list[dict[str, str]]:
    return [{"element_id": str(number), "id": f"e{number}"} for number in range(count)]


def voices(count: int) -> list[dict[str, str]]:
    return [{"voice_id": str(number), "id": f"v{number}"} for number in range(count)]


def test_frames_between_the_first_and_the_last() -> None:
    request = parse_request(
        {**FRAMES, "prompt": "It grows", "middle_frames": [OTHER, IMAGE], "last_frame": OTHER, "duration": 30}
    )
    call = DIALECTS["standard"].create(request, "af-1")
    assert call.path == "/image-to-video/kling-4.0"
    assert call.json == {
        "contents": [
            {"type": "prompt", "text": "It grows"},
            {"type": "first_frame", "url": IMAGE},
            {"type": "middle_frame", "url": OTHER},
            {"type": "middle_frame", "url": IMAGE},
            {"type": "last_frame", "url": OTHER},
        ],
        "settings": {"resolution": "720p", "duration": 30},
    }, "no sound that can be switched, no shots, no external id"
    assert dict(request.iter_inputs()) == {
        "first_frame": IMAGE,
        "middle_frames.0": OTHER,
        "middle_frames.1": IMAGE,
        "last_frame": OTHER,
    }


def test_everything_that_goes_into_an_omni_video() -> None:
    request = parse_request(
        {
            **OMNI,
            "prompt": "@cat says what @girl says",
            "reference_images": [{"image": IMAGE, "id": "cat"}],
            "reference_videos": [VIDEO, VIDEO],
            "base_video": VIDEO,
            "elements": elements(1),
            "voices": [{"voice_id": "7", "id": "girl"}],
            "resolution": "1080p",
            "watermark": True,
        }
    )
    call = DIALECTS["standard"].create(request, "af-1")
    assert call.path == "/omni-video/kling-4.0"
    assert call.json is not None
    contents = call.json.pop("contents")
    assert contents[0] == {"type": "prompt", "text": "@cat says what @girl says"}
    assert sorted(contents[1:], key=str) == sorted(
        [
            {"type": "refer_image", "url": IMAGE, "id": "cat"},
            {"type": "feature_video", "url": VIDEO},
            {"type": "feature_video", "url": VIDEO},
            {"type": "base_video", "url": VIDEO},
            {"type": "element", "element_id": "0", "id": "e0"},
            {"type": "voice", "voice_id": "7", "id": "girl"},
        ],
        key=str,
    )
    assert call.json == {
        "settings": {"resolution": "1080p"},
        "options": {"watermark_info": {"enabled": True}},
    }
    assert request.find_unsupported("standard") == []


@pytest.mark.parametrize(
    ("base", "inside", "outside", "wrong"),
    [
        (
            FRAMES,
            {"middle_frames": [IMAGE] * 8, "last_frame": IMAGE},
            {"middle_frames": [IMAGE] * 9},
            "middle_frames",
        ),
        (
            FRAMES,
            {"middle_frames": [IMAGE]},
            {"middle_frames": [IMAGE], "model": "kling-4.0-flash"},
            "middle_frames",
        ),
        (
            FRAMES,
            {"middle_frames": [IMAGE]},
            {"middle_frames": [IMAGE], "model": "kling-3.0"},
            "middle_frames",
        ),
        (FRAMES, {"middle_frames": [IMAGE]}, {"middle_frames": [IMAGE], "first_frame": None}, "first_frame"),
        (FRAMES, {"duration": 3}, {"duration": 2}, "duration"),
        (FRAMES, {"duration": 30}, {"duration": 31}, "duration"),
        (OMNI, {"duration": 30}, {"duration": 31}, "duration"),
        (OMNI, {"aspect_ratio": "21:9"}, {"aspect_ratio": "4:3"}, "aspect_ratio"),
        (OMNI, {}, {"audio": "off"}, "audio"),
        (OMNI, {}, {"multi_shot": True}, "multi_shot"),
        (OMNI, {}, {"resolution": "4k"}, "resolution"),
        (OMNI, {}, {"model": "kling-4.0-flash"}, "model"),
        (OMNI, {"reference_images": [IMAGE] * 10}, {"reference_images": [IMAGE] * 11}, "reference_images"),
        (
            OMNI,
            {"first_frame": IMAGE, "middle_frames": [IMAGE] * 8, "last_frame": IMAGE},
            {"first_frame": IMAGE, "last_frame": IMAGE, "reference_images": [IMAGE] * 9},
            "reference_images",
        ),
        (OMNI, {"first_frame": IMAGE, "middle_frames": [IMAGE]}, {"middle_frames": [IMAGE]}, "first_frame"),
        (OMNI, {"reference_videos": [VIDEO] * 5}, {"reference_videos": [VIDEO] * 6}, "reference_videos"),
        (
            OMNI,
            {"reference_videos": [VIDEO] * 4, "base_video": VIDEO},
            {"reference_videos": [VIDEO] * 5, "base_video": VIDEO},
            "reference_videos",
        ),
        (
            OMNI,
            {"reference_video": VIDEO},
            {"reference_video": VIDEO, "reference_videos": [VIDEO]},
            "reference_video",
        ),
        (OMNI, {"elements": elements(7)}, {"elements": elements(8)}, "elements"),
        (OMNI, {"voices": voices(3)}, {"voices": voices(4)}, "voices"),
        (
            OMNI,
            {"reference_images": [IMAGE] * 8, "elements": elements(7)},
            {"reference_images": [IMAGE] * 9, "elements": elements(7)},
            "reference_images",
        ),
        (
            {"type": "omni_video", "prompt": "A cat"},
            {"reference_video": VIDEO},
            {"reference_videos": [VIDEO]},
            "reference_videos",
        ),
        ({"type": "omni_video", "prompt": "A cat"}, {}, {"voices": voices(1)}, "voices"),
        (
            {"type": "omni_video", "prompt": "A cat"},
            {"first_frame": IMAGE},
            {"first_frame": IMAGE, "middle_frames": [IMAGE]},
            "middle_frames",
        ),
        ({**OMNI, "voices": voices(1)}, {"prompt": "@v0 sings"}, {"prompt": "@v1 sings"}, "prompt"),
        (
            {"type": "omni_video", "prompt": "A cat", "reference_images": [IMAGE, OTHER]},
            {"prompt": "<<<image_2>>> sits"},
            {"prompt": "<<<image_3>>> sits"},
            "prompt",
        ),
    ],
)
def test_rules_just_inside_and_just_outside(
    base: dict[str, Any], inside: dict[str, Any], outside: dict[str, Any], wrong: str
) -> None:
    assert parse_request({**base, **inside}).type == base["type"]
    with pytest.raises(InvalidRequest) as invalid:
        parse_request({**base, **outside})
    assert wrong in {problem.field for problem in invalid.value.problems}


def test_videos_of_thirty_seconds_together() -> None:
    request = parse_request({**OMNI, "reference_videos": [VIDEO, VIDEO]})
    assert request.find_wrong_lengths({"reference_videos.0": 15, "reference_videos.1": 15}) == []
    (problem,) = request.find_wrong_lengths({"reference_videos.0": 15, "reference_videos.1": 15.1})
    assert problem.field == "reference_videos"


@pytest.mark.parametrize("field", ["external_task_id", "callback_url"])
@pytest.mark.parametrize("base", [FRAMES, OMNI])
def test_kling_4_takes_no_ids_and_no_callbacks(base: dict[str, Any], field: str) -> None:
    request = parse_request(
        {**base, field: "https://example.org/hook" if field == "callback_url" else "mine"}
    )
    assert [one.field for one in request.find_unsupported("standard")] == [field]


def test_parts_have_names() -> None:
    request = parse_request({**OMNI, "voices": [{"voice_id": "7"}], "elements": [{"element_id": "7"}]})
    assert {one.field for one in request.find_unsupported("standard")} == {"voices", "elements"}
