# SPDX-License-Identifier: Apache-2.0
"""Motion, effects, extensions and edits: bodies as the vendor's reference writes them, and the identity of each."""

from __future__ import annotations

from typing import Any

import pytest

from kling_provider.api.catalog import spec_of
from kling_provider.api.dialects import DIALECTS, find_dialect
from kling_provider.api.parsing import parse_request

IMAGE, OTHER, VIDEO = "https://example.org/a.png", "https://example.org/b.png", "https://example.org/v.mp4"
HOOK = "https://example.org/hook"

MOTION = {"type": "motion_control", "image": IMAGE, "video": VIDEO, "character_orientation": "video"}
MOTION_FULL = {
    **MOTION,
    "model": "kling-3.0",
    "prompt": "@Zhang dances",
    "elements": [{"element_id": "321930081569316", "id": "Zhang"}],
    "audio": "off",
    "resolution": "1080p",
    "watermark": True,
    "callback_url": HOOK,
}
EXTEND = {"type": "video_extend", "video_id": "897654321098765432"}
EXTEND_FULL = {
    **EXTEND,
    "prompt": "The boat drifts on",
    "negative_prompt": "rain",
    "cfg_scale": 0.7,
    "watermark": True,
    "callback_url": HOOK,
}
EFFECT = {"type": "effects", "scene": "pet_lion_pro", "image": IMAGE}
EFFECT_FULL = {"type": "effects", "scene": "hug_pro", "images": [IMAGE, OTHER], "callback_url": HOOK}
EDIT = {"type": "multi_elements", "session_id": "s-1", "edit_mode": "removal", "prompt": "Without the dog"}
EDIT_FULL = {
    **EDIT,
    "edit_mode": "addition",
    "images": [IMAGE, OTHER],
    "prompt": "<<<image_1>>> and <<<image_2>>> run through <<<video_1>>>",
    "negative_prompt": "rain",
    "mode": "pro",
    "duration": 10,
    "watermark": True,
    "callback_url": HOOK,
}
POINTS = [{"x": 0.7738498789346246, "y": 0.297142857142857}, {"x": 0, "y": 1}]


@pytest.mark.parametrize(
    ("request_", "path", "body"),
    [
        (
            MOTION,
            "/motion-control/kling-3.0",
            {
                "contents": [{"type": "image", "url": IMAGE}, {"type": "video", "url": VIDEO}],
                "settings": {"character_orientation": "video", "audio": "original", "resolution": "720p"},
                "options": {"external_task_id": "af-1", "watermark_info": {"enabled": False}},
            },
        ),
        (
            MOTION_FULL,
            "/motion-control/kling-3.0",
            {
                "contents": [
                    {"type": "prompt", "text": "@Zhang dances"},
                    {"type": "image", "url": IMAGE},
                    {"type": "video", "url": VIDEO},
                    {"type": "element", "element_id": "321930081569316", "id": "Zhang"},
                ],
                "settings": {"character_orientation": "video", "audio": "off", "resolution": "1080p"},
                "options": {
                    "external_task_id": "af-1",
                    "callback_url": HOOK,
                    "watermark_info": {"enabled": True},
                },
            },
        ),
        (
            {**MOTION, "model": "kling-v2-6"},
            "/motion-control/kling-2.6",
            {
                "contents": [{"type": "image", "url": IMAGE}, {"type": "video", "url": VIDEO}],
                "settings": {"character_orientation": "video", "audio": "original", "resolution": "720p"},
                "options": {"external_task_id": "af-1", "watermark_info": {"enabled": False}},
            },
        ),
    ],
)
def test_standard_bodies(request_: dict[str, Any], path: str, body: dict[str, Any]) -> None:
    call = DIALECTS["standard"].create(parse_request(request_), "af-1")
    assert (call.method, call.path, call.json) == ("POST", path, body)


