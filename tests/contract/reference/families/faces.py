# SPDX-License-Identifier: Apache-2.0
"""Talking faces, and what an image shows."""

from __future__ import annotations

from typing import Any

from tests.contract.reference.families.common import IMAGE, SOUND, VIDEO, Measured

_CUT = {"sound_start_time": 0, "sound_end_time": 3000, "sound_insert_time": 1000}
_FACE = {"session_id": "s", "face_id": "0", "sound": SOUND, **_CUT}
_OF_VIDEO = {"video": VIDEO, "sound": SOUND, **_CUT}
_TEXT = {"mode": "text2video", "video": VIDEO, "text": "Hello", "voice_id": "girl"}
_SOUND = {"mode": "audio2video", "video": VIDEO, "audio_type": "url", "audio_url": SOUND}
_BASE64 = "SUQzBAAAAAAA"
_AVATAR = {"image": IMAGE, "sound": SOUND}


def _leave_out(request: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in request.items() if key not in keys}


def write_way_of_sound(request: dict[str, Any], value: Any) -> None:
    """Write how the sound comes, with a sound that comes so."""
    request["audio_type"] = value
    if value == "file":
        request["audio_file"] = _BASE64
        request.pop("audio_url", None)


def write_speaking_mode(request: dict[str, Any], value: Any) -> None:
    """Write a mode, with what is spoken in it."""
    for key in [key for key in request if key not in ("type", "video")]:
        del request[key]
    request.update(_SOUND if value == "audio2video" else _TEXT)
    request["mode"] = value


BASES: dict[tuple[str, str], dict[str, Any]] = {
    ("identify_face", ""): {"video": VIDEO},
    ("advanced_lip_sync", ""): _FACE,
    ("lip_sync", ""): _TEXT,
    ("avatar", ""): _AVATAR,
    ("image_recognize", ""): {"image": IMAGE},
}

_BY_SOUND = {**_leave_out(_SOUND, "video"), "text": None, "voice_id": None}
BESIDE: dict[tuple[str, str, str], dict[str, Any]] = {
    ("identify_face", "video_id", ""): {"video": None},
    ("advanced_lip_sync", "audio_id", ""): {"sound": None},
    ("avatar", "audio_id", ""): {"sound": None},
    ("lip_sync", "video_id", ""): {"video": None},
    ("lip_sync", "audio_type", ""): _BY_SOUND,
    ("lip_sync", "audio_url", ""): _BY_SOUND,
    ("lip_sync", "audio_file", ""): {**_BY_SOUND, "audio_type": "file", "audio_url": None},
}

WRITERS: dict[tuple[str, str, str], Any] = {
    ("lip_sync", "mode", ""): write_speaking_mode,
    ("lip_sync", "audio_type", ""): write_way_of_sound,
    # A URL has a field of its own.
    ("lip_sync", "audio_file", ""): lambda request, value: request.update(audio_file=value and _BASE64),
    ("advanced_lip_sync", "sound_start_time", ""): lambda request, value: request.update(
        sound_start_time=value, sound_end_time=(value or 0) + 3000
    ),
    ("advanced_lip_sync", "sound_end_time", ""): lambda request, value: request.update(sound_end_time=value),
}

_CUT_WORDS = (
    "the cut sound is at least 2 s, lies inside the video and overlaps the face's interval by at least 2 s"
)
_LONG = {**_OF_VIDEO, "sound_end_time": 2000}
_ONE_VIDEO = [({"video": VIDEO}, {"video": VIDEO, "video_id": "1"}), ({"video_id": "1"}, {})]
_ONE_SOUND = [
    (_AVATAR, {**_AVATAR, "audio_id": "1"}),
    ({"image": IMAGE, "audio_id": "1"}, {"image": IMAGE}),
]
_ONE_SPOKEN = [
    (_FACE, {**_FACE, "audio_id": "1"}),
    ({**_leave_out(_FACE, "sound"), "audio_id": "1"}, _leave_out(_FACE, "sound")),
]

RULES: dict[tuple[str, str, str], Any] = {
    ("identify_face", "", "exactly one of video_id, video_url"): _ONE_VIDEO,
    ("advanced_lip_sync", "", _CUT_WORDS): [
        (_LONG, {**_LONG, "sound_end_time": 1999}),
        (Measured(_LONG, {"video": 3.0}), Measured(_LONG, {"video": 2.9})),
        (Measured(_LONG, face=(1000, 3000)), Measured(_LONG, face=(1001, 3000))),
    ],
    ("lip_sync", "", "exactly one of video_id, video_url"): [
        (_TEXT, {**_TEXT, "video_id": "1"}),
        ({**_leave_out(_TEXT, "video"), "video_id": "1"}, _leave_out(_TEXT, "video")),
    ],
    ("avatar", "", "exactly one of audio_id, sound_file"): _ONE_SOUND,
}

CONDITIONS: dict[tuple[str, str, str], Any] = {
    ("identify_face", "video", ""): _ONE_VIDEO,
    ("identify_face", "video_id", ""): _ONE_VIDEO,
    ("advanced_lip_sync", "audio_id", ""): _ONE_SPOKEN,
    ("advanced_lip_sync", "sound", ""): _ONE_SPOKEN,
    ("lip_sync", "video", ""): (_TEXT, _leave_out(_TEXT, "video")),
    ("lip_sync", "video_id", ""): (
        {**_leave_out(_TEXT, "video"), "video_id": "1"},
        _leave_out(_TEXT, "video"),
    ),
    ("lip_sync", "text", ""): [(_TEXT, _leave_out(_TEXT, "text")), (_SOUND, {**_SOUND, "text": "Hello"})],
    ("lip_sync", "voice_id", ""): [
        (_TEXT, _leave_out(_TEXT, "voice_id")),
        (_SOUND, {**_SOUND, "voice_id": "girl"}),
    ],
    ("lip_sync", "voice_language", ""): (
        {**_TEXT, "voice_language": "en"},
        {**_SOUND, "voice_language": "en"},
    ),
    # It follows from the field that has the sound.
    ("lip_sync", "audio_type", ""): (_leave_out(_SOUND, "audio_type"), {**_SOUND, "audio_type": "file"}),
    ("lip_sync", "audio_file", ""): (
        {**_leave_out(_SOUND, "audio_url"), "audio_type": "file", "audio_file": _BASE64},
        {**_leave_out(_SOUND, "audio_url"), "audio_type": "file"},
    ),
    ("lip_sync", "audio_url", ""): (_SOUND, _leave_out(_SOUND, "audio_url")),
    ("avatar", "audio_id", ""): _ONE_SOUND,
    ("avatar", "sound", ""): _ONE_SOUND,
}
