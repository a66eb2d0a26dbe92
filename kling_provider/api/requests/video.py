# SPDX-License-Identifier: Apache-2.0
"""Videos from words and from a first frame.

Kling does not check all rules when a task is made (a duration of 20 was accepted live and failed later, unknown keys are
dropped without a word), so they are checked here, before anything is paid.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kling_provider.api.models import (
    Model,
    find_near_name,
    is_of_another_kind,
    known_model,
    takes_external_id,
)
from kling_provider.api.problems import Problem
from kling_provider.api.requests.base import AudioRate, KlingRequest
from kling_provider.api.requests.fields import (
    ApiDesign,
    AspectRatio,
    Audio,
    CameraControl,
    DynamicMask,
    Element,
    Flag,
    ImageInput,
    Number,
    Resolution,
    Shot,
    Text,
    Voice,
    Whole,
    Wire,
)

#: ``720p`` is called ``std`` there, and so on.
_MODES = {"720p": "std", "1080p": "pro", "4k": "4k"}
_LEGACY_PROMPT_LIMIT = 2500


class VideoRequest(KlingRequest):
    """The fields that both kinds share."""

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

    model: str = Field("kling-3.0", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    prompt: Text | None = None  # where it stands on the wire differs by type, as for elements and voices
    duration: Annotated[Whole, Wire("settings.duration", "duration", legacy_text=True)] = Field(
        5, ge=1, le=600
    )
    resolution: Annotated[Resolution, Wire("settings.resolution", "mode", legacy_values=_MODES)] = "720p"
    audio: Annotated[
        Audio | None, Wire("settings.audio", "sound", legacy_values={"native": "on", "off": "off"})
    ] = None
    multi_shot: Annotated[Flag | None, Wire("settings.multi_shot", "multi_shot")] = None
    watermark: Annotated[Flag, Wire("options.watermark_info.enabled", "watermark_info.enabled")] = False

    elements: list[Element] = Field(default_factory=list)
    voices: list[Voice] = Field(default_factory=list)

    # Legacy only.
    negative_prompt: Annotated[Text | None, Wire(None, "negative_prompt", instead="say it in the prompt")] = (
        Field(None, max_length=2500)
    )
    cfg_scale: Annotated[Number | None, Wire(None, "cfg_scale")] = Field(None, ge=0, le=1)
    camera_control: Annotated[
        CameraControl | None, Wire(None, "camera_control", instead="describe the camera in the prompt")
    ] = None
    shot_type: Annotated[Literal["customize", "intelligence"] | None, Wire(None, "shot_type")] = None
    multi_prompt: Annotated[
        list[Shot],
        Wire(
            None,
            "multi_prompt",
            instead="write the shots into the prompt: shot 1, 3, words; shot 2, 2, words;",
        ),
    ] = Field(default_factory=list)

    @property
    def sound(self) -> str | None:
        """``native``, ``off``, or ``None`` where the model has no switch."""
        model = known_model(self.model)
        if self.audio is not None or (model and not model.has_audio_field):
            return self.audio
        return "off"

    @property
    def one_shot(self) -> bool | None:
        """``multi_shot`` as sent: ``False`` unless asked (Kling's own default is ``True``)."""
        model = known_model(self.model)
        if self.multi_shot is not None or (model and not model.multi_shot):
            return self.multi_shot
        return False

    @property
    def audio_rate(self) -> AudioRate:
        """Which column of the price list holds."""
        model = known_model(self.model)
        if self.voices:
            return "voice"
        return "native" if self.sound == "native" or (model and model.always_audio) else "off"

    def wire_value(self, field: str) -> Any:
        """Return what is sent: our defaults explicitly, where the model has such a switch."""
        match field:
            case "audio":
                return self.sound
            case "multi_shot":
                return self.one_shot
            case "watermark":
                return self.watermark or None
        return super().wire_value(field)

    def fingerprint_fields(self, inputs: Mapping[str, str]) -> dict[str, Any]:
        """Return them with sound and shots as sent, and the camera's moves without zeros."""
        fields = super().fingerprint_fields(inputs)
        fields["audio"], fields["multi_shot"] = self.sound, self.one_shot
        if self.camera_control is not None:
            fields["camera_control"] = self.camera_control.model_dump(exclude_defaults=True)
        return fields

    # -- rules --------------------------------------------------------------------------------------------------

    def find_problems(self) -> list[Problem]:
        """Return every rule that is broken, those of the model included."""
        found = self._find_in_form()
        model = known_model(self.model)
        if model is not None:
            found += self._find_by_model(model)
        elif is_of_another_kind(self.model):
            found += self._find_v1_controls(self.model)
        elif near := find_near_name(self.model):
            # An unknown name passes, except where it is plainly a known one with other dots and dashes.
            found.append(Problem("model", self.model, f"no such model. Did you mean {near!r}?"))
        return found

    def find_unsupported(self, design: ApiDesign) -> list[Problem]:
        """Return what ``design`` cannot say of elements, voices, prompt and model as well."""
        found = super().find_unsupported(design)
        model = known_model(self.model)
        if design == "standard":
            if model is not None and not model.standard:
                found.append(
                    Problem("model", self.model, "is not on the standard API (retired); take kling-3.0")
                )
            if self.voices and not self._has_standard_voices(model):
                found.append(
                    Problem(
                        "voices",
                        None,
                        "the standard API takes voices with image_to_video of kling-2.6 only; "
                        "use a connection with api: legacy for others",
                    )
                )
            found += self._find_unnamed_elements()
            if not takes_external_id(self.model):
                found += [
                    Problem(field, None, f"{self.model} does not take it; leave it out")
                    for field in ("external_task_id", "callback_url")
                    if getattr(self, field)
                ]
            return found
        if model is not None and model.legacy_name is None:
            found.append(
                Problem(
                    "model",
                    self.model,
                    "is not on the legacy API; use a connection with api: standard, or take kling-3.0",
                )
            )
        if self.prompt and len(self.prompt) > _LEGACY_PROMPT_LIMIT:
            message = f"has {len(self.prompt)} characters; the legacy API takes {_LEGACY_PROMPT_LIMIT}"
            found.append(Problem("prompt", None, message))
        for field, items, reference in (
            ("elements", self.elements, "<<<element_1>>>"),
            ("voices", self.voices, "<<<voice_1>>>"),
        ):
            if any(item.id for item in items):
                found.append(
                    Problem(
                        field,
                        None,
                        f"the legacy API has no names for them: leave id out and write {reference} in the prompt",
                    )
                )
        return found

    def _has_standard_voices(self, model: Model | None) -> bool:
        return False

    def _find_unnamed_elements(self) -> list[Problem]:
        return []

    def _find_in_form(self) -> list[Problem]:
        found = []
        if self.multi_prompt:
            if not self.multi_shot:
                found.append(Problem("multi_prompt", None, "needs multi_shot: true"))
            total = sum(shot.duration for shot in self.multi_prompt)
            if total != self.duration:
                found.append(
                    Problem(
                        "multi_prompt",
                        None,
                        f"its shots last {total} s; their sum is the duration, {self.duration}",
                    )
                )
        camera = self.camera_control
        if camera is not None:
            if camera.type == "simple":
                moves = [] if camera.config is None else [v for v in camera.config.model_dump().values() if v]
                if len(moves) != 1:
                    found.append(
                        Problem(
                            "camera_control.config",
                            None,
                            "type simple takes exactly one value that is not zero",
                        )
                    )
            elif camera.config is not None:
                found.append(
                    Problem("camera_control.config", None, "goes with type simple only; leave it out")
                )
        return found

    def _find_by_model(self, model: Model) -> list[Problem]:
        found = []

        def bad(field: str, value: object, message: str) -> None:
            found.append(Problem(field, value, message))

        if self.type not in model.types:
            bad("model", self.model, f"makes {' or '.join(model.types)} only; write type: {model.types[0]}")
        if self.duration not in model.durations:
            bad("duration", self.duration, f"{model.name} takes {model.durations_as_text} seconds")
        if self.resolution not in model.resolutions:
            bad("resolution", self.resolution, f"{model.name} takes {', '.join(model.resolutions)}")
        if self.prompt and (too_long := model.find_excess(self.prompt, self._prompt_limit(model))):
            bad("prompt", None, too_long)
        if self.audio is not None and self.audio not in model.audio:
            if model.always_audio:
                bad(
                    "audio", self.audio, f"{model.name} always makes sound and has no switch; leave audio out"
                )
            elif self.audio != "off":
                bad("audio", self.audio, f"{model.name} makes no sound; take kling-3.0 or leave audio out")
        wanted = model.native_audio_resolutions
        if self.audio == "native" and wanted and self.resolution not in wanted:
            bad(
                "resolution",
                self.resolution,
                f"{model.name} with native audio takes {', '.join(wanted)} only",
            )
        if self.multi_shot and not model.multi_shot:
            bad(
                "multi_shot",
                True,
                f"{model.name} has no such field; write the shots into the prompt, or take kling-3.0",
            )
        if len(self.elements) > model.elements:
            bad("elements", None, f"{model.name} takes {model.elements or 'no'} elements")
        if len(self.voices) > model.voices:
            bad("voices", None, f"{model.name} takes {model.voices or 'no'} voices")
        if self.voices and self.audio != "native":
            bad("voices", None, "need audio: native")
        if not model.v1_controls:
            found += self._find_v1_controls(model.name)
        return found

    def _prompt_limit(self, model: Model) -> int:
        return model.prompt_limit

    def _find_v1_controls(self, model: str) -> list[Problem]:
        return [
            Problem(field, None, f"belongs to the kling-v1 models; {model} has no such field")
            for field in ("cfg_scale", "camera_control")
            if getattr(self, field) is not None
        ]


class TextToVideo(VideoRequest):
    """A video from words. ``prompt`` may be missing only where ``multi_prompt`` tells the shots."""

    type: Literal["text_to_video"] = "text_to_video"
    prompt: Annotated[Text | None, Wire("prompt", "prompt")] = None
    aspect_ratio: Annotated[AspectRatio, Wire("settings.aspect_ratio", "aspect_ratio")] = "16:9"
    elements: Annotated[list[Element], Wire(None, "element_list", instead=None)] = Field(default_factory=list)
    voices: Annotated[list[Voice], Wire(None, "voice_list", instead=None)] = Field(default_factory=list)

    def _find_unnamed_elements(self) -> list[Problem]:
        if not self.elements:
            return []
        return [Problem("elements", None, "the standard API takes elements with image_to_video only")]

    def _find_in_form(self) -> list[Problem]:
        found = []
        if not (self.prompt or "").strip() and not self.multi_prompt:
            found.append(Problem("prompt", None, "is missing: say what the video shows"))
        return found + super()._find_in_form()

    def _find_by_model(self, model: Model) -> list[Problem]:
        found = []
        if self.aspect_ratio not in model.aspect_ratios:
            found.append(
                Problem(
                    "aspect_ratio",
                    self.aspect_ratio,
                    f"{model.name} takes {', '.join(model.aspect_ratios)}",
                )
            )
        return found + super()._find_by_model(model)


class ImageToVideo(VideoRequest):
    """A video from a first frame; its shape is the image's. Images: https, base64, or a path."""

    foreign_fields: ClassVar[Mapping[str, str]] = {
        "aspect_ratio": "an image's video has the shape of its first frame"
    }
    wire_order: ClassVar[tuple[str, ...]] = ("prompt", "first_frame", "last_frame")

    type: Literal["image_to_video"] = "image_to_video"
    prompt: Annotated[Text | None, Wire("contents[prompt].text", "prompt")] = None
    first_frame: Annotated[ImageInput | None, Wire("contents[first_frame].url", "image")] = None
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

    def _find_unnamed_elements(self) -> list[Problem]:
        if all(item.id for item in self.elements):
            return []
        return [Problem("elements", None, "need an id each, the name that the prompt uses (@id)")]

    def _prompt_limit(self, model: Model) -> int:
        return model.image_prompt_limit or model.prompt_limit

    def _find_in_form(self) -> list[Problem]:
        found = super()._find_in_form()
        if not self.first_frame:
            what = (
                "last_frame never stands alone" if self.last_frame else "image_to_video starts from a picture"
            )
            found.append(Problem("first_frame", None, f"is missing: {what}"))
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
        if self.last_frame is None:
            return found
        wanted = model.last_frame_resolutions
        if not model.last_frame:
            found.append(Problem("last_frame", None, f"{model.name} takes no last frame"))
        elif wanted and self.resolution not in wanted:
            found.append(
                Problem(
                    "resolution",
                    self.resolution,
                    f"{model.name} with a last frame takes {', '.join(wanted)} only",
                )
            )
        if model.silent_with_last_frame and self.audio == "native":
            found.append(Problem("audio", self.audio, f"{model.name} with a last frame is silent"))
        return found
