# SPDX-License-Identifier: Apache-2.0
"""Rules that many types share."""

from __future__ import annotations

from kling_provider.api.problems import Problem
from kling_provider.api.requests.base import KlingRequest


def find_not_one_of(request: KlingRequest, *fields: str) -> list[Problem]:
    """Find whether none or several of ``fields`` are given, where Kling wants exactly one."""
    given = [field for field in fields if getattr(request, field) not in (None, [])]
    if len(given) == 1:
        return []
    if not given:
        others = "".join(f", or write {field}" for field in fields[1:])
        return [Problem(fields[0], None, f"must be given{others}")]
    return [
        Problem(field, None, f"must be left out beside {given[0]}: Kling accepts only one of them")
        for field in given[1:]
    ]
