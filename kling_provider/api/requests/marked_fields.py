# SPDX-License-Identifier: Apache-2.0
"""Find the marked fields of a class: its inputs, and the ids of results, also within the parts of lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from kling_provider.api.requests.fields import Media, RequestPart, ResultId, Wire


def find_marker(
    marker: type[Wire] | type[Media] | type[ResultId], annotation: Any, metadata: Any = ()
) -> Any:
    """Return the :class:`Wire`, :class:`Media` or :class:`ResultId` of a field, also within ``list[…]`` and ``… | None``."""
    for one in metadata:
        if isinstance(one, marker):
            return one
    parts = get_args(annotation)
    # Annotated[…] gives its markers as further arguments.
    found = next((one for one in parts if isinstance(one, marker)), None)
    return found or next(filter(None, (find_marker(marker, part) for part in parts)), None)


@cache
def input_fields(model: type[BaseModel]) -> tuple[tuple[str, str | None, bool], ...]:
    """Return the inputs of a class: name, the name within each part of a list (or ``None``), and whether it is a list."""
    return tuple(_walk_inputs(model))


def _walk_inputs(model: type[BaseModel]) -> Iterator[tuple[str, str | None, bool]]:
    for name, info in model.model_fields.items():
        if find_marker(Media, info.annotation, info.metadata) is not None:
            yield name, None, _is_list(info.annotation)
            continue
        for part in (one for one in get_args(info.annotation) if _is_part(one)):
            for within, inner in part.model_fields.items():
                if find_marker(Media, inner.annotation, inner.metadata) is not None:
                    yield name, within, True


def find_media(model: type[BaseModel], field: str) -> Media:
    """Return the marker of an input.

    :param field: dotted, as :meth:`~kling_provider.api.requests.base.KlingRequest.iter_inputs` gives it.
    :raises KeyError: where it is no input.
    """
    name, _, rest = field.partition(".")
    return list_media(model)[name, rest.partition(".")[2] or None]


@cache
def list_media(model: type[BaseModel]) -> Mapping[tuple[str, str | None], Media]:
    """Return the markers of the inputs of a class, by name and the name within each part of a list (or ``None``)."""
    return _list_marked(model, Media)


@cache
def list_result_ids(model: type[BaseModel]) -> Mapping[tuple[str, str | None], ResultId]:
    """Return the markers of fields that take Kling's id of an output, as :func:`list_media` those of inputs."""
    return _list_marked(model, ResultId)


def _list_marked(model: type[BaseModel], marker: Any) -> dict[tuple[str, str | None], Any]:
    found: dict[tuple[str, str | None], Any] = {}
    for name, info in model.model_fields.items():
        if (own := find_marker(marker, info.annotation, info.metadata)) is not None:
            found[name, None] = own
        for part in filter(_is_part, _walk_parts(info.annotation)):
            for within, inner in part.model_fields.items():
                if (own := find_marker(marker, inner.annotation, inner.metadata)) is not None:
                    found[name, within] = own
    return found


def _walk_parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _walk_parts(part)


def is_list_field(model: type[BaseModel], name: str) -> bool:
    """Tell whether a field takes a list."""
    return _is_list(model.model_fields[name].annotation)


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(map(_is_list, get_args(annotation)))


def _is_part(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, RequestPart)
