# SPDX-License-Identifier: Apache-2.0
"""Rules that many types share: one of several fields, and what a prompt refers to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from kling_provider.api.problems import Problem
from kling_provider.api.requests.base import KlingRequest

_NUMBERED = re.compile(r"<<<\s*([a-z]+)_(\d{1,9})\s*>>>", re.IGNORECASE)
#: Not within a word: mail addresses have the sign, too.
_NAMED = re.compile(r"(?<![\w.+-])@(\w[^\s,.;:!?()\"]*)")


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


def find_missing_numbers(field: str, prompt: str | None, counts: Mapping[str, int]) -> list[Problem]:
    """Find references such as ``<<<image_3>>>`` to what the request does not have.

    :param field: where the prompt is.
    :param counts: how many there are of each kind: ``{"image": 2, "video": 1}``.
    """
    found = []
    for match in dict.fromkeys(_NUMBERED.findall(prompt or "")):
        kind, number = match[0].lower(), int(match[1])
        if not 1 <= number <= (most := counts.get(kind, 0)):
            has = f"has {most} of them" if most else "has none"
            message = f"must refer to what is given: <<<{match[0]}_{match[1]}>>> is none, the request {has}"
            found.append(Problem(field, None, message))
    return found


def find_missing_names(field: str, prompt: str | None, names: Iterable[str | None]) -> list[Problem]:
    """Find references such as ``@panda`` that are no ``id`` of the request; without any id the sign is mere text.

    :param field: where the prompt is.
    :param names: the ids of elements, images and voices; ``None`` for one without.
    """
    known = [name for name in names if name]
    if not known:
        return []
    return [
        Problem(field, None, f"must refer to what is given: @{name} is none; there is {_list_names(known)}")
        for name in dict.fromkeys(_NAMED.findall(prompt or ""))
        # Some scripts have no blanks between words, so more text may follow the name.
        if not name.startswith(tuple(known))
    ]


def _list_names(names: Iterable[str]) -> str:
    return ", ".join(f"@{name}" for name in names)
