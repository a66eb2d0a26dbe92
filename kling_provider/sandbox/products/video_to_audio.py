# SPDX-License-Identifier: Apache-2.0
"""A sound for a video: the video with it, and the sound alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media.derived import format_seconds
from kling_provider.sandbox.media.dubbing import DubbedVideo
from kling_provider.sandbox.media.files import SoundFile
from kling_provider.sandbox.media.limits import VideoLimits
from kling_provider.sandbox.media.sources import Source
from kling_provider.sandbox.products.derived import (
    DerivedProduct,
    check_one,
    find_video,
    get_source,
    read_limited,
)
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.products.outputs import Link, RenderedOutput, Value, build_sound_output
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

_PROMPT_LIMIT = 200
_ANY_SIDE = (1, 100_000)
_LIMITS = VideoLimits(seconds=((3, 20),), sides=_ANY_SIDE)


class VideoToAudioProduct(DerivedProduct):
    """``POST /v1/audio/video-to-audio``."""

    name = "video-to-audio"
    legacy_path = "/v1/audio/video-to-audio"
    has_watermark = False
    has_parent = True

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check the prompts, and that there is one video."""
        fields = Fields(body)
        effect = read_limited(fields, "sound_effect_prompt", _PROMPT_LIMIT)
        music = read_limited(fields, "bgm_prompt", _PROMPT_LIMIT)
        check_one(fields, "video_id", "video_url")
        return CreateRequest(
            dialect=dialect,
            product=self.name,
            model=self.name,
            model_name=self.name,
            prompt=" / ".join(filter(None, (effect, music))),
            settings={"asmr": fields.read_flag("asmr_mode") or False},
            external_id=fields.read_text("external_task_id"),
            callback_url=fields.read_text("callback_url"),
            body=fields.raw,
        )

    def resolve_inputs(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Find the video; one of a URL that cannot be had, or is of another length, fails at generation."""
        video, failure = find_video(Fields(request.body), library, _LIMITS)
        settings = {**request.settings, "source": video.to_json()}
        return replace(request, settings=settings, failure_message=failure)

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return the price of one call, whatever its length."""
        return Decimal("0.25")

    def count_outputs(self, request: CreateRequest) -> int:
        """Return two: the video and the sound."""
        return 2

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return the video with the sound in it, and the sound."""
        video = _get_video(task.request)
        sound = SoundFile(seed=task.id, prompt=task.request.prompt, seconds=video.seconds)
        video_id, sound_id = task.output_ids
        fields: dict[str, Value] = {
            "id": video_id,
            "url": Link(f"{video_id}.mp4", DubbedVideo(source=video, sound=sound)),
            "duration": format_seconds(video.seconds),
        }
        return [
            RenderedOutput(type="video", standard=fields, legacy=fields, legacy_list="videos"),
            build_sound_output(sound_id, sound),
        ]

    def summarize_settings(self, request: CreateRequest) -> str:
        """Return the length of the video."""
        return f"{format_seconds(_get_video(request).seconds)} s"

    def describe_usage(self, request: CreateRequest) -> dict[str, str | bool]:
        """Return the length of the video."""
        return {"duration": format_seconds(_get_video(request).seconds), "refer_video_input": True}


def _get_video(request: CreateRequest) -> Source:
    video = get_source(request)
    assert video is not None, "every request of this kind was resolved"
    return video
