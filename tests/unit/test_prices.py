# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kling_provider.api.catalog import estimate_price
from kling_provider.api.parsing import parse_request
from kling_provider.api.price_list import LIST_DATE, USD_PER_IMAGE_UNIT, USD_PER_UNIT, look_up_price
from kling_provider.api.requests.base import AudioRate

#: Kling's price page of 2026-09-20, written down once more: units of one second.
CELLS = [
    ("kling-3.0-turbo", "720p", {}, "0.8"),
    ("kling-3.0-turbo", "1080p", {}, "1.0"),
    ("kling-3.0", "720p", {}, "0.6"),
    ("kling-3.0", "1080p", {}, "0.8"),
    ("kling-3.0", "4k", {}, "3.0"),
    ("kling-3.0", "720p", {"audio": "native"}, "0.9"),
    ("kling-3.0", "1080p", {"audio": "native"}, "1.2"),
    ("kling-3.0", "4k", {"audio": "native"}, "3.0"),
    ("kling-2.6", "720p", {}, "0.3"),
    ("kling-2.6", "1080p", {}, "0.5"),
    ("kling-2.6", "1080p", {"audio": "native"}, "1.0"),
    ("kling-2.5-turbo", "720p", {}, "0.3"),
    ("kling-2.5-turbo", "1080p", {}, "0.5"),
    ("kling-v1-6", "720p", {}, "0.4"),
    ("kling-v1-6", "1080p", {}, "0.7"),
    ("kling-v2-master", "720p", {}, "2.0"),
]
IMAGE_CELLS = [
    *CELLS,
    ("kling-2.6", "1080p", {"audio": "native", "voices": [{"voice_id": "7"}]}, "1.2"),
    ("kling-v2-1", "720p", {}, "0.4"),
    ("kling-v2-1", "1080p", {}, "0.7"),
]


@pytest.mark.parametrize("seconds", [5, 10])
@pytest.mark.parametrize(("model", "resolution", "more", "per_second"), CELLS)
def test_every_cell_of_the_list_for_text_to_video(
    model: str, resolution: str, more: dict[str, Any], per_second: str, seconds: int
) -> None:
    request = parse_request(
        {"prompt": "A cat", "model": model, "resolution": resolution, "duration": seconds, **more}
    )
    found = estimate_price(request)
    assert found.units == Decimal(per_second) * seconds
    assert found.usd == Decimal(per_second) * seconds * Decimal("0.14")


@pytest.mark.parametrize(("model", "resolution", "more", "per_second"), IMAGE_CELLS)
def test_every_cell_of_the_list_for_image_to_video(
    model: str, resolution: str, more: dict[str, Any], per_second: str
) -> None:
    request = parse_request(
        {
            "type": "image_to_video",
            "first_frame": "https://pictures.example/a.png",
            "model": model,
            "resolution": resolution,
            **more,
        }
    )
    assert estimate_price(request).units == Decimal(per_second) * 5


@pytest.mark.parametrize(
    ("model", "resolution", "column", "per_second"),
    [
        ("kling-3.0-omni", "720p", "off", "0.6"),
        ("kling-3.0-omni", "1080p", "off", "0.8"),
        ("kling-3.0-omni", "4k", "off", "3.0"),
        ("kling-3.0-omni", "720p", "native", "0.8"),
        ("kling-3.0-omni", "1080p", "native", "1.0"),
        ("kling-3.0-omni", "4k", "native", "3.0"),
        ("kling-3.0-omni", "720p", "video", "0.9"),
        ("kling-3.0-omni", "1080p", "video", "1.2"),
        ("kling-3.0-omni", "4k", "video", "3.0"),
        ("kling-o1", "720p", "off", "0.6"),
        ("kling-o1", "1080p", "off", "0.8"),
        ("kling-o1", "720p", "video", "0.9"),
        ("kling-o1", "1080p", "video", "1.2"),
    ],
)
def test_models_of_other_kinds(model: str, resolution: str, column: Any, per_second: str) -> None:
    assert look_up_price(model, resolution, 1, audio_rate=column).units == Decimal(per_second)


def test_real_tasks_cost_what_the_list_says(captures: Path) -> None:
    log = json.loads((captures / "40_live_cost_log.json").read_text())
    priced = 0
    for task in log["tasks"]:
        settings = task.get("settings")
        if settings is None:  # images, avatars, voices: not priced by the second of a video request
            continue
        model = task["endpoint"].rsplit("/", 1)[1]
        column: AudioRate = "native" if settings.get("audio", "native") == "native" else "off"
        (billed,) = task["billing"]
        found = look_up_price(model, settings["resolution"], settings["duration"], audio_rate=column)
        assert found.units == Decimal(billed["amount"]), task["id"]
        priced += 1
    assert priced == 2


def test_a_real_turbo_task_as_a_request() -> None:
    request = parse_request({"prompt": "A cat", "model": "kling-3.0-turbo", "duration": 3})
    assert estimate_price(request).units == Decimal("2.4")


def test_both_spellings_of_a_model_cost_the_same() -> None:
    legacy = parse_request({"prompt": "A cat", "model_name": "kling-v3", "mode": "pro", "sound": "on"})
    standard = parse_request(
        {"prompt": "A cat", "model": "kling-3.0", "resolution": "1080p", "audio": "native"}
    )
    assert estimate_price(legacy) == estimate_price(standard)


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({}, "3 units (about $0.42 at the list price of 2026-09-20)"),
        (
            {"model": "kling-3.0-turbo", "resolution": "1080p", "duration": 10},
            "10 units (about $1.40 at the list price of 2026-09-20)",
        ),
        ({"duration": 3}, "1.8 units (about $0.25 at the list price of 2026-09-20)"),
        (
            {"model": "kling-v1-6"},
            "2 units (about $0.28 by third parties' lists, the model is retired)",
        ),
        (
            {"model": "kling-4.0"},
            "unknown units (about $0.79 at a gateway's price of November 2026, Kling's own is not known)",
        ),
        ({"model": "kling-x"}, "unknown price (model kling-x is not in the price list of 2026-09-20)"),
        ({"model": "kling-v1"}, "unknown price (model kling-v1 is not in the price list of 2026-09-20)"),
        (
            {"model": "kling-3.0", "audio": "native", "voices": [{"voice_id": "7"}]},
            "unknown price (the price list of 2026-09-20 has no kling-3.0 720p with a stored voice)",
        ),
    ],
)
def test_the_text_says_what_is_known(request_: dict[str, Any], text: str) -> None:
    assert estimate_price(parse_request({"prompt": "A cat", **request_})).as_text() == text


def test_one_unit_is_one_unit() -> None:
    assert (
        look_up_price("kling-3.0-omni", "1080p", 1, audio_rate="native")
        .as_text()
        .startswith("1 unit (about $0.14 ")
    )


def test_what_is_unknown_has_no_number() -> None:
    unknown = estimate_price(parse_request({"prompt": "A cat", "model": "kling-x"}))
    assert not unknown.is_known
    assert (unknown.units, unknown.usd) == (None, None)
    gateway = estimate_price(parse_request({"prompt": "A cat", "model": "kling-4.0-flash", "duration": 10}))
    assert not gateway.is_known
    assert gateway.usd == Decimal("0.94")


def test_the_list_is_dated() -> None:
    assert str(LIST_DATE) == "2026-09-20"
    assert (Decimal("0.14"), Decimal("0.0035")) == (USD_PER_UNIT, USD_PER_IMAGE_UNIT)
