# SPDX-License-Identifier: Apache-2.0
"""The rules between fields, by model: the vendor's capability map of 2026-05-19, written down once more."""

from __future__ import annotations

from typing import Any

import pytest

from kling_provider.api.models import known_model, model_names, to_standard_name
from kling_provider.api.parsing import parse_request
from kling_provider.api.problems import InvalidRequest

TEXT: dict[str, Any] = {"prompt": "A red panda brews tea"}
IMAGE: dict[str, Any] = {"type": "image_to_video", "first_frame": "a.png"}
TO_15 = set(range(3, 16))

#: model -> resolutions, seconds, values of audio, last frame, multi-shot, elements.
CAPABILITIES: dict[str, tuple[set[str], set[int], set[str], bool, bool, int]] = {
    "kling-3.0-turbo": ({"720p", "1080p"}, TO_15, set(), False, False, 0),
    "kling-3.0": ({"720p", "1080p", "4k"}, TO_15, {"native", "off"}, True, True, 3),
    "kling-2.6": ({"720p", "1080p"}, {5, 10}, {"native", "off"}, True, False, 0),
    "kling-2.5-turbo": ({"720p", "1080p"}, {5, 10}, {"off"}, True, False, 0),
    "kling-4.0": ({"720p", "1080p"}, set(range(3, 31)), set(), True, False, 0),
    "kling-4.0-flash": ({"720p"}, set(range(3, 21)), set(), False, False, 0),
}


def refusals(data: dict[str, Any]) -> dict[str, str]:
    """Per field, what is said; empty where the request may be sent."""
    try:
        parse_request(data)
    except InvalidRequest as error:
        return {problem.field: str(problem) for problem in error.problems}
    return {}


@pytest.mark.parametrize("kind", [TEXT, IMAGE])
@pytest.mark.parametrize("model", CAPABILITIES)
def test_the_capability_map(model: str, kind: dict[str, Any]) -> None:
    resolutions, seconds, audio, last_frame, multi_shot, elements = CAPABILITIES[model]
    asked = {**kind, "model": model}
    for resolution in ("720p", "1080p", "4k"):
        assert ("resolution" in refusals({**asked, "resolution": resolution})) == (
            resolution not in resolutions
        )
    for duration in (1, 2, 3, 4, 5, 6, 10, 11, 15, 16, 20, 21, 30, 31, 600):
        assert ("duration" in refusals({**asked, "duration": duration})) == (duration not in seconds)
    for sound in ("native", "off"):
        full = {**asked, "audio": sound, "resolution": "1080p"}
        assert ("audio" in refusals(full)) == (sound not in audio)
    assert ("multi_shot" in refusals({**asked, "multi_shot": True})) == (not multi_shot)
    assert not refusals({**asked, "multi_shot": False})
    for count in range(5):
        given = [{"element_id": str(number)} for number in range(count)]
        assert ("elements" in refusals({**asked, "elements": given})) == (count > elements)
    if kind is IMAGE:
        with_last = {
            **asked,
            "last_frame": "b.png",
            "resolution": "1080p" if "1080p" in resolutions else "720p",
        }
        assert ("last_frame" in refusals(with_last)) == (not last_frame)
    for legacy_only in ({"cfg_scale": 0.5}, {"camera_control": {"type": "down_back"}}):
        assert set(refusals({**asked, **legacy_only})) == set(legacy_only)


