# SPDX-License-Identifier: Apache-2.0
"""The bodies of videos in the standard design: the model in the path, ``settings`` and ``options``.

Strict where Kling is strict, lax where it was observed lax (2026-09): top-level keys and settings that it does
not know are dropped without a word, a duration out of range and 480p pass create and fail at generation. What omni
refuses besides is in :mod:`~kling_provider.sandbox.products.omni_rules`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media import inputs
from kling_provider.sandbox.products import kling_4_rules, omni_rules
from kling_provider.sandbox.products.models import IMAGE, MODELS, OMNI, PATH_ALIASES, TEXT, SandboxModel
from kling_provider.sandbox.products.prices import Rate
from kling_provider.sandbox.products.video import VideoSettings
from kling_provider.sandbox.state.tasks import CreateRequest

_RESOLUTIONS = ("480p", "720p", "1080p", "4k")  # the error text names 480p, generation refuses it
_SHOT = re.compile(r"shot\s*(\d{1,1000})\s*,\s*(\d{1,1000})\s*,\s*(.*?);", re.IGNORECASE | re.DOTALL)


def read_create(product: str, path_model: str, body: object) -> CreateRequest:
    """Check a create body; the product is ``text-to-video``, ``image-to-video`` or ``omni-video``."""
    name = PATH_ALIASES.get((product, path_model), path_model)
    model = MODELS.get(name)
    if model is None or product not in model.products:
        raise InvalidParameter("model is not supported")  # observed
    fields = Fields(body)
    settings, options = fields.read_object("settings"), fields.read_object("options")
    contents = _Contents(product, model, fields)
    resolution = settings.read_choice("resolution", _RESOLUTIONS, "720p")
    if resolution == "4k" and "4k" not in model.resolutions:
        raise InvalidParameter(f"settings.resolution 4k is not supported by model {name}")
    if resolution == "1080p" and "1080p" not in model.resolutions:
        raise InvalidParameter(f"settings.resolution 1080p is not supported by model {name}")
    duration = settings.read_integer("duration")
    duration = 5 if duration is None else duration
    aspect = settings.read_choice("aspect_ratio", model.aspect_ratios, "16:9") if product != IMAGE else None
    audio = settings.read_choice("audio", model.audio, "off") if model.audio else "off"
    multi_shot = settings.read_flag("multi_shot") is not False if model.multi_shot else False
    _check_together(name, resolution, audio, contents)
    seconds = model.seconds
    if product == OMNI:
        omni_rules.check_settings(model, contents.counts, audio=audio, multi_shot=multi_shot)
        seconds = omni_rules.list_seconds(model, contents.counts)
        omni_rules.check_seed(settings.raw.get("seed"))
    _check_shots(contents.prompt, duration, multi_shot or name == "kling-3.0-turbo")
    watermark = options.read_object("watermark_info").read_flag("enabled") or False
    external_id, callback = options.read_text("external_task_id"), options.read_text("callback_url")
    for key, value in (("external_task_id", external_id), ("callback_url", callback)):
        if value is not None and not model.plain_ids:
            raise InvalidParameter(f"options.{key} is not supported by model {name}")
    rate: Rate = "native" if model.always_audio or audio == "native" else "silent"
    if contents.voices and name == "kling-2.6":
        rate = "voice"
    if contents.videos:
        rate = "video"
    return CreateRequest(
        dialect="standard",
        product=product,
        model=name,
        model_name=path_model,
        prompt=contents.prompt,
        settings=VideoSettings(
            duration=duration,
            resolution=resolution,
            aspect_ratio=aspect if contents.first_frame is None else None,
            sound=rate in ("native", "voice") or audio == "original",
            rate=rate,
        ).to_json(),
        image=contents.first_frame or contents.reference,
        elements=contents.elements,
        voices=contents.voices,
        external_id=external_id,
        callback_url=callback,
        watermark=watermark,
        failure_message=contents.failure_message
        or _find_generation_failure(name, seconds, duration, resolution),
        body=fields.raw,
    )


def count_contents(body: Mapping[str, Any]) -> Counter[str]:
    """Return how many of the contents of a good body have each type."""
    return Counter(entry["type"] for entry in body["contents"])


class _Contents:
    """The prompt and everything that is given beside it."""

    def __init__(self, product: str, model: SandboxModel, fields: Fields) -> None:
        self.prompt = ""
        self.first_frame: inputs.InputImage | None = None
        self.last_frame: inputs.InputImage | None = None
        self.reference: inputs.InputImage | None = None
        self.videos: list[str] = []
        self.voices: list[str] = []
        self.failure_message: str | None = None
        self.counts: dict[str, int] = {}
        """How many there are of each type."""
        self.elements: list[str] = []
        self._names: list[str] = []
        self._is_kling_4 = not model.plain_ids
        self._limits = inputs.KLING_4_IMAGE if self._is_kling_4 else inputs.NEW_IMAGE
        limit = model.prompt_limit if product == TEXT else model.image_prompt_limit
        if product == TEXT:
            self.prompt = fields.read_text("prompt") or ""
        else:
            if product == OMNI:
                omni_rules.check_list(fields.raw.get("contents"))
            entries = fields.read_list("contents")
            if not entries:
                raise InvalidParameter("contents cannot be empty")  # observed
            for index, entry in enumerate(entries):
                self._add_entry(product, Fields(entry, f"contents[{index}]"))
            self._check_counts(product, model)
        if not self.prompt.strip() and product != IMAGE:
            raise InvalidParameter("prompt is required")  # observed
        if limit == 26_000 and not self.prompt.isascii():
            limit = 11_000  # Kling 4.0 counts English and other writing differently
        if len(self.prompt) > limit:
            raise InvalidParameter(f"prompt cannot exceed {limit} characters")

    def _add_entry(self, product: str, entry: Fields) -> None:
        kind = entry.read_text("type")
        if kind is None:
            raise InvalidParameter(f"{entry.name_field('type')} is required")
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if product == OMNI:
            omni_rules.check_entry(kind, entry)
            if (name := entry.read_text("id")) is not None:
                self._names.append(name)
        if kind == "prompt":
            self.prompt = entry.read_text("text") or ""
        elif kind in ("first_frame", "middle_frame", "last_frame") or (
            kind == "refer_image" and product == OMNI
        ):
            image = inputs.read_limited_image(entry.raw.get("url"), entry.name_field("url"), self._limits)
            self.failure_message = self.failure_message or image.failure_message
            if kind == "first_frame":
                self.first_frame = image
            elif kind == "last_frame":
                self.last_frame = image
            else:
                self.reference = self.reference or image
        elif kind in ("feature_video", "base_video") and product == OMNI:
            failure_message = inputs.check_video(entry.read_text("url") or "")
            self.failure_message = self.failure_message or failure_message
            self.videos.append(kind)
        elif kind == "element":
            element = entry.raw.get("element_id")
            if element is None or entry.read_text("id") is None:
                raise InvalidParameter(
                    f"{entry.name_field('element_id')} and {entry.name_field('id')} are required"
                )
            self.elements.append(str(element))
        elif kind == "voice":
            voice = entry.read_text("voice_id")
            if voice is None:
                raise InvalidParameter(f"{entry.name_field('voice_id')} is required")
            if self._is_kling_4 and entry.read_text("id") is None:
                raise InvalidParameter(f"{entry.name_field('id')} is required")
            self.voices.append(voice)
        # every other type is ignored, as `image` and `video` were on omni (observed), which refuses unknown ones

    def _check_counts(self, product: str, model: SandboxModel) -> None:
        count = self.counts.get
        if product == IMAGE and self.first_frame is None:
            raise InvalidParameter("first_frame is required")
        if self.last_frame is not None and self.first_frame is None:
            raise InvalidParameter("last_frame requires first_frame")
        allowed = {
            "prompt": 1,
            "first_frame": 1,
            "middle_frame": model.middle_frames,
            "last_frame": int(model.last_frame),
            "element": model.elements,
            "voice": model.voices,
            "feature_video": 1 if model.plain_ids else 5,
            "base_video": 1,
        }
        if not model.plain_ids:
            kling_4_rules.check_counts(product, self.counts)
        for kind, most in allowed.items():
            if count(kind, 0) > most:
                if most == 0:
                    raise InvalidParameter(f"{kind} is not supported by model {model.name}")
                raise InvalidParameter(f"contents can have at most {most} {kind}")
        if model.plain_ids and len(self.videos) > 1:
            raise InvalidParameter("contents can have at most 1 video")
        if product == OMNI:
            omni_rules.check_names(self._names)


def _check_together(name: str, resolution: str, audio: str, contents: _Contents) -> None:
    """Check the cross rules of the endpoint pages."""
    if name == "kling-2.6" and audio == "native" and resolution != "1080p":
        raise InvalidParameter("settings.audio native requires settings.resolution 1080p for model kling-2.6")
    if name in ("kling-2.6", "kling-2.5-turbo") and contents.last_frame is not None and resolution != "1080p":
        raise InvalidParameter(f"last_frame requires settings.resolution 1080p for model {name}")
    if name == "kling-2.6" and contents.last_frame is not None and audio != "off":
        raise InvalidParameter("last_frame requires settings.audio off for model kling-2.6")
    if name == "kling-2.6" and contents.voices and audio == "off":
        raise InvalidParameter("voice requires settings.audio native")


def _check_shots(prompt: str, duration: int, multi_shot: bool) -> None:
    """Check ``shot n, m, words;`` inside the prompt: 1 to 6 shots of at least 1 s that fill the duration."""
    shots = _SHOT.findall(prompt) if multi_shot else []
    if not shots:
        return
    numbered = all(1 <= int(number) <= 6 for number, _, _ in shots)
    if not numbered or len(shots) > 6 or any(int(seconds) < 1 for _, seconds, _ in shots):
        raise InvalidParameter("multi-shot prompt must have 1 to 6 shots of at least 1 second")
    if any(len(words) > 512 for _, _, words in shots):
        raise InvalidParameter("the prompt of a shot cannot exceed 512 characters")
    if sum(int(seconds) for _, seconds, _ in shots) != duration:
        raise InvalidParameter("the sum of the shots must be equal to settings.duration")


def _find_generation_failure(
    name: str, seconds: frozenset[int], duration: int, resolution: str
) -> str | None:
    if duration not in seconds:
        return f"Duration {duration} is not supported by {name}"
    if resolution == "480p":
        return "Resolution 480p is not supported"
    return None
