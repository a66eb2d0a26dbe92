# SPDX-License-Identifier: Apache-2.0
"""A ready-made scene with the people of one image, or of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media import inputs
from kling_provider.sandbox.media.inputs import InputImage
from kling_provider.sandbox.products.derived import DerivedProduct, build_film, check_one, read_required
from kling_provider.sandbox.products.library import Library
from kling_provider.sandbox.products.outputs import RenderedOutput, build_video_output
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task

#: The scenes of two images (effects page, 2026-09-20).
TWO_IMAGES = (
    "pet_skateboard",
    "daily_ootd",
    "toss_run",
    "switch_to_silk",
    "studio_look",
    "french_elegance",
    "finger_swipe",
    "smooth_transition",
    "kiss_pro",
    "snow_night_kiss",
    "eternal_kiss",
    "cheers_2026",
    "fight_pro",
    "hug_pro",
    "heart_gesture_pro",
)
_ENDED = ("magic_match_tree",)
"""Still listed, and taken no more (2026-07-03)."""
_SECONDS = 5


class EffectsProduct(DerivedProduct):
    """``POST /v1/videos/effects``.

    Scenes come and go, so those of one image are an option of the sandbox (``effect_scenes``). Prices differ by
    scene and are not known: here each costs 2 units.
    """

    name = "effects"
    legacy_path = "/v1/videos/effects"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body."""
        fields = Fields(body)
        scene = read_required(fields, "effect_scene")
        given = fields.read_object("input")
        images = _read_images(given, two=scene in TWO_IMAGES)
        failure = next((image.failure_message for image in images if image.failure_message), None)
        return CreateRequest(
            dialect=dialect,
            product=self.name,
            model=self.name,
            model_name=self.name,
            settings={"scene": scene},
            image=images[0],
            external_id=fields.read_text("external_task_id"),
            callback_url=fields.read_text("callback_url"),
            failure_message=failure,
            body=fields.raw,
        )

    def resolve_inputs(self, request: CreateRequest, library: Library) -> CreateRequest:
        """Refuse a scene that the sandbox does not have."""
        scene = request.settings["scene"]
        known = {*TWO_IMAGES, *library.options.one_image_scenes} - {*_ENDED}
        if scene not in known:
            raise InvalidParameter(f"effect_scene {scene} is not supported")
        return request

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return the price of a scene; the real ones are not known."""
        return Decimal(2)

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return a video that shows the image or both; its answers have no duration (documented)."""
        request = task.request
        film = build_film(task, seconds=_SECONDS, resolution="720p", image=request.image)
        images = Fields(request.body).read_object("input").read_list("images")
        film = replace(
            film,
            prompt=request.settings["scene"],
            beside=inputs.read_image(images[1], "images", legacy=True) if images else None,
        )
        output = build_video_output(task.output_ids[0], film, watermark=False)
        legacy: dict[str, Any] = {key: value for key, value in output.legacy.items() if key != "duration"}
        return [replace(output, standard=legacy, legacy=legacy)]

    def trim_listed(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return a task without ``watermark_info``, which only its single read has (documented)."""
        return {key: value for key, value in data.items() if key != "watermark_info"}


def _read_images(given: Fields, *, two: bool) -> list[InputImage]:
    """Read the image, or both images, of a scene; which of the two fields it wants depends on the scene."""
    if two:
        images = given.read_list("images")
        if given.raw.get("image"):
            raise InvalidParameter("input.image is not supported by this effect_scene, use input.images")
        if len(images) != 2:
            raise InvalidParameter("input.images must have exactly 2 images")
        return [
            inputs.read_image(image, f"input.images[{index}]", legacy=True)
            for index, image in enumerate(images)
        ]
    if given.raw.get("images"):
        raise InvalidParameter("input.images is not supported by this effect_scene, use input.image")
    check_one(given, "image")
    return [inputs.read_image(given.raw["image"], "input.image", legacy=True)]
