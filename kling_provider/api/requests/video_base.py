# SPDX-License-Identifier: Apache-2.0
"""What all types of videos share: fields, sound and shots as sent, and the rules of the model.

Kling does not check all rules when a task is made (a duration of 20 was accepted live and failed later, unknown keys are
dropped without a word), so they are checked here, before anything is paid.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from kling_provider.api.models import (
    Model,
    find_near_name,
    find_successor,
    known_model,
    legacy_name,
    suggest_current_model,
    takes_external_id,
    to_standard_name,
)
from kling_provider.api.problems import Problem
from kling_provider.api.requests.base import AudioRate, KlingRequest
from kling_provider.api.requests.fields import (
    ApiDesign,
    AudioWithOriginal,
    Flag,
    ModelName,
    Resolution,
    Text,
    Whole,
    Wire,
)
from kling_provider.api.requests.parts import Element, Shot
from kling_provider.api.requests.references import find_wrong_names, find_wrong_numbers
from kling_provider.api.requests.shots import find_wrong_list, find_wrong_shots, has_shots

#: ``720p`` is called ``std`` there, and so on.
_MODES = {"720p": "std", "1080p": "pro", "4k": "4k"}
#: What the legacy API calls it; there the sound of a video is kept by a field of its own.
SOUND_WORDS = {"native": "on", "off": "off", "original": "off"}
_LEGACY_PROMPT_LIMIT = 2500


class VideoModelRequest(KlingRequest):
    """A request with one of the video models, whose names differ between the designs."""

    model: ModelName

    @field_validator("model")
    @classmethod
    def _use_one_spelling(cls, value: str) -> str:
        return to_standard_name(value)

    def find_warnings(self) -> list[str]:
        """Find a model that is not in the table."""
        found = super().find_warnings()
        if known_model(self.model) is None:
            found.append(f"model {self.model} is not known here: its rules are not checked")
        return found

    @classmethod
    def spell_model(cls, name: str) -> str:
        """Return the standard API's name of a model."""
        return to_standard_name(name)

    @classmethod
    def takes_external_id(cls, model: str) -> bool:
        """Tell whether ``model`` accepts ``external_task_id`` and ``callback_url``."""
        return takes_external_id(model)

    def find_successor(self) -> str | None:
        """Return the nearest other model that Kling serves now for this type, in the standard API's spelling."""
        return find_successor(self.model, self.type)

    def suggest_model(self) -> str | None:
        """Return the nearest other model that Kling serves now for this type, in both spellings."""
        return suggest_current_model(self.model, self.type)

    def name_model(self, design: ApiDesign) -> str | None:
        """Return what ``design`` calls the model."""
        return legacy_name(self.model) if design == "legacy" else self.model


