# SPDX-License-Identifier: Apache-2.0
"""Prices that depend on how long an input is, prices of calls, and prices that nobody states."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from kling_provider.api.catalog import estimate_price
from kling_provider.api.parsing import parse_request
from kling_provider.api.price_list import look_up_price

IMAGE, VIDEO, SOUND = "https://example.org/a.png", "https://example.org/v.mp4", "https://example.org/s.mp3"
MOTION = {"type": "motion_control", "image": IMAGE, "video": VIDEO, "character_orientation": "video"}
AVATAR = {"type": "avatar", "image": IMAGE, "sound": SOUND}
SYNC = {
    "type": "advanced_lip_sync",
    "video": VIDEO,
    "sound": SOUND,
    "sound_start_time": 0,
    "sound_end_time": 2000,
    "sound_insert_time": 0,
}
OLD_SYNC = {"type": "lip_sync", "mode": "audio2video", "video": VIDEO, "audio_url": SOUND}
OMNI = {"type": "omni_video", "prompt": "A cat"}
POINTS = [{"x": 0, "y": 0}]


@pytest.mark.parametrize(
    ("model", "resolution", "units"),
    [
        ("kling-3.0", "720p", "0.9"),
        ("kling-3.0", "1080p", "1.2"),
        ("kling-2.6", "720p", "0.5"),
        ("kling-2.6", "1080p", "0.8"),
    ],
)
def test_every_cell_of_motion(model: str, resolution: str, units: str) -> None:
    assert look_up_price(model, resolution, 1, audio_rate="motion").units == Decimal(units)


@pytest.mark.parametrize(
    ("request_", "seconds", "units"),
    [
        # A real one of 9.066 seconds cost 4.5, and a real avatar with a sound of 11.3 seconds 4.4.
        ({**MOTION, "model": "kling-2.6"}, {"video": 9.066}, "4.5"),
        (AVATAR, {"sound": 11.3}, "4.4"),
        (MOTION, {"video": 3.49}, "2.7"),
        (MOTION, {"video": 3.5}, "3.6"),
        (MOTION, {"video": 30.4}, "27"),
        ({**MOTION, "character_orientation": "image"}, {"video": 10.4}, "9"),
        ({**MOTION, "character_orientation": "image"}, {"video": 12}, "9"),
        (MOTION, {}, None),
        (MOTION, {"image": 5}, None),
        ({**AVATAR, "mode": "pro"}, {"sound": 2}, "1.6"),
        ({**AVATAR, "mode": "pro"}, {"sound": 11.5}, "9.6"),
        (AVATAR, {}, None),
        (SYNC, {"video": 3}, "0.5"),
        (SYNC, {"video": 5}, "0.5"),
        (SYNC, {"video": 5.04}, "1"),
        (SYNC, {"video": 60}, "6"),
        (SYNC, {"sound": 3}, None),
        (OLD_SYNC, {"video": 10}, "1"),
        (OLD_SYNC, {"video": 10.1}, "1.5"),
        (OLD_SYNC, {}, None),
        ({"type": "identify_face", "video": VIDEO}, {}, "0.05"),
        ({"type": "image_recognize", "image": IMAGE}, {}, "0.1"),
        ({**OMNI, "base_video": VIDEO}, {"base_video": 4.6}, "4.5"),
        ({**OMNI, "base_video": VIDEO}, {}, None),
        # Of a video to refer to the length does not count, except with Kling 4.0.
        ({**OMNI, "reference_video": VIDEO}, {"reference_video": 9}, "4.5"),
    ],
)
def test_prices(request_: dict[str, Any], seconds: dict[str, float], units: str | None) -> None:
    found = estimate_price(parse_request(request_), seconds)
    assert found.units == (None if units is None else Decimal(units))
    assert found.usd == (None if units is None else Decimal(units) * Decimal("0.14"))


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (MOTION, "the length of the input decides"),
        (AVATAR, "the length of sound decides"),
        (SYNC, "the length of video decides"),
        ({"type": "effects", "scene": "nezha", "image": IMAGE}, "it depends on the scene"),
        ({"type": "video_extend", "video_id": "1"}, "by third parties' lists 2 units a call, 3.5"),
        (
            {"type": "multi_elements", "session_id": "s", "edit_mode": "removal", "prompt": "x"},
            "no list states the price of multi-elements",
        ),
        ({"type": "multi_elements_init", "video": VIDEO}, "no list states"),
        (
            {"type": "multi_elements_add", "session_id": "s", "frame_index": 0, "points": POINTS},
            "no list states",
        ),
        ({**MOTION, "model": "kling-9"}, "the length of the input decides"),
    ],
)
def test_why_a_price_is_unknown(request_: dict[str, Any], said: str) -> None:
    found = estimate_price(parse_request(request_))
    assert (found.units, found.usd) == (None, None)
    assert said in found.as_text()


def test_a_motion_of_an_unknown_model() -> None:
    found = estimate_price(parse_request({**MOTION, "model": "kling-9"}), {"video": 5})
    assert found.as_text() == "unknown price (model kling-9 is not in the price list of 2026-09-20)"


@pytest.mark.parametrize(
    ("fields", "seconds", "counted", "rate"),
    [
        ({"duration": 5}, {}, 5, "0.157"),
        ({"duration": 5, "resolution": "1080p"}, {}, 5, "0.235"),
        # Seconds of input and output together, and at least twice those of the output.
        ({"duration": 5, "reference_video": VIDEO}, {"reference_video": 8.4}, 13, "0.094"),
        ({"duration": 10, "reference_video": VIDEO}, {"reference_video": 3}, 20, "0.094"),
        (
            {"duration": 5, "reference_videos": [VIDEO, VIDEO]},
            {"reference_videos.0": 4.2, "reference_videos.1": 4.2},
            13,
            "0.094",
        ),
        ({"base_video": VIDEO, "resolution": "1080p"}, {"base_video": 6}, 12, "0.141"),
    ],
)
def test_prices_of_kling_4(
    fields: dict[str, Any], seconds: dict[str, float], counted: int, rate: str
) -> None:
    found = estimate_price(parse_request({**OMNI, "model": "kling-4.0", **fields}), seconds)
    assert (found.units, found.usd) == (None, Decimal(rate) * counted)


def test_a_video_of_unknown_length_in_kling_4() -> None:
    for fields in ({"reference_video": VIDEO}, {"base_video": VIDEO}):
        found = estimate_price(parse_request({**OMNI, "model": "kling-4.0", **fields}))
        assert (found.units, found.usd) == (None, None)
