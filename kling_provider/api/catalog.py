# SPDX-License-Identifier: Apache-2.0
"""The types of requests: one row each says where it is sent, what it makes, and what it costs.

Everything that depends on the type is asked here; nothing else compares with a type's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Literal

from kling_provider.api.models import is_locked, takes_external_id
from kling_provider.api.pricing import PerSecond, Price, PriceRule
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.fields import ApiDesign, input_fields
from kling_provider.api.suggestions import suggest

#: What a request is where it names no type.
DEFAULT_TYPE = "text_to_video"

_RequestClass = type[KlingRequest]


@dataclass(frozen=True, kw_only=True)
class RequestSpec:
    """One type of request."""

    #: The word that users write for ``type``.
    type: str
    #: The class of its requests, or where it is: ``"video:TextToVideo"`` below :mod:`kling_provider.api.requests`. A class of
    #: pydantic's takes 15 to 60 ms to make, so it is imported when a request of the type is met.
    made_by: _RequestClass | str
    #: The path of the create call in each API design that has the type; ``{model}`` stands for the model.
    paths: Mapping[ApiDesign, str]
    #: Types of the outputs, in Kling's words.
    outputs: tuple[str, ...]
    price_rule: PriceRule
    #: ``task``: the result is waited for. ``at_once``: the answer is the result.
    answered: Literal["task", "at_once"] = "task"
    #: Takes ``external_task_id`` and ``callback_url``, where the model and the host do.
    external_ids: bool = True
    callbacks: bool = True
    #: A second create with the same external id is refused, where the model's is and the host does so.
    locked: bool = True
    #: Which of the account's limits it counts against; ``None``: of none.
    concurrency: Literal["video", "image"] | None = "video"

    @property
    def request_class(self) -> _RequestClass:
        """Return the class of its requests, which is imported at the first use."""
        return _import_class(self.made_by) if isinstance(self.made_by, str) else self.made_by

    def takes_external_id(self, model: str) -> bool:
        """Tell whether a create of this type with ``model`` accepts an external id."""
        return self.external_ids and takes_external_id(model)

    def is_locked(self, model: str) -> bool:
        """Tell whether Kling refuses a second create with the same external id."""
        return self.locked and is_locked(model)


_SPECS: dict[str, RequestSpec] = {}


def _add_spec(spec: RequestSpec) -> None:
    _SPECS[spec.type] = spec


_add_spec(
    RequestSpec(
        type="text_to_video",
        made_by="video:TextToVideo",
        paths={"standard": "/text-to-video/{model}", "legacy": "/v1/videos/text2video"},
        outputs=("video",),
        price_rule=PerSecond(),
    )
)
_add_spec(
    RequestSpec(
        type="image_to_video",
        made_by="video:ImageToVideo",
        paths={"standard": "/image-to-video/{model}", "legacy": "/v1/videos/image2video"},
        outputs=("video",),
        price_rule=PerSecond(),
    )
)
_add_spec(
    RequestSpec(
        type="omni_video",
        made_by="omni:OmniVideo",
        paths={"standard": "/omni-video/{model}", "legacy": "/v1/videos/omni-video"},
        outputs=("video",),
        price_rule=PerSecond(),
    )
)


@cache
def _import_class(where: str) -> _RequestClass:
    module, _, name = where.partition(":")
    found: _RequestClass = getattr(import_module(f"kling_provider.api.requests.{module}"), name)
    return found


def request_types() -> tuple[str, ...]:
    """Return the words for ``type``."""
    return tuple(_SPECS)


def all_specs() -> tuple[RequestSpec, ...]:
    """Return every row of the catalog."""
    return tuple(_SPECS.values())


def find_spec(type: object) -> RequestSpec | None:
    """Return the row of a type, the default one for ``None`` or an empty text; ``None`` for an unknown word."""
    return _SPECS.get(type or DEFAULT_TYPE) if isinstance(type, str | None) else None


def spec_of(request: KlingRequest) -> RequestSpec:
    """Return the row of a request."""
    return _SPECS[request.type]


def estimate_price(request: KlingRequest) -> Price:
    """Return the list price of ``request``, whether a task exists already or not."""
    return spec_of(request).price_rule.compute_price(request)


def suggest_type(word: object) -> str:
    """Return ``" Did you mean 'image_to_video'?"`` where a type has a similar name, else an empty text."""
    return suggest(str(word), _SPECS)


def input_names(type: object = None) -> dict[str, str | None]:
    """Return the input fields, each with the key that holds the input in the parts of a list, or ``None``.

    :param type: of this type only; of all types where it is unknown.
    """
    spec = find_spec(type) if type else None
    specs = [spec] if spec is not None else _SPECS.values()
    return {name: within for one in specs for name, within, _ in input_fields(one.request_class)}


def all_field_names() -> frozenset[str]:
    """Return the fields of all types."""
    return frozenset(name for spec in _SPECS.values() for name in spec.request_class.model_fields)


@contextmanager
def add_spec_for_now(spec: RequestSpec) -> Iterator[None]:
    """Add one more type within the block: that of a plugin, or of a test."""
    before = dict(_SPECS)
    _add_spec(spec)
    try:
        yield
    finally:
        _SPECS.clear()
        _SPECS.update(before)
