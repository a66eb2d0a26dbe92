# SPDX-License-Identifier: Apache-2.0
"""A video of clothes after the pattern of another one: ``/solutions/e-commerce/clothing_dupe``.

How many outputs there are of each type is not said: the sandbox makes a ``product_image`` of each product, a
``model_images`` of each model (one without any), and one ``product_video`` as long as the source. The images have the
ratio of the video. The price is not published: the sandbox takes that of ``kling-3.0-omni`` with a video for the seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media.files import ImageFile
from kling_provider.sandbox.products import legacy_image, solution_sources, solutions
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.products.outputs import RenderedOutput
from kling_provider.sandbox.products.prices import price_video
from kling_provider.sandbox.products.solution_video import (
    SolutionProduct,
    build_solution_output,
    describe_video,
)
from kling_provider.sandbox.products.video import VideoSettings
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

_COUNTS = {
    "product_info": (1, 1),
    "source_video": (1, 1),
    "product_image": (1, 5),
    "model_image": (0, 5),
    "bgm": (0, 1),
    "voice": (0, 1),
}
_MISSING = {"source_video": "Reference video is missing. Please upload a reference video."}  # documented
_RATIOS = ("9:16", "2:3", "3:4", "1:1", "4:3", "3:2", "16:9", "21:9")
_VOICES = (
    "energetic_sales_girl",
    "gentle_sales_woman",
    "crisp_sales_girl",
    "mature_sales_woman",
    "calm_sales_woman",
    "soft_sales_woman",
    "energetic_sales_boy",
    "enthusiastic_sales_man",
    "steady_sales_man",
    "calm_sales_man",
)
_LONG_SIDE = 1280
_LEAST_SECONDS = 5
"""Of a source video, until it is looked at."""
_IMAGES = ("product_image", "model_images")


class ClothingDupeProduct(SolutionProduct):
    """``POST /solutions/e-commerce/clothing_dupe``; its option is called ``watermark_info``."""

    name = "clothing-dupe"
    standard_path = "/solutions/e-commerce/clothing_dupe"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body."""
        fields = Fields(body)
        contents = solutions.Contents(fields, _COUNTS, _MISSING)
        (info,) = contents.read_texts("product_info", 2500)
        products = contents.read_images("product_image")
        models = contents.read_images("model_image")
        contents.read_urls("source_video")
        contents.read_urls("bgm")
        for entry in contents.read_entries("voice"):
            if entry.read_text("voice_id") not in _VOICES:  # documented
                raise InvalidParameter(
                    "Invalid voice_id. Please select a valid voice from the voice library."
                )
        settings = fields.read_object("settings")
        video = VideoSettings(
            duration=_LEAST_SECONDS,
            resolution=settings.read_choice("resolution", ("720p", "1080p"), "720p"),
            aspect_ratio=settings.read_choice("aspect_ratio", _RATIOS, "") or None,
            sound=True,
            rate="video",
        )
        return CreateRequest(
            product=self.name,
            model="clothing_dupe",
            model_name="clothing_dupe",
            prompt=info,
            settings={**video.to_json(), "images": [len(products), max(1, len(models))]},
            image=products[0],
            failure_message=legacy_image.find_failure([*products, *models]),
            **solutions.read_options(fields, watermark="watermark_info"),
        )

    def resolve_inputs(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Take the length of the source video, and its ratio where none was asked."""
        contents = solutions.Contents(Fields(request.body), _COUNTS)
        (url,) = contents.read_urls("source_video")
        video = library.read_video(url, "source_video.url")
        fault = request.failure_message or solution_sources.PATTERN.find_fault(video)
        for music in contents.read_urls("bgm"):
            sound = library.read_sound(music, "bgm.url", max_mb=50)
            fault = fault or solution_sources.find_music_fault(sound)
        settings = {**request.settings, "duration": solution_sources.compute_seconds(video)}
        if settings["aspect_ratio"] is None and fault is None:
            settings["aspect_ratio"] = f"{video.width}:{video.height}"
        return replace(request, settings=settings, failure_message=fault)

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return the price of ``kling-3.0-omni`` with a video."""
        settings = VideoSettings(**_drop_images(request.settings))
        return price_video("kling-3.0-omni", "video", settings.resolution, settings.duration)

    def count_outputs(self, request: CreateRequest) -> int:
        """Return the number of images, and one for the video."""
        images: list[int] = request.settings["images"]
        return sum(images) + 1

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return the images of the products, those of the models, and the video."""
        request, ids = task.request, iter(task.output_ids)
        settings = VideoSettings(**_drop_images(request.settings))
        outputs = [
            build_solution_output(
                kind,
                next(ids),
                _describe_image(task, settings, f"{kind} {index + 1}"),
                watermark=request.watermark,
            )
            for kind, count in zip(_IMAGES, request.settings["images"], strict=True)
            for index in range(count)
        ]
        video = describe_video(task, settings)
        return [
            *outputs,
            build_solution_output("product_video", next(ids), video, watermark=request.watermark),
        ]

    def summarize_settings(self, request: CreateRequest) -> str:
        """Return shape, resolution, length and number of images."""
        settings = VideoSettings(**_drop_images(request.settings))
        words = (settings.aspect_ratio, settings.resolution, f"{settings.duration} s")
        return " · ".join(filter(None, (*words, f"{sum(request.settings['images'])} images")))


def _drop_images(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "images"}


def _describe_image(task: Task, settings: VideoSettings, facts: str) -> ImageFile:
    across, down = (int(part) for part in (settings.aspect_ratio or "9:16").split(":"))
    times = _LONG_SIDE / max(across, down)
    return ImageFile(
        seed=f"{task.id}-{facts}",
        prompt=task.request.prompt,
        facts=facts,
        name=task.request.external_id or f"task {task.id}",
        width=round(across * times),
        height=round(down * times),
        image=task.request.image,
        inset=True,
    )
