# SPDX-License-Identifier: Apache-2.0
"""What is said about a request that is refused: field, what was found, what to write."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from kling_provider.api.parsing import parse_request
from kling_provider.api.problems import InvalidRequest

TEXT: dict[str, Any] = {"prompt": "A red panda brews tea"}
EXTERNAL_ID = "must be 1 to 128 letters, digits, dots, colons, dashes and underscores, and not dots only"
NOT_FINITE = "must be text; found a number that is not finite"
IMAGE: dict[str, Any] = {"type": "image_to_video", "first_frame": "https://host/a.png"}


def problems(data: Any) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        parse_request(data)
    assert all(str(problem) in str(caught.value) for problem in caught.value.problems)
    return [str(problem) for problem in caught.value.problems]


def problem(data: Any) -> str:
    (only,) = problems(data)
    return only


# -- YAML -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", ["16:9", "9:16", "1:1", "21:9"])
def test_an_unquoted_ratio_is_told_apart(ratio: str) -> None:
    data = yaml.safe_load(f"prompt: x\naspect_ratio: {ratio}\n")
    assert isinstance(data["aspect_ratio"], int), "YAML 1.1 reads it as a number to base 60"
    assert problem(data) == (
        f"aspect_ratio {data['aspect_ratio']}: must be in quotes, because YAML reads it as the number "
        f'{data["aspect_ratio"]}: write "{ratio}"'
    )
    assert parse_request(yaml.safe_load('prompt: x\naspect_ratio: "16:9"\n')) == parse_request(
        {"prompt": "x"}
    )


@pytest.mark.parametrize(
    ("word", "audio"), [("off", "off"), ("on", "native"), ("yes", "native"), ("no", "off")]
)
@pytest.mark.parametrize("key", ["audio", "sound"])
def test_off_and_on_are_booleans_to_yaml(key: str, word: str, audio: str) -> None:
    data = yaml.safe_load(f"prompt: x\n{key}: {word}\n")
    assert isinstance(data[key], bool)
    assert parse_request(data).audio == audio


def test_a_yes_is_no_number() -> None:
    assert (
        problem(yaml.safe_load("prompt: x\ntake: yes\n")) == "take True: must be a number, not true or false"
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"duration": "five"}, "duration 'five': must be a whole number"),
        ({"duration": 5.5}, "duration 5.5: must be a whole number"),
        ({"duration": float("inf")}, "duration inf: must be a whole number"),
        ({"duration": True}, "duration True: must be a number, not true or false"),
        ({"resolution": "480p"}, "resolution '480p': must be one of: 720p, 1080p, 4k. Did you mean '1080p'?"),
        ({"resolution": 720}, "resolution 720: must be one of: 720p, 1080p, 4k. Did you mean '720p'?"),
        ({"audio": "nativ"}, "audio 'nativ': must be one of: off, native. Did you mean 'native'?"),
        ({"sound": "loud"}, "sound 'loud': must be on or off"),
        ({"mode": "professional"}, "mode 'professional': must be one of: std (720p), pro (1080p), 4k"),
        ({"multi_shot": "maybe"}, "multi_shot 'maybe': must be true or false"),
        (
            {"watermark_info": True},
            "watermark_info True: must be {'enabled': true or false}, or write watermark: true",
        ),
        ({"aspect_ratio": "16x9"}, "aspect_ratio '16x9': must be written like \"16:9\""),
        ({"aspect_ratio": 1.78}, 'aspect_ratio 1.78: must be written like "16:9"'),
        ({"callback_url": "host/cb"}, "callback_url: must be an http or https URL"),
        ({"model": "kling 3"}, "model 'kling 3': must be a model's name such as kling-3.0"),
        ({"model": 3}, "model 3: must be text"),
        ({"name": ""}, "name '': must not be empty: write something, or leave it out"),
        ({"name": "n" * 201}, f"name '{'n' * 56}...: must be at most 200 characters (has 201)"),
        ({"take": -1}, "take -1: must be 0 or more"),
        ({"cfg_scale": 1.5, "model": "kling-v1"}, "cfg_scale 1.5: must be 1 or less"),
        ({"cfg_scale": "half", "model": "kling-v1"}, "cfg_scale 'half': must be a number"),
        (
            {"negative_prompt": "x" * 2501},
            f"negative_prompt '{'x' * 56}...: must be at most 2500 characters (has 2501)",
        ),
        ({"elements": "Zhang"}, "elements 'Zhang': must be a list"),
        ({"elements": ["Zhang"]}, "elements.0 'Zhang': must be a mapping of keys and values"),
        ({"voices": [{}]}, "voices.0.voice_id: must be given"),
        (
            {"external_task_id": "a b"},
            f"external_task_id 'a b': {EXTERNAL_ID}",
        ),
        # In a path, it would ask for another address.
        ({"external_task_id": ".."}, f"external_task_id '..': {EXTERNAL_ID}"),
        ({"external_task_id": "."}, f"external_task_id '.': {EXTERNAL_ID}"),
        ({"external_task_id": ""}, f"external_task_id '': {EXTERNAL_ID}"),
        (
            {"external_task_id": "x" * 129},
            f"external_task_id '{'x' * 56}...: must be at most 128 characters (has 129)",
        ),
        ({"external_task_id": float("inf")}, f"external_task_id inf: {NOT_FINITE}"),
        ({"prompt": float("-inf")}, f"prompt -inf: {NOT_FINITE}"),
        (
            {"external_task_id": 1e18},
            "external_task_id 1e+18: must be text, in quotes: as a number it has lost digits",
        ),
        ({"take": "9" * 5000}, f"take '{'9' * 56}...: must be a whole number"),
        ({"take": f"{'9' * 5000}.0"}, f"take '{'9' * 56}...: must be a whole number"),
        (
            {"camera_control": {"type": "simpel"}},
            "camera_control.type 'simpel': must be one of: simple, down_back, forward_up, right_turn_forward, "
            "left_turn_forward. Did you mean 'simple'?",
        ),
        (
            {"camera_control": {"type": "simple", "config": {"pan": 11}}},
            "camera_control.config.pan 11: must be 10 or less",
        ),
        (
            {"camera_control": {"type": "simple", "config": {"pam": 1}}},
            "camera_control.config.pam 1: must be a known key. Did you mean 'pan'?",
        ),
        (
            {"multi_prompt": [{"index": 7, "prompt": "x", "duration": 5}]},
            "multi_prompt.0.index 7: must be 6 or less",
        ),
        (
            {**IMAGE, "dynamic_masks": [{"mask": "m.png", "trajectories": [{"x": 1, "y": 1}]}]},
            "dynamic_masks.0.trajectories [{'x': 1, 'y': 1}]: must have at least 2 entries (has 1)",
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_to_write(data: dict[str, Any], said: str) -> None:
    assert problem({**TEXT, **data}) == said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"take": 10**5000}, "take: must be a number of at most 1000 digits"),
        ({"prompt": -(10**5000)}, "prompt: must be a number of at most 1000 digits"),
        ({"voices": [{"voice_id": 10**1000}]}, "voices.0.voice_id: must be a number of at most 1000 digits"),
        ({1: "a", "1": "b"}, "1: must be written once: 1 and '1' are the same key"),
        (
            {"camera_control": {1: 2, "1": 3}},
            "camera_control.1: must be written once: 1 and '1' are the same key",
        ),
    ],
    ids=["take", "prompt", "voice_id", "keys", "keys within"],
)
def test_what_python_cannot_write_or_tell_apart_is_refused(data: dict[Any, Any], said: str) -> None:
    assert said in problems({**TEXT, **data})


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("promt", "must be a known key. Did you mean 'prompt'?"),
        ("Duration", "must be a known key. Did you mean 'duration'?"),
        ("aspectRatio", "must be a known key. Did you mean 'aspect_ratio'?"),
        ("negative-prompt", "must be a known key. Did you mean 'negative_prompt'?"),
        ("watermarkinfo", "must be a known key. Did you mean 'watermark'?"),
        ("soundd", "must be a known key. Did you mean 'sound'?"),
        (
            "first_frame",
            "belongs to type image_to_video or omni_video, not text_to_video; write type: image_to_video",
        ),
        (
            "image",
            "belongs to type image_to_video or omni_video, not text_to_video; write type: image_to_video",
        ),
    ],
)
def test_a_key_that_does_not_exist_gets_a_suggestion(key: str, said: str) -> None:
    assert problem({**TEXT, key: "x"}).endswith(f" 'x': {said}")


@pytest.mark.parametrize("key", ["settings", "options", "contents", "n", "seed"])
def test_parts_of_a_wire_body_say_where_their_content_goes(key: str) -> None:
    assert "directly" in problem({**TEXT, key: {}}) or "take" in problem({**TEXT, key: {}})


def test_a_key_without_any_likeness_lists_what_there_is() -> None:
    said = problem({**TEXT, "xyz": 1})
    assert said.startswith(
        "xyz 1: must be one of: name, take, adopt, model, callback_url, external_task_id, prompt, duration, "
    )


def test_two_spellings_of_one_thing_are_no_guess() -> None:
    said = problem({**TEXT, "mode": "pro", "resolution": "720p"})
    assert (
        said
        == "mode 'pro': must not be beside resolution: it is the legacy name of the same field; write only one of them"
    )


def test_the_shape_comes_from_the_image() -> None:
    assert "an image's video has the shape of its first frame" in problem({**IMAGE, "aspect_ratio": "16:9"})


@pytest.mark.parametrize("data", [None, [], "A red panda", 5])
def test_a_request_is_a_mapping(data: Any) -> None:
    assert problem(data) == "a request must be a mapping such as {'prompt': 'A red panda'}"


@pytest.mark.parametrize("kind", ["video", 5, ["text_to_video"], "image-to-video"])
def test_an_unknown_type_is_named(kind: Any) -> None:
    said = problem({**TEXT, "type": kind})
    assert said.startswith(f"type {kind!r}: must be one of: text_to_video, image_to_video, omni_video")
    assert kind != "image-to-video" or said.endswith(" Did you mean 'image_to_video'?")


def test_a_type_that_kling_retired_names_its_successor() -> None:
    said = problem({**TEXT, "type": "multi_image_to_video"})
    assert said == (
        "type 'multi_image_to_video': must be another type, because Kling no longer serves this one: write type: omni_video "
        "with the images as reference_images"
    )


def test_all_problems_come_at_once() -> None:
    said = problems({"promt": "x", "duration": "long", "resolution": "hd", "mode": "hq", "aspect_ratio": 969})
    assert [one.partition(" ")[0] for one in said] == [
        "mode",
        "promt",
        "duration",
        "resolution",
        "aspect_ratio",
    ]


def test_what_is_shown_of_a_link_grants_nothing() -> None:
    said = problem({**TEXT, "frist_frame": "https://b.example/a.png?X-Amz-Signature=abcdef"})
    assert "abcdef" not in said
    assert "Signature" not in said
