# SPDX-License-Identifier: Apache-2.0
"""Kinds that Kling has ended; their paths still answer."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.products.base import Product
from kling_provider.sandbox.products.outputs import RenderedOutput
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect, Task


class MultiImageToVideoProduct(Product):
    """``POST /v1/videos/multi-image2video``, which refuses every body (observed 2026-09)."""

    name = "multi-image-to-video"
    legacy_path = "/v1/videos/multi-image2video"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Refuse the body.

        :raises InvalidParameter: always.
        """
        raise InvalidParameter("This API is no longer available")  # observed

    def compute_price(self, request: CreateRequest) -> Decimal:
        """Return 0: nothing is made."""
        return Decimal(0)

    def list_outputs(self, task: Task) -> Sequence[RenderedOutput]:
        """Return nothing: nothing is made."""
        return ()
