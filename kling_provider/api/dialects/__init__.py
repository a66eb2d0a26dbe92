# SPDX-License-Identifier: Apache-2.0
"""The two API designs: request -> :class:`ApiRequest`. What they answer is read by :mod:`.reading`."""

from __future__ import annotations

from typing import Protocol

from kling_provider.api.calls import ApiRequest
from kling_provider.api.dialects.legacy import LegacyDialect
from kling_provider.api.dialects.standard import StandardDialect
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.fields import ApiDesign


class Dialect(Protocol):
    """What both offer."""

    @property
    def name(self) -> ApiDesign: ...

    def create(self, request: KlingRequest, external_task_id: str | None) -> ApiRequest:
        """Return the paid call. Inputs of ``request`` must be URLs or base64."""

    def read(self, type: str, id: str) -> ApiRequest:
        """Return the call that reads one task. Legacy reads are bound to the type's path, and accept an external id too."""


DIALECTS: dict[str, Dialect] = {"standard": StandardDialect(), "legacy": LegacyDialect()}
