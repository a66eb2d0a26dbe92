# SPDX-License-Identifier: Apache-2.0
"""Videos that start from a video or a template: motion, effects, extensions, edits."""

from __future__ import annotations

from kling_provider.api.request_types.spec import RequestSpec

SPECS: tuple[RequestSpec, ...] = ()
