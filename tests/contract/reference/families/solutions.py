# SPDX-License-Identifier: Apache-2.0
"""Solutions for shops and series."""

from __future__ import annotations

from typing import Any

from tests.contract.reference.families.common import IMAGE, VIDEO, change_part, write_list, write_parts

_WEARING = {"product_image": IMAGE, "person_image": IMAGE}
_STUDIO = {
    "reference_images": [IMAGE],
    "goods_title": "A cup",
    "resolution": "720p",
    "aspect_ratio": "9:16",
    "duration": 15,
}
_WORDS = {"speech_script": "Hello"}
_AGENT = {**_WORDS, "avatar_id": "avatar_vivian_female"}
_OWN = {**_WORDS, "avatar_image": IMAGE, "voice_id": "male_calm_informative"}
_GOODS = {"reference_images": [IMAGE], "goods_title": "A cup"}
_DUPE = {"product_info": "A coat", "video": VIDEO, "product_images": [IMAGE]}
_DRAMA = {"video": VIDEO}
_GLOSSARY = {"glossary": [{"source": "a", "target": "b"}]}


def _leave_out(request: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in request.items() if name != key}


BASES: dict[tuple[str, str], dict[str, Any]] = {
    ("virtual_try_on", ""): _WEARING,
    ("goods_studio", ""): _STUDIO,
    ("talking_agent", ""): _AGENT,
    ("clothing_dupe", ""): _DUPE,
    ("drama_subtitle", ""): _DRAMA,
}

_BESIDE_IMAGE = {**_OWN, "avatar_id": None}
BESIDE: dict[tuple[str, str, str], dict[str, Any]] = {
    ("talking_agent", "avatar_image", ""): _BESIDE_IMAGE,
    ("talking_agent", "voice_id", ""): _BESIDE_IMAGE,
    **{
        ("talking_agent", field, ""): _GOODS
        for field in (*_GOODS, "goods_price", "goods_target_audience", "goods_selling_point")
    },
    ("drama_subtitle", "glossary_source", ""): _GLOSSARY,
    ("drama_subtitle", "glossary_target", ""): _GLOSSARY,
}

WRITERS: dict[tuple[str, str, str], Any] = {
    ("drama_subtitle", "glossary", ""): write_parts("glossary", "source", target="b"),
    ("drama_subtitle", "glossary_source", ""): change_part("glossary", "source"),
    ("drama_subtitle", "glossary_target", ""): change_part("glossary", "target"),
    **{
        (type_, field, ""): write_list(field)
        for type_, fields in {
            "goods_studio": ("reference_images",),
            "talking_agent": ("reference_images", "goods_target_audience", "goods_selling_point"),
            "clothing_dupe": ("product_images", "model_images"),
        }.items()
        for field in fields
    },
}

OPEN: dict[tuple[str, str], str] = {
    ("talking_agent", "avatar_id"): "the list changes at the vendor",
    ("talking_agent", "voice_id"): "the list changes at the vendor",
    ("clothing_dupe", "voice"): "the list changes at the vendor",
}

_ONE_PERSON = [
    (_AGENT, {**_AGENT, "avatar_image": IMAGE}),
    (_AGENT, _WORDS),
    (_OWN, _leave_out(_OWN, "voice_id")),
    (_AGENT, {**_AGENT, "voice_id": "male_calm_informative"}),
]

RULES: dict[tuple[str, str, str], Any] = {
    (
        "talking_agent",
        "",
        "exactly one of avatar_image (then voice_id required) and avatar_id (then voice_id forbidden)",
    ): _ONE_PERSON,
    (
        "talking_agent",
        "",
        "any goods content: at least one ref_image, exactly one goods_title, no speech_rate",
    ): [
        ({**_AGENT, **_GOODS}, {**_AGENT, "goods_title": "A cup"}),
        ({**_AGENT, **_GOODS}, {**_AGENT, "reference_images": [IMAGE]}),
        ({**_AGENT, **_GOODS, "goods_price": "1"}, {**_AGENT, "goods_price": "1"}),
        ({**_AGENT, "speech_rate": 1.2}, {**_AGENT, **_GOODS, "speech_rate": 1.2}),
    ],
    ("talking_agent", "", "length cannot be asked for; camelCase names of settings are accepted too"): (
        _AGENT,
        {**_AGENT, "duration": 15},
    ),
    (
        "clothing_dupe",
        "",
        "without model_image the people of the source video; without bgm a library tune; without voice the sound is generated",
    ): "it says what Kling does, and forbids nothing",
    ("drama_subtitle", "", "callback only at the end; no watermark option"): (
        _DRAMA,
        {**_DRAMA, "watermark": True},
    ),
}

CONDITIONS: dict[tuple[str, str, str], Any] = {
    **{("talking_agent", field, ""): _ONE_PERSON for field in ("avatar_image", "avatar_id", "voice_id")},
    **{
        ("talking_agent", field, ""): ({**_AGENT, **_GOODS}, {**_AGENT, **_leave_out(_GOODS, field)})
        for field in _GOODS
    },
    **{
        ("drama_subtitle", f"glossary_{key}", ""): [
            (
                {**_DRAMA, **_GLOSSARY},
                {**_DRAMA, "glossary": [_leave_out(_GLOSSARY["glossary"][0], key)]},
            ),
            (
                {**_DRAMA, **_GLOSSARY},
                {**_DRAMA, "glossary": [{**_GLOSSARY["glossary"][0], key: " "}]},
            ),
        ]
        for key in ("source", "target")
    },
}
