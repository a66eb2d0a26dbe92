# SPDX-License-Identifier: Apache-2.0
"""``only`` and ``limit``: which of the requests come out."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from kling_provider.api.suggestions import suggest
from kling_provider.prompts.check import CheckedRequest
from kling_provider.prompts.problems import build_call_error


def choose_requests(
    requests: Sequence[CheckedRequest], only: Sequence[str] | str | None
) -> list[CheckedRequest]:
    """Choose the requests that ``only`` names, by name or by label (the name with its take).

    :param requests: the requests to choose from.
    :param only: names or patterns, as a list or in one text with commas between; nothing chooses all.
    :raises KlingRequestError: if no request has one of the names; it lists all such names.
    """
    having: dict[str, set[int]] = {}
    for number, request in enumerate(requests):
        for name in (request.data["name"], request.label):
            having.setdefault(name, set()).add(number)
    wanted = _read_names(only, having)
    if not wanted:
        return list(requests)
    found = {name: _find_matches(name, having) for name in wanted}
    if unknown := [name for name, numbers in found.items() if not numbers]:
        raise build_call_error(
            "; ".join(
                f"there is no prompt {name!r}, which only names.{suggest(name, having)}" for name in unknown
            )
        )
    chosen = set().union(*found.values())
    return [request for number, request in enumerate(requests) if number in chosen]


def _find_matches(name: str, having: Mapping[str, set[int]]) -> set[int]:
    if name in having or not any(sign in name for sign in "*?["):
        return having.get(name, set())
    return set().union(*(numbers for known, numbers in having.items() if fnmatchcase(known, name)))


def _read_names(only: Sequence[str] | str | None, having: Mapping[str, object]) -> list[str]:
    """Read names from a list, or from a text as a template renders it: ``a, b``, ``['a', 'b']``, ``None`` or nothing."""
    if only is None:
        return []
    if isinstance(only, str):
        text = only.strip()
        if text in having:
            return [text]
        if text == "None":
            return []
        if not (text.startswith("[") and text.endswith("]")):
            return [name.strip() for name in text.split(",") if name.strip()]
        try:
            only = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            only = None
    if not isinstance(only, list | tuple) or not all(isinstance(name, str) for name in only):
        raise build_call_error(
            f"only must be a list of names, or a text of names with commas between; found {only!r:.80}"
        )
    return [name.strip() for name in only if name.strip()]
