# SPDX-License-Identifier: Apache-2.0
"""A made-up type of request, on both sides: what Kling would do with it, and what the provider knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media.files import ImageFile, SoundFile
from kling_provider.sandbox.products import Product, RenderedOutput, build_image_output, build_sound_output
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task


class Postcard(Product):
    """Two images and a sound of two lines of words. Its body has nothing of the others', and no external id."""

    name = "postcard"
    standard_path = "/postcards/{model}"
    legacy_path = "/v1/general/postcards"
    package = "image"
    product_type = "image"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        fields = Fields(body)
        look, lines = fields.read_object("look"), fields.read_list("lines")
        if len(lines) != 2 or not all(isinstance(line, str) for line in lines):
            raise InvalidParameter("lines must be two texts")
        return CreateRequest(
            dialect=dialect,
            product=self.name,
            model=model or "kling-postcard",
            model_name=model or "kling-postcard",
            prompt=" / ".join(lines),
            settings={
                "size": [look.read_integer("wide") or 800, look.read_integer("high") or 600],
                "seconds": fields.read_integer("bars") or 1,
            },
            body=fields.raw,
        )

    def compute_price(self, request: CreateRequest) -> Decimal:
        return Decimal("12.5")

    def count_outputs(self, request: CreateRequest) -> int:
        return 3

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        width, height = task.request.settings["size"]
        front = ImageFile(
            seed=f"{task.id}-0",
            prompt=task.request.prompt,
            facts="front",
            name=task.id,
            width=width,
            height=height,
        )
        back = replace(front, seed=f"{task.id}-1", facts="back", format="jpeg")
        sound = SoundFile(seed=task.id, prompt=task.request.prompt, seconds=task.request.settings["seconds"])
        ids = task.output_ids
        return [
            build_image_output(ids[0], front, index=0, watermark=False),
            build_image_output(ids[1], back, index=1, watermark=False),
            build_sound_output(ids[2], sound),
        ]

    def summarize_settings(self, request: CreateRequest) -> str:
        return "2 images, 1 sound"
