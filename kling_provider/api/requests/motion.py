# SPDX-License-Identifier: Apache-2.0
"""Motion control: somebody in an image moves as somebody in a video does.

The rules are the vendor's (API reference of September 2026 for the standard API, February 2026 for the legacy one).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from kling_provider.api.models import find_near_name, known_model
from kling_provider.api.pricing import round_seconds
from kling_provider.api.problems import Problem
from kling_provider.api.requests.base import AudioRate
from kling_provider.api.requests.fields import ApiDesign, Flag, ImageInput, Media, ModelName, Text, Wire
from kling_provider.api.requests.parts import Element
from kling_provider.api.requests.references import find_wrong_names, find_wrong_numbers
from kling_provider.api.requests.video_base import VideoModelRequest, limit_count, refuse_names

#: The longest video in seconds, by whom the character turns like.
_LONGEST = {"image": 10, "video": 30}


def _read_kept_sound(value: Any) -> Any:
    """Read as people write it whether the video's sound is kept; YAML 1.1 reads yes, no, on and off as booleans."""
    if isinstance(value, bool):
        return "original" if value else "off"
    if isinstance(value, str):
        word = value.lower()
        return {"yes": "original", "on": "original", "true": "original", "no": "off", "false": "off"}.get(
            word, word
        )
    return value


def _to_lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class MotionControl(VideoModelRequest):
    """A video in which the character of an image moves like the one of a video, as long as that video."""

    #: Frozen: see :attr:`KlingRequest.frozen_defaults`.
    frozen_defaults: ClassVar[Mapping[str, Any]] = {
        "model": "kling-3.0",
        "audio": "original",
        "resolution": "720p",
        "watermark": False,
    }
    foreign_fields: ClassVar[Mapping[str, str]] = {
        "duration": "the result is as long as the video",
        "aspect_ratio": "the result has the shape of the image",
    }
    wire_order: ClassVar[tuple[str, ...]] = ("prompt", "image", "video", "elements")

    type: Literal["motion_control"] = "motion_control"
    model: ModelName = "kling-3.0"
    prompt: Annotated[Text | None, Wire("contents[prompt].text", "prompt")] = Field(None, max_length=2500)
    image: Annotated[ImageInput, Wire("contents[image].url", "image_url")]
    video: Annotated[
        str, Media("video", "video_motion", "video_motion"), Wire("contents[video].url", "video_url")
    ] = Field(min_length=1)
    elements: Annotated[list[Element], Wire("contents[element]", "element_list")] = Field(
        default_factory=list, max_length=1
    )
    character_orientation: Annotated[
        Literal["image", "video"],
        BeforeValidator(_to_lower),
        Wire("settings.character_orientation", "character_orientation"),
    ]
    audio: Annotated[
        Literal["original", "off"],
        BeforeValidator(_read_kept_sound),
        Wire("settings.audio", "keep_original_sound", legacy_values={"original": "yes", "off": "no"}),
    ] = "original"
    resolution: Annotated[
        Literal["720p", "1080p"],
        BeforeValidator(_to_lower),
        Wire("settings.resolution", "mode", legacy_values={"720p": "std", "1080p": "pro"}),
    ] = "720p"
    watermark: Annotated[Flag, Wire("options.watermark_info.enabled", "watermark_info.enabled")] = False

    @property
    def sound(self) -> str:
        """Return what is sent as sound."""
        return self.audio

    @property
    def audio_rate(self) -> AudioRate:
        """Return the column of the price list that applies."""
        return "motion"

    def count_billed_seconds(self, seconds: Mapping[str, float]) -> int | None:
        """Return the seconds of the video, rounded to the nearest whole one; ``None`` where they are not known.

        Kling bills those of the result, which is shorter where a part of the motion cannot be used.
        """
        if (length := seconds.get("video")) is None:
            return None
        return min(round_seconds(length), _LONGEST[self.character_orientation])

    def find_problems(self) -> list[Problem]:
        """Find every broken rule, including those of the model."""
        found = super().find_problems()
        model = known_model(self.model)
        if model is not None:
            if self.type not in model.types:
                message = "must be a model with motion control: kling-3.0 or kling-2.6"
                found.append(Problem("model", self.model, message))
            if self.elements and not model.elements:
                found.append(Problem("elements", None, limit_count(0, model.name)))
        elif near := find_near_name(self.model):
            found.append(Problem("model", self.model, f"must be a known model. Did you mean {near!r}?"))
        if self.elements and self.character_orientation == "image":
            message = "must be video with an element: the character turns like the one of the video then"
            found.append(Problem("character_orientation", self.character_orientation, message))
        prompt = self.prompt or ""
        found += find_wrong_numbers(prompt, {"element": len(self.elements)})
        return found + find_wrong_names("elements", prompt, [one.id for one in self.elements if one.id])

    def find_wrong_lengths(self, seconds: Mapping[str, float]) -> list[Problem]:
        """Find a video that is too long for the orientation."""
        length, most = seconds.get("video"), _LONGEST[self.character_orientation]
        # Kling's own videos are a frame longer than was asked.
        if length is None or length <= most + 0.05:
            return []
        message = (
            f"must be at most {most} seconds long with character_orientation: {self.character_orientation} "
            f"(has {length:g})"
        )
        return [Problem("video", None, message)]

    def find_unsupported(self, design: ApiDesign) -> list[Problem]:
        """Find what ``design`` cannot express: elements have names on the standard API, and numbers on the legacy one."""
        found = super().find_unsupported(design)
        if design == "standard" and not all(one.id for one in self.elements):
            found.append(
                Problem("elements", None, "must have an id each, the name that the prompt uses (@id)")
            )
        if design == "legacy" and any(one.id for one in self.elements):
            found.append(refuse_names("elements", "<<<element_1>>>"))
        return found
