# SPDX-License-Identifier: Apache-2.0
"""Rules in words of videos from words, from images and from a mixture."""

from __future__ import annotations

from typing import Any

from tests.contract.reference.families.common import IMAGE, VIDEO

_TEXT = {"prompt": "A boat"}
_FRAME = {"first_frame": IMAGE}
_FRAMES = {**_FRAME, "last_frame": IMAGE}
_26, _25, _O1 = {"model": "kling-2.6"}, {"model": "kling-2.5-turbo"}, {"model": "kling-o1"}
_LOUD = {"audio": "native"}
_FULL_HD = {"resolution": "1080p"}
_VOICE = {"voices": [{"voice_id": "1", "id": "v"}]}
_SHOTS = {
    "multi_shot": True,
    "shot_type": "customize",
    "multi_prompt": [
        {"index": 1, "prompt": "A boat", "duration": 2},
        {"index": 2, "prompt": "A kite", "duration": 3},
    ],
}
_MASK = {"static_mask": IMAGE}
_CAMERA = {"camera_control": {"type": "down_back"}}
_V1 = {"model": "kling-v1-6"}
_REFERENCE, _BASE = {**_TEXT, "reference_video": VIDEO}, {**_TEXT, "base_video": VIDEO}


def _elements(count: int) -> dict[str, Any]:
    return {"elements": [{"element_id": str(number), "id": f"e{number}"} for number in range(count)]}


def _bare_elements(count: int) -> dict[str, Any]:
    return {"elements": [{"element_id": str(number)} for number in range(count)]}


def _images(count: int) -> dict[str, Any]:
    return {"reference_images": [IMAGE] * count}


def _shots(*shots: tuple[int, int, str]) -> dict[str, Any]:
    prompt = " ".join(f"shot {number}, {seconds}, {words};" for number, seconds, words in shots)
    return {"prompt": prompt, "multi_shot": True, "duration": 5}


_TWO_SHOTS = _shots((1, 2, "A boat"), (2, 3, "A kite"))
_SHOT_WORDS = (
    "multi-shot in the prompt: 'shot n, m, words; …', n 1-6, m >= 1 s, sum of m = duration, words <= 512"
)
_MOST_WORDS = (
    "without video: images + multi-image elements <= 7 (<= 4 beside video-character elements, those <= 3); with video <= 4; "
    "with a first frame <= 3 elements"
)
_CHARACTER_WORDS = (
    "at most one reference video; with it at most one video-character element, kinds of elements not mixed, no reference images "
    "beside a video-character element"
)

