# SPDX-License-Identifier: Apache-2.0
"""A person in other clothes: ``/solutions/virtual_try_on`` and ``/v1/images/kolors-virtual-try-on``.

The solution differs from the others in three words: its create calls the id ``task_id``, its state of success is
``succeed``, and the filter of the list calls it so, too. The price is not published: the sandbox takes 8 units, the
figure in a documentation example. The result has the size of the person's image where the sandbox knows it, else
768 x 1024 pixels.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media import inputs
from kling_provider.sandbox.products import legacy_image, solutions
from kling_provider.sandbox.products.image import ImageProduct, ImageSettings
from kling_provider.sandbox.products.outputs import Sign
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

_MODELS = ("kolors-virtual-try-on-v1", "kolors-virtual-try-on-v1-5")
_SIZE = (768, 1024)
_KEPT = ("keep_face", "keep_pose", "keep_background")
_PAIR = ("product_image", "person_image")


class VirtualTryOnProduct(ImageProduct):
    """Both paths; one image, one place, 8 image units."""

    name = "virtual-try-on"
    standard_path = "/solutions/virtual_try_on"
    legacy_path = "/v1/images/kolors-virtual-try-on"
    product_type = "try_on"
    is_solution = True

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body of either design."""
        fields = Fields(body)
        return self._read_solution(fields) if dialect == "standard" else self._read_legacy(fields)

    def _read_solution(self, fields: Fields) -> CreateRequest:
        contents = solutions.Contents(fields, dict.fromkeys(_PAIR, (1, 1)))
        images = {kind: contents.read_images(kind, inputs.TRY_ON_IMAGE)[0] for kind in _PAIR}
        settings = fields.read_object("settings")
        kept = [name for name in _KEPT if settings.read_flag(name) is not False]
        return CreateRequest(
            product=self.name,
            model="virtual_try_on",
            model_name="virtual_try_on",
            prompt=" · ".join(kept),
            settings=_build_settings(images["person_image"]),
            image=images["person_image"],
            failure_message=legacy_image.find_failure(list(images.values())),
            **solutions.read_options(fields),
        )

    def _read_legacy(self, fields: Fields) -> CreateRequest:
        model = legacy_image.read_model_name(fields, _MODELS, _MODELS[0])
        images = [legacy_image.read_image(fields, key) for key in ("human_image", "cloth_image")]
        for key, image in zip(("human_image", "cloth_image"), images, strict=True):
            if image is None:
                raise InvalidParameter(f"{key} is required")
        return CreateRequest(
            product=self.name,
            model=model,
            model_name=model,
            settings=_build_settings(images[0]),
            image=images[0],
            failure_message=legacy_image.find_failure(images),
            **legacy_image.read_options(fields, has_watermark=False),
        )

    def get_image_price(self, request: CreateRequest) -> Decimal:
        """Return 8 units."""
        return Decimal(8)

    def describe_create(self, task: Task, dialect: Dialect, sign: Sign, *, echo: bool) -> dict[str, Any]:
        """Return ``data`` of the answer to a create; the solution calls the id ``task_id``."""
        described = super().describe_create(task, dialect, sign, echo=echo)
        if dialect == "standard":
            described = {"task_id": described.pop("id"), **described}
        return described

    def describe_task(
        self, task: Task, dialect: Dialect, now: float, sign: Sign, *, echo: bool, status: str | None = None
    ) -> dict[str, Any]:
        """Return the task; the solution says ``succeed``."""
        return super().describe_task(
            task, dialect, now, sign, echo=echo, status=status or self.get_state_word(task, now)
        )

    def get_state_word(self, task: Task, now: float) -> str | None:
        """Return the solution's own word for success; None where it has none."""
        is_own = task.request.dialect == "standard" and task.get_state(now) == "succeeded"
        return "succeed" if is_own else None


def _build_settings(person: inputs.InputImage | None) -> dict[str, Any]:
    width, height = inputs.measure_image(person) or _SIZE
    return ImageSettings(count=1, width=width, height=height, from_image=True).to_json()
