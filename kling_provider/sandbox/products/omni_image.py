# SPDX-License-Identifier: Apache-2.0
"""Images from references, single ones or a series that belongs together: ``/v1/images/omni-image``.

Where the pages differ the endpoint's own page counts: ``4k`` is taken for both models (the capability map has it for
``kling-v3-omni`` alone). A series is made by ``kling-v3-omni`` alone, of which only the map speaks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.products import legacy_image
from kling_provider.sandbox.products.image import (
    RATIOS,
    ImageProduct,
    ImageSettings,
    choose_ratio,
    compute_image_size,
)
from kling_provider.sandbox.products.outputs import RenderedOutput, Sign
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

_OMNI = "kling-v3-omni"
_SERIES = "series_images"


class OmniImageProduct(ImageProduct):
    """``POST /v1/images/omni-image``."""

    name = "omni-image"
    legacy_path = "/v1/images/omni-image"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body."""
        fields = Fields(body)
        name = legacy_image.read_model_name(fields, ("kling-image-o1", _OMNI), "kling-image-o1")
        prompt = legacy_image.read_prompt(fields, required=True)
        images = legacy_image.read_images(fields, "image_list", "image", legacy_image.MOST_REFERENCES)
        elements = legacy_image.read_elements(fields)
        legacy_image.check_references(len(images), len(elements))
        is_series = fields.read_choice("result_type", ("single", "series"), "single") == "series"
        if is_series and name != _OMNI:
            raise InvalidParameter(f"result_type series is not supported by model {name}")
        count, amount = legacy_image.read_count(fields), _read_series_amount(fields, prompt)
        resolution = fields.read_choice("resolution", ("1k", "2k", "4k"), "1k")
        ratio = fields.read_choice("aspect_ratio", (*RATIOS, "auto"), "auto")
        first = next(iter(images), None)
        width, height = compute_image_size(resolution, choose_ratio(first) if ratio == "auto" else ratio)
        settings = ImageSettings(
            count=amount if is_series else count,
            width=width,
            height=height,
            resolution=resolution,
            from_image=bool(images),
            is_series=is_series,
        )
        return CreateRequest(
            product=self.name,
            model=name,
            model_name=name,
            prompt=prompt,
            settings=settings.to_json(),
            image=first,
            failure_message=legacy_image.find_failure(images),
            elements=elements,
            **legacy_image.read_options(fields),
        )

    def get_image_price(self, request: CreateRequest) -> Decimal:
        """Return 8 units, 16 at ``4k``."""
        return Decimal(16 if ImageSettings(**request.settings).resolution == "4k" else 8)

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return the images, those of a series in a list of their own."""
        made = super().list_outputs(task)
        if ImageSettings(**task.request.settings).is_series:
            return [replace(output, legacy_list=_SERIES) for output in made]
        return made

    def describe_task(
        self, task: Task, dialect: Dialect, now: float, sign: Sign, *, echo: bool, status: str | None = None
    ) -> dict[str, Any]:
        """Return the task; its legacy result says of which type it is, and has both lists (documented)."""
        described = super().describe_task(task, dialect, now, sign, echo=echo, status=status)
        if dialect == "legacy":
            _complete_result(task, described)
        return described

    def describe_callback(self, task: Task, now: float, sign: Sign) -> dict[str, Any]:
        """Return the body of a callback, with the same result."""
        described = super().describe_callback(task, now, sign)
        _complete_result(task, described)
        return described


def _complete_result(task: Task, described: dict[str, Any]) -> None:
    if described["task_result"]:
        kind = "series" if ImageSettings(**task.request.settings).is_series else "single"
        described["task_result"] = {
            "result_type": kind,
            "images": [],
            _SERIES: [],
            **described["task_result"],
        }


def _read_series_amount(fields: Fields, prompt: str) -> int:
    """Return the number of a series; ``auto`` is a choice by the prompt, as Kling's is."""
    if fields.raw.get("series_amount") == "auto":
        return 2 + hashlib.sha256(prompt.encode("utf-8", "replace")).digest()[0] % 5
    return legacy_image.read_bounded_integer(fields, "series_amount", 2, 9, default=4)
