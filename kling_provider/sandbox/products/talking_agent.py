# SPDX-License-Identifier: Apache-2.0
"""A person who speaks a script, alone or about goods: ``/solutions/talking_agent``.

The length follows the script. A second holds 3.5 letters of Chinese, Japanese or Korean writing, or 14 of any other, more or
fewer by ``speech_rate``; a video has at least two seconds. These figures are a choice. So is the price, which is not published:
that of an avatar, 0.4 units a second at 720p and 0.8 at 1080p.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.products import legacy_image, solutions
from kling_provider.sandbox.products.outputs import RenderedOutput
from kling_provider.sandbox.products.solution_video import (
    SolutionProduct,
    build_solution_output,
    describe_video,
)
from kling_provider.sandbox.products.video import VideoSettings
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

_GOODS = {
    "ref_image": (0, 5),
    "goods_title": (0, 1),
    "goods_price": (0, 1),
    "goods_target_audience": (0, 20),
    "goods_selling_point": (0, 20),
}
_GOODS_LENGTHS = {
    "goods_title": 500,
    "goods_price": 256,
    "goods_target_audience": 200,
    "goods_selling_point": 500,
}
_COUNTS = {"avatar_image": (0, 1), "avatar_id": (0, 1), "speech_script": (1, 1), **_GOODS}
_MISSING = {"speech_script": "speech_script is required for single-person videos."}  # documented
_AVATARS = (
    "avatar_vivian_female",
    "avatar_lee_male",
    "avatar_chenjing_female",
    "avatar_zhaochen_male",
    "avatar_wanglei_male",
    "avatar_eva_female",
    "avatar_oliver_male",
    "avatar_elena_female",
    "avatar_adam_male",
    "avatar_anna_female",
    "avatar_rajput_male",
    "avatar_mia_female",
    "avatar_river_male",
    "avatar_marcus_male",
    "avatar_toto_cartoon",
)
_VOICES = (
    "male_calm_informative",
    "female_clear_rational",
    "female_gentle_soothing",
    "female_bright_engaging",
    "male_crisp_persuasive",
    "female_intelligent_narrative",
    "male_clear_professional",
    "male_energetic_sporty",
    "female_warm_rich",
)
_RATES = (0.8, 1.0, 1.2)
_OTHER_NAMES = {
    "aspectRatio": "aspect_ratio",
    "allowPolish": "allow_polish",
    "voiceId": "voice_id",
    "speechRate": "speech_rate",
    "actionPrompt": "action_prompt",
    "bgmEnabled": "bgm_enabled",
}
"""Names of settings that are taken as well (documented)."""
_LETTERS_PER_SECOND = (3.5, 14.0)
"""Of Chinese, Japanese and Korean writing, and of all other."""
_LEAST_SECONDS = 2
_UNITS_PER_SECOND = {"720p": Decimal("0.4"), "1080p": Decimal("0.8")}


class TalkingAgentProduct(SolutionProduct):
    """``POST /solutions/talking_agent``."""

    name = "talking-agent"
    standard_path = "/solutions/talking_agent"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body: one avatar, a script, and everything about goods where there is anything."""
        fields = Fields(body)
        contents = solutions.Contents(fields, _COUNTS, _MISSING)
        (script,) = contents.read_texts("speech_script", 2000)
        avatars = contents.read_images("avatar_image")
        goods = contents.read_images("ref_image")
        for kind, most in _GOODS_LENGTHS.items():
            contents.read_texts(kind, most)
        has_goods = any(contents.count(kind) for kind in _GOODS)
        if has_goods and not (contents.count("ref_image") and contents.count("goods_title")):
            raise InvalidParameter("ref_image and goods_title are required for goods.")
        settings = _read_settings(fields)
        _check_avatar(contents, settings)
        if settings.raw.get("speech_rate") is not None and has_goods:  # documented
            raise InvalidParameter("Speech rate adjustment not supported in Video Commerce.")
        rate = settings.read_number("speech_rate")
        if rate is not None and rate not in _RATES:
            raise InvalidParameter("speech_rate must be one of 0.8, 1.0, 1.2.")
        if len(settings.read_text("action_prompt") or "") > 2500:
            raise InvalidParameter("action_prompt exceeds the 2500-character limit.")
        for flag in ("allow_polish", "bgm_enabled"):
            settings.read_flag(flag)
        options = solutions.read_options(fields)
        if len(options["callback_url"] or "") > 1024:
            raise InvalidParameter("callback_url exceeds the 1024-character limit.")
        return CreateRequest(
            product=self.name,
            model="talking_agent",
            model_name="talking_agent",
            prompt=script,
            settings=VideoSettings(
                duration=compute_seconds(script, rate or 1.0),
                resolution=settings.read_choice("resolution", ("720p", "1080p"), "720p"),
                aspect_ratio=settings.read_choice("aspect_ratio", ("9:16", "16:9"), "9:16"),
                sound=True,
                rate="native",
            ).to_json(),
            image=next(iter(avatars), None),
            failure_message=legacy_image.find_failure([*avatars, *goods]),
            **options,
        )

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return the price of an avatar for the seconds."""
        settings = VideoSettings(**request.settings)
        return _UNITS_PER_SECOND[settings.resolution] * settings.duration

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return the one video, which shows the avatar and has sound."""
        video = describe_video(task)
        return [
            build_solution_output(
                "video",
                task.output_ids[0],
                video,
                watermark=task.request.watermark,
                more={"duration": video.wire_duration},
            )
        ]


def compute_seconds(script: str, rate: float) -> int:
    """Return how many whole seconds it takes to speak a script."""
    words = "".join(script.split())
    dense = sum("\u3040" <= letter <= "\u9fff" or "\uac00" <= letter <= "\ud7af" for letter in words)
    needed = dense / _LETTERS_PER_SECOND[0] + (len(words) - dense) / _LETTERS_PER_SECOND[1]
    return max(_LEAST_SECONDS, math.ceil(needed / rate))


def _read_settings(fields: Fields) -> Fields:
    """Return the settings with one spelling of their names."""
    raw = fields.read_object("settings").raw
    return Fields({_OTHER_NAMES.get(key, key): value for key, value in raw.items()}, "settings")


def _check_avatar(contents: solutions.Contents, settings: Fields) -> None:
    """Check the avatar and its voice: an own image needs a voice, a ready avatar has its own."""
    named = contents.read_texts("avatar_id", 128)
    if len(named) + contents.count("avatar_image") != 1:  # documented
        raise InvalidParameter(
            "Exactly one avatar source is required: provide avatar_image (with voiceId) or avatar_id, not both."
        )
    voice = settings.read_text("voice_id")
    if named and voice is not None:
        raise InvalidParameter("voiceId is not supported with avatar_id.")
    if not named and voice is None:  # documented
        raise InvalidParameter("voiceId is required when uploading an avatar_image.")
    if named and named[0] not in _AVATARS:
        raise InvalidParameter("Invalid avatar_id. Please select a valid avatar from the avatar library.")
    if voice is not None and voice not in _VOICES:
        raise InvalidParameter("Invalid voice_id. Please select a valid voice from the voice library.")
