# SPDX-License-Identifier: Apache-2.0
"""Sounds, speech, voices and elements: each rule just inside and just outside, prices, and what is one result for ever."""

from __future__ import annotations

from typing import Any

import pytest

from kling_provider.api.catalog import estimate_price
from kling_provider.api.parsing import parse_request
from kling_provider.api.problems import InvalidRequest
from kling_provider.identity import Identity

IMAGE, VIDEO, SOUND = (f"https://example.org/{name}" for name in ("a.png", "v.mp4", "s.wav"))

MINIMAL: dict[str, dict[str, Any]] = {
    "text_to_audio": {"prompt": "Rain", "duration": 5},
    "video_to_audio": {"video": VIDEO},
    "tts": {"text": "The tea is ready.", "voice_id": "oversea_male1", "voice_language": "en"},
    "custom_voice": {"voice_name": "Keeper", "sound": SOUND},
    "custom_element": {
        "element_name": "Keeper",
        "element_description": "An old man",
        "reference_type": "image_refer",
        "frontal_image": IMAGE,
        "reference_images": [IMAGE],
    },
    "custom_element_old": {
        "element_name": "Keeper",
        "element_description": "An old man",
        "frontal_image": IMAGE,
        "reference_images": [IMAGE],
    },
}
FROM_VIDEO = {
    "reference_type": "video_refer",
    "frontal_image": None,
    "reference_images": None,
    "video": VIDEO,
}
FROM_ID = {"video": None, "sound": None, "video_id": "867283741759111201"}


def read(type_: str, **fields: Any) -> Any:
    """The smallest request of a type with these fields in it; ``None`` leaves one out."""
    return parse_request({"type": type_, **MINIMAL[type_], **fields})


