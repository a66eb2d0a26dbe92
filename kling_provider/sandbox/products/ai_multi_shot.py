# SPDX-License-Identifier: Apache-2.0
"""Three sets of further views of a character, from its front: ``/v1/general/ai-multi-shot``."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media.files import ImageFile
from kling_provider.sandbox.products import legacy_image
from kling_provider.sandbox.products.base import Product
from kling_provider.sandbox.products.outputs import Link, RenderedOutput, Sign
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

_SETS = _VIEWS = 3
_SIDE = 1024


class AiMultiShotProduct(Product):
    """``POST /v1/general/ai-multi-shot``; 20 image units a call, one place."""

    name = "ai-multi-shot"
    legacy_path = "/v1/general/ai-multi-shot"
    package = "image"
    product_type = "image"
    read_by_external_id = False  # the page of the query names the task id alone

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body: one image, and no watermark."""
        fields = Fields(body)
        image = legacy_image.read_image(fields, "element_frontal_image")
        if image is None:
            raise InvalidParameter("element_frontal_image is required")
        return CreateRequest(
            product=self.name,
            model=self.name,
            model_name=self.name,
            image=image,
            failure_message=legacy_image.find_failure([image]),
            **legacy_image.read_options(fields, has_watermark=False),
        )

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return 20 units."""
        return Decimal(20)

    def count_outputs(self, request: CreateRequest) -> int:
        """Return how many files there are: three views in each of three sets."""
        return _SETS * _VIEWS

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return three sets, with ``url_1`` to ``url_3`` in each."""
        return [self._build_set(task, index) for index in range(_SETS)]

    def _build_set(self, task: Task, index: int) -> RenderedOutput:
        fields: dict[str, str | int | Link] = {}
        for view in range(_VIEWS):
            name = task.output_ids[index * _VIEWS + view]
            media = ImageFile(
                seed=f"{task.id}-{index}-{view}",
                prompt="",
                facts=f"set {index + 1} · view {view + 1} of {_VIEWS}",
                name=task.request.external_id or f"task {task.id}",
                width=_SIDE,
                height=_SIDE,
                image=task.request.image,
                inset=True,
            )
            fields[f"url_{view + 1}"] = Link(f"{name}{media.file_suffix}", media)
        return RenderedOutput(
            type="image", standard=fields, legacy={"index": index, **fields}, legacy_list="images"
        )

    def describe_task(
        self, task: Task, dialect: Dialect, now: float, sign: Sign, *, echo: bool, status: str | None = None
    ) -> dict[str, Any]:
        """Return the task; ``GET /tasks`` has an image for each view, grouped by set (an inference)."""
        described = super().describe_task(task, dialect, now, sign, echo=echo, status=status)
        if dialect == "standard":
            described["outputs"] = [
                {"type": "image", "url": url, "group_id": str(index)}
                for index, output in enumerate(described["outputs"])
                for key, url in output.items()
                if key.startswith("url_")
            ]
        return described