RULES: dict[tuple[str, str, str], Any] = {
    ("text_to_video", "standard", "kling-2.6: audio native needs resolution 1080p"): (
        {**_TEXT, **_26, **_LOUD, **_FULL_HD},
        {**_TEXT, **_26, **_LOUD},
    ),
    ("text_to_video", "standard", _SHOT_WORDS): [
        (_TWO_SHOTS, _shots((1, 2, "A boat"), (2, 4, "A kite"))),
        (_TWO_SHOTS, _shots((0, 2, "A boat"), (2, 3, "A kite"))),
        (_shots((6, 5, "A boat")), _shots((7, 5, "A boat"))),
        (_shots((1, 1, "A boat"), (2, 4, "A kite")), _shots((1, 0, "A boat"), (2, 5, "A kite"))),
        (_shots((1, 5, "x" * 512)), _shots((1, 5, "x" * 513))),
    ],
    # Kling takes the money first there, so we check it.
    (
        "text_to_video",
        "standard",
        "duration is not range-checked at create (0, 1, 20 were accepted) (L)",
    ): [
        ({**_TEXT, "duration": 15}, {**_TEXT, "duration": 20}),
        ({**_TEXT, "duration": 3}, {**_TEXT, "duration": 1}),
        ({**_TEXT, "duration": 3}, {**_TEXT, "duration": 0}),
    ],
    (
        "image_to_video",
        "standard",
        "kling-2.6: audio native needs 1080p; first + last frame needs 1080p and audio off",
    ): [
        ({**_FRAME, **_26, **_LOUD, **_FULL_HD}, {**_FRAME, **_26, **_LOUD}),
        ({**_FRAMES, **_26, **_FULL_HD}, {**_FRAMES, **_26}),
        ({**_FRAMES, **_26, **_FULL_HD}, {**_FRAMES, **_26, **_FULL_HD, **_LOUD}),
    ],
    ("image_to_video", "standard", "kling-2.5-turbo: first + last frame needs 1080p"): (
        {**_FRAMES, **_25, **_FULL_HD},
        {**_FRAMES, **_25},
    ),
    ("image_to_video", "standard", "kling-2.6: a voice needs audio native"): (
        {**_FRAME, **_26, **_FULL_HD, **_VOICE, **_LOUD},
        {**_FRAME, **_26, **_FULL_HD, **_VOICE},
    ),
    ("image_to_video", "standard", "references in the prompt: @id"): (
        {**_FRAME, **_elements(1), "prompt": "@e0 waves"},
        {**_FRAME, **_elements(1), "prompt": "@hero waves"},
    ),
    ("image_to_video", "standard", "no aspect_ratio: it follows the first frame"): (
        _FRAME,
        {**_FRAME, "aspect_ratio": "16:9"},
    ),
    ("image_to_video", "legacy", "image + image_tail, masks and camera_control exclude one another"): [
        ({**_FRAME, **_V1, **_MASK}, {**_FRAMES, **_V1, **_FULL_HD, **_MASK}),
        ({**_FRAMES, **_V1, **_FULL_HD}, {**_FRAMES, **_V1, **_FULL_HD, **_CAMERA}),
        ({**_FRAME, **_V1, **_CAMERA}, {**_FRAME, **_V1, **_CAMERA, **_MASK}),
    ],
    ("image_to_video", "legacy", "no aspect_ratio"): (_FRAME, {**_FRAME, "aspect_ratio": "16:9"}),
    ("image_to_video", "legacy", "kling-v3: element_list and voice_list exclude one another (C, DXD)"): [
        (
            {**_FRAME, **_bare_elements(1)},
            {**_FRAME, **_bare_elements(1), **_LOUD, "voices": [{"voice_id": "1"}]},
        ),
        (
            {**_FRAME, **_LOUD, "voices": [{"voice_id": "1"}]},
            {**_FRAME, **_bare_elements(1), **_LOUD, "voices": [{"voice_id": "1"}]},
        ),
    ],
    ("image_to_video", "legacy", "first and last frame with multi_shot allowed since 2026-05-07"): (
        {**_FRAMES, **_SHOTS},
        {**_FRAMES, **_SHOTS, "duration": 6},
    ),
    ("omni_video", "standard", "base_video: no first or last frame, no multi-shot, audio not native"): [
        (_BASE, {**_BASE, **_FRAME}),
        (_BASE, {**_BASE, **_FRAMES}),
        ({**_BASE, "multi_shot": False}, {**_BASE, "multi_shot": True}),
        ({**_BASE, "audio": "original"}, {**_BASE, **_LOUD}),
    ],
    (
        "omni_video",
        "standard",
        "feature_video: multi_shot true and audio off (3.0-omni); no last frame (o1)",
    ): [
        ({**_REFERENCE, "multi_shot": True}, {**_REFERENCE, "multi_shot": False}),
        ({**_REFERENCE, "audio": "off"}, {**_REFERENCE, **_LOUD}),
        ({**_REFERENCE, "audio": "off"}, {**_REFERENCE, "audio": "original"}),
        ({**_REFERENCE, **_O1, **_FRAME}, {**_REFERENCE, **_O1, **_FRAMES}),
    ],
    # Which elements are video characters, the library of the account alone knows.
    ("omni_video", "standard", _CHARACTER_WORDS): (_REFERENCE, {**_REFERENCE, "base_video": VIDEO}),
    ("omni_video", "standard", _MOST_WORDS): [
        ({**_TEXT, **_images(4), **_elements(3)}, {**_TEXT, **_images(4), **_elements(4)}),
        ({**_REFERENCE, **_images(1), **_elements(3)}, {**_REFERENCE, **_images(2), **_elements(3)}),
        ({**_TEXT, **_FRAME, **_elements(3)}, {**_TEXT, **_FRAME, **_elements(4)}),
    ],
    (
        "omni_video",
        "standard",
        "o1: multi-image elements only; first + last frame excludes refer_image and element",
    ): [
        ({**_TEXT, **_O1, **_FRAMES}, {**_TEXT, **_O1, **_FRAMES, **_images(1)}),
        ({**_TEXT, **_O1, **_FRAMES}, {**_TEXT, **_O1, **_FRAMES, **_elements(1)}),
    ],
    ("omni_video", "standard", "o1: a first frame without other references allows 5 or 10 s only"): [
        ({**_TEXT, **_O1, **_FRAME, "duration": 10}, {**_TEXT, **_O1, **_FRAME, "duration": 6}),
        ({**_TEXT, **_O1, **_FRAME, **_images(1), "duration": 6}, {**_TEXT, **_O1, **_FRAME, "duration": 6}),
    ],
    (
        "omni_video",
        "standard",
        "contents of type image and video are ignored here (L); settings.seed is known but undocumented (L)",
    ): [
        ({**_TEXT, **_FRAME}, {**_TEXT, "video": VIDEO}),
        (_TEXT, {**_TEXT, "seed": 1}),
    ],
    ("omni_video", "legacy", "sound must be off with a video"): [
        (_REFERENCE, {**_REFERENCE, **_LOUD}),
        (_BASE, {**_BASE, **_LOUD}),
    ],
    (
        "omni_video",
        "legacy",
        "with a video: images + elements <= 4, without <= 7; no last frame with more than two images",
    ): [
        (
            {**_REFERENCE, **_images(2), **_bare_elements(2)},
            {**_REFERENCE, **_images(3), **_bare_elements(2)},
        ),
        ({**_TEXT, **_images(3), **_bare_elements(4)}, {**_TEXT, **_images(4), **_bare_elements(4)}),
        ({**_TEXT, **_FRAMES}, {**_TEXT, **_FRAMES, **_images(1)}),
    ],
    ("omni_video", "legacy", "refer_type base: duration follows the video"): (
        _BASE,
        {**_BASE, "duration": 5},
    ),
}