INSIDE: list[tuple[str, dict[str, Any]]] = [
    ("text_to_audio", {"prompt": "x" * 200}),
    ("text_to_audio", {"duration": 3}),
    ("text_to_audio", {"duration": 3.1}),
    ("text_to_audio", {"duration": 10}),
    ("video_to_audio", {"video": None, "video_id": "8672"}),
    ("video_to_audio", {"sound_effect_prompt": "x" * 200, "bgm_prompt": "x" * 200}),
    ("video_to_audio", {"sound_effect_prompt": "", "bgm_prompt": "", "asmr_mode": "true"}),
    ("tts", {"text": "x" * 1000}),
    ("tts", {"voice_speed": 0.8}),
    ("tts", {"voice_speed": 2.0}),
    ("tts", {"voice_language": "zh"}),
    ("tts", {"voice_id": "a-voice-of-tomorrow"}),
    ("custom_voice", {"voice_name": "x" * 20}),
    ("custom_voice", FROM_ID | {"video": None}),
    ("custom_element", {"element_name": "x" * 20, "element_description": "x" * 100}),
    ("custom_element", {"reference_images": [IMAGE] * 3, "tags": ["o_101", "o_108"]}),
    ("custom_element", FROM_VIDEO),
    ("custom_element", {"voice_id": 930801338081615883}),
    ("custom_element_old", {"element_name": "x" * 20, "element_description": "x" * 100}),
    ("custom_element_old", {"reference_images": [IMAGE] * 3, "tags": [f"o_10{n}" for n in range(1, 9)]}),
]
OUTSIDE: list[tuple[str, dict[str, Any], str]] = [
    ("text_to_audio", {"prompt": None}, "prompt: must be given"),
    ("text_to_audio", {"prompt": " "}, "prompt: must be given: write what is heard"),
    ("text_to_audio", {"prompt": "x" * 201}, "must be at most 200 characters (has 201)"),
    ("text_to_audio", {"duration": None}, "duration: must be given"),
    ("text_to_audio", {"duration": 2.9}, "duration 2.9: must be 3 or more"),
    ("text_to_audio", {"duration": 10.1}, "duration 10.1: must be 10 or less"),
    ("text_to_audio", {"duration": 5.25}, "duration 5.25: must have at most one decimal: write 5.2"),
    ("text_to_audio", {"duration": True}, "duration True: must be a number, not true or false"),
    ("text_to_audio", {"model": "kling-3.0"}, "model 'kling-3.0': must be left out: Kling has no"),
    ("text_to_audio", {"watermark": True}, "watermark True: belongs to type"),
    ("video_to_audio", {"video": None}, "video: must be given, or write video_id"),
    (
        "video_to_audio",
        {"video_id": "8672"},
        "video_id: must be left out beside video: Kling accepts only one of them",
    ),
    ("video_to_audio", {"sound_effect_prompt": "x" * 201}, "must be at most 200 characters (has 201)"),
    ("video_to_audio", {"bgm_prompt": "x" * 201}, "must be at most 200 characters (has 201)"),
    ("video_to_audio", {"asmr_mode": "loud"}, "asmr_mode 'loud': must be true or false"),
    ("tts", {"text": None}, "text: must be given"),
    ("tts", {"text": "\n"}, "text: must be given: write what is said"),
    ("tts", {"text": "x" * 1001}, "must be at most 1000 characters (has 1001)"),
    ("tts", {"voice_id": None}, "voice_id: must be given"),
    ("tts", {"voice_id": ""}, "voice_id: must be given: write a voice of the speech catalogue"),
    ("tts", {"voice_language": None}, "voice_language: must be given"),
    ("tts", {"voice_language": "fr"}, "voice_language 'fr': must be one of: zh, en"),
    ("tts", {"voice_speed": 0.7}, "voice_speed 0.7: must be 0.8 or more"),
    ("tts", {"voice_speed": 2.1}, "voice_speed 2.1: must be 2 or less"),
    ("tts", {"voice_speed": 1.05}, "voice_speed 1.05: must have at most one decimal"),
    ("tts", {"external_task_id": "my-own"}, "external_task_id 'my-own': "),
    ("tts", {"callback_url": "https://example.org/hook"}, "callback_url: "),
    ("custom_voice", {"voice_name": None}, "voice_name: must be given"),
    ("custom_voice", {"voice_name": " "}, "voice_name: must be given: write what the voice is called"),
    ("custom_voice", {"voice_name": "x" * 21}, "must be at most 20 characters (has 21)"),
    ("custom_voice", {"sound": None}, "sound: must be given, or write video_id"),
    ("custom_voice", {"video_id": "8672"}, "video_id: must be left out beside sound"),
    ("custom_element", {"element_name": None}, "element_name: must be given"),
    ("custom_element", {"element_name": "x" * 21}, "must be at most 20 characters (has 21)"),
    ("custom_element", {"element_description": None}, "element_description: must be given"),
    ("custom_element", {"element_description": "x" * 101}, "must be at most 100 characters (has 101)"),
    ("custom_element", {"reference_type": None}, "reference_type: must be given"),
    (
        "custom_element",
        {"reference_type": "image"},
        "reference_type 'image': must be one of: video_refer, image_refer. Did you mean 'image_refer'?",
    ),
    (
        "custom_element",
        {"frontal_image": None},
        "frontal_image: must be given for reference_type image_refer",
    ),
    (
        "custom_element",
        {"reference_images": None},
        "reference_images: must be given for reference_type image_refer",
    ),
    ("custom_element", {"reference_images": [IMAGE] * 4}, "must have at most 3 entries (has 4)"),
    ("custom_element", {"video": VIDEO}, "video: must be left out for reference_type image_refer"),
    ("custom_element", FROM_VIDEO | {"video": None}, "video: must be given for reference_type video_refer"),
    (
        "custom_element",
        FROM_VIDEO | {"frontal_image": IMAGE},
        "frontal_image: must be left out for reference_type video_refer",
    ),
    (
        "custom_element",
        FROM_VIDEO | {"voice_id": "9308"},
        "voice_id: must be left out for reference_type video_refer",
    ),
    ("custom_element", {"voice_id": ""}, "voice_id '': must not be empty: write something, or leave it out"),
    ("custom_element", {"tags": ["o_109"]}, "tags.0 'o_109': must be one of: o_101"),
    (
        "custom_element",
        {"element_image_list": {"frontal_image": IMAGE}},
        "write its images directly: frontal_image, reference_images",
    ),
    ("custom_element", {"element_video_list": {"refer_videos": []}}, "write its video directly: video"),
    ("custom_element", {"tag_list": [{"tag_id": "o_101"}]}, "write its ids directly: tags"),
    (
        "custom_element_old",
        {"element_refer_list": [{"image_url": IMAGE}]},
        "write its images directly: reference_images",
    ),
    ("custom_element_old", {"element_name": None}, "element_name: must be given"),
    ("custom_element_old", {"element_name": "x" * 21}, "must be at most 20 characters (has 21)"),
    ("custom_element_old", {"element_description": None}, "element_description: must be given"),
    ("custom_element_old", {"element_description": "x" * 101}, "must be at most 100 characters (has 101)"),
    ("custom_element_old", {"frontal_image": None}, "frontal_image: must be given"),
    ("custom_element_old", {"reference_images": None}, "reference_images: must be given"),
    ("custom_element_old", {"reference_images": []}, "must have at least 1 entries (has 0)"),
    ("custom_element_old", {"reference_images": [IMAGE] * 4}, "must have at most 3 entries (has 4)"),
    ("custom_element_old", {"tags": ["o_100"]}, "tags.0 'o_100': must be one of: o_101"),
    (
        "custom_element_old",
        {"reference_type": "image_refer"},
        "reference_type 'image_refer': belongs to type",
    ),
]


