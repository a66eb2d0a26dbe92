# SPDX-License-Identifier: Apache-2.0
"""Sounds, speech, voices and elements: bodies as the vendor's reference writes them, and what is one result for ever.

All of them stand on the legacy API alone, so there is one body of each, whatever the connection's ``api``.
"""

from __future__ import annotations

from typing import Any

import pytest

from kling_provider.api.catalog import find_spec
from kling_provider.api.dialects import DIALECTS, find_dialect
from kling_provider.api.parsing import parse_request
from kling_provider.api.requests.fields import Media
from kling_provider.api.requests.marked_fields import find_marker

HOOK = "https://example.org/hook"
IMAGE, SIDE, BACK = (f"https://example.org/{name}.png" for name in ("front", "side", "back"))
VIDEO, SOUND = "https://example.org/v.mp4", "https://example.org/voice.wav"

BODIES: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    (
        "text_to_audio",
        {"prompt": "Rain on a tin roof", "duration": 5},
        "/v1/audio/text-to-audio",
        {"prompt": "Rain on a tin roof", "duration": 5.0, "external_task_id": "af-1"},
    ),
    (
        "text_to_audio",
        {"prompt": "Rain on a tin roof", "duration": "7.5", "callback_url": HOOK},
        "/v1/audio/text-to-audio",
        {
            "prompt": "Rain on a tin roof",
            "duration": 7.5,
            "callback_url": HOOK,
            "external_task_id": "af-1",
        },
    ),
    (
        "video_to_audio",
        {"video": VIDEO},
        "/v1/audio/video-to-audio",
        {"video_url": VIDEO, "asmr_mode": False, "external_task_id": "af-1"},
    ),
    (
        "video_to_audio",
        {
            "video_id": "867283741759111201",
            "sound_effect_prompt": "Paws on wood",
            "bgm_prompt": "A slow waltz",
            "asmr_mode": True,
            "callback_url": HOOK,
        },
        "/v1/audio/video-to-audio",
        {
            "video_id": "867283741759111201",
            "sound_effect_prompt": "Paws on wood",
            "bgm_prompt": "A slow waltz",
            "asmr_mode": True,
            "callback_url": HOOK,
            "external_task_id": "af-1",
        },
    ),
    (
        "tts",
        {"text": "The tea is ready.", "voice_id": "oversea_male1", "voice_language": "en"},
        "/v1/audio/tts",
        {
            "text": "The tea is ready.",
            "voice_id": "oversea_male1",
            "voice_language": "en",
            "voice_speed": 1.0,
        },
    ),
    (
        "tts",
        {"text": "茶好了。", "voice_id": "oversea_male1", "voice_language": "zh", "voice_speed": 0.8},
        "/v1/audio/tts",
        {"text": "茶好了。", "voice_id": "oversea_male1", "voice_language": "zh", "voice_speed": 0.8},
    ),
    (
        "custom_voice",
        {"voice_name": "Keeper", "sound": SOUND},
        "/v1/general/custom-voices",
        {"voice_name": "Keeper", "voice_url": SOUND, "external_task_id": "af-1"},
    ),
    (
        "custom_voice",
        {"voice_name": "Keeper", "video_id": "867283741759111201", "callback_url": HOOK},
        "/v1/general/custom-voices",
        {
            "voice_name": "Keeper",
            "video_id": "867283741759111201",
            "callback_url": HOOK,
            "external_task_id": "af-1",
        },
    ),
    (
        "custom_element",
        {
            "element_name": "Keeper",
            "element_description": "An old man in a yellow coat",
            "reference_type": "image_refer",
            "frontal_image": IMAGE,
            "reference_images": [SIDE],
        },
        "/v1/general/advanced-custom-elements",
        {
            "element_name": "Keeper",
            "element_description": "An old man in a yellow coat",
            "reference_type": "image_refer",
            "element_image_list": {"frontal_image": IMAGE, "refer_images": [{"image_url": SIDE}]},
            "external_task_id": "af-1",
        },
    ),
    (
        "custom_element",
        {
            "element_name": "Keeper",
            "element_description": "An old man in a yellow coat",
            "reference_type": "image_refer",
            "frontal_image": IMAGE,
            "reference_images": [SIDE, BACK],
            "voice_id": 930801338081615883,
            "tags": ["o_101", "o_108"],
            "callback_url": HOOK,
        },
        "/v1/general/advanced-custom-elements",
        {
            "element_name": "Keeper",
            "element_description": "An old man in a yellow coat",
            "reference_type": "image_refer",
            "element_image_list": {
                "frontal_image": IMAGE,
                "refer_images": [{"image_url": SIDE}, {"image_url": BACK}],
            },
            "element_voice_id": "930801338081615883",
            "tag_list": [{"tag_id": "o_101"}, {"tag_id": "o_108"}],
            "callback_url": HOOK,
            "external_task_id": "af-1",
        },
    ),
    (
        "custom_element",
        {
            "element_name": "Keeper",
            "element_description": "An old man in a yellow coat",
            "reference_type": "video_refer",
            "video": VIDEO,
        },
        "/v1/general/advanced-custom-elements",
        {
            "element_name": "Keeper",
            "element_description": "An old man in a yellow coat",
            "reference_type": "video_refer",
            "element_video_list": {"refer_videos": [{"video_url": VIDEO}]},
            "external_task_id": "af-1",
        },
    ),
    (
        "custom_element_old",
        {
            "element_name": "Keeper",
            "element_description": "An old man in a yellow coat",
            "frontal_image": IMAGE,
            "reference_images": [SIDE],
        },
        "/v1/general/custom-elements",
        {
            "element_name": "Keeper",
            "element_description": "An old man in a yellow coat",
            "element_frontal_image": IMAGE,
            "element_refer_list": [{"image_url": SIDE}],
        },
    ),
    (
        "custom_element_old",
        {
            "element_name": "Keeper",
            "element_description": "An old man in a yellow coat",
            "frontal_image": IMAGE,
            "reference_images": [SIDE, BACK],
            "tags": ["o_102"],
        },
        "/v1/general/custom-elements",
        {
            "element_name": "Keeper",
            "element_description": "An old man in a yellow coat",
            "element_frontal_image": IMAGE,
            "element_refer_list": [{"image_url": SIDE}, {"image_url": BACK}],
            "tag_list": [{"tag_id": "o_102"}],
        },
    ),
]


