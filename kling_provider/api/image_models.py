# SPDX-License-Identifier: Apache-2.0
"""What each image model can do (Kling's image pages of 2026-09-20, its capability map of 2026-05-19).

A table of its own: some names are those of video models, too, and mean other models there. A name is the same in both API
designs. The list is open: an unknown name passes with type checks and a warning.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from kling_provider.api.prompt_lengths import find_excess

_SHAPES = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9")
_WITH_AUTO = ("auto", *_SHAPES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageModel:
    """One image model's rules."""

    name: str
    #: The types of requests that it serves.
    types: tuple[str, ...]
    #: The first one is the default.
    resolutions: tuple[str, ...] = ("1k", "2k")
    aspect_ratios: tuple[str, ...] = _SHAPES
    #: Fields that not every model has.
    fields: frozenset[str] = frozenset()
    #: Images and elements that go in, together.
    references: int = 10
    #: How many images a series may have; empty where the model makes none.
    series: range = range(0)
    #: Decides itself how many images a series has, where it is asked to.
    auto_series: bool = False
    #: Takes the shape ``auto`` from words alone.
    auto_from_words: bool = True
    prompt_limit: int = 2500
    #: The limit for a prompt wholly in another script than Latin; ``None`` where every character counts alike.
    other_script_limit: int | None = None
    #: The API design that serves it.
    design: Literal["standard", "legacy"] = "legacy"
    #: Takes ``external_task_id`` and ``callback_url`` at all.
    external_ids: bool = True

    def find_excess(self, prompt: str) -> str | None:
        """Return a message where a prompt is too long, else ``None``."""
        return find_excess(prompt, self.prompt_limit, self.other_script_limit, self.name)


_MODELS = (
    ImageModel(
        name="kling-v3",
        types=("image_generation",),
        fields=frozenset({"image", "negative_prompt", "elements"}),
    ),
    ImageModel(
        name="kling-v2-1",
        types=("image_generation", "multi_image_to_image"),
        fields=frozenset({"image", "negative_prompt", "image_reference", "image_fidelity", "human_fidelity"}),
    ),
    # The page's list of resolutions has 4k for both omni models, the capability map for one.
    ImageModel(
        name="kling-image-o1",
        types=("omni_image",),
        aspect_ratios=_WITH_AUTO,
        fields=frozenset({"images", "elements", "result_type"}),
    ),
    ImageModel(
        name="kling-v3-omni",
        types=("omni_image",),
        resolutions=("1k", "2k", "4k"),
        aspect_ratios=_WITH_AUTO,
        fields=frozenset({"images", "elements", "result_type", "series_amount"}),
        series=range(2, 10),
        auto_series=True,
        auto_from_words=False,
    ),
    # Kling 4.0: known from gateways' pages only (state of November 2026), which refuse external_task_id and callback_url.
    ImageModel(
        name="kling-image-4.0",
        types=("image_generation",),
        resolutions=("2k", "4k", "8k"),
        aspect_ratios=_WITH_AUTO,
        fields=frozenset({"reference_images", "elements", "result_type", "series_amount"}),
        series=range(2, 11),
        prompt_limit=50_000,
        other_script_limit=21_000,
        design="standard",
        external_ids=False,
    ),
    ImageModel(
        name="kling-long-image-4.0",
        types=("long_image",),
        prompt_limit=166_000,
        other_script_limit=71_000,
        design="standard",
        external_ids=False,
    ),
)

_BY_NAME = {model.name: model for model in _MODELS}

#: Served no more by Kling since 2026-09-15 (its pages of image 1.0, 1.5 and 2.0); gateways may have them.
_RETIRED = ("kling-v1", "kling-v1-5", "kling-v2", "kling-v2-new")


def known_image_model(name: str) -> ImageModel | None:
    """Return the rules of an image model; ``None`` for a name that is not in the table."""
    return _BY_NAME.get(name)


def is_retired(name: str) -> bool:
    """Tell whether Kling itself serves an image model no more."""
    return name in _RETIRED


def image_model_names() -> tuple[str, ...]:
    """Return the names of the models that Kling serves."""
    return tuple(_BY_NAME)


def find_design(name: str) -> Literal["standard", "legacy"]:
    """Return the API design that serves an image model; of an unknown name its form decides: 4.0 and later are standard."""
    model = known_image_model(name)
    if model is not None:
        return model.design
    return "standard" if _is_of_standard_form(name) else "legacy"


def takes_external_id(name: str) -> bool:
    """Tell whether an image model accepts ``external_task_id`` and ``callback_url``; unknown ones of 4.0 do not."""
    model = known_image_model(name)
    return model.external_ids if model is not None else not _is_of_standard_form(name)


def _is_of_standard_form(name: str) -> bool:
    return re.match(r"kling-(long-)?image-[4-9]", name) is not None


def find_near_image_model(name: str) -> str | None:
    """Return the known image model whose name differs from ``name`` in dots, dashes and case only; else ``None``."""
    return next((known for known in _BY_NAME if _fold_name(known) == _fold_name(name)), None)


def _fold_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def find_image_successor(name: str, type: str) -> str | None:
    """Return the nearest image model that serves a type of request now; ``None`` where no other one does.

    Models of the family 4.0 are not named: what Kling itself calls their paths is not known.
    """
    current = [
        model.name
        for model in _MODELS
        if type in model.types and model.name != name and model.design == "legacy"
    ]
    near = difflib.get_close_matches(name, current, n=1, cutoff=0.0)
    return near[0] if near else None


def models_with(field: str, type: str) -> Iterable[str]:
    """Return the models that have a field in requests of a type."""
    return [model.name for model in _MODELS if field in model.fields and type in model.types]
