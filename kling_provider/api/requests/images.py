# SPDX-License-Identifier: Apache-2.0
"""Images from words and an image, and from many images and stored elements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kling_provider.api.image_models import ImageModel, find_design, known_image_model
from kling_provider.api.problems import Problem
from kling_provider.api.requests.fields import (
    ImageAspectRatio,
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
    ImageSource,
    SeriesAmount,
)
from kling_provider.api.requests.parts import Element, ReferenceImage
from kling_provider.api.requests.references import find_wrong_names, find_wrong_numbers

#: Kling's own defaults of the image-to-image controls, which are sent explicitly.
_IMAGE_FIDELITY, _HUMAN_FIDELITY = 0.5, 0.45


class ModelledImage(ImageModelRequest):
    """What images from words, and from many references, share: elements, shape, resolution, a series."""

    n: ImageCount = 1
    elements: list[Element] = Field(default_factory=list)
    resolution: Annotated[ImageResolution | None, Wire("settings.resolution", "resolution")] = None
    aspect_ratio: Annotated[ImageAspectRatio | None, Wire("settings.aspect_ratio", "aspect_ratio")] = None
    result_type: Literal["single", "series"] | None = None
    series_amount: SeriesAmount | None = None

    @property
    def is_series(self) -> bool:
        """Tell whether a series of images is asked for, which belong together."""
        return self.result_type == "series"

    @property
    def image_count(self) -> int | None:
        """Return how many images are billed; ``None`` for a series whose model decides."""
        if not self.is_series:
            return self.n
        amount = self.wire_value("series_amount")
        return amount if isinstance(amount, int) else None

    def count_images(self) -> int:
        """Count the images that go in."""
        return 0

    def wire_value(self, field: str) -> Any:
        """Return what is sent: the defaults of the model explicitly, and of ``n`` and ``series_amount`` what counts."""
        model = known_image_model(self.model)
        match field:
            case "n":
                return None if self.is_series else self.n
            case "series_amount":
                return (self.series_amount or 4) if self.is_series else None
            case "result_type":
                return self.result_type or (
                    "single" if model is not None and "result_type" in model.fields else None
                )
            case "resolution":
                return self.resolution or (model.resolutions[0] if model is not None else None)
            case "aspect_ratio" if self.aspect_ratio is None and model is not None:
                from_words = not (self.count_images() or self.elements)
                is_auto = model.aspect_ratios[0] == "auto" and (model.auto_from_words or not from_words)
                return "auto" if is_auto else "16:9"
        return super().wire_value(field)

    def _find_in_form(self) -> list[Problem]:
        found = super()._find_in_form()
        if not (self.prompt or "").strip():
            found.append(Problem("prompt", None, "must be given: write what the image shows"))
        if self.is_series and "n" in self.model_fields_set:
            message = "must be left out with result_type: series; series_amount says how many images it has"
            found.append(Problem("n", self.n, message))
        if self.series_amount is not None and not self.is_series:
            found.append(
                Problem("series_amount", self.series_amount, "must be used with result_type: series")
            )
        if find_design(self.model) == "legacy":
            counts = {"image": self.count_images()}
            counts |= dict.fromkeys(("element", "object"), len(self.elements))
            found += find_wrong_numbers(self.prompt or "", counts)
        return found

    def _find_by_model(self, model: ImageModel) -> list[Problem]:
        found = super()._find_by_model(model)
        total = self.count_images() + len(self.elements)
        if total > model.references:
            message = f"images and elements must be at most {model.references} together (has {total})"
            found.append(Problem("elements" if self.elements else self._images_field, None, message))
        if self.is_series and not model.series and "result_type" in model.fields:
            message = f"must be single for {model.name}, or write model: kling-v3-omni"
            found.append(Problem("result_type", "series", message))
        amount = self.series_amount
        fits = model.auto_series if amount == "auto" else amount in model.series
        if amount is not None and model.series and not fits:
            or_auto = ", or auto," if model.auto_series else ""
            message = f"must be {model.series[0]} to {model.series[-1]}{or_auto} for {model.name}"
            found.append(Problem("series_amount", amount, message))
        from_words = not (self.count_images() or self.elements)
        if self.aspect_ratio == "auto" and from_words and not model.auto_from_words:
            message = f"must be a shape such as 16:9 for {model.name} from words alone"
            found.append(Problem("aspect_ratio", "auto", message))
        return found

    #: The field with most of the images, for messages.
    _images_field: ClassVar[str] = "images"


class ImageGeneration(ModelledImage):
    """Images from words, with an image or stored elements beside them; Kling 4.0 takes up to ten images to refer to."""

    #: Frozen: see :attr:`KlingRequest.frozen_defaults`.
    frozen_defaults: ClassVar[Mapping[str, Any]] = {
        "model": "kling-v3",
        "resolution": "1k",
        "n": 1,
        "aspect_ratio": "16:9",
        "watermark": False,
        "result_type": "single",
        "series_amount": 4,
        "image_fidelity": 0.5,
        "human_fidelity": 0.45,
    }
    wire_order: ClassVar[tuple[str, ...]] = ("prompt",)
    by_model: ClassVar[tuple[str, ...]] = (
        "image",
        "negative_prompt",
        "image_reference",
        "image_fidelity",
        "human_fidelity",
        "reference_images",
        "elements",
        "result_type",
        "series_amount",
    )
    as_sent: ClassVar[tuple[str, ...]] = (
        "resolution",
        "aspect_ratio",
        "n",
        "result_type",
        "series_amount",
        "image_fidelity",
        "human_fidelity",
    )

    type: Literal["image_generation"] = "image_generation"
    model: ModelName = "kling-v3"
    prompt: Annotated[Text | None, Wire("contents[prompt].text", "prompt")] = None
    elements: Annotated[list[Element], Wire("contents[element]", "element_list")] = Field(
        default_factory=list
    )

    # Legacy only.
    negative_prompt: Annotated[Text | None, Wire(None, "negative_prompt", instead="say it in the prompt")] = (
        Field(None, max_length=2500)
    )
    image: Annotated[
        LegacyImageInput | None, Wire(None, "image", instead="write it into reference_images")
    ] = None
    image_reference: Annotated[Literal["subject", "face"] | None, Wire(None, "image_reference")] = None
    image_fidelity: Annotated[Number | None, Wire(None, "image_fidelity")] = Field(None, ge=0, le=1)
    human_fidelity: Annotated[Number | None, Wire(None, "human_fidelity")] = Field(None, ge=0, le=1)

    # Kling 4.0 only.
    reference_images: Annotated[
        list[ReferenceImage], Wire("contents[refer_image]", None, instead="write one image as image")
    ] = Field(default_factory=list)
    result_type: Annotated[
        Literal["single", "series"] | None,
        Wire("settings.result_type", None, instead="write type: omni_image for a series"),
    ] = None
    series_amount: Annotated[
        SeriesAmount | None,
        Wire("settings.series_amount", None, instead="write type: omni_image for a series"),
    ] = None

    @property
    def image_source(self) -> ImageSource:
        """Return what the images are made from, for the price."""
        return "image" if self.image or self.reference_images else "words"

    def count_images(self) -> int:
        """Count the images that go in."""
        return bool(self.image) + len(self.reference_images)

    def wire_value(self, field: str) -> Any:
        """Return what is sent: the strength of an image explicitly, where the model has such a field."""
        model = known_image_model(self.model)
        if self.image and model is not None and field in model.fields:
            if field == "image_fidelity" and self.image_fidelity is None:
                return _IMAGE_FIDELITY
            if (
                field == "human_fidelity"
                and self.human_fidelity is None
                and self.image_reference == "subject"
            ):
                return _HUMAN_FIDELITY
        return super().wire_value(field)

    def _find_in_form(self) -> list[Problem]:
        found = super()._find_in_form()
        if self.image_reference and not self.image:
            found.append(Problem("image", None, "must be given: image_reference says what of it is kept"))
        if self.negative_prompt and self.image:
            found.append(Problem("negative_prompt", None, "cannot be combined with image"))
        if self.human_fidelity is not None and self.image_reference != "subject":
            message = "must be used with image_reference: subject"
            found.append(Problem("human_fidelity", self.human_fidelity, message))
        if find_design(self.model) == "standard":
            ids = [*(one.id for one in self.reference_images), *(one.id for one in self.elements)]
            names = [name for name in ids if name]
            found += find_wrong_names("reference_images", self.prompt or "", names)
        return found

    _images_field: ClassVar[str] = "reference_images"


class OmniImage(ModelledImage):
    """Images from words, from up to ten images and stored elements; a single picture or a series."""

    #: Frozen: see :attr:`KlingRequest.frozen_defaults`.
    frozen_defaults: ClassVar[Mapping[str, Any]] = {
        "model": "kling-image-o1",
        "resolution": "1k",
        "result_type": "single",
        "n": 1,
        "series_amount": 4,
        "aspect_ratio": "auto",
        "watermark": False,
    }
    by_model: ClassVar[tuple[str, ...]] = ("images", "elements", "result_type")
    as_sent: ClassVar[tuple[str, ...]] = (
        "resolution",
        "aspect_ratio",
        "n",
        "result_type",
        "series_amount",
    )

    type: Literal["omni_image"] = "omni_image"
    model: ModelName = "kling-image-o1"
    prompt: Annotated[Text | None, Wire(None, "prompt")] = None
    images: Annotated[list[LegacyImageInput], Wire(None, "image_list[].image")] = Field(default_factory=list)
    elements: Annotated[list[Element], Wire(None, "element_list")] = Field(default_factory=list)
    result_type: Annotated[Literal["single", "series"] | None, Wire(None, "result_type")] = None
    series_amount: Annotated[SeriesAmount | None, Wire(None, "series_amount")] = None

    def count_images(self) -> int:
        """Count the images that go in."""
        return len(self.images)

    @property
    def image_source(self) -> ImageSource:
        """Return what the images are made from, for the price."""
        return "image" if self.images else "words"
