# SPDX-License-Identifier: Apache-2.0
"""``only``: some of the entries, by name."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from kling_provider.api.problems import suggest
from kling_provider.prompts.finding import refused


def chosen(entries: Sequence[tuple[str, str]], only: Sequence[str] | str | None) -> set[int]:
    """Which of ``entries``, each a name and a label (the name with its take), ``only`` means.

    :raises KlingRequestError: with all names that nothing has.
    """
    having: dict[str, set[int]] = {}
    for number, entry in enumerate(entries):
        for name in entry:
            having.setdefault(name, set()).add(number)
    wanted = _names(only, having)
    if not wanted:
        return set(range(len(entries)))
    found = {name: _matching(name, having) for name in wanted}
    if unknown := [name for name, numbers in found.items() if not numbers]:
        raise refused(
            "; ".join(f"there is no prompt {name!r} (only).{suggest(name, having)}" for name in unknown)
        )
    return set().union(*found.values())


def _matching(name: str, having: Mapping[str, set[int]]) -> set[int]:
    if name in having or not any(sign in name for sign in "*?["):
        return having.get(name, set())
    return set().union(*(numbers for known, numbers in having.items() if fnmatchcase(known, name)))


def _names(only: Sequence[str] | str | None, having: Mapping[str, object]) -> list[str]:
    """Names from a list, or from a text as a template makes it: ``a, b``, ``['a', 'b']``, ``None``, nothing."""
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
        raise refused(f"only is a list of names, or a text of names with commas between; found {only!r:.80}")
    return [name.strip() for name in only if name.strip()]
