# SPDX-License-Identifier: Apache-2.0
"""Elements as they were before there were voices and videos for them: a library of its own, answered at once.

The page of February 2026 has it, and an update log of that month says that its elements can still be used. Nobody
has called it since. It has no deletion of its own that is known to reach it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.products.element_fields import (
    describe_tags,
    link_images,
    read_images,
    read_names,
)
from kling_provider.sandbox.products.entries import LibraryEntry, LibraryProduct
from kling_provider.sandbox.products.outputs import RenderedOutput, Sign, Value
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

_PRESETS = ("Lighthouse keeper", "Grey cat", "Red bicycle")
_FIRST_PRESET = 700_000_000_000_000_000


class OldElementProduct(LibraryProduct):
    """``POST /v1/general/custom-elements``, its list and its presets."""

    name = "custom-element-old"
    legacy_path = "/v1/general/custom-elements"
    presets_path = "/v1/general/presets-elements"
    kind = "element"
    answered_at_once = True

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check name, description, images and tags."""
        fields = Fields(body)
        names = read_names(fields)
        images, failure = read_images(fields, "element_frontal_image", "element_refer_list")
        if failure is not None:  # there is no task that could fail later
            raise InvalidParameter(failure)
        return CreateRequest(
            dialect=dialect,
            product=self.name,
            model=self.name,
            model_name=self.name,
            prompt=names["name"],
            settings={**names, **images},
            body=fields.raw,
        )

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return 0: no price is documented."""
        return Decimal(0)

    def list_entries(self, task: Task) -> Sequence[LibraryEntry]:
        """Return the one element."""
        name = task.request.settings["name"]
        element_id = task.output_ids[0]
        return [LibraryEntry(kind="element", id=element_id, name=name, task=task, is_deletable=False)]

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return the one element with its images."""
        frontal, *others = link_images(task)
        settings = task.request.settings
        fields: Mapping[str, Value] = {
            "element_id": int(task.output_ids[0]),
            "element_name": settings["name"],
            "element_description": settings["description"],
            "element_frontal_image": frontal,
            "element_refer_list": [{"image_url": image} for image in others],
            "tag_list": describe_tags(task),
            "owned_by": task.account,
        }
        return [RenderedOutput(type="element", standard=fields, legacy=fields, legacy_list="elements")]

    def describe_task(
        self, task: Task, dialect: Dialect, now: float, sign: Sign, *, echo: bool, status: str | None = None
    ) -> dict[str, Any]:
        """Return the element itself, which no task is around."""
        described = super().describe_task(task, "legacy", now, sign, echo=echo, status=status)
        found: list[dict[str, Any]] = described["task_result"].get("elements", [])
        return found[0] if found else described  # a fault let it fail

    def list_presets(self) -> Sequence[Task]:
        """Return the presets; their names are made up, their images drawn."""
        return [
            self.build_preset(
                _FIRST_PRESET + 10 * number,
                name,
                name=name,
                description=f"A {name.lower()} that everybody can use",
                tags=["o_102" if number == 0 else "o_104"],
                images=[f"https://presets.example/{number}-{view}.png" for view in range(2)],
            )
            for number, name in enumerate(_PRESETS)
        ]
