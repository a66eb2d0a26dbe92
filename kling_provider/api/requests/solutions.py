# SPDX-License-Identifier: Apache-2.0
"""Kling's ready-made solutions for shops and series: each has contents of its own (Chinese reference of autumn 2026)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kling_provider.api.problems import Problem
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.fields import (
    ApiDesign,
    AspectRatio,
    Flag,
    Media,
    ModelName,
    Number,
    Resolution,
    Text,
    Whole,
    Wire,
)
from kling_provider.api.requests.parts import GlossaryEntry
from kling_provider.api.solution_words import AGENT_VOICES, AVATARS, SALES_VOICES, TRY_ON_MODELS
from kling_provider.api.suggestions import suggest

_SolutionImage = Annotated[str, Field(min_length=1), Media("image", "image_solutions", None)]
_TryOnImage = Annotated[str, Field(min_length=1), Media("image", "image_try_on", "image_legacy")]
_URL = r"^https?://\S+$"


class SolutionRequest(KlingRequest):
    """A request for one of the solutions."""

    without: ClassVar[frozenset[str]] = frozenset({"model"})
    #: Open lists of words, by field: an unknown word passes with a warning, a misspelt one does not.
    open_lists: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    #: Closed lists, by field.
    closed_lists: ClassVar[Mapping[str, tuple[Any, ...]]] = {}

    def find_problems(self) -> list[Problem]:
        """Find every broken rule."""
        found = super().find_problems()
        for field, allowed in self.closed_lists.items():
            value = getattr(self, field)
            if value is not None and value not in allowed:
                found.append(Problem(field, value, f"must be {' or '.join(map(str, allowed))}"))
        for field, known in self.open_lists.items():
            word = getattr(self, field)
            if word is not None and word not in known and (near := _find_near_word(word, known)):
                found.append(Problem(field, word, f"must be a word of Kling's list. Did you mean {near!r}?"))
        return found

    def find_warnings(self) -> list[str]:
        """Find words that are not on Kling's lists of autumn 2026."""
        return super().find_warnings() + [
            f"{field} {word} is not on the list of {self.type} that is known here.{suggest(word, known)}"
            for field, known in self.open_lists.items()
            if (word := getattr(self, field)) is not None and word not in known
        ]

    def wire_value(self, field: str) -> Any:
        """Return what is sent; a watermark that is off is left out."""
        value = super().wire_value(field)
        return value or None if field == "watermark" else value


def _find_near_word(word: str, known: tuple[str, ...]) -> str | None:
    """Return the known word that differs in dashes, blanks and case only; else ``None``."""

    def fold(text: str) -> str:
        return "".join(sign for sign in text.lower() if sign.isalnum())

    return next((one for one in known if fold(one) == fold(word)), None)


class VirtualTryOn(SolutionRequest):
    """A person who wears a piece of clothing, from an image of each."""

    #: Frozen: see :attr:`KlingRequest.frozen_defaults`.
    frozen_defaults: ClassVar[Mapping[str, Any]] = {
        "model": "kolors-virtual-try-on-v1",
        "keep_face": True,
        "keep_pose": True,
        "keep_background": True,
        "watermark": False,
    }
    without: ClassVar[frozenset[str]] = frozenset()
    open_lists: ClassVar[Mapping[str, tuple[str, ...]]] = {"model": TRY_ON_MODELS}

    type: Literal["virtual_try_on"] = "virtual_try_on"
    # On the legacy API only.
    model: ModelName | None = None
    product_image: Annotated[_TryOnImage, Wire("contents[product_image].url", "cloth_image")]
    person_image: Annotated[_TryOnImage, Wire("contents[person_image].url", "human_image")]
    keep_face: Annotated[Flag | None, Wire("settings.keep_face", None)] = None
    keep_pose: Annotated[Flag | None, Wire("settings.keep_pose", None)] = None
    keep_background: Annotated[Flag | None, Wire("settings.keep_background", None)] = None
    watermark: Annotated[Flag | None, Wire("options.watermark.enabled", None)] = None

    def wire_value(self, field: str) -> Any:
        """Return what is sent: what is kept explicitly."""
        value = super().wire_value(field)
        return True if value is None and field.startswith("keep_") else value

    def to_body(self, design: ApiDesign) -> dict[str, Any]:
        """Return the body; the legacy API wants a model."""
        body = super().to_body(design)
        if design == "legacy":
            body["model_name"] = self.name_model(design)
        return body

    def name_model(self, design: ApiDesign) -> str | None:
        """Return what ``design`` calls the model; the standard API has none here."""
        return (self.model or TRY_ON_MODELS[0]) if design == "legacy" else None

    def find_successor(self) -> str | None:
        """Return the other model of the legacy API."""
        return next((name for name in TRY_ON_MODELS[::-1] if name != self.model), None)

    def find_unsupported(self, design: ApiDesign) -> list[Problem]:
        """Find what ``design`` cannot express, including the model."""
        found = super().find_unsupported(design)
        if design == "standard" and self.model is not None:
            message = "must be left out: the solution has no models; they need a connection with api: legacy"
            found.append(Problem("model", self.model, message))
        return found


