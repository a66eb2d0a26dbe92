# SPDX-License-Identifier: Apache-2.0
"""Bodies of requests for solutions as Kling's reference writes them, their identities, and the rules on either side.

If an identity here changes, every result of every user would be paid once more: mend the code, not the test.
"""

from __future__ import annotations

from typing import Any

import pytest

from kling_provider.api.catalog import all_specs, estimate_price, spec_of
from kling_provider.api.dialects import DIALECTS
from kling_provider.api.host_profiles import PROFILES
from kling_provider.api.hosts import Lock
from kling_provider.api.parsing import parse_request
from kling_provider.api.problems import InvalidRequest
from kling_provider.identity import Identity

A, B = "https://example.org/a.png", "https://example.org/b.png"
VIDEO, TUNE, HOOK = "https://example.org/v.mp4", "https://example.org/t.mp3", "https://example.org/hook"
OPTIONS = {"external_task_id": "af-1"}
CALLED = {"external_task_id": "af-1", "callback_url": HOOK}

TRY_ON: dict[str, Any] = {"type": "virtual_try_on", "product_image": A, "person_image": B}
GOODS: dict[str, Any] = {
    "type": "goods_studio",
    "reference_images": [A],
    "goods_title": "A cup",
    "resolution": "720p",
    "aspect_ratio": "9:16",
    "duration": 15,
}
AGENT: dict[str, Any] = {
    "type": "talking_agent",
    "avatar_id": "avatar_lee_male",
    "speech_script": "Good morning",
}
FACE: dict[str, Any] = {
    "type": "talking_agent",
    "avatar_image": A,
    "voice_id": "female_warm_rich",
    "speech_script": "Hello",
}
CLOTHES: dict[str, Any] = {
    "type": "clothing_dupe",
    "product_info": "A coat",
    "video": VIDEO,
    "product_images": [A],
}
DRAMA: dict[str, Any] = {"type": "drama_subtitle", "video": VIDEO}

