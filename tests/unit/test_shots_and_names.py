# SPDX-License-Identifier: Apache-2.0
"""Shots of a video, names of its inputs, and what only some models have."""

from __future__ import annotations

from typing import Any

import pytest

from kling_provider.api.dialects import DIALECTS
from kling_provider.api.parsing import parse_request
from kling_provider.api.problems import InvalidRequest
from kling_provider.api.requests.fields import ApiDesign

IMAGE, VIDEO = "https://example.org/a.png", "https://example.org/a.mp4"
SHOTS = "shot 1, 2, a boat; shot 2, 3, a kite;"
TEXT: dict[str, Any] = {"prompt": "A boat"}
MANY: dict[str, Any] = {"prompt": SHOTS, "multi_shot": True}
OMNI: dict[str, Any] = {"type": "omni_video", "prompt": "A boat"}


def refuse(data: dict[str, Any], design: ApiDesign = "standard") -> list[str]:
    """What is wrong with a request."""
    try:
        return [str(one) for one in parse_request(data).find_unsupported(design)]
    except InvalidRequest as wrong:
        return [str(one) for one in wrong.problems]


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        (SHOTS, None),
        ("Shot 1,1,a boat;\nshot 6 , 4 , a kite;", None),
        ("shot 1, 2, a boat; shot 2, 4, a kite;", "add up to the duration, 5 s (they last 6 s)"),
        ("shot 1, 2, a boat; shot 7, 3, a kite;", "at most 6 shots"),
        ("shot 0, 2, a boat; shot 1, 3, a kite;", "at most 6 shots"),
        ("shot 1, 0, a boat; shot 2, 5, a kite;", "at least 1 second"),
        (f"shot 1, 5, {'x' * 512};", None),
        (f"shot 1, 5, {'x' * 513};", "512 characters in each shot"),
        ("shot 1, 2, a boat; shot 2, 3, a kite", "end each shot with a semicolon"),
        ("A long shot, 2 boats, a kite", None),
    ],
)
@pytest.mark.parametrize("more", [{"multi_shot": True}, {"model": "kling-3.0-turbo"}])
def test_shots_in_a_prompt_fill_the_video(prompt: str, said: str | None, more: dict[str, Any]) -> None:
    found = refuse({"prompt": prompt, **more})
    assert found == [] if said is None else said in " ".join(found)


def test_shots_are_checked_only_where_they_are_read() -> None:
    wrong = "shot 1, 9, a boat;"
    assert refuse({"prompt": wrong}) == []
    assert refuse({"prompt": wrong, "multi_shot": True, "shot_type": "intelligence"}, "legacy") == []
    assert refuse({"prompt": wrong, "multi_shot": True}) != []


def test_shots_that_become_one_are_told() -> None:
    (said,) = parse_request({"prompt": SHOTS}).find_warnings()
    assert "multi_shot: true" in said
    assert parse_request(MANY).find_warnings() == []
    assert parse_request(TEXT).find_warnings() == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"multi_shot": True, "shot_type": "intelligence"}, None),
        ({"multi_shot": True}, "shot_type: must be given with multi_shot: true"),
        (
            {"multi_shot": True, "shot_type": "customize"},
            "multi_prompt: must be given with shot_type: customize",
        ),
        (
            {"model": "kling-2.6", "shot_type": "intelligence"},
            "must be left out for kling-2.6: it makes one shot",
        ),
    ],
)
def test_the_legacy_api_must_be_told_who_decides_on_the_shots(
    given: dict[str, Any], said: str | None
) -> None:
    found = refuse({**TEXT, **given}, "legacy")
    assert found == [] if said is None else said in " ".join(found)


@pytest.mark.parametrize("count", [1, 6, 7])
def test_a_list_of_shots_has_at_most_six(count: int) -> None:
    shots = [{"index": min(n, 6), "prompt": "A", "duration": 1} for n in range(1, count + 1)]
    shots[0]["duration"] += max(0, 3 - count)
    given = {"multi_shot": True, "shot_type": "customize", "multi_prompt": shots, "duration": max(3, count)}
    found = refuse(given, "legacy")
    assert found == [] if count <= 6 else "at most 6 shots (has 7)" in " ".join(found)


def test_inputs_of_omni_videos_have_names() -> None:
    asked = {
        **OMNI,
        "prompt": "From @start to @end",
        "first_frame": IMAGE,
        "last_frame": IMAGE,
        "image_ids": {"first_frame": "start", "last_frame": "end"},
    }
    body = DIALECTS["standard"].create(parse_request(asked), None).json
    assert body is not None
    assert body["contents"][1:] == [
        {"type": "first_frame", "url": IMAGE, "id": "start"},
        {"type": "last_frame", "url": IMAGE, "id": "end"},
    ]
    asked = {**OMNI, "prompt": "@film in blue", "base_video": VIDEO, "video_ids": {"base_video": "film"}}
    body = DIALECTS["standard"].create(parse_request(asked), None).json
    assert body is not None
    assert body["contents"][1:] == [{"type": "base_video", "url": VIDEO, "id": "film"}]
    asked = {**OMNI, "reference_video": VIDEO, "video_ids": {"reference_video": "film"}}
    body = DIALECTS["standard"].create(parse_request(asked), None).json
    assert body is not None
    assert body["contents"][1:] == [{"type": "feature_video", "url": VIDEO, "id": "film"}]


