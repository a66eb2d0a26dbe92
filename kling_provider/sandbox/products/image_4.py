# SPDX-License-Identifier: Apache-2.0
"""The bodies of ``kling-image-4.0`` and ``kling-long-image-4.0``, as far as they are known.

All of it is second-hand: pages of gateways, which say that the schema is Kling's own (October and November 2026). They
give ``contents``, ``settings`` and ``options``, and no path: ``/image-generation/{model}`` and ``/long-image/{model}`` are
inferences, after ``/text-to-video/{model}``. So are the names ``result_type`` and ``series_amount`` (those of ``/v1/images/omni-image``),
a default resolution of ``1k`` for long images, the pixels, and prices beyond $0.06 for an image of 2k, which is the
vendor's own ($0.0035 a unit). External ids and callbacks are refused, as for the videos of Kling 4.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media import inputs
from kling_provider.sandbox.products import legacy_image, omni_rules
from kling_provider.sandbox.products.image import RATIOS, ImageSettings, choose_ratio, compute_image_size
from kling_provider.sandbox.state.tasks import CreateRequest

LONG_IMAGE = "long-image"
"""The product of long images."""
_IMAGE_4 = "kling-image-4.0"
_LONG_IMAGE_4 = "kling-long-image-4.0"
_TYPES = {
    _IMAGE_4: ("prompt", "refer_image", "element"),
    _LONG_IMAGE_4: ("prompt", "refer_image", "style_refer_image", "subject_refer_image"),
}
_PROMPT_LIMITS = {_IMAGE_4: (50_000, 21_000), _LONG_IMAGE_4: (166_000, 71_000)}
"""Characters of a prompt in English, and in other writing."""
_MOST_OF_SKILL = {
    "webpage": {"style_refer_image": 1, "subject_refer_image": 1},
    "ecommerce": {"refer_image": 3},
}
_WIDTHS = {"1k": 1024, "2k": 2048}
_HEIGHTS = {"short": 2, "medium": 4, "long": 6, "webpage": 3}
"""How many times the width of a long image its height is."""
_PRICES = {
    _IMAGE_4: {"2k": Decimal(17), "4k": Decimal(34), "8k": Decimal(68)},
    _LONG_IMAGE_4: {"1k": Decimal(17), "2k": Decimal(34)},
}


def get_image_price(model: str, resolution: str) -> Decimal:
    """Return the image units of one image."""
    return _PRICES[model][resolution]


def read_create(product: str, model: str, body: object) -> CreateRequest:
    """Check a create body."""
    if model != (_LONG_IMAGE_4 if product == LONG_IMAGE else _IMAGE_4):
        raise InvalidParameter("model is not supported")
    fields = Fields(body)
    options = fields.read_object("options")
    for key in ("external_task_id", "callback_url"):
        if options.raw.get(key) is not None:
            raise InvalidParameter(f"options.{key} is not supported by model {model}")
    contents = _Contents(model, fields)
    read_settings = _read_settings if model == _IMAGE_4 else _read_long_settings
    return CreateRequest(
        dialect="standard",
        product=product,
        model=model,
        model_name=model,
        prompt=contents.prompt,
        settings=read_settings(fields, contents).to_json(),
        image=next(iter(contents.images), None),
        watermark=options.read_object("watermark_info").read_flag("enabled") or False,
        failure_message=legacy_image.find_failure(contents.images),
        elements=contents.elements,
        body=fields.raw,
    )


class _Contents:
    """The prompt and the references of a body."""

    def __init__(self, model: str, fields: Fields) -> None:
        self.prompt = ""
        self.images: list[inputs.InputImage] = []
        self.counts: dict[str, int] = {}
        omni_rules.check_list(fields.raw.get("contents"))
        self.elements: list[str] = []
        for index, value in enumerate(fields.read_list("contents")):
            entry = Fields(value, f"contents[{index}]")
            kind = entry.read_text("type")
            if kind not in _TYPES[model]:
                raise InvalidParameter(f"{entry.name_field('type')} value '{kind}' is invalid")
            self.counts[kind] = self.counts.get(kind, 0) + 1
            if kind == "prompt":
                self.prompt = entry.read_text("text") or ""
            elif kind == "element":
                self.elements.append(_read_element(entry))
            else:
                url = entry.raw.get("url")
                self.images.append(
                    inputs.read_limited_image(url, entry.name_field("url"), inputs.KLING_4_IMAGE)
                )
        if self.counts.get("prompt", 0) != 1 or not self.prompt.strip():
            raise InvalidParameter("contents must have exactly one prompt")
        english, other = _PROMPT_LIMITS[model]
        most = english if self.prompt.isascii() else other
        if len(self.prompt) > most:
            raise InvalidParameter(f"prompt cannot exceed {most} characters")
        legacy_image.check_references(len(self.images), len(self.elements))


def _read_element(entry: Fields) -> str:
    element = entry.raw.get("element_id")
    if element is None or entry.read_text("id") is None:
        raise InvalidParameter(f"{entry.name_field('element_id')} and {entry.name_field('id')} are required")
    return str(element)


def _read_settings(fields: Fields, contents: _Contents) -> ImageSettings:
    settings = fields.read_object("settings")
    is_series = settings.read_choice("result_type", ("single", "series"), "single") == "series"
    count = legacy_image.read_count(settings)
    amount = legacy_image.read_bounded_integer(settings, "series_amount", 2, 10, default=4)
    resolution = settings.read_choice("resolution", ("2k", "4k", "8k"), "2k")
    ratio = settings.read_choice("aspect_ratio", (*RATIOS, "auto"), "auto")
    first = next(iter(contents.images), None)
    width, height = compute_image_size(resolution, choose_ratio(first) if ratio == "auto" else ratio)
    return ImageSettings(
        count=amount if is_series else count,
        width=width,
        height=height,
        resolution=resolution,
        from_image=bool(contents.images),
        is_series=is_series,
    )


def _read_long_settings(fields: Fields, contents: _Contents) -> ImageSettings:
    settings = fields.read_object("settings")
    skill = settings.read_choice("skill", tuple(_MOST_OF_SKILL), "")
    if not skill:
        raise InvalidParameter("settings.skill is required")
    _check_skill(skill, contents.counts)
    length = settings.read_choice("length", ("short", "medium", "long"), "medium")
    resolution = settings.read_choice("resolution", tuple(_WIDTHS), "1k")
    width = _WIDTHS[resolution]
    return ImageSettings(
        count=1,
        width=width,
        height=width * _HEIGHTS[length if skill == "ecommerce" else skill],
        resolution=resolution,
        from_image=bool(contents.images),
    )


def _check_skill(skill: str, counts: Mapping[str, int]) -> None:
    """Check the images of a skill; ``ecommerce`` needs at least one."""
    allowed = _MOST_OF_SKILL[skill]
    for kind, count in counts.items():
        if kind != "prompt" and count > allowed.get(kind, 0):
            most = allowed.get(kind, 0)
            raise InvalidParameter(f"contents can have at most {most} {kind} for skill {skill}")
    if skill == "ecommerce" and not counts.get("refer_image"):
        raise InvalidParameter("refer_image is required for skill ecommerce")
