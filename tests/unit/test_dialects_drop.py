# SPDX-License-Identifier: Apache-2.0
"""Neither API design may drop a key silently: each field reaches the wire, or is refused, or is ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kling_provider.api.dialects import DIALECTS
from kling_provider.api.host_profiles import PROFILES
from kling_provider.api.parsing import parse_request
from kling_provider.api.problems import InvalidRequest
from kling_provider.api.requests.video import ImageToVideo, TextToVideo
from kling_provider.exceptions import KlingRequestError
from kling_provider.hooks.kling import KlingHook

TEXT: dict[str, Any] = {"prompt": "A red panda"}
IMAGE: dict[str, Any] = {"type": "image_to_video", "first_frame": "https://host/a.png"}


def dropped(api: str, data: dict[str, Any]) -> dict[str, str]:
    return {problem.field: problem.message for problem in parse_request(data).find_unsupported(api)}


STANDARD_DROPS: dict[str, dict[str, Any]] = {
    "negative_prompt": {"negative_prompt": "rain"},
    "cfg_scale": {"model": "kling-9", "cfg_scale": 0},
    "camera_control": {"model": "kling-9", "camera_control": {"type": "down_back"}},
    "static_mask": {**IMAGE, "model": "kling-9", "static_mask": "m.png"},
    "dynamic_masks": {
        **IMAGE,
        "model": "kling-9",
        "dynamic_masks": [{"mask": "m.png", "trajectories": [{"x": 1, "y": 1}, {"x": 2, "y": 2}]}],
    },
    "shot_type": {"shot_type": "intelligence"},
    "multi_prompt": {"multi_shot": True, "multi_prompt": [{"index": 1, "prompt": "A", "duration": 5}]},
    "voices": {"audio": "native", "voices": [{"voice_id": "1"}]},
    "elements": {"elements": [{"element_id": "1", "id": "Zhang"}]},
    "model": {"model": "kling-v1-6"},
}
LEGACY_DROPS: dict[str, dict[str, Any]] = {
    "model": {"model": "kling-3.0-turbo"},
    "prompt": {"prompt": "x" * 2501},
    "elements": {"elements": [{"element_id": "1", "id": "Zhang"}]},
    "voices": {"audio": "native", "voices": [{"voice_id": "1", "id": "Ann"}]},
}


@pytest.mark.parametrize("field", STANDARD_DROPS)
def test_what_the_standard_api_would_drop_is_refused_with_a_way_out(field: str) -> None:
    said = dropped("standard", {**TEXT, **STANDARD_DROPS[field]})
    assert list(said) == [field]
    assert any(
        way in said[field] for way in ("or use a connection", "write model: kling-3.0", "image_to_video")
    )


@pytest.mark.parametrize("field", LEGACY_DROPS)
def test_what_the_legacy_api_would_drop_is_refused_with_a_way_out(field: str) -> None:
    said = dropped("legacy", {**TEXT, **LEGACY_DROPS[field]})
    assert list(said) == [field]
    assert any(way in said[field] for way in ("use a connection", "at most 2500", "<<<"))


def test_elements_of_the_standard_api_need_the_name_that_the_prompt_uses() -> None:
    assert "@id" in dropped("standard", {**IMAGE, "elements": [{"element_id": "1"}]})["elements"]


@pytest.mark.parametrize("model", ["kling-3.0", "kling-2.5-turbo"])
def test_voices_of_the_standard_api_belong_to_one_model(model: str) -> None:
    if model == "kling-2.5-turbo":
        with pytest.raises(InvalidRequest, match="must be left out: kling-2"):
            parse_request({**IMAGE, "model": model, "voices": [{"voice_id": "1"}]})
    else:
        asked = {**IMAGE, "model": model, "audio": "native", "voices": [{"voice_id": "1", "id": "Ann"}]}
        assert "kling-2.6 only" in dropped("standard", asked)["voices"]


#: Where each of our fields stands in a body; ``None``: it never leaves us.
WIRE: dict[str, dict[str, str | None]] = {
    "standard": {
        **dict.fromkeys(("name", "take", "adopt", "type", "model", "external_task_id")),
        "first_frame": "contents",
        "middle_frames": "contents",
        "last_frame": "contents",
        "elements": "contents",
        "voices": "contents",
        "callback_url": "options",
        "watermark": "options",
        **dict.fromkeys(("duration", "resolution", "aspect_ratio", "audio", "multi_shot"), "settings"),
    },
    "legacy": {
        **dict.fromkeys(("name", "take", "adopt", "type", "external_task_id")),
        "model": "model_name",
        "resolution": "mode",
        "audio": "sound",
        "first_frame": "image",
        "last_frame": "image_tail",
        "elements": "element_list",
        "voices": "voice_list",
        "watermark": "watermark_info",
    },
}
VALUES: dict[str, Any] = {
    "name": "panda",
    "take": 2,
    "adopt": "9308",
    "prompt": "B",
    "model": "kling-9",
    "duration": 7,
    "resolution": "1080p",
    "audio": "native",
    "multi_shot": True,
    "watermark": True,
    "elements": [{"element_id": "1"}],
    "voices": [{"voice_id": "1"}],
    "callback_url": "https://host/cb",
    "external_task_id": "mine",
    "negative_prompt": "rain",
    "cfg_scale": 0.0,
    "camera_control": {"type": "down_back"},
    "shot_type": "customize",
    "multi_prompt": [{"index": 1, "prompt": "A", "duration": 5}],
    "aspect_ratio": "9:16",
    "type": "image_to_video",
    "first_frame": "https://host/c.png",
    "middle_frames": ["https://host/d.png"],
    "last_frame": "https://host/b.png",
    "static_mask": "m.png",
    "dynamic_masks": [{"mask": "m.png", "trajectories": [{"x": 1, "y": 1}, {"x": 2, "y": 2}]}],
}
FIELDS = [
    (kind, field)
    for kind, model in (("text_to_video", TextToVideo), ("image_to_video", ImageToVideo))
    for field in model.model_fields
]


@pytest.mark.parametrize(("kind", "field"), FIELDS)
@pytest.mark.parametrize("api", ["standard", "legacy"])
def test_every_field_reaches_the_wire_or_is_refused_or_is_ours(api: str, kind: str, field: str) -> None:
    """A field that is added later stands in this table or fails here."""
    base = {**(TEXT if kind == "text_to_video" else IMAGE), "model": "kling-8"}
    more: dict[str, Any] = {"multi_prompt": {"multi_shot": True}}.get(field, {})
    if api == "legacy" and field in ("multi_shot", "multi_prompt"):
        more = {**more, "shot_type": "intelligence"}
    asked = {**base, **more, field: VALUES[field]}
    if field == "type":
        asked = base
    request = parse_request(asked)
    if refused := request.find_unsupported(api):
        assert [problem.field for problem in refused] == [field]
        return
    place = WIRE[api].get(field, field)
    body = DIALECTS[api].create(request, None).json or {}
    plain = DIALECTS[api].create(parse_request({**base, **more}), None).json or {}
    if place is not None:
        if api == "standard" and field == "prompt" and kind == "image_to_video":
            place = "contents"
        assert body[place] != plain.get(place)
    elif field == "model":
        assert "/kling-9" in DIALECTS[api].create(request, None).path
    else:
        assert body == plain


def test_a_host_that_drops_external_ids_is_not_given_one() -> None:
    """new-api drops the user's own id silently: his duplicate would be paid."""
    own = parse_request({**TEXT, "external_task_id": "mine-1"})
    assert [problem.field for problem in PROFILES["new-api"].find_unsupported(own)] == ["external_task_id"]
    assert PROFILES["new-api"].find_unsupported(parse_request(TEXT)) == []
    assert PROFILES["dmxapi"].find_unsupported(own) == []


@pytest.mark.parametrize("profile", ["new-api", "dmxapi"])
def test_the_hook_refuses_what_the_host_would_drop(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {"conn_type": "kling", "host": "https://gateway.example/kling", "password": "sk-x"}
    extra = {"extra": {"profile": profile}}
    monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps({**connection, **extra}))
    data = {**TEXT, "external_task_id": "mine-1"}
    if profile == "dmxapi":
        assert KlingHook().validate_request(data).external_task_id == "mine-1"
    else:
        with pytest.raises(KlingRequestError, match=r"must be left out: .*drops it silently"):
            KlingHook().validate_request(data)
