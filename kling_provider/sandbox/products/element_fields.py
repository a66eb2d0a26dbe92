# SPDX-License-Identifier: Apache-2.0
"""What elements of both libraries have in common: name, description, images, tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.media import inputs
from kling_provider.sandbox.media.given import GivenImage
from kling_provider.sandbox.products.derived import read_required
from kling_provider.sandbox.products.outputs import Link, Value
from kling_provider.sandbox.state.tasks import Task

_TAGS = {
    "o_101": "Hottest",
    "o_102": "Character",
    "o_103": "Animal",
    "o_104": "Item",
    "o_105": "Costume",
    "o_106": "Scene",
    "o_107": "Effect",
    "o_108": "Others",
}
_MOST_REFERENCES = 3


def read_names(fields: Fields) -> dict[str, Any]:
    """Return name, description and tags."""
    return {
        "name": read_required(fields, "element_name", 20),
        "description": read_required(fields, "element_description", 100),
        "tags": [
            _read_tag(Fields(entry, f"tag_list[{index}]"))
            for index, entry in enumerate(fields.read_list("tag_list"))
        ],
    }


def read_images(fields: Fields, frontal_key: str, list_key: str) -> tuple[dict[str, Any], str | None]:
    """Return the frontal image and one to three others, and why generation will fail."""
    frontal, entries = fields.raw.get(frontal_key), fields.read_list(list_key)
    if not frontal:
        raise InvalidParameter(f"{fields.name_field(frontal_key)} is required")
    if not 1 <= len(entries) <= _MOST_REFERENCES:
        raise InvalidParameter(f"{fields.name_field(list_key)} must have 1 to {_MOST_REFERENCES} images")
    values, names = [frontal], [fields.name_field(frontal_key)]
    for index, entry in enumerate(entries):
        one = Fields(entry, f"{fields.name_field(list_key)}[{index}]")
        if not one.raw.get("image_url"):
            raise InvalidParameter(f"{one.name_field('image_url')} is required")
        values.append(one.raw["image_url"])
        names.append(one.name_field("image_url"))
    images = [inputs.read_image(value, name, legacy=True) for value, name in zip(values, names, strict=True)]
    failure = next((image.failure_message for image in images if image.failure_message), None)
    return {"images": values}, failure


def _read_tag(entry: Fields) -> str:
    tag = entry.read_choice("tag_id", tuple(_TAGS), "")
    if not tag:
        raise InvalidParameter(f"{entry.name_field('tag_id')} is required")
    return tag


def link_images(task: Task) -> Sequence[Link]:
    """Return the files of an element's images, the frontal one first; none for an element from a video."""
    settings, element_id = task.request.settings, task.output_ids[0]
    given = [
        GivenImage(value=value, seed=f"{element_id}-{index}", prompt=settings["name"])
        for index, value in enumerate(settings.get("images", ()))
    ]
    return [Link(f"{element_id}-{index}{image.file_suffix}", image) for index, image in enumerate(given)]


def describe_tags(task: Task) -> Sequence[Mapping[str, Value]]:
    """Return the tags as the API describes them."""
    return [
        {"id": tag, "name": _TAGS[tag], "description": f"{_TAGS[tag]} elements"}
        for tag in task.request.settings["tags"]
    ]
