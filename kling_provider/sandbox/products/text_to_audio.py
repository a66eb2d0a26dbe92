# SPDX-License-Identifier: Apache-2.0
"""A sound from a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media.files import SoundFile
from kling_provider.sandbox.products.derived import DerivedProduct, read_required
from kling_provider.sandbox.products.outputs import RenderedOutput, build_sound_output
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

_PROMPT_LIMIT = 200
_SHORTEST, _LONGEST = 3.0, 10.0


class TextToAudioProduct(DerivedProduct):
    """``POST /v1/audio/text-to-audio``."""

    name = "text-to-audio"
    legacy_path = "/v1/audio/text-to-audio"
    has_watermark = False

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check prompt and length."""
        fields = Fields(body)
        prompt = read_required(fields, "prompt", _PROMPT_LIMIT)
        duration = fields.read_number("duration")
        if duration is None:
            raise InvalidParameter("duration is required")
        if not _SHORTEST <= duration <= _LONGEST:
            raise InvalidParameter("duration must be between 3.0 and 10.0")
        if round(duration, 1) != duration:
            raise InvalidParameter("duration must have at most one decimal")
        return CreateRequest(
            dialect=dialect,
            product=self.name,
            model=self.name,
            model_name=self.name,
            prompt=prompt,
            settings={"duration": float(duration)},
            external_id=fields.read_text("external_task_id"),
            callback_url=fields.read_text("callback_url"),
            body=fields.raw,
        )

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return the price of one call, whatever its length."""
        return Decimal("0.25")

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return the one sound, as MP3 and WAV."""
        request = task.request
        sound = SoundFile(seed=task.id, prompt=request.prompt, seconds=request.settings["duration"])
        return [build_sound_output(task.output_ids[0], sound)]

    def summarize_settings(self, request: CreateRequest) -> str:
        """Return the length."""
        return f"{request.settings['duration']:g} s"

    def describe_usage(self, request: CreateRequest) -> dict[str, str | bool]:
        """Return the length, which is all that a ledger can say of a sound."""
        return {"duration": f"{request.settings['duration']:g}"}
