# SPDX-License-Identifier: Apache-2.0
"""Videos from words and from a first frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kling_provider.api.models import Model, known_model
from kling_provider.api.problems import Problem
from kling_provider.api.requests.base import AudioRate
from kling_provider.api.requests.fields import (
    ApiDesign,
    AspectRatio,
    Audio,
    ImageInput,
    ModelName,
    Number,
    Text,
    Wire,
)
from kling_provider.api.requests.parts import CameraControl, DynamicMask, Element, Voice
from kling_provider.api.requests.video_base import SOUND_WORDS, VideoRequest, limit_count, refuse_names


class DirectedVideo(VideoRequest):
    """What videos from words and from a frame have beside that: stored voices, and the controls of older models."""

    #: Frozen: see :attr:`KlingRequest.frozen_defaults`.
    frozen_defaults: ClassVar[Mapping[str, Any]] = {
        "type": "text_to_video",
        "model": "kling-3.0",
        "duration": 5,
        "resolution": "720p",
        "aspect_ratio": "16:9",
        "audio": "off",
        "multi_shot": False,
        "watermark": False,
        "cfg_scale": 0.5,
    }

    model: ModelName = "kling-3.0"
    audio: Annotated[Audio | None, Wire("settings.audio", "sound", legacy_values=SOUND_WORDS)] = None
    voices: list[Voice] = Field(default_factory=list)

    # Legacy only.
    negative_prompt: Annotated[Text | None, Wire(None, "negative_prompt", instead="say it in the prompt")] = (
        Field(None, max_length=2500)
    )
    cfg_scale: Annotated[Number | None, Wire(None, "cfg_scale")] = Field(None, ge=0, le=1)
    camera_control: Annotated[
        CameraControl | None, Wire(None, "camera_control", instead="describe the camera in the prompt")
    ] = None

    #: What only the v1 models have.
    _v1_fields: ClassVar[tuple[str, ...]] = ("cfg_scale", "camera_control")

    @property
    def audio_rate(self) -> AudioRate:
        """Return the column of the price list that applies."""
        return "voice" if self.voices else super().audio_rate

    def fingerprint_fields(self, inputs: Mapping[str, str]) -> dict[str, Any]:
        """Return the fields that change the result, with the camera's moves without zeros."""
        fields = super().fingerprint_fields(inputs)
        if self.camera_control is not None:
            fields["camera_control"] = self.camera_control.model_dump(exclude_defaults=True)
        return fields

    def find_unsupported(self, design: ApiDesign) -> list[Problem]:
        """Find what ``design`` cannot express, including voices."""
        found = super().find_unsupported(design)
        if design == "standard":
            if self.voices and not self._has_standard_voices(known_model(self.model)):
                message = (
                    "the standard API accepts voices with image_to_video of kling-2.6 only; "
                    "use a connection with api: legacy for others"
                )
                found.append(Problem("voices", None, message))
        elif any(item.id for item in self.voices):
            found.append(refuse_names("voices", "<<<voice_1>>>"))
        return found

    def _has_standard_voices(self, model: Model | None) -> bool:
        return False

    def _name_parts(self) -> list[str]:
        return [*super()._name_parts(), *(one.id for one in self.voices if one.id)]

    def _count_parts(self) -> dict[str, int]:
        return super()._count_parts() | {"voice": len(self.voices)}

    def _find_in_form(self) -> list[Problem]:
        found = super()._find_in_form()
        camera = self.camera_control
        if camera is None:
            return found
        if camera.type == "simple":
            moves = [] if camera.config is None else [v for v in camera.config.model_dump().values() if v]
            if len(moves) != 1:
                message = "must have exactly one value that is not zero for type simple"
                found.append(Problem("camera_control.config", None, message))
        elif camera.config is not None:
            found.append(
                Problem("camera_control.config", None, "must be left out: it goes with type simple only")
            )
        return found

    def _find_by_model(self, model: Model) -> list[Problem]:
        found = super()._find_by_model(model)
        if len(self.voices) > (most := self._most_voices(model)):
            found.append(Problem("voices", None, limit_count(most, model.name)))
        if self.voices and self.audio != "native":
            found.append(Problem("voices", None, "must be used with audio: native"))
        if not model.v1_controls:
            found += self._find_v1_controls(model.name)
        return found

    def _most_voices(self, model: Model) -> int:
        return model.voices

    def _find_v1_controls(self, model: str) -> list[Problem]:
        return [
            Problem(field, None, f"must be left out for {model}: only the kling-v1 models have this field")
            for field in self._v1_fields
            if getattr(self, field) not in (None, [])
        ]


