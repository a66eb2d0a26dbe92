# SPDX-License-Identifier: Apache-2.0
"""What the catalog knows of one type of request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib import import_module
from typing import Literal

from kling_provider.api.models import is_locked
from kling_provider.api.price_rules import PriceRule
from kling_provider.api.request_types.preparation import Preparation
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.fields import ApiDesign
from kling_provider.api.tasks import RETENTION

#: How long a session lives in which faces are recognised, or elements marked.
SESSION_LIFE = timedelta(hours=24)

RequestClass = type[KlingRequest]


@dataclass(frozen=True, kw_only=True)
class RequestSpec:
    """One type of request."""

    #: The word that users write for ``type``.
    type: str
    #: The class of its requests, or where it is: ``"video:TextToVideo"`` below :mod:`kling_provider.api.requests`. A class of
    #: pydantic's takes 15 to 60 ms to make, so it is imported when a request of the type is met.
    made_by: RequestClass | str
    #: The path of the create call in each API design that has the type; ``{model}`` stands for the model.
    paths: Mapping[ApiDesign, str]
    #: Types of the outputs, in Kling's words.
    outputs: tuple[str, ...]
    price_rule: PriceRule
    #: What people call the result, in messages: ``video``, ``image``, ``sound``.
    noun: str = "video"
    #: ``task``: the result is waited for. ``at_once``: the answer is the result.
    answered: Literal["task", "at_once"] = "task"
    #: Takes ``external_task_id`` and ``callback_url``, where the model and the host do.
    external_ids: bool = True
    callbacks: bool = True
    #: A second create with the same external id is refused, where the host does so. ``by_model``: where the model is one of
    #: the table of video models for which that was seen.
    locked: Literal["yes", "no", "by_model"] = "yes"
    #: Reads find a task by its external id.
    found_by_external_id: bool = True
    #: Where Kling's own host reads and lists such tasks together with others; ``None``: only at the type's own path.
    tasks_path: str | None = "/tasks"
    #: Which of the account's limits it counts against, and which packs pay for it; ``None``: of none, or unknown.
    concurrency: Literal["video", "image"] | None = "video"
    package: Literal["video", "image"] = "video"
    #: How long its links live, or the session that it opens; ``None``: until somebody deletes it, as an element of the library.
    retention: timedelta | None = RETENTION
    #: The calls that it needs first, unless its user made them.
    preparation: Preparation | None = None
    #: Whether it was seen or documented to be alive lately; ``unknown`` types are built, and their logs and docs say so.
    status: Literal["alive", "unknown"] = "alive"
    #: The file of an example below ``dags/requests``, without its folder.
    example: str = ""

    @property
    def request_class(self) -> RequestClass:
        """Return the class of its requests, which is imported at the first use."""
        return _import_class(self.made_by) if isinstance(self.made_by, str) else self.made_by

    @property
    def is_answered_at_once(self) -> bool:
        """Tell whether the answer to the create is the result."""
        return self.answered == "at_once"

    def find_preparation(self, request: KlingRequest) -> Preparation | None:
        """Return the calls that a request of this type needs first; ``None`` where it needs none."""
        needed = self.preparation is not None and self.preparation.is_needed(request)
        return self.preparation if needed else None

    def choose_design(self, preferred: ApiDesign, model: str | None = None) -> ApiDesign | None:
        """Return the API design that a request goes by; ``None`` where the preferred one is legacy and has no path for it.

        The standard design falls back to the legacy path: one key serves both.

        :param model: that the request names, if it is known: some are served by one design alone.
        """
        only = self.request_class.find_design(model)
        designs = [design for design in self.paths if only in (None, design)]
        if preferred in designs:
            return preferred
        return "legacy" if "legacy" in designs else None

    def list_warnings(self) -> list[str]:
        """Return what people should know of the type before they pay for it."""
        if self.status == "alive":
            return []
        return ["nobody has confirmed lately that Kling still serves this type"]

    def takes_external_id(self, model: str | None) -> bool:
        """Tell whether a create of this type with ``model`` accepts an external id."""
        return self.external_ids and (model is None or self.request_class.takes_external_id(model))

    def is_locked(self, model: str | None) -> bool:
        """Tell whether Kling refuses a second create with the same external id."""
        if self.locked == "by_model":
            return model is not None and is_locked(model)
        return self.locked == "yes" and self.takes_external_id(model)


@dataclass(frozen=True, kw_only=True)
class AtOnceSpec(RequestSpec):
    """One type that Kling answers at once: no task is made, so there is nothing to look up, to list or to call back about."""

    answered: Literal["task", "at_once"] = "at_once"
    external_ids: bool = False
    callbacks: bool = False
    locked: Literal["yes", "no", "by_model"] = "no"
    found_by_external_id: bool = False
    tasks_path: str | None = None
    concurrency: Literal["video", "image"] | None = None


@cache
def _import_class(where: str) -> RequestClass:
    module, _, name = where.partition(":")
    found: RequestClass = getattr(import_module(f"kling_provider.api.requests.{module}"), name)
    return found