_NO_PROMPT = {**_SHOTS, "duration": 5}

CONDITIONS: dict[tuple[str, str, str], Any] = {
    ("text_to_video", "prompt", ""): (_NO_PROMPT, {}),
    ("image_to_video", "elements_id", ""): (
        {**_FRAME, **_elements(1)},
        {**_FRAME, **_bare_elements(1)},
    ),
    ("image_to_video", "voices_id", ""): (
        {**_FRAME, **_26, **_FULL_HD, **_LOUD, **_VOICE},
        {**_FRAME, **_26, **_FULL_HD, **_LOUD, "voices": [{"voice_id": "1"}]},
    ),
    ("omni_video", "elements_id", ""): ({**_TEXT, **_elements(1)}, {**_TEXT, **_bare_elements(1)}),
    ("image_to_video", "dynamic_masks_trajectories", ""): (
        {
            **_FRAME,
            **_V1,
            "dynamic_masks": [{"mask": IMAGE, "trajectories": [{"x": 1, "y": 1}, {"x": 2, "y": 2}]}],
        },
        {**_FRAME, **_V1, "dynamic_masks": [{"mask": IMAGE}]},
    ),
    **{
        (type_, "camera_control_config", ""): [
            (
                {**base, **_V1, "camera_control": {"type": "simple", "config": config}},
                {**base, **_V1, "camera_control": wrong},
            )
            for config, wrong in (
                ({"pan": -10}, {"type": "simple"}),
                ({"pan": 10}, {"type": "simple", "config": {"pan": 1, "zoom": 1}}),
                ({"zoom": 10}, {"type": "simple", "config": {"zoom": 11}}),
                ({"roll": -10}, {"type": "simple", "config": {"roll": -11}}),
                ({"tilt": 1}, {"type": "down_back", "config": {"tilt": 1}}),
                ({"horizontal": 1, "vertical": 0}, {"type": "simple", "config": {"horizontal": 0}}),
            )
        ]
        for type_, base in (("text_to_video", _TEXT), ("image_to_video", _FRAME))
    },
    **{
        (type_, field, ""): pair
        for type_, base in (("text_to_video", _TEXT), ("image_to_video", _FRAME), ("omni_video", _TEXT))
        for field, pair in {
            "shot_type": (
                {**base, "multi_shot": True, "shot_type": "intelligence"},
                {**base, "multi_shot": True},
            ),
            "multi_prompt": (
                {**base, **_SHOTS},
                {**base, "multi_shot": True, "shot_type": "customize"},
            ),
        }.items()
    },
}
