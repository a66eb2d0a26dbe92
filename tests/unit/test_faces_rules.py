# SPDX-License-Identifier: Apache-2.0
"""Talking faces: each rule of the reference just inside and just outside."""

from __future__ import annotations

from typing import Any

import pytest

from kling_provider.api.parsing import parse_request
from kling_provider.api.problems import InvalidRequest

IMAGE, VIDEO, SOUND = "https://example.org/a.png", "https://example.org/v.mp4", "https://example.org/s.mp3"

#: The least that each type takes.
LEAST: dict[str, dict[str, Any]] = {
    "identify_face": {"video": VIDEO},
    "advanced_lip_sync": {
        "session_id": "s",
        "face_id": "0",
        "sound": SOUND,
        "sound_start_time": 0,
        "sound_end_time": 3000,
        "sound_insert_time": 0,
    },
    "lip_sync": {"mode": "text2video", "video": VIDEO, "text": "Good morning", "voice_id": "girl"},
    "avatar": {"image": IMAGE, "sound": SOUND},
    "image_recognize": {"image": IMAGE},
}
HEARD = {"mode": "audio2video", "text": None, "voice_id": None, "audio_url": SOUND}
FROM_VIDEO = {"session_id": None, "face_id": None, "video": VIDEO}


def read(type_: str, **fields: Any) -> Any:
    return parse_request({"type": type_, **LEAST[type_], **fields})


@pytest.mark.parametrize(
    ("type_", "field"),
    [(type_, field) for type_, fields in LEAST.items() for field in fields],
)
def test_what_is_required(type_: str, field: str) -> None:
    read(type_)
    with pytest.raises(InvalidRequest) as invalid:
        read(type_, **{field: None})
    assert f"{field}: must be given" in str(invalid.value)


