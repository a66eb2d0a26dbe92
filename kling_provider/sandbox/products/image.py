# SPDX-License-Identifier: Apache-2.0
"""What the kinds that make images have in common: sizes, prices by the image, places by the image, outputs.

The pixels are a choice, since no page states them: ``1k``, ``2k``, ``4k`` and ``8k`` are images of about 1024, 2048,
4096 and 8192 pixels squared, with sides that have exactly the asked ratio. So ``16:9`` is 1360 x 765 at ``1k`` and
2736 x 1539 at ``2k``.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.media.files import ImageFile
from kling_provider.sandbox.media.inputs import InputImage, measure_image
from kling_provider.sandbox.products.base import Product
from kling_provider.sandbox.products.entries import fail_for_missing, find_missing
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.products.outputs import RenderedOutput, build_image_output
from kling_provider.sandbox.state.tasks import CreateRequest, Task

RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9")
_SIDES = {"1k": 1024, "2k": 2048, "4k": 4096, "8k": 8192}


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """What ``CreateRequest.settings`` holds for images."""

    count: int
    width: int
    height: int
    resolution: str = "1k"
    from_image: bool = False
    is_series: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as the settings of a request."""
        return asdict(self)


class ImageProduct(Product):
    """A kind that makes images, paid by the image from the image packs."""

    package = "image"
    product_type = "image"

    def resolve_inputs(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Look elements up: the standard design at create, as was observed of omni videos, the legacy one at generation."""
        if request.dialect == "standard" and (missing := find_missing(library, request)) is not None:
            raise InvalidParameter(missing)
        return fail_for_missing(library, request)

    @abc.abstractmethod
    def get_image_price(self, request: CreateRequest) -> Decimal:
        """Return the image units of one image."""

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return the price of all images."""
        return self.get_image_price(request) * self.count_outputs(request)

    def count_outputs(self, request: CreateRequest) -> int:
        """Return the number of images."""
        return ImageSettings(**request.settings).count

    def count_places(self, request: CreateRequest) -> int:
        """Return the number of images: each takes a place (concurrency page)."""
        return self.count_outputs(request)

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return the images, each another one, with the prompt and what came with the request shown in them."""
        request, settings = task.request, ImageSettings(**task.request.settings)
        return [
            build_image_output(
                output_id,
                ImageFile(
                    seed=f"{task.id}-{index}",
                    prompt=request.prompt,
                    facts=f"{request.model_name} · {settings.resolution} · {index + 1} of {settings.count}",
                    name=request.external_id or f"task {task.id}",
                    width=settings.width,
                    height=settings.height,
                    image=request.image,
                    inset=True,
                ),
                index=index,
                watermark=request.watermark,
                group_id=task.id if settings.is_series else None,
            )
            for index, output_id in enumerate(task.output_ids)
        ]

    def summarize_settings(self, request: CreateRequest) -> str:
        """Return number, pixels and what it is made from."""
        settings = ImageSettings(**request.settings)
        words = f"{settings.count} × {settings.width}×{settings.height}"
        return f"series of {words}" if settings.is_series else words


def compute_image_size(resolution: str, aspect_ratio: str) -> tuple[int, int]:
    """Return width and height in pixels, in exactly the ratio."""
    across, down = (int(part) for part in aspect_ratio.split(":"))
    shared = math.gcd(across, down)
    across, down = across // shared, down // shared
    times = round(_SIDES[resolution] / math.sqrt(across * down))
    return across * times, down * times


def choose_ratio(image: InputImage | None) -> str:
    """Return what the ratio ``auto`` becomes: the nearest one to an image that is known, else ``16:9``.

    That text alone gives 16:9 is a choice.
    """
    size = measure_image(image)
    if size is None:
        return "16:9"
    shape = math.log(size[0] / size[1])

    def compute_distance(ratio: str) -> float:
        across, down = (int(part) for part in ratio.split(":"))
        return abs(math.log(across / down) - shape)

    return min(RATIOS, key=compute_distance)
