# SPDX-License-Identifier: Apache-2.0
"""Talking faces: lip-sync, avatars, face recognition."""

from __future__ import annotations

from kling_provider.api.request_types.spec import RequestSpec

SPECS: tuple[RequestSpec, ...] = ()
