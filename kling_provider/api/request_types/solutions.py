# SPDX-License-Identifier: Apache-2.0
"""Kling's ready-made solutions for shops and series."""

from __future__ import annotations

from kling_provider.api.request_types.spec import RequestSpec

SPECS: tuple[RequestSpec, ...] = ()
