# SPDX-License-Identifier: Apache-2.0
"""Where in an image things, heads, faces and clothes are: a mask for each, answered at once.

An image of which the query of its URL says ``faces=0`` has neither heads nor faces nor clothes; its masks are black.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media import inputs
from kling_provider.sandbox.media.masks import MaskFile, Shape
from kling_provider.sandbox.media.sources import count_faces
from kling_provider.sandbox.products.derived import ToolProduct, read_required
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.products.outputs import Link, Sign
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

_SHAPES: dict[str, Shape] = {
    "object_seg": (0.2, 0.1, 0.8, 0.98),
    "head_seg": (0.35, 0.1, 0.65, 0.45),
    "face_seg": (0.4, 0.18, 0.6, 0.42),
    "cloth_seg": (0.25, 0.5, 0.75, 0.95),
}
_UNSEEN_SIZE = (1280, 720)
"""Pixels of an image that the sandbox does not fetch."""


class ImageRecognizeProduct(ToolProduct):
    """``POST /v1/videos/image-recognize``."""

    name = "image-recognize"
    legacy_path = "/v1/videos/image-recognize"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body; an image that cannot be had or used is refused, as the answer is there at once."""
        fields = Fields(body)
        image = inputs.read_image(read_required(fields, "image"), "image", legacy=True)
        if image.failure_message is not None:
            raise InvalidParameter(image.failure_message)
        return CreateRequest(
            dialect=dialect,
            product=self.name,
            model=self.name,
            model_name=self.name,
            image=image,
            body=fields.raw,
        )

    def resolve_inputs(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Measure the image: its masks have its size."""
        return replace(request, settings={"size": list(library.measure_image(request.image) or _UNSEEN_SIZE)})

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return the price of a call."""
        return Decimal("0.1")

    def list_other_links(self, task: Task) -> Sequence[Link]:
        """Return the masks, each of the size of the image."""
        width, height = task.request.settings["size"]
        return [
            Link(
                f"{kind}.png",
                MaskFile(width=width, height=height, shapes=(shape,) if _is_contained(task, kind) else ()),
            )
            for kind, shape in _SHAPES.items()
        ]

    def build_answer(self, task: Task, sign: Sign) -> dict[str, Any]:
        """Return the masks; there is no id of a task (documented)."""
        images = [
            {"type": kind, "is_contain": _is_contained(task, kind), "url": sign(task, f"{kind}.png")}
            for kind in _SHAPES
        ]
        return {"task_result": {"images": images}}


def _is_contained(task: Task, kind: str) -> bool:
    image = task.request.image
    return kind == "object_seg" or count_faces((image and image.url) or "", default=1) > 0
