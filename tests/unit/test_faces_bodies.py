# SPDX-License-Identifier: Apache-2.0
"""Talking faces: bodies as the vendor's reference writes them, and the identity of each."""

from __future__ import annotations

from typing import Any

import pytest

from kling_provider.api.dialects import DIALECTS
from kling_provider.api.parsing import parse_request

IMAGE, VIDEO, SOUND = "https://example.org/a.png", "https://example.org/v.mp4", "https://example.org/s.mp3"
HOOK = "https://example.org/hook"

TIMES = {"sound_start_time": 0, "sound_end_time": 3000, "sound_insert_time": 500}
SYNC = {"type": "advanced_lip_sync", "session_id": "s-1", "face_id": "0", "sound": SOUND, **TIMES}
SYNC_FULL = {
    "type": "advanced_lip_sync",
    "session_id": "s-1",
    "face_id": "0",
    "audio_id": "8123",
    **TIMES,
    "sound_volume": 2,
    "original_audio_volume": 0,
    "watermark": True,
    "callback_url": HOOK,
}
SPOKEN = {
    "type": "lip_sync",
    "mode": "text2video",
    "video_id": "8976",
    "text": "Good morning",
    "voice_id": "girl",
}
SPOKEN_FULL = {**SPOKEN, "voice_language": "en", "voice_speed": 0.8, "callback_url": HOOK}
HEARD = {"type": "lip_sync", "mode": "audio2video", "video": VIDEO, "audio_url": SOUND}
AVATAR = {"type": "avatar", "image": IMAGE, "sound": SOUND}
AVATAR_FULL = {
    "type": "avatar",
    "image": IMAGE,
    "audio_id": "8123",
    "prompt": "She nods",
    "mode": "pro",
    "watermark": True,
    "callback_url": HOOK,
}


@pytest.mark.parametrize(
    ("request_", "path", "body"),
    [
        ({"type": "identify_face", "video": VIDEO}, "/v1/videos/identify-face", {"video_url": VIDEO}),
        ({"type": "identify_face", "video_id": "8976"}, "/v1/videos/identify-face", {"video_id": "8976"}),
        (
            SYNC,
            "/v1/videos/advanced-lip-sync",
            {
                "session_id": "s-1",
                "face_choose": [
                    {
                        "face_id": "0",
                        "sound_file": SOUND,
                        "sound_start_time": 0,
                        "sound_end_time": 3000,
                        "sound_insert_time": 500,
                        "sound_volume": 1,
                        "original_audio_volume": 1,
                    }
                ],
                "watermark_info": {"enabled": False},
                "external_task_id": "af-1",
            },
        ),
        (
            SYNC_FULL,
            "/v1/videos/advanced-lip-sync",
            {
                "session_id": "s-1",
                "face_choose": [
                    {
                        "face_id": "0",
                        "audio_id": "8123",
                        "sound_start_time": 0,
                        "sound_end_time": 3000,
                        "sound_insert_time": 500,
                        "sound_volume": 2,
                        "original_audio_volume": 0,
                    }
                ],
                "watermark_info": {"enabled": True},
                "callback_url": HOOK,
                "external_task_id": "af-1",
            },
        ),
        # Nobody has seen it take an external id.
        (
            SPOKEN,
            "/v1/videos/lip-sync",
            {
                "input": {
                    "mode": "text2video",
                    "video_id": "8976",
                    "text": "Good morning",
                    "voice_id": "girl",
                    "voice_language": "zh",
                    "voice_speed": 1.0,
                }
            },
        ),
        (
            SPOKEN_FULL,
            "/v1/videos/lip-sync",
            {
                "input": {
                    "mode": "text2video",
                    "video_id": "8976",
                    "text": "Good morning",
                    "voice_id": "girl",
                    "voice_language": "en",
                    "voice_speed": 0.8,
                },
                "callback_url": HOOK,
            },
        ),
        (
            HEARD,
            "/v1/videos/lip-sync",
            {"input": {"mode": "audio2video", "video_url": VIDEO, "audio_type": "url", "audio_url": SOUND}},
        ),
        # A sound is sent as what it is, also where a result turns out to be a link.
        (
            {"type": "lip_sync", "mode": "audio2video", "video": VIDEO, "audio_file": SOUND},
            "/v1/videos/lip-sync",
            {"input": {"mode": "audio2video", "video_url": VIDEO, "audio_type": "url", "audio_url": SOUND}},
        ),
        (
            {"type": "lip_sync", "mode": "audio2video", "video": VIDEO, "audio_file": "AAAA"},
            "/v1/videos/lip-sync",
            {
                "input": {
                    "mode": "audio2video",
                    "video_url": VIDEO,
                    "audio_type": "file",
                    "audio_file": "AAAA",
                }
            },
        ),
        (
            AVATAR,
            "/v1/videos/avatar/image2video",
            {
                "image": IMAGE,
                "sound_file": SOUND,
                "mode": "std",
                "watermark_info": {"enabled": False},
                "external_task_id": "af-1",
            },
        ),
        (
            AVATAR_FULL,
            "/v1/videos/avatar/image2video",
            {
                "image": IMAGE,
                "audio_id": "8123",
                "prompt": "She nods",
                "mode": "pro",
                "watermark_info": {"enabled": True},
                "callback_url": HOOK,
                "external_task_id": "af-1",
            },
        ),
        ({"type": "image_recognize", "image": IMAGE}, "/v1/videos/image-recognize", {"image": IMAGE}),
    ],
)
def test_bodies(request_: dict[str, Any], path: str, body: dict[str, Any]) -> None:
    request = parse_request(request_)
    call = DIALECTS["legacy"].create(request, "af-1")
    assert (call.method, call.path, call.json) == ("POST", path, body)
    assert request.find_unsupported("legacy") == []