@pytest.mark.parametrize(
    ("request_", "path", "body"),
    [
        (
            MOTION,
            "/v1/videos/motion-control",
            {
                "model_name": "kling-v3",
                "image_url": IMAGE,
                "video_url": VIDEO,
                "character_orientation": "video",
                "keep_original_sound": "yes",
                "mode": "std",
                "watermark_info": {"enabled": False},
                "external_task_id": "af-1",
            },
        ),
        (
            {
                **MOTION_FULL,
                "prompt": "<<<element_1>>> dances",
                "elements": [{"element_id": "321930081569316"}],
            },
            "/v1/videos/motion-control",
            {
                "model_name": "kling-v3",
                "prompt": "<<<element_1>>> dances",
                "image_url": IMAGE,
                "video_url": VIDEO,
                "element_list": [{"element_id": "321930081569316"}],
                "character_orientation": "video",
                "keep_original_sound": "no",
                "mode": "pro",
                "watermark_info": {"enabled": True},
                "callback_url": HOOK,
                "external_task_id": "af-1",
            },
        ),
        (
            EXTEND,
            "/v1/videos/video-extend",
            {
                "video_id": "897654321098765432",
                "cfg_scale": 0.5,
                "watermark_info": {"enabled": False},
                "external_task_id": "af-1",
            },
        ),
        (
            EXTEND_FULL,
            "/v1/videos/video-extend",
            {
                "video_id": "897654321098765432",
                "prompt": "The boat drifts on",
                "negative_prompt": "rain",
                "cfg_scale": 0.7,
                "watermark_info": {"enabled": True},
                "callback_url": HOOK,
                "external_task_id": "af-1",
            },
        ),
        (
            EFFECT,
            "/v1/videos/effects",
            {"effect_scene": "pet_lion_pro", "input": {"image": IMAGE}, "external_task_id": "af-1"},
        ),
        (
            EFFECT_FULL,
            "/v1/videos/effects",
            {
                "effect_scene": "hug_pro",
                "input": {"images": [IMAGE, OTHER]},
                "callback_url": HOOK,
                "external_task_id": "af-1",
            },
        ),
        (
            EDIT,
            "/v1/videos/multi-elements",
            {
                "session_id": "s-1",
                "edit_mode": "removal",
                "prompt": "Without the dog",
                "mode": "std",
                "duration": "5",
                "watermark_info": {"enabled": False},
                "external_task_id": "af-1",
            },
        ),
        (
            EDIT_FULL,
            "/v1/videos/multi-elements",
            {
                "session_id": "s-1",
                "edit_mode": "addition",
                "image_list": [{"image": IMAGE}, {"image": OTHER}],
                "prompt": "<<<image_1>>> and <<<image_2>>> run through <<<video_1>>>",
                "negative_prompt": "rain",
                "mode": "pro",
                "duration": "10",
                "watermark_info": {"enabled": True},
                "callback_url": HOOK,
                "external_task_id": "af-1",
            },
        ),
        (
            {"type": "multi_elements_init", "video": VIDEO},
            "/v1/videos/multi-elements/init-selection",
            {"video_url": VIDEO},
        ),
        (
            {"type": "multi_elements_init", "video_id": "8976"},
            "/v1/videos/multi-elements/init-selection",
            {"video_id": "8976"},
        ),
        (
            {"type": "multi_elements_add", "session_id": "s-1", "frame_index": 0, "points": POINTS},
            "/v1/videos/multi-elements/add-selection",
            {"session_id": "s-1", "frame_index": 0, "points": POINTS},
        ),
        (
            {"type": "multi_elements_delete", "session_id": "s-1", "frame_index": 12, "points": POINTS[:1]},
            "/v1/videos/multi-elements/delete-selection",
            {"session_id": "s-1", "frame_index": 12, "points": POINTS[:1]},
        ),
        (
            {"type": "multi_elements_clear", "session_id": "s-1"},
            "/v1/videos/multi-elements/clear-selection",
            {"session_id": "s-1"},
        ),
        (
            {"type": "multi_elements_preview", "session_id": "s-1"},
            "/v1/videos/multi-elements/preview-selection",
            {"session_id": "s-1"},
        ),
    ],
)
def test_legacy_bodies(request_: dict[str, Any], path: str, body: dict[str, Any]) -> None:
    request = parse_request(request_)
    call = DIALECTS["legacy"].create(request, "af-1")
    assert (call.method, call.path, call.json) == ("POST", path, body)
    assert request.find_unsupported("legacy") == []


def test_a_type_without_a_standard_path_goes_the_legacy_way() -> None:
    for request in map(parse_request, (EXTEND, EFFECT, EDIT)):
        assert find_dialect(DIALECTS["standard"], spec_of(request)).name == "legacy"
    assert find_dialect(DIALECTS["standard"], spec_of(parse_request(MOTION))).name == "standard"


def test_what_opens_a_session_first_is_no_part_of_the_edit() -> None:
    request = parse_request(
        {
            "type": "multi_elements",
            "edit_mode": "removal",
            "prompt": "Without the dog",
            "video": VIDEO,
            "selections": [{"frame_index": 0, "points": POINTS}],
        }
    )
    assert list(request.iter_inputs()) == [("video", VIDEO)]
    assert request.to_body("legacy") == {
        "edit_mode": "removal",
        "prompt": "Without the dog",
        "mode": "std",
        "duration": "5",
        "watermark_info": {"enabled": False},
    }