class TextToVideo(DirectedVideo):
    """A video from words. ``prompt`` may be missing only where ``multi_prompt`` tells the shots."""

    type: Literal["text_to_video"] = "text_to_video"
    prompt: Annotated[Text | None, Wire("prompt", "prompt")] = None
    aspect_ratio: Annotated[AspectRatio, Wire("settings.aspect_ratio", "aspect_ratio")] = "16:9"
    elements: Annotated[list[Element], Wire(None, "element_list", instead=None)] = Field(default_factory=list)
    voices: Annotated[list[Voice], Wire(None, "voice_list", instead=None)] = Field(default_factory=list)

    def _most_voices(self, model: Model) -> int:
        return model.voices if model.voices_of_words else 0

    def _find_unnamed_elements(self) -> list[Problem]:
        if not self.elements:
            return []
        return [Problem("elements", None, "the standard API accepts elements with image_to_video only")]

    def _find_in_form(self) -> list[Problem]:
        found = []
        if not (self.prompt or "").strip() and not self.multi_prompt:
            found.append(Problem("prompt", None, "must be given: write what the video shows"))
        return found + super()._find_in_form()

    def _find_by_model(self, model: Model) -> list[Problem]:
        found = []
        if self.aspect_ratio not in model.aspect_ratios:
            found.append(
                Problem(
                    "aspect_ratio",
                    self.aspect_ratio,
                    f"must be {' or '.join(model.aspect_ratios)} for {model.name}",
                )
            )
        return found + super()._find_by_model(model)


class ImageToVideo(DirectedVideo):
    """A video from a first frame; its shape is the image's. Images: https, base64, or a path."""

    foreign_fields: ClassVar[Mapping[str, str]] = {
        "aspect_ratio": "an image's video has the shape of its first frame"
    }
    wire_order: ClassVar[tuple[str, ...]] = ("prompt", "first_frame", "middle_frames", "last_frame")
    _v1_fields: ClassVar[tuple[str, ...]] = ("cfg_scale", "camera_control", "static_mask", "dynamic_masks")

    type: Literal["image_to_video"] = "image_to_video"
    prompt: Annotated[Text | None, Wire("contents[prompt].text", "prompt")] = None
    first_frame: Annotated[ImageInput | None, Wire("contents[first_frame].url", "image")] = None
    middle_frames: Annotated[list[ImageInput], Wire("contents[middle_frame].url", None)] = Field(
        default_factory=list
    )
    last_frame: Annotated[ImageInput | None, Wire("contents[last_frame].url", "image_tail")] = None
    elements: Annotated[list[Element], Wire("contents[element]", "element_list")] = Field(
        default_factory=list
    )
    voices: Annotated[list[Voice], Wire("contents[voice]", "voice_list")] = Field(default_factory=list)
    static_mask: Annotated[ImageInput | None, Wire(None, "static_mask")] = None
    dynamic_masks: Annotated[list[DynamicMask], Wire(None, "dynamic_masks")] = Field(
        default_factory=list, max_length=6
    )

    def _has_standard_voices(self, model: Model | None) -> bool:
        return model is None or model.standard_voices

    def find_unsupported(self, design: ApiDesign) -> list[Problem]:
        """Find what ``design`` cannot express, including voices beside elements."""
        found = super().find_unsupported(design)
        if design == "legacy" and self.elements and self.voices:
            message = "cannot be combined with elements on the legacy API: it takes one of both"
            found.append(Problem("voices", None, message))
        if design == "standard" and not all(one.id for one in self.voices):
            message = "must have an id each, the name that the prompt uses (@id)"
            found.append(Problem("voices", None, message))
        return found

    def _prompt_limit(self, model: Model) -> int:
        return model.image_prompt_limit or model.prompt_limit

    def _find_in_form(self) -> list[Problem]:
        found = super()._find_in_form()
        if not self.first_frame:
            what = "image_to_video starts from an image"
            if self.last_frame:
                what = "a last_frame alone is not accepted"
            elif self.middle_frames:
                what = "middle_frames alone are not accepted"
            found.append(Problem("first_frame", None, f"must be given: {what}"))
        groups = {
            "last_frame": self.last_frame is not None,
            "static_mask" if self.static_mask else "dynamic_masks": bool(
                self.static_mask or self.dynamic_masks
            ),
            "camera_control": self.camera_control is not None,
        }
        used = [name for name, here in groups.items() if here]
        if len(used) > 1:
            found.append(Problem(used[1], None, f"cannot be combined with {used[0]}"))
        return found

    def _find_by_model(self, model: Model) -> list[Problem]:
        found = super()._find_by_model(model)
        if len(self.middle_frames) > model.middle_frames:
            found.append(Problem("middle_frames", None, limit_count(model.middle_frames, model.name)))
        if self.last_frame is None:
            return found
        wanted = model.last_frame_resolutions
        if not model.last_frame:
            found.append(Problem("last_frame", None, f"must be left out: {model.name} accepts no last frame"))
        elif wanted and self.resolution not in wanted:
            found.append(
                Problem(
                    "resolution",
                    self.resolution,
                    f"must be {' or '.join(wanted)} for {model.name} with a last frame",
                )
            )
        if model.silent_with_last_frame and self.audio == "native":
            found.append(Problem("audio", self.audio, f"must be off for {model.name} with a last frame"))
        return found