@pytest.mark.parametrize("model", CAPABILITIES)
def test_aspect_ratios(model: str) -> None:
    for ratio in ("16:9", "9:16", "1:1"):
        assert not refusals({**TEXT, "model": model, "aspect_ratio": ratio})
    wide = refusals({**TEXT, "model": model, "aspect_ratio": "21:9"})
    assert wide == (
        {}
        if model.startswith("kling-4.0")
        else {"aspect_ratio": f"aspect_ratio '21:9': must be 16:9 or 9:16 or 1:1 for {model}"}
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"duration": 20}, {"duration": "duration 20: must be 3 to 15 seconds for kling-3.0"}),
        (
            {"model": "kling-v2-6", "duration": 7},
            {"duration": "duration 7: must be 5 or 10 seconds for kling-2.6"},
        ),
        (
            {"model": "kling-2.6", "resolution": "4k"},
            {"resolution": "resolution '4k': must be 720p or 1080p for kling-2.6"},
        ),
        (
            {"model": "kling-2.6", "audio": "native"},
            {"resolution": "resolution '720p': must be 1080p for kling-2.6 with native audio"},
        ),
        (
            {"model": "kling-3.0-turbo", "audio": "off"},
            {"audio": "audio 'off': must be left out: kling-3.0-turbo always makes sound"},
        ),
        (
            {"model": "kling-2.5-turbo", "audio": "native"},
            {
                "audio": "audio 'native': must be left out: kling-2.5-turbo makes no sound; for sound write model: kling-3.0"
            },
        ),
        (
            {"model": "kling-3.0-turbo", "multi_shot": True},
            {
                "multi_shot": "multi_shot True: must be left out for kling-3.0-turbo: write the shots into the "
                "prompt, or write model: kling-3.0"
            },
        ),
        (
            {"cfg_scale": 0},
            {
                "cfg_scale": "cfg_scale: must be left out for kling-3.0: only the kling-v1 models have this field"
            },
        ),
        (
            {"elements": [{"element_id": str(n)} for n in range(4)]},
            {"elements": "elements: must be at most 3 for kling-3.0"},
        ),
        (
            {"model": "kling-2.6", "elements": [{"element_id": "1"}]},
            {"elements": "elements: must be left out: kling-2.6 accepts none"},
        ),
        (
            {"audio": "native", "voices": [{"voice_id": str(n)} for n in range(3)]},
            {"voices": "voices: must be at most 2 for kling-3.0"},
        ),
        ({"voices": [{"voice_id": "1"}]}, {"voices": "voices: must be used with audio: native"}),
        (
            {"model": "kling-v2-1"},
            {"model": "model 'kling-v2-1': makes image_to_video only; write type: image_to_video"},
        ),
        (
            {"prompt": "x" * 3073},
            {"prompt": "prompt: must be at most 3072 characters for kling-3.0 (has 3073)"},
        ),
        ({"prompt": " \n"}, {"prompt": "prompt: must be given: write what the video shows"}),
    ],
)
def test_text_to_video(data: dict[str, Any], said: dict[str, str]) -> None:
    assert refusals({**TEXT, **data}) == said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            {"first_frame": None},
            {"first_frame": "first_frame: must be given: image_to_video starts from an image"},
        ),
        (
            {"first_frame": None, "last_frame": "b.png"},
            {"first_frame": "first_frame: must be given: a last_frame alone is not accepted"},
        ),
        (
            {"model": "kling-3.0-turbo", "last_frame": "b.png"},
            {"last_frame": "last_frame: must be left out: kling-3.0-turbo accepts no last frame"},
        ),
        (
            {"model": "kling-2.5-turbo", "last_frame": "b.png"},
            {"resolution": "resolution '720p': must be 1080p for kling-2.5-turbo with a last frame"},
        ),
        (
            {"model": "kling-2.6", "last_frame": "b.png", "resolution": "1080p", "audio": "native"},
            {"audio": "audio 'native': must be off for kling-2.6 with a last frame"},
        ),
        (
            {"model": "kling-v1-6", "last_frame": "b.png", "resolution": "1080p", "static_mask": "m.png"},
            {"static_mask": "static_mask: cannot be combined with last_frame"},
        ),
        (
            {"model": "kling-v1", "static_mask": "m.png", "camera_control": {"type": "down_back"}},
            {"camera_control": "camera_control: cannot be combined with static_mask"},
        ),
        (
            {"model": "kling-3.0-turbo", "prompt": "x" * 2501},
            {"prompt": "prompt: must be at most 2500 characters for kling-3.0-turbo (has 2501)"},
        ),
    ],
)
def test_image_to_video(data: dict[str, Any], said: dict[str, str]) -> None:
    assert refusals({**IMAGE, **data}) == said


