# SPDX-License-Identifier: Apache-2.0
"""The person of an image speaks what a sound says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media import inputs
from kling_provider.sandbox.media.derived import ScoredVideo
from kling_provider.sandbox.media.limits import AVATAR_SOUND
from kling_provider.sandbox.products.derived import (
    DerivedProduct,
    build_film,
    check_one,
    count_seconds,
    find_sound,
    get_kept,
    read_limited,
    read_required,
    read_watermark,
)
from kling_provider.sandbox.products.legacy_video import RESOLUTION_OF_MODE
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.products.outputs import RenderedOutput, build_video_output
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

_PRICES = {"std": "0.4", "pro": "0.8"}


class AvatarProduct(DerivedProduct):
    """``POST /v1/videos/avatar/image2video``."""

    name = "avatar"
    legacy_path = "/v1/videos/avatar/image2video"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body."""
        fields = Fields(body)
        image = inputs.read_image(read_required(fields, "image"), "image", legacy=True)
        check_one(fields, "audio_id", "sound_file")
        return CreateRequest(
            dialect=dialect,
            product=self.name,
            model=self.name,
            model_name=self.name,
            prompt=read_limited(fields, "prompt"),
            settings={"mode": fields.read_choice("mode", tuple(_PRICES), "std")},
            image=image,
            external_id=fields.read_text("external_task_id"),
            callback_url=fields.read_text("callback_url"),
            watermark=read_watermark(fields),
            failure_message=image.failure_message,
            body=fields.raw,
        )

    def resolve_inputs(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Find the sound."""
        sound, failure = find_sound(Fields(request.body), library, AVATAR_SOUND)
        settings = {**request.settings, "sound": sound.to_json()}
        return replace(request, settings=settings, failure_message=request.failure_message or failure)

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return the price of the seconds of the sound; 0 before it was found."""
        sound = get_kept(request, "sound")
        rate = Decimal(_PRICES[request.settings["mode"]])
        return rate * count_seconds(sound.seconds) if sound is not None else Decimal(0)

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return a video as long as the sound, with the image and the sound in it."""
        request, sound = task.request, get_kept(task.request, "sound")
        assert sound is not None
        resolution = RESOLUTION_OF_MODE[request.settings["mode"]]
        film = build_film(task, seconds=sound.seconds, resolution=resolution, image=request.image)
        video = ScoredVideo(video=film, track=sound)
        return [build_video_output(task.output_ids[0], video, watermark=request.watermark)]
