# SPDX-License-Identifier: Apache-2.0
"""A sound for a video: the video with it, and the sound alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media.derived import CopiedFile
from kling_provider.sandbox.media.dubbing import DubbedVideo
from kling_provider.sandbox.media.files import SoundFile
from kling_provider.sandbox.media.limits import VideoLimits
from kling_provider.sandbox.media.sources import Source
from kling_provider.sandbox.products.base import Product
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.products.outputs import Link, RenderedOutput, Sign, Value, build_sound_output
from kling_provider.sandbox.products.text_checks import read_limited
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

_PROMPT_LIMIT = 200
_ANY_SIDE = (1, 100_000)
_LIMITS = VideoLimits(seconds=((3, 20),), sides=_ANY_SIDE)
_PARENT = "parent.mp4"


class VideoToAudioProduct(Product):
    """``POST /v1/audio/video-to-audio``."""

    name = "video-to-audio"
    legacy_path = "/v1/audio/video-to-audio"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check the prompts, and that there is one video."""
        fields = Fields(body)
        effect = read_limited(fields, "sound_effect_prompt", _PROMPT_LIMIT)
        music = read_limited(fields, "bgm_prompt", _PROMPT_LIMIT)
        if (fields.read_text("video_id") is None) == (fields.read_text("video_url") is None):
            raise InvalidParameter("exactly one of video_id and video_url is required")
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
        """Find the video; one that cannot be had, or is of another length, fails at generation."""
        video_id, url = request.body.get("video_id"), request.body.get("video_url")
        video = library.find_video(video_id) if video_id else library.read_video(str(url))
        return replace(
            request,
            settings={**request.settings, "video": video.to_json()},
            failure_message=request.failure_message or _LIMITS.find_fault(video),
        )

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return the price of one call, whatever its length."""
        return Decimal("0.25")

    def count_outputs(self, request: CreateRequest) -> int:
        """Return two: the video and the sound."""
        return 2

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return the video with the sound in it, and the sound."""
        video, sound = _get_video(task), _compose_sound(task)
        video_id, sound_id = task.output_ids
        fields: dict[str, Value] = {
            "id": video_id,
            "url": Link(f"{video_id}.mp4", DubbedVideo(source=video, sound=sound)),
            "duration": f"{video.seconds:g}",
        }
        return [
            RenderedOutput(type="video", standard=fields, legacy=fields, legacy_list="videos"),
            build_sound_output(sound_id, sound),
        ]

    def list_other_links(self, task: Task) -> Sequence[Link]:
        """Return the video as it was given."""
        return [Link(_PARENT, CopiedFile(source=_get_video(task)))]

    def describe_task(
        self, task: Task, dialect: Dialect, now: float, sign: Sign, *, echo: bool, status: str | None = None
    ) -> dict[str, Any]:
        """Return the task; the legacy design tells the video that it was made of."""
        described = super().describe_task(task, dialect, now, sign, echo=echo, status=status)
        if dialect == "legacy" and task.get_state(now) == "succeeded":
            described["task_info"]["parent_video"] = _describe_parent(task, sign)
        return described

    def describe_callback(self, task: Task, now: float, sign: Sign) -> dict[str, Any]:
        """Return the callback, which tells that video, too."""
        described = super().describe_callback(task, now, sign)
        if task.get_state(now) == "succeeded":
            described["task_info"]["parent_video"] = _describe_parent(task, sign)
        return described

    def summarize_settings(self, request: CreateRequest) -> str:
        """Return the length of the video."""
        return f"{request.settings['video']['seconds']:g} s"

    def describe_usage(self, request: CreateRequest) -> dict[str, str | bool]:
        """Return the length of the video."""
        return {"duration": f"{request.settings['video']['seconds']:g}", "refer_video_input": True}


def _get_video(task: Task) -> Source:
    return Source.from_json(task.request.settings["video"])


def _compose_sound(task: Task) -> SoundFile:
    return SoundFile(seed=task.id, prompt=task.request.prompt, seconds=_get_video(task).seconds)


def _describe_parent(task: Task, sign: Sign) -> dict[str, str]:
    video = _get_video(task)
    return {"id": video.id, "url": sign(task, _PARENT), "duration": f"{video.seconds:g}"}