@pytest.mark.parametrize("api", ["standard", "legacy"])
@pytest.mark.parametrize(("type_", "fields", "path", "body"), BODIES)
def test_bodies_of_the_reference(
    type_: str, fields: dict[str, Any], path: str, body: dict[str, Any], api: str
) -> None:
    spec = find_spec(type_)
    assert spec is not None
    call = find_dialect(DIALECTS[api], spec).create(parse_request({"type": type_, **fields}), "af-1")
    assert (call.method, call.path, call.json) == ("POST", path, body)


@pytest.mark.parametrize(("type_", "fields", "body"), [(row[0], row[1], row[3]) for row in BODIES[:8]])
def test_a_pasted_body_means_the_same(type_: str, fields: dict[str, Any], body: dict[str, Any]) -> None:
    """Names of the wire are taken where they are plain words; the parts of an element are written with ours."""
    pasted = {name: value for name, value in body.items() if name != "external_task_id"}
    assert parse_request({"type": type_, **pasted}).fingerprint() == (
        parse_request({"type": type_, **fields}).fingerprint()
    )


@pytest.mark.parametrize(
    ("type_", "field", "row", "id_field"),
    [
        ("video_to_audio", "video", "video_sound", "video_id"),
        ("custom_voice", "sound", "sound_voice", "video_id"),
        ("custom_element", "frontal_image", "image_legacy", None),
        ("custom_element", "reference_images", "image_legacy", None),
        ("custom_element", "video", "video_element", None),
        ("custom_element_old", "frontal_image", "image_legacy", None),
        ("custom_element_old", "reference_images", "image_legacy", None),
    ],
)
def test_inputs_name_what_the_legacy_api_accepts(
    type_: str, field: str, row: str, id_field: str | None
) -> None:
    spec = find_spec(type_)
    assert spec is not None
    info = spec.request_class.model_fields[field]
    media = find_marker(Media, info.annotation, info.metadata)
    assert (media.find_limits("legacy"), media.id_field) == (row, id_field)