@pytest.mark.parametrize(
    ("given", "design", "said"),
    [
        ({"image_ids": {"first_frame": "a"}}, "standard", "image_ids: must name what the request has"),
        ({"video_ids": {"base_video": "a"}}, "standard", "video_ids: must name what the request has"),
        ({"first_frame": IMAGE, "image_ids": {"middle": "a"}}, "standard", "image_ids"),
        (
            {"first_frame": IMAGE, "image_ids": {"first_frame": "a"}, "prompt": "@b waves"},
            "standard",
            "must refer to names that the request has (@a)",
        ),
        (
            {
                "first_frame": IMAGE,
                "image_ids": {"first_frame": "a"},
                "reference_images": [{"image": IMAGE, "id": "a"}],
            },
            "standard",
            "'a' is there 2 times",
        ),
        ({"first_frame": IMAGE, "image_ids": {"first_frame": "a"}}, "legacy", "write <<<image_1>>>"),
        ({"base_video": VIDEO, "video_ids": {"base_video": "a"}}, "legacy", "write <<<video_1>>>"),
    ],
)
def test_names_belong_to_inputs_and_are_used_once(
    given: dict[str, Any], design: ApiDesign, said: str
) -> None:
    assert said in " ".join(refuse({**OMNI, **given}, design))


def test_names_are_part_of_the_request_where_they_are_given() -> None:
    plain = {**OMNI, "first_frame": IMAGE}
    assert "image_ids" not in parse_request(plain).fingerprint()
    named = parse_request({**plain, "image_ids": {"first_frame": "a"}})
    assert named.fingerprint()["image_ids"] == {"first_frame": "a"}


def test_voices_of_words_belong_to_one_model_of_the_legacy_api() -> None:
    spoken = {**TEXT, "audio": "native", "resolution": "1080p", "voices": [{"voice_id": "1"}]}
    assert refuse({**spoken, "model": "kling-3.0"}, "legacy") == []
    assert "voices" in " ".join(refuse({**spoken, "model": "kling-2.6"}, "legacy"))


def test_an_image_speaks_or_has_elements_on_the_legacy_api() -> None:
    image = {"type": "image_to_video", "first_frame": IMAGE, "audio": "native"}
    voices, elements = {"voices": [{"voice_id": "1"}]}, {"elements": [{"element_id": "1"}]}
    assert refuse({**image, **voices}, "legacy") == []
    assert refuse({**image, **elements}, "legacy") == []
    assert "cannot be combined with elements" in " ".join(refuse({**image, **voices, **elements}, "legacy"))


def test_a_voice_of_the_standard_api_has_a_name() -> None:
    image = {
        "type": "image_to_video",
        "first_frame": IMAGE,
        "model": "kling-2.6",
        "resolution": "1080p",
        "audio": "native",
    }
    assert refuse({**image, "voices": [{"voice_id": "1", "id": "ann"}]}) == []
    assert "must have an id each" in " ".join(refuse({**image, "voices": [{"voice_id": "1"}]}))


@pytest.mark.parametrize("model", ["kling-2.5-turbo", "kling-o1"])
@pytest.mark.parametrize("design", ["standard", "legacy"])
def test_a_switch_that_a_model_does_not_have_is_not_sent(model: str, design: ApiDesign) -> None:
    type_ = "omni_video" if model == "kling-o1" else "text_to_video"
    asked = {**TEXT, "type": type_, "model": model, "multi_shot": False}
    body = DIALECTS[design].create(parse_request(asked), None).json
    assert body is not None
    assert "multi_shot" not in {**body, **body.get("settings", {})}


def test_silence_of_a_model_without_sound_is_not_sent() -> None:
    body = DIALECTS["standard"].create(
        parse_request({**TEXT, "model": "kling-2.5-turbo", "audio": "off"}), None
    )
    assert body.json is not None
    assert "audio" not in body.json["settings"]


@pytest.mark.parametrize(
    "given",
    [
        {"static_mask": IMAGE},
        {"dynamic_masks": [{"mask": IMAGE, "trajectories": [{"x": 1, "y": 1}, {"x": 2, "y": 2}]}]},
    ],
)
def test_masks_belong_to_the_oldest_models(given: dict[str, Any]) -> None:
    image = {"type": "image_to_video", "first_frame": IMAGE, **given}
    assert refuse({**image, "model": "kling-v1-6"}, "legacy") == []
    for model in ("kling-3.0", "kling-2.6", "kling-v2-1"):
        assert "only the kling-v1 models have this field" in " ".join(
            refuse({**image, "model": model}, "legacy")
        )
