# SPDX-License-Identifier: Apache-2.0
"""A checked create, and the task that came of it: plain data whose state follows from the time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from kling_provider.sandbox.media.inputs import InputImage

Dialect = Literal["standard", "legacy"]
State = Literal["submitted", "processing", "succeeded", "failed"]
Package = Literal["video", "image", "audio"]

LINK_LIFE = 2_592_000
"""Seconds from the last update of a task to the end of its links: exactly 30 days (observed)."""


@dataclass(frozen=True, kw_only=True)
class CreateRequest:
    """What a create asked for, after it passed the checks of its product."""

    dialect: Dialect
    product: str
    model: str
    """The version, under which limit and price are kept: ``kling-3.0`` for the legacy ``kling-v3``."""
    model_name: str
    prompt: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    """What only the product itself reads, as JSON: a length, a resolution, a voice."""
    image: InputImage | None = None
    """The image that the outputs show."""
    elements: list[str] = field(default_factory=list)
    """Ids of elements that it names."""
    voices: list[str] = field(default_factory=list)
    """Ids of voices that it names."""
    external_id: str | None = None
    callback_url: str | None = None
    watermark: bool = False
    failure_message: str | None = None
    """The message with which generation will fail, for what create lets pass."""
    package: Package = "video"
    """The packs that pay for it."""
    price: Decimal = Decimal(0)
    """Units that are taken when it succeeds."""
    output_count: int = 1
    """How many ids its outputs need."""
    places: int = 1
    """How many tasks it counts as for the concurrency limit."""
    answered_at_once: bool = False
    """Done when the create is answered; no read and no list knows it."""
    route: str = ""
    """The route that made it, at a gateway whose routes do not know each other's tasks."""
    body: dict[str, Any] = field(default_factory=dict, repr=False)
    headers: list[tuple[str, str]] = field(default_factory=list, repr=False)

    def list_attributes(self) -> dict[str, str | None]:
        """Return what a fault rule can look at."""
        return {
            "external_task_id": self.external_id,
            "prompt": self.prompt,
            "model": self.model,
            "model_name": self.model_name,
            "product": self.product,
        }


@dataclass(kw_only=True)
class Task:
    """One task. Times are seconds since the epoch on the sandbox's clock."""

    id: str
    output_ids: list[str]
    account: str
    request: CreateRequest
    created: float
    starts: float
    ends: float
    """``math.inf``: it never ends."""
    message: str = ""
    """Why it fails; empty: it succeeds."""
    price: Decimal = Decimal(0)
    settled: bool = False
    forgotten_from: float = math.inf
    given_up_at: float = math.inf
    """When a gateway fails it on its own, while Kling goes on."""
    given_up_because: str = ""
    deleted_ids: list[str] = field(default_factory=list)
    """Those of ``output_ids`` whose voice or element was deleted."""
    callback_faults: dict[str, float] = field(default_factory=dict)
    """What goes wrong with its callbacks, each with its seconds."""
    frees_id: bool = False
    """A forgotten task gives its external id back (else a new create with it is still refused)."""

    def get_state(self, now: float) -> State:
        """Return the state at a time (epoch seconds)."""
        if now >= self.ends:
            return "failed" if self.message else "succeeded"
        return "processing" if now >= self.starts else "submitted"

    def is_live(self, now: float) -> bool:
        """Tell whether it has not ended, and so counts for the concurrency limit."""
        return now < self.ends

    def is_visible(self, now: float) -> bool:
        """Tell whether reads and lists find it."""
        return now < self.forgotten_from and not self.request.answered_at_once

    def get_update_time(self, now: float) -> float:
        """Return the time of the last change of state (epoch seconds)."""
        if now >= self.ends:
            return self.ends
        return self.starts if now >= self.starts else self.created

    def compute_progress(self, now: float) -> float:
        """Return 0 to 1; Kling does not publish it, the page for people shows it."""
        if now >= self.ends:
            return 1.0
        if math.isinf(self.ends):
            return 0.5
        return (
            max(0.0, (now - self.created) / (self.ends - self.created)) if self.ends > self.created else 0.0
        )

    @property
    def links_expire_at(self) -> int:
        """Return when the links of a finished task die (epoch seconds)."""
        return math.floor(self.ends) + LINK_LIFE

    def list_attributes(self) -> dict[str, str | None]:
        """Return what a fault rule can look at."""
        return {**self.request.list_attributes(), "task_id": self.id}


def to_milliseconds(seconds: float) -> int:
    """Convert seconds to whole milliseconds, rounded down."""
    return math.floor(seconds * 1000)