@pytest.mark.parametrize(
    ("camera", "good"),
    [
        ({"type": "simple", "config": {"pan": 1}}, True),
        ({"type": "simple", "config": {"pan": 1, "tilt": 0}}, True),
        ({"type": "simple", "config": {"pan": 1, "tilt": 2}}, False),
        ({"type": "simple", "config": {"pan": 0}}, False),
        ({"type": "simple", "config": {}}, False),
        ({"type": "simple"}, False),
        ({"type": "down_back"}, True),
        ({"type": "down_back", "config": {"pan": 1}}, False),
    ],
)
def test_a_simple_camera_moves_in_exactly_one_way(camera: dict[str, Any], good: bool) -> None:
    said = refusals({**TEXT, "model": "kling-v1", "camera_control": camera})
    assert set(said) == (set() if good else {"camera_control.config"})


@pytest.mark.parametrize(
    ("multi_shot", "seconds", "said"),
    [
        (True, (2, 3), None),
        (True, (2, 2), "must have shots that add up to the duration, 5 s (they last 4 s)"),
        (None, (2, 3), "must be used with multi_shot: true"),
    ],
)
def test_the_shots_fill_the_duration(
    multi_shot: bool | None, seconds: tuple[int, ...], said: str | None
) -> None:
    shots = [{"index": n, "prompt": "x", "duration": length} for n, length in enumerate(seconds, 1)]
    found = refusals({"multi_shot": multi_shot, "multi_prompt": shots})
    assert found == ({"multi_prompt": f"multi_prompt: {said}"} if said else {})


@pytest.mark.parametrize(("audio", "kind"), [("off", TEXT), ("off", IMAGE)])
def test_what_is_sent_about_sound_and_shots_where_nothing_is_said(audio: str, kind: dict[str, Any]) -> None:
    """Kling's own default is many shots; ours is one. A model without the switch is not sent it."""
    for model in ("kling-3.0", "kling-9.9"):
        request = parse_request({**kind, "model": model})
        assert (request.sound, request.one_shot) == (audio, False)
    request = parse_request({**kind, "model": "kling-2.6"})
    assert (request.sound, request.one_shot) == ("off", None)
    for model in ("kling-3.0-turbo", "kling-2.5-turbo", "kling-4.0", "kling-v1-6"):
        request = parse_request({**kind, "model": model})
        assert (request.sound, request.one_shot) == (None, None)


def test_a_model_that_nobody_knows_passes_with_any_values() -> None:
    data = {
        **TEXT,
        "model": "kling-9.9-ultra",
        "duration": 45,
        "resolution": "4k",
        "aspect_ratio": "21:9",
        "audio": "native",
        "cfg_scale": 0.5,
        "elements": [{"element_id": str(n)} for n in range(9)],
    }
    assert parse_request(data).model == "kling-9.9-ultra"


@pytest.mark.parametrize(
    "name", ["kling-v3-0", "kling-v3.0", "kling-3-0", "kling30", "Kling-3.0", "kling-v2-6-0"]
)
def test_a_known_name_with_other_dots_and_dashes_is_a_slip(name: str) -> None:
    said = refusals({**TEXT, "model": name})
    if name == "kling-v2-6-0":  # another number is another model
        assert said == {}
    else:
        assert said == {"model": f"model {name!r}: must be a known model. Did you mean 'kling-3.0'?"}


def test_every_name_of_the_table_means_one_model_in_both_spellings() -> None:
    for name in model_names():
        model = known_model(name)
        assert model is not None
        assert known_model(to_standard_name(name)) is model
        assert to_standard_name(to_standard_name(name)) == to_standard_name(name) == model.name
        assert model.legacy_name is None or known_model(model.legacy_name) is model
