# SPDX-License-Identifier: Apache-2.0
"""A video in which something that was marked is added, swapped or removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media import inputs
from kling_provider.sandbox.media.derived import EditedVideo
from kling_provider.sandbox.media.inputs import InputImage
from kling_provider.sandbox.products import selections
from kling_provider.sandbox.products.derived import (
    DerivedProduct,
    get_source,
    read_limited,
    read_required,
    read_watermark,
)
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.products.outputs import RenderedOutput, build_video_output
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

#: How many images each edit takes, with both ends.
_IMAGES = {"addition": (1, 2), "swap": (1, 1), "removal": (0, 0)}
_PRICES = {"std": "3", "pro": "5"}
"""Units of 5 s: chosen here, as the price page does not name this kind."""


class MultiElementsProduct(DerivedProduct):
    """``POST /v1/videos/multi-elements``; the session must have something selected."""

    name = "multi-elements"
    legacy_path = "/v1/videos/multi-elements"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body."""
        fields = Fields(body)
        session_id = read_required(fields, "session_id")
        read_required(fields, "edit_mode")
        edit = fields.read_choice("edit_mode", tuple(_IMAGES), "")
        read_required(fields, "prompt")
        read_limited(fields, "negative_prompt")
        images = _read_images(fields, edit)
        return CreateRequest(
            dialect=dialect,
            product=self.name,
            model=self.name,
            model_name=self.name,
            prompt=read_limited(fields, "prompt"),
            settings={
                "session_id": session_id,
                "edit": edit,
                "mode": fields.read_choice("mode", tuple(_PRICES), "std"),
                "duration": int(fields.read_choice("duration", ("5", "10"), "5")),
            },
            external_id=fields.read_text("external_task_id"),
            callback_url=fields.read_text("callback_url"),
            watermark=read_watermark(fields),
            failure_message=next((one.failure_message for one in images if one.failure_message), None),
            body=fields.raw,
        )

    def resolve_inputs(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Find the session, and what is selected in it."""
        settings = request.settings
        source, marked = selections.find_session(library, settings["session_id"])
        if not marked:
            raise InvalidParameter("nothing is selected in the session")
        fitting = 5 if source.seconds < 6 else 10
        if settings["duration"] != fitting:
            raise InvalidParameter(f"duration must be {fitting} for a video of {source.seconds:g} seconds")
        shapes = [list(shape) for shape in selections.list_shapes(source, marked)]
        return replace(request, settings={**settings, "source": source.to_json(), "shapes": shapes})

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return the price of the seconds by mode; the real one is not known."""
        return Decimal(_PRICES[request.settings["mode"]]) * int(request.settings["duration"]) / 5

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return the edited video, which names its session in the legacy design."""
        request, settings, source = task.request, task.request.settings, get_source(task.request)
        assert source is not None
        video = EditedVideo(
            source=source,
            seconds=settings["duration"] + 1 / 24,
            edit=settings["edit"],
            shapes=tuple((a, b, c, d) for a, b, c, d in settings["shapes"]),
            images=tuple(_read_images(Fields(request.body), settings["edit"])),
        )
        output = build_video_output(task.output_ids[0], video, watermark=request.watermark)
        legacy: dict[str, Any] = {**output.legacy, "session_id": settings["session_id"]}
        return [replace(output, legacy=legacy)]


def _read_images(fields: Fields, edit: str) -> list[InputImage]:
    entries = [
        Fields(value, f"image_list[{index}]") for index, value in enumerate(fields.read_list("image_list"))
    ]
    low, high = _IMAGES[edit]
    if not low <= len(entries) <= high:
        count = f"{low} to {high}" if low != high else str(low)
        raise InvalidParameter(f"image_list must have {count} images for edit_mode {edit}")
    return [
        inputs.read_image(read_required(entry, "image"), entry.name_field("image"), legacy=True)
        for entry in entries
    ]