@pytest.mark.parametrize(("type_", "fields"), INSIDE)
def test_rules_just_inside(type_: str, fields: dict[str, Any]) -> None:
    kept = {name: value for name, value in fields.items() if name in MINIMAL[type_] or value is not None}
    assert read(type_, **kept).type == type_


@pytest.mark.parametrize(("type_", "fields", "wrong"), OUTSIDE)
def test_rules_just_outside(type_: str, fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(InvalidRequest) as invalid:
        read(type_, **fields)
    assert wrong in str(invalid.value)


@pytest.mark.parametrize(
    ("type_", "field"),
    [
        ("text_to_audio", "prompt"),
        ("video_to_audio", "sound_effect_prompt"),
        ("video_to_audio", "bgm_prompt"),
        ("tts", "text"),
        ("tts", "voice_id"),
        ("custom_voice", "voice_name"),
        ("custom_element", "element_name"),
        ("custom_element", "element_description"),
    ],
)
def test_what_a_template_writes_for_nothing_is_found_in_every_text(type_: str, field: str) -> None:
    (found,) = read(type_, **{field: "None"}).find_rendered_nulls()
    assert (found.field, found.found) == (field, "None")
    assert read(type_).find_rendered_nulls() == []


@pytest.mark.parametrize(
    ("type_", "units", "dollars"),
    [
        ("text_to_audio", "0.25", "0.035"),
        ("video_to_audio", "0.25", "0.035"),
        ("tts", "0.05", "0.007"),
        ("custom_voice", "0.05", "0.007"),
        ("custom_element", "0", "0"),
        ("custom_element_old", None, None),
    ],
)
def test_a_call_has_one_price(type_: str, units: str | None, dollars: str | None) -> None:
    price = estimate_price(read(type_)).as_json()
    assert (price["units"], price["usd"]) == (units, dollars)


def test_the_sound_of_a_voice_is_an_input_and_no_setting() -> None:
    assert read("custom_voice").summary.sound is None


# -- what is one result --------------------------------------------------------------------------------------


def external_id(type_: str, images: dict[str, str] | None = None, **fields: Any) -> str:
    return Identity.of_request(
        read(type_, **fields),
        pay_once_per="dag",
        namespace="",
        dag_id="films",
        task_id="sound",
        run_id="manual__2026-11-27",
        map_index=-1,
        images=images,
    ).external_task_id()


@pytest.mark.parametrize(
    ("type_", "fields", "fingerprint"),
    [
        ("text_to_audio", {}, {"type": "text_to_audio", "prompt": "Rain", "duration": 5.0}),
        ("video_to_audio", {}, {"type": "video_to_audio", "video": VIDEO}),
        (
            "video_to_audio",
            {"bgm_prompt": " ", "sound_effect_prompt": "", "asmr_mode": False, "name": "rain"},
            {"type": "video_to_audio", "video": VIDEO},
        ),
        (
            "video_to_audio",
            {"bgm_prompt": "A waltz", "sound_effect_prompt": "Paws", "asmr_mode": True},
            {
                "type": "video_to_audio",
                "video": VIDEO,
                "bgm_prompt": "A waltz",
                "sound_effect_prompt": "Paws",
                "asmr_mode": True,
            },
        ),
        ("tts", {"voice_speed": 1}, {"type": "tts", **MINIMAL["tts"]}),
        ("tts", {"voice_speed": 1.5}, {"type": "tts", **MINIMAL["tts"], "voice_speed": 1.5}),
        ("custom_voice", {}, {"type": "custom_voice", **MINIMAL["custom_voice"]}),
        ("custom_element", {"tags": []}, {"type": "custom_element", **MINIMAL["custom_element"]}),
        ("custom_element_old", {}, {"type": "custom_element_old", **MINIMAL["custom_element_old"]}),
    ],
)
def test_golden_fingerprints(type_: str, fields: dict[str, Any], fingerprint: dict[str, Any]) -> None:
    assert read(type_, **fields).fingerprint() == fingerprint


FULL: dict[str, dict[str, Any]] = {
    "text_to_audio": {"duration": 7.5},
    "video_to_audio": {
        "video": None,
        "video_id": "867283741759111201",
        "sound_effect_prompt": "Paws",
        "bgm_prompt": "A waltz",
        "asmr_mode": True,
    },
    "tts": {"voice_speed": 0.8, "voice_language": "zh"},
    "custom_voice": {"sound": None, "video_id": "867283741759111201"},
    "custom_element": {"reference_images": [IMAGE, IMAGE], "voice_id": "9308", "tags": ["o_101", "o_108"]},
    "custom_element_old": {"reference_images": [IMAGE, IMAGE], "tags": ["o_102"]},
}


@pytest.mark.parametrize(
    ("type_", "fields", "expected"),
    [
        ("text_to_audio", {}, "af-3a51054d9d84fe9c0288aefbccd6d5611c0ffe61"),
        ("text_to_audio", FULL["text_to_audio"], "af-3a51054d2a37f2125f3e705fe87b025ed48ece50"),
        ("video_to_audio", {}, "af-3a51054d30ea25a276d45b1f4eb84dcb82c9a7bc"),
        ("video_to_audio", FULL["video_to_audio"], "af-3a51054d8cca0813bb822b790c0d8580b81c4ed3"),
        ("tts", {}, "af-3a51054dc547be2ed39e703adf5636a7c97e3e83"),
        ("tts", FULL["tts"], "af-3a51054d9a97385449acf0a36429cc4db9f3f0e0"),
        ("custom_voice", {}, "af-3a51054dbc58914dbaa677627d075346043a1032"),
        ("custom_voice", FULL["custom_voice"], "af-3a51054dd5347d17856f24cccf06e6fb82ced18d"),
        ("custom_element", {}, "af-3a51054d2342e5fe770e58b6fd41910d1bc1655b"),
        ("custom_element", FULL["custom_element"], "af-3a51054db17efdc7e3930a9c0d9f2bbc8f8d868d"),
        ("custom_element_old", {}, "af-3a51054da4dce07af6ecb4318e08220497c61e2f"),
        ("custom_element_old", FULL["custom_element_old"], "af-3a51054d74a4c0f9bfe6042384e63185f32045dc"),
    ],
)
def test_golden_external_ids(type_: str, fields: dict[str, Any], expected: str) -> None:
    """If one of these fails, every result of that type would be paid once more: mend the code, not the test."""
    assert external_id(type_, **fields) == expected


def test_an_input_counts_by_its_bytes() -> None:
    known = {"frontal_image": "sha256:00ff", "reference_images.0": "sha256:11ee"}
    assert external_id("custom_element", known) == external_id(
        "custom_element", known, frontal_image="https://example.org/moved.png"
    )
    assert external_id("custom_element", known) != external_id("custom_element")
