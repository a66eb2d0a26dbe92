# SPDX-License-Identifier: Apache-2.0
"""What all types of images share: how many are made, the image models, and their rules.

The rules are the vendor's (API reference of September 2026); those of Kling 4.0 are from gateways' pages of November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from kling_provider.api.image_models import (
    ImageModel,
    find_design,
    find_image_successor,
    find_near_image_model,
    is_retired,
    known_image_model,
    models_with,
    takes_external_id,
)
from kling_provider.api.models import known_model
from kling_provider.api.problems import Problem
from kling_provider.api.requests.base import KlingRequest, Summary
from kling_provider.api.requests.fields import ApiDesign, Flag, ModelName, Text, Whole, Wire
from kling_provider.api.requests.parts import Element
from kling_provider.api.requests.video_base import refuse_names
from kling_provider.api.values import parse_whole_number

#: What the price of an image depends on beside its model: made from words, from an image, or from several.
ImageSource = Literal["words", "image", "several"]


def _read_series_amount(value: Any) -> Any:
    if isinstance(value, str) and value.strip().lower() == "auto":
        return "auto"
    number = parse_whole_number(value)
    if number is None:
        raise ValueError("must be a whole number, or auto: the model decides")
    return number


SeriesAmount = Annotated[int | Literal["auto"], BeforeValidator(_read_series_amount)]


#: How many images are made of one request.
ImageCount = Annotated[Whole, Wire("settings.n", "n"), Field(ge=1, le=9)]


class ImageRequest(KlingRequest):
    """A request for images."""

    watermark: Annotated[Flag, Wire("options.watermark_info.enabled", "watermark_info.enabled")] = False

    @property
    def image_source(self) -> ImageSource:
        """Return what the images are made from, for the price."""
        return "words"

    @property
    def image_count(self) -> int | None:
        """Return how many images are billed; ``None`` where the model decides."""
        count: int = getattr(self, "n", 1)
        return count

    @property
    def concurrency_taken(self) -> int:
        """Return how much of the account's limit it takes: as much as it makes images; of a series of the model's own length 1."""
        return self.image_count or 1

    def wire_value(self, field: str) -> Any:
        """Return what is sent; a watermark that is off is left out."""
        return self.watermark or None if field == "watermark" else super().wire_value(field)


class ImageModelRequest(ImageRequest):
    """A request with one of the image models."""

    #: Fields that not every model of the type has.
    by_model: ClassVar[tuple[str, ...]] = ()
    #: Fields whose defaults depend on others: they count for the identity as they are sent.
    as_sent: ClassVar[tuple[str, ...]] = ()

    model: ModelName
    prompt: Text | None = None  # where it stands on the wire differs by type

    @property
    def summary(self) -> Summary:
        """Return the request in a few facts for people, with resolution and shape as sent."""
        sent = {
            name: self.wire_value(name)
            for name in ("resolution", "aspect_ratio")
            if name in self.field_names()
        }
        return replace(super().summary, **sent)

    @classmethod
    def find_design(cls, model: str | None) -> ApiDesign | None:
        """Return the only API design that serves ``model``; without a model that of the type's default."""
        return find_design(str(model or cls.model_fields["model"].default))

    @classmethod
    def takes_external_id(cls, model: str) -> bool:
        """Tell whether ``model`` accepts ``external_task_id`` and ``callback_url``."""
        return takes_external_id(model)

    def find_successor(self) -> str | None:
        """Return the nearest other image model that Kling serves now for this type."""
        return find_image_successor(self.model, self.type)

    def fingerprint_fields(self, inputs: Mapping[str, str]) -> dict[str, Any]:
        """Return the fields that change the result, with what depends on others as sent."""
        fields = super().fingerprint_fields(inputs)
        return fields | {name: self.wire_value(name) for name in self.as_sent}

    # -- rules --------------------------------------------------------------------------------------------------

    def find_problems(self) -> list[Problem]:
        """Find every broken rule, including those of the model."""
        found = super().find_problems() + self._find_in_form()
        model = known_image_model(self.model)
        if model is not None:
            found += self._find_by_model(model)
        elif near := find_near_image_model(self.model):
            found.append(Problem("model", self.model, f"must be a known image model. Did you mean {near!r}?"))
        elif not is_retired(self.model) and (video := known_model(self.model)) is not None:
            same = known_image_model(video.legacy_name or "")
            name = self.find_successor() if same is None or self.type not in same.types else same.name
            message = f"must be an image model, and this one makes videos: write model: {name}"
            found.append(Problem("model", self.model, message))
        return found

    def find_warnings(self) -> list[str]:
        """Find a model that is not in the table, and one that Kling itself serves no more."""
        found = super().find_warnings()
        if is_retired(self.model):
            found.append(
                f"model {self.model}: Kling retired it on 2026-09-15; at Kling itself write model: {self.find_successor()}"
            )
        elif known_image_model(self.model) is None:
            found.append(f"model {self.model} is not known here: its rules are not checked")
        return found

    def find_unsupported(self, design: ApiDesign) -> list[Problem]:
        """Find what ``design`` cannot express, including names of elements, external ids and callbacks."""
        found = super().find_unsupported(design)
        elements: list[Element] = getattr(self, "elements", [])
        if design == "legacy" and any(one.id for one in elements):
            found.append(refuse_names("elements", "<<<element_1>>>"))
        if design == "standard":
            if not all(one.id for one in elements):
                message = "must have an id each, the name that the prompt uses (@id)"
                found.append(Problem("elements", None, message))
            if not self.takes_external_id(self.model):
                found += [
                    Problem(field, None, f"must be left out: {self.model} does not accept it")
                    for field in ("external_task_id", "callback_url")
                    if getattr(self, field) and field not in self.without
                ]
        return found

    def _find_in_form(self) -> list[Problem]:
        return []

    def _find_by_model(self, model: ImageModel) -> list[Problem]:
        found = []
        if self.type not in model.types:
            message = f"makes {' or '.join(model.types)} only; write type: {model.types[0]}"
            return [Problem("model", self.model, message)]
        if self.prompt and (too_long := model.find_excess(self.prompt)):
            found.append(Problem("prompt", None, too_long))
        for field, allowed in (("resolution", model.resolutions), ("aspect_ratio", model.aspect_ratios)):
            value = getattr(self, field, None)
            if value is not None and value not in allowed:
                found.append(Problem(field, value, f"must be {' or '.join(allowed)} for {model.name}"))
        for field in self.by_model:
            if field not in model.fields and getattr(self, field) not in (None, []):
                others = " or ".join(models_with(field, self.type))
                message = f"must be left out for {model.name}: only {others} has this field"
                found.append(Problem(field, None, message))
        return found
