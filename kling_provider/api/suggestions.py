# SPDX-License-Identifier: Apache-2.0
"""What somebody who mistyped a word may have meant. Dag files load this: it imports nothing of ours."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def suggest(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'duration'?"`` where a known word is similar, else an empty text."""
    near = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""