class GoodsStudio(SolutionRequest):
    """A video that shows goods, from images and a title."""

    #: Frozen: see :attr:`KlingRequest.frozen_defaults`.
    frozen_defaults: ClassVar[Mapping[str, Any]] = {"watermark": False}
    prompt_field: ClassVar[str] = "goods_title"
    closed_lists: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "resolution": ("720p", "1080p"),
        "aspect_ratio": ("9:16", "1:1", "16:9"),
        "duration": (15, 30, 60),
    }

    type: Literal["goods_studio"] = "goods_studio"
    reference_images: Annotated[list[_SolutionImage], Wire("contents[ref_image].url", None)] = Field(
        min_length=1, max_length=5
    )
    goods_title: Annotated[Text, Wire("contents[goods_title].text", None)] = Field(
        min_length=1, max_length=200, pattern=r"\S"
    )
    goods_description: Annotated[Text | None, Wire("contents[goods_description].text", None)] = Field(
        None, min_length=1, max_length=2000
    )
    resolution: Annotated[Resolution, Wire("settings.resolution", None)]
    aspect_ratio: Annotated[AspectRatio, Wire("settings.aspect_ratio", None)]
    duration: Annotated[Whole, Wire("settings.duration", None)]
    watermark: Annotated[Flag, Wire("options.watermark.enabled", None)] = False


class TalkingAgent(SolutionRequest):
    """A person who speaks a script, and may show goods; the video is as long as the script."""

    #: Frozen: see :attr:`KlingRequest.frozen_defaults`.
    frozen_defaults: ClassVar[Mapping[str, Any]] = {
        "resolution": "720p",
        "aspect_ratio": "9:16",
        "allow_polish": False,
        "speech_rate": 1.0,
        "bgm_enabled": False,
        "watermark": False,
    }
    prompt_field: ClassVar[str] = "speech_script"
    open_lists: ClassVar[Mapping[str, tuple[str, ...]]] = {"avatar_id": AVATARS, "voice_id": AGENT_VOICES}
    closed_lists: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "resolution": ("720p", "1080p"),
        "aspect_ratio": ("9:16", "16:9"),
        "speech_rate": (0.8, 1.0, 1.2),
    }
    #: With any of them the video is about goods.
    goods_fields: ClassVar[tuple[str, ...]] = (
        "reference_images",
        "goods_title",
        "goods_price",
        "goods_target_audience",
        "goods_selling_point",
    )

    type: Literal["talking_agent"] = "talking_agent"
    callback_url: str | None = Field(None, pattern=_URL, max_length=1024)
    avatar_image: Annotated[_SolutionImage | None, Wire("contents[avatar_image].url", None)] = None
    avatar_id: Annotated[Text | None, Wire("contents[avatar_id].text", None)] = Field(
        None, min_length=1, max_length=128
    )
    speech_script: Annotated[Text, Wire("contents[speech_script].text", None)] = Field(
        min_length=1, max_length=2000, pattern=r"\S"
    )
    reference_images: Annotated[list[_SolutionImage], Wire("contents[ref_image].url", None)] = Field(
        default_factory=list, max_length=5
    )
    goods_title: Annotated[Text | None, Wire("contents[goods_title].text", None)] = Field(
        None, min_length=1, max_length=500
    )
    goods_price: Annotated[Text | None, Wire("contents[goods_price].text", None)] = Field(
        None, min_length=1, max_length=256
    )
    goods_target_audience: Annotated[
        list[Annotated[Text, Field(min_length=1, max_length=200)]],
        Wire("contents[goods_target_audience].text", None),
    ] = Field(default_factory=list, max_length=20)
    goods_selling_point: Annotated[
        list[Annotated[Text, Field(min_length=1, max_length=500)]],
        Wire("contents[goods_selling_point].text", None),
    ] = Field(default_factory=list, max_length=20)
    resolution: Annotated[Resolution, Wire("settings.resolution", None)] = "720p"
    aspect_ratio: Annotated[AspectRatio, Wire("settings.aspect_ratio", None)] = "9:16"
    allow_polish: Annotated[Flag, Wire("settings.allow_polish", None)] = False
    voice_id: Annotated[Text | None, Wire("settings.voice_id", None)] = None
    speech_rate: Annotated[Number | None, Wire("settings.speech_rate", None)] = None
    action_prompt: Annotated[Text | None, Wire("settings.action_prompt", None)] = Field(None, max_length=2500)
    bgm_enabled: Annotated[Flag, Wire("settings.bgm_enabled", None)] = False
    watermark: Annotated[Flag, Wire("options.watermark.enabled", None)] = False

    @property
    def has_goods(self) -> bool:
        """Tell whether the video is about goods."""
        return any(getattr(self, field) for field in self.goods_fields)

    def wire_value(self, field: str) -> Any:
        """Return what is sent: a rate of speech only without goods, where Kling accepts one."""
        if field == "speech_rate" and self.speech_rate is None and not self.has_goods:
            return 1.0
        return super().wire_value(field)

    def find_problems(self) -> list[Problem]:
        """Find every broken rule between avatar, voice and goods."""
        found = super().find_problems()
        if self.avatar_image and self.avatar_id:
            found.append(
                Problem("avatar_id", None, "cannot be combined with avatar_image: exactly one of both")
            )
        elif not (self.avatar_image or self.avatar_id):
            found.append(Problem("avatar_id", None, "must be given, or avatar_image: who speaks"))
        elif self.avatar_image and not self.voice_id:
            message = f"must be given with avatar_image, such as {AGENT_VOICES[0]}"
            found.append(Problem("voice_id", None, message))
        elif self.avatar_id and self.voice_id:
            message = "must be left out with avatar_id, who has a voice of their own"
            found.append(Problem("voice_id", None, message))
        if self.has_goods:
            found += [
                Problem(field, None, "must be given where a video is about goods")
                for field in ("reference_images", "goods_title")
                if not getattr(self, field)
            ]
            if self.speech_rate is not None:
                message = "must be left out where a video is about goods"
                found.append(Problem("speech_rate", self.speech_rate, message))
        return found