#: Request -> path and body at the standard API, written from the reference.
GOLDEN: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "virtual_try_on": (
        TRY_ON,
        "/solutions/virtual_try_on",
        {
            "contents": [{"type": "product_image", "url": A}, {"type": "person_image", "url": B}],
            "settings": {"keep_face": True, "keep_pose": True, "keep_background": True},
            "options": OPTIONS,
        },
    ),
    "virtual_try_on, full": (
        {
            **TRY_ON,
            "keep_face": "false",
            "keep_pose": False,
            "keep_background": False,
            "watermark": True,
            "callback_url": HOOK,
        },
        "/solutions/virtual_try_on",
        {
            "contents": [{"type": "product_image", "url": A}, {"type": "person_image", "url": B}],
            "settings": {"keep_face": False, "keep_pose": False, "keep_background": False},
            "options": {**CALLED, "watermark": {"enabled": True}},
        },
    ),
    "goods_studio": (
        GOODS,
        "/solutions/e-commerce/goods_studio",
        {
            "contents": [{"type": "ref_image", "url": A}, {"type": "goods_title", "text": "A cup"}],
            "settings": {"resolution": "720p", "aspect_ratio": "9:16", "duration": 15},
            "options": OPTIONS,
        },
    ),
    "goods_studio, full": (
        {
            **GOODS,
            "reference_images": [A, B],
            "goods_description": "For tea",
            "resolution": "1080P",
            "aspect_ratio": "1:1",
            "duration": "60",
            "watermark": True,
            "callback_url": HOOK,
        },
        "/solutions/e-commerce/goods_studio",
        {
            "contents": [
                {"type": "ref_image", "url": A},
                {"type": "ref_image", "url": B},
                {"type": "goods_title", "text": "A cup"},
                {"type": "goods_description", "text": "For tea"},
            ],
            "settings": {"resolution": "1080p", "aspect_ratio": "1:1", "duration": 60},
            "options": {**CALLED, "watermark": {"enabled": True}},
        },
    ),
    "talking_agent": (
        AGENT,
        "/solutions/talking_agent",
        {
            "contents": [
                {"type": "avatar_id", "text": "avatar_lee_male"},
                {"type": "speech_script", "text": "Good morning"},
            ],
            "settings": {
                "resolution": "720p",
                "aspect_ratio": "9:16",
                "allow_polish": False,
                "speech_rate": 1.0,
                "bgm_enabled": False,
            },
            "options": OPTIONS,
        },
    ),
    "talking_agent with goods, full": (
        {
            **FACE,
            "reference_images": [A, B],
            "goods_title": "A cup",
            "goods_price": 12,
            "goods_target_audience": ["People who like tea", "Students"],
            "goods_selling_point": ["Keeps warm"],
            "resolution": "1080p",
            "aspect_ratio": "16:9",
            "allow_polish": True,
            "action_prompt": "Waves",
            "bgm_enabled": True,
            "watermark": True,
            "callback_url": HOOK,
        },
        "/solutions/talking_agent",
        {
            "contents": [
                {"type": "avatar_image", "url": A},
                {"type": "speech_script", "text": "Hello"},
                {"type": "ref_image", "url": A},
                {"type": "ref_image", "url": B},
                {"type": "goods_title", "text": "A cup"},
                {"type": "goods_price", "text": "12"},
                {"type": "goods_target_audience", "text": "People who like tea"},
                {"type": "goods_target_audience", "text": "Students"},
                {"type": "goods_selling_point", "text": "Keeps warm"},
            ],
            "settings": {
                "resolution": "1080p",
                "aspect_ratio": "16:9",
                "allow_polish": True,
                "voice_id": "female_warm_rich",
                "action_prompt": "Waves",
                "bgm_enabled": True,
            },
            "options": {**CALLED, "watermark": {"enabled": True}},
        },
    ),
    "clothing_dupe": (
        CLOTHES,
        "/solutions/e-commerce/clothing_dupe",
        {
            "contents": [
                {"type": "product_info", "text": "A coat"},
                {"type": "source_video", "url": VIDEO},
                {"type": "product_image", "url": A},
            ],
            "settings": {"resolution": "720p"},
            "options": OPTIONS,
        },
    ),
    "clothing_dupe, full": (
        {
            **CLOTHES,
            "product_images": [A, B],
            "model_images": [B],
            "bgm": TUNE,
            "voice": "calm_sales_man",
            "resolution": "1080p",
            "aspect_ratio": "3:4",
            "watermark": True,
            "callback_url": HOOK,
        },
        "/solutions/e-commerce/clothing_dupe",
        {
            "contents": [
                {"type": "product_info", "text": "A coat"},
                {"type": "source_video", "url": VIDEO},
                {"type": "product_image", "url": A},
                {"type": "product_image", "url": B},
                {"type": "model_image", "url": B},
                {"type": "bgm", "url": TUNE},
                {"type": "voice", "voice_id": "calm_sales_man"},
            ],
            "settings": {"resolution": "1080p", "aspect_ratio": "3:4"},
            # Not called watermark, as in the other solutions.
            "options": {**CALLED, "watermark_info": {"enabled": True}},
        },
    ),
    "drama_subtitle": (
        DRAMA,
        "/solutions/drama_subtitle",
        {
            "contents": [{"type": "source_video", "url": VIDEO}],
            "settings": {"target_cps": 17, "target_language": "en"},
            "options": OPTIONS,
        },
    ),
    "drama_subtitle, full": (
        {
            **DRAMA,
            "glossary": [{"source": "师父", "target": "Master"}, {"source": "江湖", "target": "Jianghu"}],
            "target_cps": 20,
            "target_language": "en",
            "margin_v": 100,
            "font_size": 48,
            "callback_url": HOOK,
        },
        "/solutions/drama_subtitle",
        {
            "contents": [
                {"type": "source_video", "url": VIDEO},
                {"type": "glossary", "source": "师父", "target": "Master"},
                {"type": "glossary", "source": "江湖", "target": "Jianghu"},
            ],
            "settings": {"target_cps": 20, "target_language": "en", "margin_v": 100, "font_size": 48},
            "options": CALLED,
        },
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_what_is_sent_is_what_the_reference_writes(name: str) -> None:
    data, path, body = GOLDEN[name]
    request = parse_request(data)
    assert request.find_unsupported("standard") == []
    call = DIALECTS["standard"].create(request, "af-1")
    assert (call.method, call.path, call.json) == ("POST", path, body)


@pytest.mark.parametrize(
    ("more", "model"),
    [
        ({}, "kolors-virtual-try-on-v1"),
        ({"model_name": "kolors-virtual-try-on-v1-5"}, "kolors-virtual-try-on-v1-5"),
    ],
)
def test_the_legacy_path_of_try_on(more: dict[str, Any], model: str) -> None:
    request = parse_request({**TRY_ON, **more, "callback_url": HOOK})
    assert request.find_unsupported("legacy") == []
    call = DIALECTS["legacy"].create(request, "af-1")
    assert (call.path, call.json) == (
        "/v1/images/kolors-virtual-try-on",
        {"model_name": model, "cloth_image": A, "human_image": B, **CALLED},
    )
    named = parse_request({**TRY_ON, "model": "kolors-virtual-try-on-v1"})
    assert named.fingerprint() == parse_request(TRY_ON).fingerprint()
    assert [one.field for one in named.find_unsupported("standard")] == ["model"]
    full = parse_request({**TRY_ON, "keep_face": False, "watermark": True})
    assert [one.field for one in full.find_unsupported("legacy")] == ["keep_face", "watermark"]


IDENTITIES: dict[str, str] = {
    "virtual_try_on": "af-3a51054d9938f2ace6310ffa72ad6252413bb5b5",
    "virtual_try_on, full": "af-3a51054d49896dca0a04b0736dec5cb9ecc204be",
    "goods_studio": "af-3a51054d555aa95a842c9b8338df5b2b8c67fea5",
    "goods_studio, full": "af-3a51054d800fb7e8b0e1b87a0fc85cf2d099f498",
    "talking_agent": "af-3a51054da597b7e7fa17c2f9c26091593a97b094",
    "talking_agent with goods, full": "af-3a51054dff3e1948f784e87567b9b9613d67fd72",
    "clothing_dupe": "af-3a51054d826623955272bcb6575628d19c3cc961",
    "clothing_dupe, full": "af-3a51054d779761b89ba7b89cc27c0653e1918314",
    "drama_subtitle": "af-3a51054d56e205549d966271dfa211427c328662",
    "drama_subtitle, full": "af-3a51054d426a5ba050194da08ba859ea4711f1eb",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_identities(name: str) -> None:
    identity = Identity.of_request(
        parse_request(GOLDEN[name][0]),
        pay_once_per="run",
        namespace="",
        dag_id="films",
        task_id="image",
        run_id="manual__2026-11-24",
        map_index=-1,
        images={},
    )
    assert identity.external_task_id() == IDENTITIES[name]


def refusals(data: dict[str, Any]) -> list[str]:
    try:
        parse_request(data)
    except InvalidRequest as error:
        return [str(problem) for problem in error.problems]
    return []


WITH_GOODS: dict[str, Any] = {**AGENT, "goods_title": "A cup", "reference_images": [A]}


@pytest.mark.parametrize(
    "data",
    [
        {**GOODS, "reference_images": [A] * 5, "goods_title": "x" * 200, "goods_description": "x" * 2000},
        {**GOODS, "duration": 30, "aspect_ratio": "16:9"},
        {**AGENT, "speech_script": "x" * 2000, "action_prompt": "x" * 2500},
        {**AGENT, "avatar_id": "x" * 128},
        {**AGENT, "speech_rate": 0.8},
        {**AGENT, "speech_rate": "1.2"},
        {**AGENT, "callback_url": "https://example.org/" + "x" * 1004},
        {**WITH_GOODS, "goods_title": "x" * 500, "goods_price": "x" * 256, "reference_images": [A] * 5},
        {**WITH_GOODS, "goods_target_audience": ["x" * 200] * 20, "goods_selling_point": ["x" * 500] * 20},
        {**CLOTHES, "product_info": "x" * 2500, "product_images": [A] * 5, "model_images": [A] * 5},
        {**CLOTHES, "aspect_ratio": "21:9"},
        {**DRAMA, "glossary": [{"source": "x" * 100, "target": "y" * 100}] * 200},
        {**DRAMA, "target_cps": 10, "margin_v": 1, "font_size": 1},
        {**DRAMA, "target_cps": 20, "margin_v": 4096, "font_size": 512},
        {**AGENT, "avatar_id": "avatar_new_person"},
        {**CLOTHES, "voice": "a_new_voice"},
        {**TRY_ON, "model": "kolors-virtual-try-on-v2"},
    ],
)
def test_rules_just_inside(data: dict[str, Any]) -> None:
    assert refusals(data) == []


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        ({**TRY_ON, "product_image": None}, "product_image: must be given"),
        ({**TRY_ON, "person_image": None}, "person_image: must be given"),
        ({**TRY_ON, "keep_face": "perhaps"}, "keep_face 'perhaps': must be true or false"),
        ({**TRY_ON, "model": "kolors_virtual_try_on_v1"}, "Did you mean 'kolors-virtual-try-on-v1'?"),
        ({**GOODS, "reference_images": []}, "must have at least 1 entries (has 0)"),
        ({**GOODS, "reference_images": [A] * 6}, "must have at most 5 entries (has 6)"),
        ({**GOODS, "goods_title": None}, "goods_title: must be given"),
        ({**GOODS, "goods_title": ""}, "must not be empty"),
        ({**GOODS, "goods_title": " "}, "goods_title ' ': must not be blank"),
        ({**AGENT, "speech_script": "\n"}, "must not be blank"),
        ({**CLOTHES, "product_info": " "}, "must not be blank"),
        ({**GOODS, "goods_title": "x" * 201}, "must be at most 200 characters (has 201)"),
        ({**GOODS, "goods_description": "x" * 2001}, "must be at most 2000 characters (has 2001)"),
        ({**GOODS, "resolution": None}, "resolution: must be given"),
        ({**GOODS, "aspect_ratio": None}, "aspect_ratio: must be given"),
        ({**GOODS, "duration": None}, "duration: must be given"),
        ({**GOODS, "duration": 14}, "duration 14: must be 15 or 30 or 60"),
        ({**GOODS, "resolution": "4k"}, "resolution '4k': must be 720p or 1080p"),
        ({**GOODS, "aspect_ratio": "4:3"}, "aspect_ratio '4:3': must be 9:16 or 1:1 or 16:9"),
        (
            {**GOODS, "model": "kling-3.0"},
            "model 'kling-3.0': must be left out: Kling has no such field for goods_studio",
        ),
        ({**AGENT, "avatar_image": A}, "avatar_id: cannot be combined with avatar_image"),
        ({**AGENT, "avatar_id": None}, "avatar_id: must be given, or avatar_image: who speaks"),
        ({**FACE, "voice_id": None}, "voice_id: must be given with avatar_image"),
        ({**AGENT, "voice_id": "female_warm_rich"}, "voice_id: must be left out with avatar_id"),
        ({**AGENT, "avatar_id": "x" * 129}, "must be at most 128 characters (has 129)"),
        ({**AGENT, "avatar_id": "Avatar Lee-male"}, "Did you mean 'avatar_lee_male'?"),
        ({**AGENT, "speech_script": None}, "speech_script: must be given"),
        ({**AGENT, "speech_script": "x" * 2001}, "must be at most 2000 characters (has 2001)"),
        ({**AGENT, "action_prompt": "x" * 2501}, "must be at most 2500 characters (has 2501)"),
        ({**AGENT, "speech_rate": 1.1}, "speech_rate 1.1: must be 0.8 or 1.0 or 1.2"),
        ({**WITH_GOODS, "speech_rate": 1}, "speech_rate 1.0: must be left out where a video is about goods"),
        ({**AGENT, "goods_price": "12"}, "reference_images: must be given where a video is about goods"),
        ({**AGENT, "reference_images": [A]}, "goods_title: must be given where a video is about goods"),
        ({**WITH_GOODS, "reference_images": [A] * 6}, "must have at most 5 entries (has 6)"),
        ({**WITH_GOODS, "goods_title": "x" * 501}, "must be at most 500 characters (has 501)"),
        ({**WITH_GOODS, "goods_price": "x" * 257}, "must be at most 256 characters (has 257)"),
        ({**WITH_GOODS, "goods_target_audience": ["x" * 201]}, "must be at most 200 characters (has 201)"),
        ({**WITH_GOODS, "goods_target_audience": ["x"] * 21}, "must have at most 20 entries (has 21)"),
        ({**WITH_GOODS, "goods_selling_point": ["x" * 501]}, "must be at most 500 characters (has 501)"),
        ({**WITH_GOODS, "goods_selling_point": ["x"] * 21}, "must have at most 20 entries (has 21)"),
        ({**AGENT, "resolution": "4k"}, "resolution '4k': must be 720p or 1080p"),
        ({**AGENT, "aspect_ratio": "1:1"}, "aspect_ratio '1:1': must be 9:16 or 16:9"),
        ({**AGENT, "callback_url": "https://example.org/" + "x" * 1005}, "at most 1024 characters"),
        ({**CLOTHES, "product_info": None}, "product_info: must be given"),
        ({**CLOTHES, "product_info": "x" * 2501}, "must be at most 2500 characters (has 2501)"),
        ({**CLOTHES, "video": None}, "video: must be given"),
        ({**CLOTHES, "product_images": []}, "must have at least 1 entries (has 0)"),
        ({**CLOTHES, "product_images": [A] * 6}, "must have at most 5 entries (has 6)"),
        ({**CLOTHES, "model_images": [A] * 6}, "must have at most 5 entries (has 6)"),
        ({**CLOTHES, "voice": "calm-sales-man"}, "Did you mean 'calm_sales_man'?"),
        ({**CLOTHES, "resolution": "4k"}, "resolution '4k': must be 720p or 1080p"),
        ({**CLOTHES, "aspect_ratio": "9:21"}, "aspect_ratio '9:21': must be 9:16 or 2:3"),
        ({**DRAMA, "video": None}, "video: must be given"),
        ({**DRAMA, "glossary": [{"source": "x", "target": "y"}] * 201}, "must have at most 200 entries"),
        ({**DRAMA, "glossary": [{"source": "x" * 101, "target": "y"}]}, "at most 100 characters (has 101)"),
        ({**DRAMA, "glossary": [{"source": "x", "target": "y" * 101}]}, "at most 100 characters (has 101)"),
        ({**DRAMA, "glossary": [{"source": " ", "target": "y"}]}, "glossary.0.source ' ': must not be blank"),
        ({**DRAMA, "glossary": [{"source": "x"}]}, "glossary.0.target: must be given"),
        ({**DRAMA, "glossary": [{"sourc": "x", "source": "x", "target": "y"}]}, "Did you mean 'source'?"),
        ({**DRAMA, "target_cps": 9}, "target_cps 9: must be 10 or more"),
        ({**DRAMA, "target_cps": 21}, "target_cps 21: must be 20 or less"),
        ({**DRAMA, "margin_v": 0}, "margin_v 0: must be 1 or more"),
        ({**DRAMA, "margin_v": 4097}, "margin_v 4097: must be 4096 or less"),
        ({**DRAMA, "font_size": 0}, "font_size 0: must be 1 or more"),
        ({**DRAMA, "font_size": 513}, "font_size 513: must be 512 or less"),
        ({**DRAMA, "target_language": "de"}, "target_language 'de': must be one of: en"),
        ({**DRAMA, "watermark": True}, "watermark True: belongs to type"),
    ],
)
def test_rules_just_outside(data: dict[str, Any], wrong: str) -> None:
    found = refusals(data)
    assert any(wrong in one for one in found), found