@pytest.mark.parametrize(
    ("type_", "inside", "outside", "wrong"),
    [
        ("identify_face", {"video": None, "video_id": "8976"}, {"video_id": "8976"}, "video_id"),
        ("identify_face", {}, {"video": ""}, "video"),
        ("identify_face", {}, {"video": None, "video_id": ""}, "video_id"),
        ("identify_face", {}, {"external_task_id": "mine"}, "external_task_id"),
        ("identify_face", {}, {"callback_url": "https://example.org/hook"}, "callback_url"),
        ("identify_face", {}, {"model": "kling-3.0"}, "model"),
        ("advanced_lip_sync", {"sound": None, "audio_id": "8"}, {"audio_id": "8"}, "audio_id"),
        ("advanced_lip_sync", {"sound_end_time": 2000}, {"sound_end_time": 1999}, "sound_end_time"),
        (
            "advanced_lip_sync",
            {"sound_start_time": 1000, "sound_end_time": 3000},
            {"sound_start_time": 1001, "sound_end_time": 3000},
            "sound_end_time",
        ),
        ("advanced_lip_sync", {"sound_start_time": 0}, {"sound_start_time": -1}, "sound_start_time"),
        ("advanced_lip_sync", {"sound_insert_time": 0}, {"sound_insert_time": -1}, "sound_insert_time"),
        ("advanced_lip_sync", {"sound_insert_time": "500"}, {"sound_insert_time": 0.5}, "sound_insert_time"),
        ("advanced_lip_sync", {"sound_volume": 0}, {"sound_volume": -0.01}, "sound_volume"),
        ("advanced_lip_sync", {"sound_volume": 2}, {"sound_volume": 2.01}, "sound_volume"),
        (
            "advanced_lip_sync",
            {"original_audio_volume": 0},
            {"original_audio_volume": -0.01},
            "original_audio_volume",
        ),
        (
            "advanced_lip_sync",
            {"original_audio_volume": 2},
            {"original_audio_volume": 2.01},
            "original_audio_volume",
        ),
        ("advanced_lip_sync", FROM_VIDEO, {**FROM_VIDEO, "video": None}, "session_id"),
        ("advanced_lip_sync", FROM_VIDEO, {**FROM_VIDEO, "video_id": "8976"}, "video_id"),
        ("advanced_lip_sync", {}, {"video": VIDEO}, "video"),
        (
            "advanced_lip_sync",
            {**FROM_VIDEO, "video": None, "video_id": "8976"},
            {**FROM_VIDEO, "face_id": "0"},
            "face_id",
        ),
        ("advanced_lip_sync", {**FROM_VIDEO, "face": 1}, {**FROM_VIDEO, "face": 0}, "face"),
        ("advanced_lip_sync", {}, {"face": 1}, "face"),
        ("advanced_lip_sync", {}, {"original_sound_volume": 1}, "original_sound_volume"),
        ("lip_sync", {"text": "x" * 120}, {"text": "x" * 121}, "text"),
        ("lip_sync", {}, {"text": " "}, "text"),
        ("lip_sync", {"voice_speed": 0.8}, {"voice_speed": 0.79}, "voice_speed"),
        ("lip_sync", {"voice_speed": 2}, {"voice_speed": 2.01}, "voice_speed"),
        ("lip_sync", {"voice_language": "en"}, {"voice_language": "fr"}, "voice_language"),
        ("lip_sync", {"video": None, "video_id": "8976"}, {"video_id": "8976"}, "video_id"),
        ("lip_sync", {}, {"mode": "sing"}, "mode"),
        ("lip_sync", {}, {"audio_url": SOUND}, "audio_url"),
        ("lip_sync", {}, {"audio_type": "url"}, "audio_type"),
        ("lip_sync", HEARD, {**HEARD, "audio_url": None}, "audio_file"),
        ("lip_sync", HEARD, {**HEARD, "audio_file": "AAAA"}, "audio_url"),
        ("lip_sync", {**HEARD, "audio_type": "url"}, {**HEARD, "audio_type": "file"}, "audio_type"),
        ("lip_sync", HEARD, {**HEARD, "audio_url": "/s.mp3"}, "audio_url"),
        (
            "lip_sync",
            {**HEARD, "audio_url": None, "audio_file": "s.mp3"},
            {**HEARD, "audio_url": None, "audio_file": ""},
            "audio_file",
        ),
        ("lip_sync", HEARD, {**HEARD, "text": "Good morning"}, "text"),
        ("lip_sync", HEARD, {**HEARD, "voice_speed": 1}, "voice_speed"),
        ("lip_sync", {}, {"external_task_id": "mine"}, "external_task_id"),
        ("avatar", {"sound": None, "audio_id": "8"}, {"audio_id": "8"}, "audio_id"),
        ("avatar", {"prompt": "x" * 2500}, {"prompt": "x" * 2501}, "prompt"),
        ("avatar", {"mode": "Pro"}, {"mode": "4k"}, "mode"),
        ("avatar", {}, {"image": ""}, "image"),
        ("avatar", {}, {"model": "kling-3.0"}, "model"),
        ("image_recognize", {}, {"image": ""}, "image"),
        ("image_recognize", {}, {"callback_url": "https://example.org/hook"}, "callback_url"),
    ],
)
def test_rules_just_inside_and_just_outside(
    type_: str, inside: dict[str, Any], outside: dict[str, Any], wrong: str
) -> None:
    assert read(type_, **inside).type == type_
    with pytest.raises(InvalidRequest) as invalid:
        read(type_, **outside)
    assert wrong in {problem.field for problem in invalid.value.problems}


def test_a_session_or_what_makes_one() -> None:
    assert read("advanced_lip_sync").has_session
    assert not read("advanced_lip_sync", **FROM_VIDEO).has_session


@pytest.mark.parametrize(
    ("face", "inside"),
    [((0, 5000), True), ((500, 2500), True), ((501, 2500), False), ((0, 2499), False), ((4000, 9000), False)],
)
def test_the_sound_overlaps_the_face_by_two_seconds(face: tuple[int, int], inside: bool) -> None:
    request = read("advanced_lip_sync", sound_insert_time=500)
    assert (request.find_problems_with_face(*face) == []) is inside


@pytest.mark.parametrize(
    ("field", "inside", "outside", "wrong"),
    [("sound", 3, 2.9, "sound_end_time"), ("video", 3.5, 3.4, "sound_insert_time")],
)
def test_the_cut_lies_inside_sound_and_video(field: str, inside: float, outside: float, wrong: str) -> None:
    request = read("advanced_lip_sync", **{**FROM_VIDEO, "sound_insert_time": 500})
    assert request.find_wrong_lengths({field: inside}) == []
    assert request.find_wrong_lengths({}) == []
    assert [one.field for one in request.find_wrong_lengths({field: outside})] == [wrong]
