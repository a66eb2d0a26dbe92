# SPDX-License-Identifier: Apache-2.0
"""What the omni page of the standard design and the live host refuse beyond single fields.

*Documented*: the endpoint page of 2026-09-20; what it forbids is refused at create, as other cross rules are.
*Observed*: validation messages of the live host, 2026-09. Kling 4.0 has other limits, which are second-hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.products.models import SandboxModel

VIDEOS = ("feature_video", "base_video")
_FRAMES = ("first_frame", "last_frame")
_IMAGES = (*_FRAMES, "refer_image")
_IGNORED = ("image", "video")
"""Types of motion control, which omni drops without a word (observed)."""
_KNOWN = ("prompt", *_IMAGES, "middle_frame", *VIDEOS, "element", "voice", *_IGNORED)
_O1 = "kling-o1"


def check_list(value: Any) -> None:
    """Refuse ``contents`` of another type, in the words of the live host."""
    if value is not None and not isinstance(value, list):
        raise InvalidParameter("contents value type is invalid, expected array")  # observed


def check_entry(kind: str, entry: Fields) -> None:
    """Refuse one of ``contents`` in the words of the live host."""
    if kind not in _KNOWN:
        raise InvalidParameter(f"{entry.name_field('type')} value '{kind}' is invalid")  # observed
    if kind == "prompt" and not (entry.read_text("text") or "").strip():
        raise InvalidParameter("content item of type 'prompt' must have non-blank text")  # observed
    if kind in (*_IMAGES, "middle_frame", *VIDEOS) and not (entry.read_text("url") or "").strip():
        raise InvalidParameter(
            f"content item of type '{kind}' must have a non-blank url"
        )  # observed for the frames
    if kind == "element" and not entry.raw.get("element_id"):
        raise InvalidParameter("Invalid element id: ")  # observed


def check_names(names: Sequence[str]) -> None:
    """Refuse an ``id`` that two of ``contents`` have (documented)."""
    for name in names:
        if names.count(name) > 1:
            raise InvalidParameter(f"contents id {name} must be unique")


def check_settings(model: SandboxModel, counts: Mapping[str, int], *, audio: str, multi_shot: bool) -> None:
    """Check the rules between contents and settings.

    :param counts: how many of ``contents`` have each type.
    :param multi_shot: with the default of ``true`` put in, so that a base video has to turn it off.
    """

    def has_any(*kinds: str) -> bool:
        return any(counts.get(kind) for kind in kinds)

    if has_any("base_video") and has_any(*_FRAMES):
        raise InvalidParameter("base_video cannot be used with frames")  # documented
    if not model.plain_ids:
        return
    _check_counts(counts)
    if audio == "original" and not has_any(*VIDEOS):
        raise InvalidParameter("audio mode 'original' is not supported by the current model")  # observed
    if audio == "native" and has_any("base_video"):
        raise InvalidParameter("settings.audio native is not supported with base_video")  # documented
    if model.multi_shot and has_any("base_video") and multi_shot:
        raise InvalidParameter("base_video requires settings.multi_shot false")  # documented: no multi-shot
    if model.multi_shot and has_any("feature_video"):  # both documented for 3.0-omni
        if not multi_shot:
            raise InvalidParameter("feature_video requires settings.multi_shot true")
        if audio != "off":
            raise InvalidParameter("feature_video requires settings.audio off")
    if model.name == _O1:  # both documented
        if has_any("feature_video") and has_any("last_frame"):
            raise InvalidParameter(f"feature_video cannot be used with last_frame for model {_O1}")
        if has_any("last_frame") and has_any("refer_image", "element"):
            raise InvalidParameter(
                f"first_frame and last_frame exclude refer_image and element for model {_O1}"
            )


def check_seed(value: Any) -> None:
    """Refuse a seed that is no number; the setting is known, but nothing documents it."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise InvalidParameter(f"settings.seed value '{value}' is invalid")  # observed


def check_characters(model: SandboxModel, counts: Mapping[str, int], characters: int) -> None:
    """Check what limits elements that were made of a video (all of it documented).

    :param characters: how many of the elements are such *video characters*.
    """
    if not characters or not model.plain_ids:
        return
    others = counts.get("element", 0) - characters
    if model.name == _O1:
        raise InvalidParameter(f"elements from a video are not supported by model {_O1}")
    if any(counts.get(kind) for kind in VIDEOS):
        if characters > 1:
            raise InvalidParameter("contents can have at most 1 element from a video with a video")
        if others:
            raise InvalidParameter("elements from a video and from images cannot be mixed with a video")
        if counts.get("refer_image"):
            raise InvalidParameter("refer_image cannot be used with a video and an element from a video")
        return
    if characters > 3:
        raise InvalidParameter("contents can have at most 3 element from a video")
    if others + sum(counts.get(kind, 0) for kind in _IMAGES) > 4:
        raise InvalidParameter(
            "contents can have at most 4 images and elements from images with an element from a video"
        )


def _check_counts(counts: Mapping[str, int]) -> None:
    """Count images and elements; frames are images, as they are in the ``image_list`` of the legacy design."""
    elements = counts.get("element", 0)
    most = 4 if any(counts.get(kind) for kind in VIDEOS) else 7  # documented
    if elements + sum(counts.get(kind, 0) for kind in _IMAGES) > most:
        raise InvalidParameter(f"contents can have at most {most} images and elements")
    if counts.get("first_frame") and elements > 3:  # documented
        raise InvalidParameter("contents can have at most 3 element with first_frame")


def list_seconds(model: SandboxModel, counts: Mapping[str, int]) -> frozenset[int]:
    """Return the lengths that a model generates of these contents.

    O1 makes 5 or 10 s of a first frame without other references (documented). Create lets other lengths pass, as
    it does for every length (observed).
    """
    others = ("last_frame", "refer_image", "element", *VIDEOS)
    if model.name == _O1 and counts.get("first_frame") and not any(counts.get(kind) for kind in others):
        return frozenset((5, 10))
    return model.seconds
