# SPDX-License-Identifier: Apache-2.0
"""Voices and elements that an account keeps."""

from __future__ import annotations

from kling_provider.api.request_types.spec import RequestSpec

SPECS: tuple[RequestSpec, ...] = ()
