# SPDX-License-Identifier: Apache-2.0
"""What the kinds that make one video have in common: settings, price by the second, output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from kling_provider.sandbox.media.files import VideoFile
from kling_provider.sandbox.products.base import Product
from kling_provider.sandbox.products.entries import fail_for_missing
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.products.outputs import RenderedOutput, build_video_output
from kling_provider.sandbox.products.prices import Rate, price_video
from kling_provider.sandbox.state.tasks import CreateRequest, Task


@dataclass(frozen=True, kw_only=True)
class VideoSettings:
    """What ``CreateRequest.settings`` holds for a video."""

    duration: int
    resolution: str
    aspect_ratio: str | None
    """None: the video follows the first frame."""
    sound: bool
    rate: Rate

    def to_json(self) -> dict[str, Any]:
        """Return it as the settings of a request."""
        return asdict(self)


class VideoProduct(Product):
    """A kind that makes one video, paid by the second."""

    def resolve_inputs(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Let generation fail for elements and voices that are not there, as was observed for elements."""
        return fail_for_missing(library, request)

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return the price of the asked seconds by model, resolution and sound."""
        settings = VideoSettings(**request.settings)
        return price_video(request.model, settings.rate, settings.resolution, settings.duration)

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return the one video, with the prompt written into it."""
        request, settings = task.request, VideoSettings(**task.request.settings)
        facts = (request.model_name, f"{settings.duration} s", settings.resolution)
        video = VideoFile(
            seed=task.id,
            prompt=request.prompt,
            facts=" · ".join((*facts, "sound" if settings.sound else "silent")),
            name=request.external_id or f"task {task.id}",
            title=f"Kling sandbox task {task.id}",
            seconds=settings.duration,
            resolution=settings.resolution,
            aspect_ratio=settings.aspect_ratio,
            sound=settings.sound,
            first_frame=request.image,
        )
        return [build_video_output(task.output_ids[0], video, watermark=request.watermark)]

    def describe_usage(self, request: CreateRequest) -> dict[str, str | bool]:
        """Return resolution, length, and what raises the price."""
        settings = VideoSettings(**request.settings)
        return {
            "resolution": settings.resolution,
            "duration": str(settings.duration),
            "refer_video_input": settings.rate == "video",
            "video_sound": settings.sound,
            "voice_control": settings.rate == "voice",
        }

    def summarize_settings(self, request: CreateRequest) -> str:
        """Return shape, resolution, length and sound."""
        settings = VideoSettings(**request.settings)
        words = (settings.aspect_ratio, settings.resolution, f"{settings.duration} s")
        return " · ".join(filter(None, (*words, "sound" if settings.sound else "silent")))
