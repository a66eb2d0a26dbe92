# SPDX-License-Identifier: Apache-2.0
"""How requests are sent and responses are read: Kling's two API designs, and routes of gateways with words of their own.

A dialect turns a request into an :class:`ApiRequest`. Responses have one reader for all hosts: :mod:`.reading` makes the task
of one, :mod:`.levels` chooses among states that are nested, :mod:`.status_words` says what each word means, and :mod:`.fields`
reads single values.
"""

from __future__ import annotations

from typing import Protocol

from kling_provider.api.calls import ApiRequest
from kling_provider.api.dialects.legacy import LegacyDialect
from kling_provider.api.dialects.responses import ResponsesDialect
from kling_provider.api.dialects.standard import StandardBodyDialect, StandardDialect, TokenHubDialect
from kling_provider.api.problems import Problem
from kling_provider.api.request_types import RequestSpec
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.fields import ApiDesign


class Dialect(Protocol):
    """What all offer."""

    @property
    def name(self) -> str:
        """Return what a connection writes for ``api``."""

    @property
    def design(self) -> ApiDesign:
        """Return Kling's API design whose fields requests have."""

    def create(self, request: KlingRequest, external_task_id: str | None) -> ApiRequest:
        """Return the paid call. Inputs of ``request`` must be URLs or base64."""

    def read(self, type: str, id: str) -> ApiRequest:
        """Return the call that reads one task. Legacy reads are bound to the type's path, and accept an external id too."""

    def find_unsupported(self, request: KlingRequest) -> list[Problem]:
        """Return what the dialect has no field for, beyond what its design lacks."""


def find_dialect(dialect: Dialect, spec: RequestSpec, model: str | None = None) -> Dialect:
    """Return the dialect that a request of a type goes by: at Kling's standard API the legacy one where it alone has a path.

    One API key serves both.

    :param model: that the request names, if it is known.
    """
    if isinstance(dialect, StandardDialect) and spec.choose_design(dialect.design, model) == "legacy":
        return DIALECTS["legacy"]
    return dialect


DIALECTS: dict[str, Dialect] = {
    "standard": StandardDialect(),
    "legacy": LegacyDialect(),
    "responses": ResponsesDialect(),
    "standard-body": StandardBodyDialect(),
    "tokenhub": TokenHubDialect(),
}
