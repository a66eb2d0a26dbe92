# SPDX-License-Identifier: Apache-2.0
"""Images from words, from images, and from parts of both."""

from __future__ import annotations

from typing import Any

from tests.contract.reference.families.common import IMAGE, write_list, write_parts

_WORDS = {"prompt": "A boat"}
_V21 = {**_WORDS, "model": "kling-v2-1", "image": IMAGE}
_SUBJECT = {**_V21, "image_reference": "subject"}
_OMNI = {**_WORDS, "model": "kling-v3-omni"}
_SERIES = {**_OMNI, "result_type": "series"}
_WIDER = {"image": IMAGE, "up": 0, "down": 0, "left": 0, "right": 0}


def _elements(count: int) -> dict[str, Any]:
    return {"elements": [{"element_id": str(number)} for number in range(count)]}


BASES: dict[tuple[str, str], dict[str, Any]] = {
    ("image_generation", ""): _WORDS,
    ("omni_image", ""): _WORDS,
    ("multi_image_to_image", ""): {"images": [IMAGE]},
    ("image_expand", ""): _WIDER,
    ("ai_multi_shot", ""): {"image": IMAGE},
}

BESIDE: dict[tuple[str, str, str], dict[str, Any]] = {
    ("image_generation", "image_reference", ""): _V21,
    ("image_generation", "image_fidelity", ""): _V21,
    ("image_generation", "human_fidelity", ""): _SUBJECT,
    # The field's list has 4k for both models, and the vendor's map of capabilities for one.
    ("omni_image", "resolution", ""): _OMNI,
    ("omni_image", "result_type", ""): _OMNI,
    ("omni_image", "series_amount", ""): _SERIES,
}

WRITERS: dict[tuple[str, str, str], Any] = {
    **{
        (type_, "elements", ""): write_parts("elements", "element_id")
        for type_ in ("image_generation", "omni_image")
    },
    **{(type_, "images", ""): write_list("images") for type_ in ("omni_image", "multi_image_to_image")},
}

RULES: dict[tuple[str, str, str], Any] = {
    ("image_generation", "", "reference images + elements <= 10"): (
        {**_WORDS, "image": IMAGE, **_elements(9)},
        {**_WORDS, "image": IMAGE, **_elements(10)},
    ),
    (
        "image_generation",
        "",
        "image_reference, image_fidelity, human_fidelity only with kling-v2-1; human_fidelity only with "
        "image_reference subject",
    ): [
        *(
            ({**_SUBJECT, key: value}, {**_SUBJECT, "model": "kling-v3", key: value})
            for key, value in {
                "image_reference": "subject",
                "image_fidelity": 0.3,
                "human_fidelity": 0.3,
            }.items()
        ),
        ({**_SUBJECT, "human_fidelity": 0.3}, {**_V21, "human_fidelity": 0.3}),
        ({**_SUBJECT, "human_fidelity": 0.3}, {**_V21, "image_reference": "face", "human_fidelity": 0.3}),
    ],
    ("omni_image", "", "reference images + elements <= 10"): (
        {**_WORDS, "images": [IMAGE] * 4, **_elements(6)},
        {**_WORDS, "images": [IMAGE] * 5, **_elements(6)},
    ),
    (
        "omni_image",
        "",
        "series and 4k only with kling-v3-omni by the capability map; the field's enum allows 4k for both",
    ): [
        (_SERIES, {**_SERIES, "model": "kling-image-o1"}),
        ({**_OMNI, "resolution": "4k"}, {**_OMNI, "resolution": "4k", "model": "kling-image-o1"}),
    ],
    (
        "omni_image",
        "",
        "the capability map says auto ratio is not for text alone with kling-v3-omni, though auto is the default",
    ): [
        ({**_WORDS, "aspect_ratio": "auto"}, {**_OMNI, "aspect_ratio": "auto"}),
        ({**_OMNI, "aspect_ratio": "auto", "images": [IMAGE]}, {**_OMNI, "aspect_ratio": "auto"}),
    ],
    ("omni_image", "", "series_amount auto takes as many slots as images made"): (
        "how many there are, the model decides: it is about the limit of tasks that run"
    ),
    ("image_expand", "", "area of the new image <= 3 x the old one"): [
        ({**_WIDER, "up": 1, "right": 0.5}, {**_WIDER, "up": 1, "right": 0.6}),
        ({**_WIDER, "up": 1, "down": 1}, {**_WIDER, "up": 1, "down": 1.1}),
    ],
}

CONDITIONS: dict[tuple[str, str, str], Any] = {
    ("image_generation", "image", ""): (
        _SUBJECT,
        {**_WORDS, "model": "kling-v2-1", "image_reference": "subject"},
    ),
}
