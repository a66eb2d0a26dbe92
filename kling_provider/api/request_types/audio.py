# SPDX-License-Identifier: Apache-2.0
"""Sounds and speech."""

from __future__ import annotations

from kling_provider.api.request_types.spec import RequestSpec

SPECS: tuple[RequestSpec, ...] = ()