class VideoRequest(VideoModelRequest):
    """A video of some seconds, in a resolution."""

    prompt: Text | None = None  # where it stands on the wire differs by type, as for elements
    duration: Annotated[Whole, Wire("settings.duration", "duration", legacy_text=True)] = Field(
        5, ge=1, le=600
    )
    resolution: Annotated[Resolution, Wire("settings.resolution", "mode", legacy_values=_MODES)] = "720p"
    audio: Annotated[AudioWithOriginal | None, Wire("settings.audio", "sound", legacy_values=SOUND_WORDS)] = (
        None
    )
    multi_shot: Annotated[Flag | None, Wire("settings.multi_shot", "multi_shot")] = None
    watermark: Annotated[Flag, Wire("options.watermark_info.enabled", "watermark_info.enabled")] = False
    elements: list[Element] = Field(default_factory=list)

    # Legacy only.
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
        """Return what is sent as sound: ``native``, ``off`` …, or ``None`` where the model has no such field."""
        model = known_model(self.model)
        return None if model and not model.has_audio_field else self.audio or "off"

    @property
    def one_shot(self) -> bool | None:
        """Return what is sent as ``multi_shot``: ``False`` by default (Kling's own default is ``True``)."""
        model = known_model(self.model)
        return None if model and not model.multi_shot else bool(self.multi_shot)

    @property
    def audio_rate(self) -> AudioRate:
        """Return the column of the price list that applies."""
        model = known_model(self.model)
        return "native" if self.sound == "native" or (model and model.always_audio) else "off"

    def count_billed_seconds(self, seconds: Mapping[str, float]) -> int | None:
        """Return the seconds that are billed; ``None`` where an input decides whose length is not known.

        :param seconds: how long the inputs are, by field, as far as that is known.
        """
        return self.duration

    def wire_value(self, field: str) -> Any:
        """Return what is sent: this provider's defaults explicitly, where the model has such a field."""
        match field:
            case "audio":
                return self.sound
            case "multi_shot":
                return self.one_shot
            case "watermark":
                return self.watermark or None
        return super().wire_value(field)

    def fingerprint_fields(self, inputs: Mapping[str, str]) -> dict[str, Any]:
        """Return the fields that change the result, with sound and shots as sent."""
        fields = super().fingerprint_fields(inputs)
        fields["audio"], fields["multi_shot"] = self.sound, self.one_shot
        return fields

    # -- rules --------------------------------------------------------------------------------------------------

    def find_problems(self) -> list[Problem]:
        """Find every broken rule, including those of the model."""
        found = super().find_problems() + self._find_in_form() + self._find_wrong_references()
        model = known_model(self.model)
        if model is not None:
            found += self._find_by_model(model)
        elif near := find_near_name(self.model):
            # An unknown name passes, except where it is plainly a known one with other dots and dashes.
            found.append(Problem("model", self.model, f"must be a known model. Did you mean {near!r}?"))
        return found

    def find_unsupported(self, design: ApiDesign) -> list[Problem]:
        """Find what ``design`` cannot express, including elements, prompt and model."""
        found = super().find_unsupported(design)
        model = known_model(self.model)
        if design == "standard":
            if model is not None and not model.standard:
                found.append(
                    Problem(
                        "model",
                        self.model,
                        "must be a model of the standard API, from which this one is retired: write model: kling-3.0",
                    )
                )
            found += self._find_unnamed_elements()
            if self._takes_shots_in_prompt:
                found += find_wrong_shots(self.prompt or "", self.duration)
            if not takes_external_id(self.model):
                found += [
                    Problem(field, None, f"must be left out: {self.model} does not accept it")
                    for field in ("external_task_id", "callback_url")
                    if getattr(self, field)
                ]
            return found
        if model is not None and model.legacy_name is None:
            found.append(
                Problem(
                    "model",
                    self.model,
                    "must be a model of the legacy API: use a connection with api: standard, or write model: kling-3.0",
                )
            )
        if self.prompt and len(self.prompt) > _LEGACY_PROMPT_LIMIT:
            message = f"must be at most {_LEGACY_PROMPT_LIMIT} characters on the legacy API (has {len(self.prompt)})"
            found.append(Problem("prompt", None, message))
        if any(item.id for item in self.elements):
            found.append(refuse_names("elements", "<<<element_1>>>"))
        if self.multi_shot and self.shot_type is None:
            message = "must be given with multi_shot: true on the legacy API: customize beside multi_prompt, or intelligence"
            found.append(Problem("shot_type", None, message))
        return found

    @property
    def _takes_shots_in_prompt(self) -> bool:
        """Whether the standard API reads shots in the prompt."""
        model = known_model(self.model)
        return bool(self.one_shot) or (model is not None and model.shots_in_prompt)

    def find_warnings(self) -> list[str]:
        """Find shots in the prompt of a video that is asked to be one shot."""
        found = super().find_warnings()
        if has_shots(self.prompt or "") and not self._takes_shots_in_prompt and self.shot_type is None:
            found.append(
                "the prompt is written in shots, and is taken as one: for several write multi_shot: true"
            )
        return found

    def _find_unnamed_elements(self) -> list[Problem]:
        if all(item.id for item in self.elements):
            return []
        return [Problem("elements", None, "must have an id each, the name that the prompt uses (@id)")]

    def _find_in_form(self) -> list[Problem]:
        return find_wrong_list(
            self.multi_prompt, self.duration, shot_type=self.shot_type, multi_shot=self.multi_shot
        )

    def _find_wrong_references(self) -> list[Problem]:
        texts = [self.prompt or "", *(shot.prompt for shot in self.multi_prompt)]
        prompt = "\n".join(texts)
        return find_wrong_numbers(prompt, self._count_parts()) + find_wrong_names(
            "elements", prompt, self._name_parts()
        )

    def _name_parts(self) -> list[str]:
        """Return the names that the prompt may use."""
        return [one.id for one in self.elements if one.id]

    def _count_parts(self) -> dict[str, int]:
        """Return how many there are of what the prompt may refer to by number."""
        return {"element": len(self.elements)}

    def _find_by_model(self, model: Model) -> list[Problem]:
        found = []

        def add_problem(field: str, value: object, message: str) -> None:
            found.append(Problem(field, value, message))

        if self.type not in model.types:
            add_problem(
                "model", self.model, f"makes {' or '.join(model.types)} only; write type: {model.types[0]}"
            )
        if self.duration not in model.durations:
            add_problem(
                "duration", self.duration, f"must be {model.durations_as_text} seconds for {model.name}"
            )
        if self.resolution not in model.resolutions:
            add_problem(
                "resolution", self.resolution, f"must be {' or '.join(model.resolutions)} for {model.name}"
            )
        if self.prompt and (too_long := model.find_excess(self.prompt, self._prompt_limit(model))):
            add_problem("prompt", None, too_long)
        if self.audio is not None and self.audio not in model.audio:
            if model.always_audio:
                add_problem("audio", self.audio, f"must be left out: {model.name} always makes sound")
            elif self.audio != "off":
                add_problem(
                    "audio",
                    self.audio,
                    f"must be left out: {model.name} makes no sound; for sound write model: kling-3.0",
                )
        wanted = model.native_audio_resolutions
        if self.audio == "native" and wanted and self.resolution not in wanted:
            message = f"must be {' or '.join(wanted)} for {model.name} with native audio"
            add_problem("resolution", self.resolution, message)
        if self.shot_type is not None and not model.multi_shot:
            add_problem("shot_type", self.shot_type, f"must be left out for {model.name}: it makes one shot")
        if self.multi_shot and not model.multi_shot:
            message = f"must be left out for {model.name}: write the shots into the prompt, or write model: kling-3.0"
            add_problem("multi_shot", True, message)
        if len(self.elements) > (most := self._most_elements(model)):
            add_problem("elements", None, limit_count(most, model.name))
        return found

    def _most_elements(self, model: Model) -> int:
        return model.elements

    def _prompt_limit(self, model: Model) -> int:
        return model.prompt_limit


def limit_count(most: int, model: str) -> str:
    """Say how many of a list a model accepts."""
    return f"must be at most {most} for {model}" if most else f"must be left out: {model} accepts none"


def refuse_names(field: str, reference: str) -> Problem:
    """Describe the problem that the legacy API refers to stored things by number, and not by name."""
    message = (
        f"must have no id on the legacy API, which has no names for them: write {reference} in the prompt"
    )
    return Problem(field, None, message)