class ClothingDupe(SolutionRequest):
    """A known video, made anew with other clothes and, with images of them, other people."""

    #: Frozen: see :attr:`KlingRequest.frozen_defaults`.
    frozen_defaults: ClassVar[Mapping[str, Any]] = {"resolution": "720p", "watermark": False}
    prompt_field: ClassVar[str] = "product_info"
    open_lists: ClassVar[Mapping[str, tuple[str, ...]]] = {"voice": SALES_VOICES}
    closed_lists: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "resolution": ("720p", "1080p"),
        "aspect_ratio": ("9:16", "2:3", "3:4", "1:1", "4:3", "3:2", "16:9", "21:9"),
    }

    type: Literal["clothing_dupe"] = "clothing_dupe"
    product_info: Annotated[Text, Wire("contents[product_info].text", None)] = Field(
        min_length=1, max_length=2500, pattern=r"\S"
    )
    video: Annotated[
        str,
        Field(min_length=1),
        Media("video", "video_apparel", None),
        Wire("contents[source_video].url", None),
    ]
    product_images: Annotated[list[_SolutionImage], Wire("contents[product_image].url", None)] = Field(
        min_length=1, max_length=5
    )
    model_images: Annotated[list[_SolutionImage], Wire("contents[model_image].url", None)] = Field(
        default_factory=list, max_length=5
    )
    bgm: Annotated[
        Annotated[str, Field(min_length=1), Media("audio", "audio_bgm", None)] | None,
        Wire("contents[bgm].url", None),
    ] = None
    voice: Annotated[Text | None, Wire("contents[voice].voice_id", None)] = Field(None, min_length=1)
    resolution: Annotated[Resolution, Wire("settings.resolution", None)] = "720p"
    aspect_ratio: Annotated[AspectRatio | None, Wire("settings.aspect_ratio", None)] = None
    # Here it is called as for videos, and not as in the other solutions.
    watermark: Annotated[Flag, Wire("options.watermark_info.enabled", None)] = False


class DramaSubtitle(SolutionRequest):
    """A video with English subtitles, and the subtitles as files."""

    #: Frozen: see :attr:`KlingRequest.frozen_defaults`.
    frozen_defaults: ClassVar[Mapping[str, Any]] = {"target_cps": 17, "target_language": "en"}

    type: Literal["drama_subtitle"] = "drama_subtitle"
    video: Annotated[
        str,
        Field(min_length=1),
        Media("video", "video_drama", None),
        Wire("contents[source_video].url", None),
    ]
    glossary: Annotated[list[GlossaryEntry], Wire("contents[glossary]", None)] = Field(
        default_factory=list, max_length=200
    )
    target_cps: Annotated[Whole, Wire("settings.target_cps", None)] = Field(17, ge=10, le=20)
    target_language: Annotated[Literal["en"], Wire("settings.target_language", None)] = "en"
    margin_v: Annotated[Whole | None, Wire("settings.margin_v", None)] = Field(None, ge=1, le=4096)
    font_size: Annotated[Whole | None, Wire("settings.font_size", None)] = Field(None, ge=1, le=512)