@pytest.mark.parametrize(
    ("legacy", "ours"),
    [
        (
            {
                "type": "motion_control",
                "model_name": "kling-v2-6",
                "image_url": IMAGE,
                "video_url": VIDEO,
                "mode": "pro",
                "keep_original_sound": "no",
                "character_orientation": "video",
                "watermark_info": {"enabled": True},
            },
            {**MOTION, "model": "kling-2.6", "resolution": "1080p", "audio": "off", "watermark": True},
        ),
        # YAML 1.1 reads yes and no as booleans.
        ({**MOTION, "keep_original_sound": False}, {**MOTION, "audio": "off"}),
        ({**MOTION, "keep_original_sound": True}, MOTION),
        (
            {"type": "effects", "effect_scene": "hug_pro", "images": [IMAGE, OTHER]},
            {**EFFECT_FULL, "callback_url": None},
        ),
        (
            {"type": "multi_elements_init", "video_url": VIDEO},
            {"type": "multi_elements_init", "video": VIDEO},
        ),
    ],
)
def test_legacy_names(legacy: dict[str, Any], ours: dict[str, Any]) -> None:
    assert parse_request(legacy) == parse_request(ours)


# -- identity: golden rows. If one fails, mend the code and not the row: videos would be paid once more. ------


@pytest.mark.parametrize(
    ("request_", "inputs", "fingerprint"),
    [
        (
            MOTION,
            {"image": "sha256:1", "video": VIDEO},
            {
                "type": "motion_control",
                "image": "sha256:1",
                "video": VIDEO,
                "character_orientation": "video",
            },
        ),
        (
            MOTION_FULL,
            {},
            {
                "type": "motion_control",
                "prompt": "@Zhang dances",
                "image": IMAGE,
                "video": VIDEO,
                "elements": [{"element_id": "321930081569316", "id": "Zhang"}],
                "character_orientation": "video",
                "audio": "off",
                "resolution": "1080p",
                "watermark": True,
            },
        ),
        (EXTEND, {}, {"type": "video_extend", "video_id": "897654321098765432"}),
        (
            EXTEND_FULL,
            {},
            {
                "type": "video_extend",
                "video_id": "897654321098765432",
                "prompt": "The boat drifts on",
                "negative_prompt": "rain",
                "cfg_scale": 0.7,
                "watermark": True,
            },
        ),
        (EFFECT, {"image": "sha256:1"}, {"type": "effects", "scene": "pet_lion_pro", "image": "sha256:1"}),
        (
            EFFECT_FULL,
            {"images.0": "sha256:1", "images.1": "sha256:2"},
            {"type": "effects", "scene": "hug_pro", "images": ["sha256:1", "sha256:2"]},
        ),
        (
            EDIT,
            {},
            {
                "type": "multi_elements",
                "session_id": "s-1",
                "edit_mode": "removal",
                "prompt": "Without the dog",
            },
        ),
        (
            EDIT_FULL,
            {"images.0": "sha256:1", "images.1": "sha256:2"},
            {
                "type": "multi_elements",
                "session_id": "s-1",
                "edit_mode": "addition",
                "images": ["sha256:1", "sha256:2"],
                "prompt": "<<<image_1>>> and <<<image_2>>> run through <<<video_1>>>",
                "negative_prompt": "rain",
                "mode": "pro",
                "duration": 10,
                "watermark": True,
            },
        ),
        (
            {
                "type": "multi_elements",
                "edit_mode": "removal",
                "prompt": "Without the dog",
                "video_id": "8976",
                "selections": [{"frame_index": 0, "points": [{"x": 0.5, "y": 1}]}],
            },
            {},
            {
                "type": "multi_elements",
                "edit_mode": "removal",
                "prompt": "Without the dog",
                "video_id": "8976",
                "selections": [{"frame_index": 0, "points": [{"x": 0.5, "y": 1}]}],
            },
        ),
        (
            {
                "type": "multi_elements_add",
                "session_id": "s-1",
                "frame_index": 0,
                "points": [{"x": 0, "y": 1}],
            },
            {},
            {
                "type": "multi_elements_add",
                "session_id": "s-1",
                "frame_index": 0,
                "points": [{"x": 0, "y": 1}],
            },
        ),
    ],
)
def test_golden_identities(
    request_: dict[str, Any], inputs: dict[str, str], fingerprint: dict[str, Any]
) -> None:
    assert parse_request(request_).fingerprint(inputs) == fingerprint


def test_a_default_that_is_written_out_changes_no_identity() -> None:
    for request_, defaults in [
        (MOTION, {"model": "kling-v3", "audio": "original", "resolution": "720p", "watermark": False}),
        (EXTEND, {"cfg_scale": 0.5, "watermark": False}),
        (EDIT, {"mode": "std", "duration": "5", "watermark": False, "images": []}),
    ]:
        written = parse_request({**request_, **defaults})
        assert written.fingerprint() == parse_request(request_).fingerprint()
