# SPDX-License-Identifier: Apache-2.0
"""What the bodies under ``/v1/images`` have in common: ``model_name``, texts, elements, and how many images.

Only images of the models below are made; the others ended in September 2026 and are refused in the words that were
observed for videos.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media import inputs

RETIRED = ("kling-v1", "kling-v1-5", "kling-v2", "kling-v2-new")
"""Images 1.0, 1.5, 2.0 and 2.0 new."""
_LONGEST_TEXT = 2500
_MOST_IMAGES = 9
MOST_REFERENCES = 10


def read_model_name(fields: Fields, models: tuple[str, ...], default: str) -> str:
    """Return the name of a model that the path has; a key ``model`` is ignored (documented)."""
    name = fields.read_text("model_name") or default
    if name in RETIRED:
        raise InvalidParameter(f"The model '{name}' has been discontinued and is no longer available.")
    if name not in models:
        raise InvalidParameter("model is not supported")
    return name


def read_prompt(fields: Fields, *, required: bool) -> str:
    """Return the prompt."""
    prompt = read_limited_text(fields, "prompt")
    if required and not prompt.strip():
        raise InvalidParameter("prompt is required")
    return prompt


def read_limited_text(fields: Fields, key: str, most: int = _LONGEST_TEXT) -> str:
    """Return a text; an absent one reads as empty."""
    text = fields.read_text(key) or ""
    if len(text) > most:
        raise InvalidParameter(f"{fields.name_field(key)} cannot exceed {most} characters")
    return text


def read_count(fields: Fields) -> int:
    """Return ``n``, the number of images."""
    return read_bounded_integer(fields, "n", 1, _MOST_IMAGES, default=1)


def read_bounded_integer(fields: Fields, key: str, least: int, most: int, *, default: int) -> int:
    """Return a whole number within bounds."""
    value = fields.read_integer(key)
    value = default if value is None else value
    if not least <= value <= most:
        raise InvalidParameter(f"{fields.name_field(key)} must be between {least} and {most}")
    return value


def read_bounded_number(fields: Fields, key: str, least: float, most: float) -> float | None:
    """Return a number within bounds; None where it is absent."""
    value = fields.read_number(key)
    if value is not None and not least <= value <= most:
        raise InvalidParameter(f"{fields.name_field(key)} must be between {least:g} and {most:g}")
    return value


def read_image(fields: Fields, key: str) -> inputs.InputImage | None:
    """Return one image; None where it is absent."""
    value = fields.raw.get(key)
    return inputs.read_image(value, fields.name_field(key), legacy=True) if value not in (None, "") else None


def read_images(fields: Fields, key: str, item: str, most: int) -> list[inputs.InputImage]:
    """Return a list of images, each in the key ``item`` of its entry."""
    entries = fields.read_list(key)
    if len(entries) > most:
        raise InvalidParameter(f"{key} can have at most {most} images")
    images = []
    for index, value in enumerate(entries):
        entry = Fields(value, f"{key}[{index}]")
        image = read_image(entry, item)
        if image is None:
            raise InvalidParameter(f"{entry.name_field(item)} is required")
        images.append(image)
    return images


def read_elements(fields: Fields) -> list[str]:
    """Return the ids of ``element_list``."""
    ids = []
    for index, value in enumerate(fields.read_list("element_list")):
        entry = Fields(value, f"element_list[{index}]")
        element = entry.raw.get("element_id")
        if isinstance(element, bool) or not isinstance(element, int | str) or not str(element).isdecimal():
            raise InvalidParameter(f"{entry.name_field('element_id')} must be an integer")
        ids.append(str(element))
    return ids


def check_references(images: int, elements: int) -> None:
    """Refuse more than ten images and elements together (documented)."""
    if images + elements > MOST_REFERENCES:
        raise InvalidParameter(f"images and elements can be at most {MOST_REFERENCES} in total")


def find_failure(images: Sequence[inputs.InputImage | None]) -> str | None:
    """Return why generation will fail for an image."""
    return next((image.failure_message for image in images if image and image.failure_message), None)


def read_options(fields: Fields, *, has_watermark: bool = True) -> dict[str, Any]:
    """Return what all legacy bodies have beside their own, as arguments of a request."""
    watermark = fields.read_object("watermark_info").read_flag("enabled") if has_watermark else None
    return {
        "dialect": "legacy",
        "external_id": fields.read_text("external_task_id"),
        "callback_url": fields.read_text("callback_url"),
        "watermark": watermark or False,
        "body": fields.raw,
    }