def test_what_recognises_the_face_first_is_no_part_of_the_lip_sync() -> None:
    request = parse_request(
        {"type": "advanced_lip_sync", "video": VIDEO, "face": "2", "audio_id": "8123", **TIMES}
    )
    assert list(request.iter_inputs()) == [("video", VIDEO)]
    assert request.to_body("legacy") == {
        "face_choose": [
            {
                "audio_id": "8123",
                "sound_start_time": 0,
                "sound_end_time": 3000,
                "sound_insert_time": 500,
                "sound_volume": 1,
                "original_audio_volume": 1,
            }
        ],
        "watermark_info": {"enabled": False},
    }


def test_a_sound_that_goes_in_is_no_fact_for_people() -> None:
    for request_ in (SYNC, AVATAR):
        assert parse_request(request_).summary.sound is None


@pytest.mark.parametrize(
    ("legacy", "ours"),
    [
        ({"type": "identify_face", "video_url": VIDEO}, {"type": "identify_face", "video": VIDEO}),
        ({"type": "avatar", "image": IMAGE, "sound_file": SOUND}, AVATAR),
        (
            {**AVATAR, "mode": "PRO", "watermark_info": {"enabled": True}},
            {**AVATAR, "mode": "pro", "watermark": True},
        ),
    ],
)
def test_legacy_names(legacy: dict[str, Any], ours: dict[str, Any]) -> None:
    assert parse_request(legacy) == parse_request(ours)


# -- identity: golden rows. If one fails, mend the code and not the row: videos would be paid once more. ------


@pytest.mark.parametrize(
    ("request_", "inputs", "fingerprint"),
    [
        ({"type": "identify_face", "video": VIDEO}, {}, {"type": "identify_face", "video": VIDEO}),
        (
            SYNC,
            {"sound": "sha256:1"},
            {"type": "advanced_lip_sync", "session_id": "s-1", "face_id": "0", "sound": "sha256:1", **TIMES},
        ),
        (
            SYNC_FULL,
            {},
            {
                "type": "advanced_lip_sync",
                "session_id": "s-1",
                "face_id": "0",
                "audio_id": "8123",
                **TIMES,
                "sound_volume": 2,
                "original_audio_volume": 0,
                "watermark": True,
            },
        ),
        (
            {"type": "advanced_lip_sync", "video": VIDEO, "face": 2, "sound": SOUND, **TIMES},
            {},
            {"type": "advanced_lip_sync", "video": VIDEO, "face": 2, "sound": SOUND, **TIMES},
        ),
        (SPOKEN, {}, {**SPOKEN}),
        (
            SPOKEN_FULL,
            {},
            {**SPOKEN, "voice_language": "en", "voice_speed": 0.8},
        ),
        (HEARD, {}, {**HEARD, "audio_type": "url"}),
        ({**HEARD, "audio_url": None, "audio_file": SOUND}, {}, {**HEARD, "audio_type": "url"}),
        (AVATAR, {"image": "sha256:1"}, {"type": "avatar", "image": "sha256:1", "sound": SOUND}),
        (
            AVATAR_FULL,
            {},
            {
                "type": "avatar",
                "image": IMAGE,
                "audio_id": "8123",
                "prompt": "She nods",
                "mode": "pro",
                "watermark": True,
            },
        ),
        ({"type": "image_recognize", "image": IMAGE}, {}, {"type": "image_recognize", "image": IMAGE}),
    ],
)
def test_golden_identities(
    request_: dict[str, Any], inputs: dict[str, str], fingerprint: dict[str, Any]
) -> None:
    assert parse_request(request_).fingerprint(inputs) == fingerprint


def test_a_default_that_is_written_out_changes_no_identity() -> None:
    for request_, defaults in [
        (SYNC, {"sound_volume": "1", "original_audio_volume": 1.0, "watermark": False}),
        (SPOKEN, {"voice_language": "zh", "voice_speed": 1}),
        (HEARD, {"audio_type": "url"}),
        (AVATAR, {"mode": "std", "watermark": False}),
    ]:
        written = parse_request({**request_, **defaults})
        assert written.fingerprint() == parse_request(request_).fingerprint()
