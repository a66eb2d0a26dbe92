# SPDX-License-Identifier: Apache-2.0
"""One HTTP call as data, before any library sends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """``path`` begins with a slash and is relative to the connection's base URL."""

    method: Literal["GET", "POST"]
    path: str
    params: dict[str, str] | None = None
    json: dict[str, Any] | None = None
