# SPDX-License-Identifier: Apache-2.0
"""Images."""

from __future__ import annotations

from kling_provider.api.request_types.spec import RequestSpec

SPECS: tuple[RequestSpec, ...] = ()
