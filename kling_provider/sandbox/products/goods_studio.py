# SPDX-License-Identifier: Apache-2.0
"""A video that shows goods, from their images and a title: ``/solutions/e-commerce/goods_studio``.

The price is not published: the sandbox takes that of ``kling-3.0`` with sound for the seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.products import legacy_image, solutions
from kling_provider.sandbox.products.outputs import RenderedOutput
from kling_provider.sandbox.products.prices import price_video
from kling_provider.sandbox.products.solution_video import (
    SolutionProduct,
    build_solution_output,
    describe_video,
)
from kling_provider.sandbox.products.video import VideoSettings
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

_COUNTS = {"ref_image": (1, 5), "goods_title": (1, 1), "goods_description": (0, 1)}
_MISSING = {"ref_image": "Product image is missing. Please upload a product image."}  # documented
_SECONDS = (15, 30, 60)


class GoodsStudioProduct(SolutionProduct):
    """``POST /solutions/e-commerce/goods_studio``."""

    name = "goods-studio"
    standard_path = "/solutions/e-commerce/goods_studio"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body; all settings are required."""
        fields = Fields(body)
        contents = solutions.Contents(fields, _COUNTS, _MISSING)
        images = contents.read_images("ref_image")
        (title,) = contents.read_texts("goods_title", 200)
        contents.read_texts("goods_description", 2000)
        settings = fields.read_object("settings")
        for key in ("resolution", "aspect_ratio", "duration"):
            if settings.raw.get(key) is None:
                raise InvalidParameter(f"{key} is required.")
        duration = settings.read_integer("duration")
        if duration not in _SECONDS:  # documented
            raise InvalidParameter("Unsupported duration. Only 15, 30 and 60 seconds are supported.")
        return CreateRequest(
            product=self.name,
            model="goods_studio",
            model_name="goods_studio",
            prompt=title,
            settings=VideoSettings(
                duration=duration,
                resolution=settings.read_choice("resolution", ("720p", "1080p"), ""),
                aspect_ratio=settings.read_choice("aspect_ratio", ("9:16", "1:1", "16:9"), ""),
                sound=True,
                rate="native",
            ).to_json(),
            image=images[0],
            failure_message=legacy_image.find_failure(images),
            **solutions.read_options(fields),
        )

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return the price of ``kling-3.0`` with sound."""
        settings = VideoSettings(**request.settings)
        return price_video("kling-3.0", "native", settings.resolution, settings.duration)

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return the one video, which begins with the first image."""
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
