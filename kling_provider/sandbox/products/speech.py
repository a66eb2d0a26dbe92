# SPDX-License-Identifier: Apache-2.0
"""Speech of a text, which is there when the call is answered."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media.speech import SpeechFile
from kling_provider.sandbox.products.derived import DerivedProduct, read_required, read_required_choice
from kling_provider.sandbox.products.outputs import Link, RenderedOutput, Value
from kling_provider.sandbox.products.speech_voices import SPEECH_VOICES
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

_SLOWEST, _FASTEST = 0.8, 2.0


class SpeechProduct(DerivedProduct):
    """``POST /v1/audio/tts``: no external id, no callback, nothing to read later."""

    name = "tts"
    legacy_path = "/v1/audio/tts"
    has_watermark = False
    answered_at_once = True

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check text, voice, language and speed."""
        fields = Fields(body)
        text = read_required(fields, "text", 1000)
        voice = read_required(fields, "voice_id")
        language = read_required_choice(fields, "voice_language", ("zh", "en"))
        given = fields.read_number("voice_speed")
        speed = 1.0 if given is None else given
        if _SLOWEST - 1 < speed < _FASTEST + 1:  # more decimals are rounded (documented)
            speed = round(speed, 1)
        if not _SLOWEST <= speed <= _FASTEST:
            raise InvalidParameter("voice_speed must be between 0.8 and 2.0")
        if voice not in SPEECH_VOICES:
            raise InvalidParameter("Voice id not found")  # observed
        return CreateRequest(
            dialect=dialect,
            product=self.name,
            model=self.name,
            model_name=self.name,
            prompt=text,
            settings={"voice": voice, "language": language, "speed": speed},
            body=fields.raw,
        )

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return the price of one call, whatever its length."""
        return Decimal("0.05")

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return the one sound, an MP3."""
        speech, output_id = _describe_speech(task.request), task.output_ids[0]
        fields: dict[str, Value] = {
            "id": output_id,
            "url": Link(f"{output_id}.mp3", speech),
            "duration": speech.wire_duration,
        }
        return [RenderedOutput(type="audio", standard=fields, legacy=fields, legacy_list="audios")]

    def summarize_settings(self, request: CreateRequest) -> str:
        """Return voice, language and length."""
        settings = request.settings
        return " · ".join(
            (settings["voice"], settings["language"], f"{_describe_speech(request).wire_duration} s")
        )

    def describe_usage(self, request: CreateRequest) -> dict[str, str | bool]:
        """Return the length."""
        return {"duration": _describe_speech(request).wire_duration}


def _describe_speech(request: CreateRequest) -> SpeechFile:
    settings = request.settings
    return SpeechFile(voice=settings["voice"], text=request.prompt, speed=settings["speed"])
