# SPDX-License-Identifier: Apache-2.0
"""Images made from images: subjects in a scene, a wider view, other sides of a subject; and long pages of Kling 4.0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kling_provider.api.problems import Problem
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.fields import (
    ImageAspectRatio,
    ImageInput,
    ImageResolution,
    LegacyImageInput,
    ModelName,
    Number,
    Text,
    Wire,
)
from kling_provider.api.requests.image_base import (
    ImageCount,
    ImageModelRequest,
    ImageRequest,
    ImageSource,
)
from kling_provider.api.requests.parts import ReferenceImage
from kling_provider.api.requests.references import find_wrong_names


class MultiImageToImage(ImageModelRequest):
    """Images of one to four subjects, in a scene and a style that images show."""

    #: Frozen: see :attr:`KlingRequest.frozen_defaults`.
    frozen_defaults: ClassVar[Mapping[str, Any]] = {
        "model": "kling-v2-1",
        "n": 1,
        "aspect_ratio": "16:9",
        "watermark": False,
    }

    type: Literal["multi_image_to_image"] = "multi_image_to_image"
    model: ModelName = "kling-v2-1"
    prompt: Annotated[Text | None, Wire(None, "prompt")] = None
    images: Annotated[list[LegacyImageInput], Wire(None, "subject_image_list[].subject_image")] = Field(
        min_length=1, max_length=4
    )
    scene_image: Annotated[LegacyImageInput | None, Wire(None, "scene_image")] = None
    style_image: Annotated[LegacyImageInput | None, Wire(None, "style_image")] = None
    n: ImageCount = 1
    aspect_ratio: Annotated[ImageAspectRatio, Wire(None, "aspect_ratio")] = "16:9"

    @property
    def image_source(self) -> ImageSource:
        """Return what the images are made from, for the price."""
        return "several"


class ImageExpand(ImageRequest):
    """An image that goes on beyond its edges. Each side grows by a share of the height or the width."""

    #: Frozen: see :attr:`KlingRequest.frozen_defaults`.
    frozen_defaults: ClassVar[Mapping[str, Any]] = {"n": 1, "watermark": False}
    without: ClassVar[frozenset[str]] = frozenset({"model"})
    #: The new image has at most so many times the area of the old one.
    most_area: ClassVar[int] = 3

    type: Literal["image_expand"] = "image_expand"
    image: Annotated[LegacyImageInput, Wire(None, "image")]
    up: Annotated[Number, Wire(None, "up_expansion_ratio")] = Field(ge=0, le=2)
    down: Annotated[Number, Wire(None, "down_expansion_ratio")] = Field(ge=0, le=2)
    left: Annotated[Number, Wire(None, "left_expansion_ratio")] = Field(ge=0, le=2)
    right: Annotated[Number, Wire(None, "right_expansion_ratio")] = Field(ge=0, le=2)
    prompt: Annotated[Text | None, Wire(None, "prompt")] = Field(None, max_length=2500)
    n: ImageCount = 1

    @property
    def image_source(self) -> ImageSource:
        """Return what the images are made from, for the price."""
        return "image"

    def find_problems(self) -> list[Problem]:
        """Find every broken rule; the area counts all four sides."""
        area = (1 + self.up + self.down) * (1 + self.left + self.right)
        found = super().find_problems()
        if area > self.most_area + 1e-9:
            message = f"up, down, left and right must make an image of at most {self.most_area} times the area (make {area:.4g} times)"
            found.append(Problem("", None, message))
        return found


class AiMultiShot(KlingRequest):
    """A subject, seen from the front, from other sides as well: up to three images each in three versions."""

    without: ClassVar[frozenset[str]] = frozenset({"model"})

    type: Literal["ai_multi_shot"] = "ai_multi_shot"
    image: Annotated[LegacyImageInput, Wire(None, "element_frontal_image")]


class LongImage(ImageModelRequest):
    """A long image of Kling 4.0: the design of a web page, or the page of a product in a shop."""

    #: Frozen: see :attr:`KlingRequest.frozen_defaults`.
    frozen_defaults: ClassVar[Mapping[str, Any]] = {
        "model": "kling-long-image-4.0",
        "length": "medium",
        "resolution": "1k",
        "watermark": False,
    }
    without: ClassVar[frozenset[str]] = frozenset({"callback_url", "external_task_id"})
    as_sent: ClassVar[tuple[str, ...]] = ("length",)

    type: Literal["long_image"] = "long_image"
    model: ModelName = "kling-long-image-4.0"
    prompt: Annotated[Text | None, Wire("contents[prompt].text", None)] = None
    skill: Annotated[Literal["webpage", "ecommerce"], Wire("settings.skill", None)]
    length: Annotated[Literal["short", "medium", "long"] | None, Wire("settings.length", None)] = None
    resolution: Annotated[ImageResolution, Wire("settings.resolution", None)] = "1k"
    style_image: Annotated[ImageInput | None, Wire("contents[style_refer_image].url", None)] = None
    subject_image: Annotated[ImageInput | None, Wire("contents[subject_refer_image].url", None)] = None
    reference_images: Annotated[list[ReferenceImage], Wire("contents[refer_image]", None)] = Field(
        default_factory=list, max_length=3
    )

    @property
    def image_source(self) -> ImageSource:
        """Return what the image is made from, for the price."""
        return "image" if self.reference_images or self.style_image or self.subject_image else "words"

    def wire_value(self, field: str) -> Any:
        """Return what is sent: a length only for a shop's page."""
        if field == "length":
            return (self.length or "medium") if self.skill == "ecommerce" else None
        return super().wire_value(field)

    def _find_in_form(self) -> list[Problem]:
        found = super()._find_in_form()
        if not (self.prompt or "").strip():
            found.append(Problem("prompt", None, "must be given: write what the page shows"))
        if self.skill == "ecommerce":
            wrong, why = ("style_image", "subject_image"), "write product photos as reference_images"
            if not self.reference_images:
                message = "must have 1 to 3 photos of the product for skill: ecommerce"
                found.append(Problem("reference_images", None, message))
        else:
            wrong, why = ("reference_images", "length"), "they go with skill: ecommerce"
        found += [
            Problem(field, None, f"must be left out for skill: {self.skill}; {why}")
            for field in wrong
            if getattr(self, field)
        ]
        names = [one.id for one in self.reference_images if one.id]
        return found + find_wrong_names("reference_images", self.prompt or "", names)
