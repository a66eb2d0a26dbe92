# SPDX-License-Identifier: Apache-2.0
"""Sounds and speech. The rules are the vendor's (API reference of September 2026)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from kling_provider.api.dialects.reading import UnreadableTask, parse_task
from kling_provider.api.problems import Problem
from kling_provider.api.requests.at_once import AnsweredAtOnce, AnswerWithoutResult
from kling_provider.api.requests.fields import Address, Flag, Media, Number, Text, VideoId, Wire
from kling_provider.api.requests.rules import find_not_one_of
from kling_provider.api.requests.without_model import RequestWithoutModel
from kling_provider.api.tasks import Output, TaskStatus


def _check_decimals(value: float) -> float:
    if round(value, 1) != value:
        raise ValueError(f"must have at most one decimal: write {round(value, 1):g}")
    return value


#: Kling rounds further decimals without a word.
Tenths = Annotated[Number, AfterValidator(_check_decimals)]
#: A video that gets a sound; Kling reads it by URL.
SilentVideo = Annotated[Address, Media("video", None, "video_sound", id_field="video_id")]


class TextToAudio(RequestWithoutModel):
    """A sound from words, as MP3 and WAV."""

    required_texts: ClassVar[Mapping[str, str]] = {"prompt": "what is heard"}

    type: Literal["text_to_audio"] = "text_to_audio"
    prompt: Annotated[Text, Wire(None, "prompt", instead=None)] = Field(max_length=200)
    #: Seconds.
    duration: Annotated[Tenths, Wire(None, "duration", instead=None)] = Field(ge=3, le=10)


class VideoToAudio(RequestWithoutModel):
    """A sound for a video: the video with it, and the sound alone. With neither prompt Kling makes what fits the pictures."""

    #: Frozen: see :attr:`KlingRequest.frozen_defaults`.
    frozen_defaults: ClassVar[Mapping[str, Any]] = {"asmr_mode": False}
    prompt_field: ClassVar[str] = "sound_effect_prompt"
    optional_texts: ClassVar[tuple[str, ...]] = ("sound_effect_prompt", "bgm_prompt")

    type: Literal["video_to_audio"] = "video_to_audio"
    video: Annotated[SilentVideo | None, Wire(None, "video_url", instead=None)] = None
    #: Kling's id of a video of the last 30 days.
    video_id: Annotated[VideoId | None, Wire(None, "video_id", instead=None)] = None
    sound_effect_prompt: Annotated[Text | None, Wire(None, "sound_effect_prompt", instead=None)] = Field(
        None, max_length=200
    )
    bgm_prompt: Annotated[Text | None, Wire(None, "bgm_prompt", instead=None)] = Field(None, max_length=200)
    asmr_mode: Annotated[Flag, Wire(None, "asmr_mode", instead=None)] = False

    def find_problems(self) -> list[Problem]:
        """Find every broken rule: one video, by URL or by Kling's id."""
        return super().find_problems() + find_not_one_of(self, "video", "video_id")


class Speech(AnsweredAtOnce, RequestWithoutModel):
    """Words that a voice of Kling's speech catalogue says.

    The catalogue is one of its own: an id of the library of voices is unknown there (observed; 1201 "Voice id not found").
    """

    #: Frozen: see :attr:`KlingRequest.frozen_defaults`.
    frozen_defaults: ClassVar[Mapping[str, Any]] = {"voice_speed": 1.0}
    prompt_field: ClassVar[str] = "text"
    required_texts: ClassVar[Mapping[str, str]] = {
        "text": "what is said",
        "voice_id": "a voice of the speech catalogue, such as oversea_male1",
    }

    type: Literal["tts"] = "tts"
    text: Annotated[Text, Wire(None, "text", instead=None)] = Field(max_length=1000)
    voice_id: Annotated[Text, Wire(None, "voice_id", instead=None)]
    #: Of the text. It must be given, because Kling takes every text for Chinese where it is not.
    voice_language: Annotated[Literal["zh", "en"], Wire(None, "voice_language", instead=None)]
    voice_speed: Annotated[Tenths, Wire(None, "voice_speed", instead=None)] = Field(1.0, ge=0.8, le=2)

    @classmethod
    def read_outputs(cls, data: Any) -> tuple[Output, ...]:
        """Return the sounds of the answer, as a rule one ``audio``; it has the form of a task that has ended.

        :raises AnswerWithoutResult: where it holds no sound, or says that none could be made.
        """
        try:
            task = parse_task(data)
        except UnreadableTask as why:
            raise AnswerWithoutResult(str(why)) from None
        if task.status is TaskStatus.FAILED:
            raise AnswerWithoutResult(task.message or "Kling could not say it, and does not tell why")
        if not any(output.url for output in task.outputs):
            raise AnswerWithoutResult("the response holds no sound")
        return task.outputs
