# SPDX-License-Identifier: Apache-2.0
"""A video goes on for five seconds more. Its models are retired; here it goes on with those of today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media.derived import ExtendedVideo
from kling_provider.sandbox.products.derived import (
    DerivedProduct,
    build_film,
    get_source,
    read_limited,
    read_required,
    read_span,
    read_watermark,
)
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.products.models import IMAGE, TEXT
from kling_provider.sandbox.products.outputs import RenderedOutput, build_video_output
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

_ADDED = 5
"""Seconds that a call adds (documented: 4 to 5)."""
_MOST = 180
"""Seconds of the whole (documented)."""


class VideoExtendProduct(DerivedProduct):
    """``POST /v1/videos/video-extend``."""

    name = "video-extend"
    legacy_path = "/v1/videos/video-extend"
    has_parent = True

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body."""
        fields = Fields(body)
        read_required(fields, "video_id")
        read_limited(fields, "negative_prompt")
        read_span(fields, "cfg_scale", 0, 1, 0.5)
        return CreateRequest(
            dialect=dialect,
            product=self.name,
            model=self.name,
            model_name=self.name,
            prompt=read_limited(fields, "prompt"),
            settings={"resolution": "720p"},
            external_id=fields.read_text("external_task_id"),
            callback_url=fields.read_text("callback_url"),
            watermark=read_watermark(fields),
            body=fields.raw,
        )

    def resolve_inputs(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Find the video; model and resolution are its own."""
        video_id = str(request.body["video_id"])
        task, _ = library.find_output(video_id, "video", where="video_id")
        source, origin = library.find_video(video_id), task.request
        if origin.product not in (TEXT, IMAGE, self.name):
            raise InvalidParameter("video_id must be a video of text2video, image2video or video-extend")
        if source.seconds + _ADDED > _MOST:
            raise InvalidParameter(f"the extended video cannot exceed {_MOST} seconds")
        return replace(
            request,
            model=origin.model,
            model_name=origin.model_name,
            settings={"resolution": origin.settings["resolution"], "source": source.to_json()},
        )

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return the price of a call by the mode of the source (lists of third parties)."""
        return Decimal("2" if request.settings["resolution"] == "720p" else "3.5")

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return the whole video: the source, and what was added."""
        source, resolution = get_source(task.request), task.request.settings["resolution"]
        assert source is not None
        added = build_film(task, seconds=_ADDED, resolution=resolution, image=None)
        video = ExtendedVideo(source=source, added=added)
        return [build_video_output(task.output_ids[0], video, watermark=task.request.watermark)]
