# SPDX-License-Identifier: Apache-2.0
"""What the solutions that make a video have in common. Their outputs have no ``id``, as their pages show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kling_provider.sandbox.media.files import ImageFile, VideoFile
from kling_provider.sandbox.products.base import Product
from kling_provider.sandbox.products.outputs import Link, RenderedOutput
from kling_provider.sandbox.products.video import VideoSettings
from kling_provider.sandbox.state.tasks import CreateRequest, Task


class SolutionProduct(Product):
    """A solution, paid from the video packs; it takes one place."""

    is_solution = True

    def summarize_settings(self, request: CreateRequest) -> str:
        """Return shape, resolution and length."""
        settings = VideoSettings(**request.settings)
        words = (settings.aspect_ratio, settings.resolution, f"{settings.duration} s")
        return " · ".join(filter(None, words))


def describe_video(task: Task, settings: VideoSettings | None = None) -> VideoFile:
    """Return the video of a task, with the words of the request in it.

    :param settings: default: they are all that the request keeps.
    """
    request, settings = task.request, settings or VideoSettings(**task.request.settings)
    facts = (request.model_name, f"{settings.duration} s", settings.resolution)
    return VideoFile(
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


def build_solution_output(
    kind: str,
    output_id: str,
    media: VideoFile | ImageFile,
    *,
    watermark: bool,
    more: Mapping[str, str] | None = None,
) -> RenderedOutput:
    """Describe an output of a solution.

    :param kind: its type.
    :param more: fields beside the links.
    """
    fields: dict[str, str | int | Link] = {"url": Link(f"{output_id}{media.file_suffix}", media)}
    if watermark:
        marked = replace(media, watermark=True)
        fields["watermark_url"] = Link(f"{output_id}-watermark{media.file_suffix}", marked)
    return RenderedOutput(type=kind, standard={**fields, **(more or {})}, legacy={}, legacy_list="videos")
