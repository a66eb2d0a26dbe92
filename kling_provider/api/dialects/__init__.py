# SPDX-License-Identifier: Apache-2.0
"""The two API designs: request -> :class:`HttpCall`. What they answer is read by :mod:`.reading`."""

from __future__ import annotations

from typing import Protocol

from kling_provider.api.calls import HttpCall
from kling_provider.api.dialects.legacy import LegacyDialect
from kling_provider.api.dialects.standard import StandardDialect
from kling_provider.api.problems import Problem
from kling_provider.api.requests import Request


class Dialect(Protocol):
    """What both offer."""

    name: str

    def dropped(self, request: Request) -> list[Problem]:
        """What this dialect would drop without a word or cannot say; such a request is not sent."""

    def create(self, request: Request, external_task_id: str | None) -> HttpCall:
        """The paid call. Images in ``request`` are addresses or base64 by now."""

    def read(self, type: str, id: str) -> HttpCall:
        """Read one task. Legacy reads are bound to the kind's path and take an external id there too."""


DIALECTS: dict[str, Dialect] = {"standard": StandardDialect(), "legacy": LegacyDialect()}