@pytest.mark.parametrize(
    ("data", "warning"),
    [
        ({**AGENT, "avatar_id": "avatar_new_person"}, "avatar_id avatar_new_person is not on the list"),
        ({**FACE, "voice_id": "a_new_voice"}, "voice_id a_new_voice is not on the list"),
        ({**CLOTHES, "voice": "calm_sales_people"}, "Did you mean 'calm_sales_woman'?"),
        (
            {**TRY_ON, "model": "kolors-virtual-try-on-v2"},
            "model kolors-virtual-try-on-v2 is not on the list",
        ),
    ],
)
def test_an_unknown_word_of_an_open_list_is_told(data: dict[str, Any], warning: str) -> None:
    (found,) = parse_request(data).find_warnings()
    assert warning in found


@pytest.mark.parametrize("data", [TRY_ON, GOODS, AGENT, FACE, CLOTHES, DRAMA])
def test_what_all_solutions_share(data: dict[str, Any]) -> None:
    request = parse_request(data)
    spec = spec_of(request)
    assert request.find_warnings() == []
    assert PROFILES["kling"].find_lock(request) is Lock.CARRIED
    assert spec.tasks_path == "/solutions"
    price = estimate_price(request)
    assert (price.units, price.usd) == (None, None)
    assert price.package == spec.package == ("image" if spec.type == TRY_ON["type"] else "video")
    assert price.as_text().startswith("unknown price (amount not published")


def test_no_other_type_is_read_at_the_path_of_solutions() -> None:
    read_there = {spec.type for spec in all_specs() if spec.tasks_path == "/solutions"}
    assert read_there == {name.partition(",")[0].partition(" ")[0] for name in GOLDEN}
