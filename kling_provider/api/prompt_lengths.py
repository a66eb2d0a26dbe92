# SPDX-License-Identifier: Apache-2.0
"""How long a prompt may be, where a script other than Latin counts for more."""

from __future__ import annotations


def find_excess(prompt: str, limit: int, other_script_limit: int | None, model: str) -> str | None:
    """Return a message where a prompt is too long, else ``None``.

    Where a script counts for more, a mixed text counts by its parts.

    :param limit: characters.
    :param other_script_limit: for a prompt wholly in another script than Latin; ``None`` where all count alike.
    :param model: whose limits these are, for the message.
    """
    counted: float = len(prompt)
    accepts = f"{limit} characters"
    if other_script_limit is not None:
        others = sum(1 for sign in prompt if not _is_latin(sign))
        counted += others * (limit / other_script_limit - 1)
        accepts += f" in Latin script, {other_script_limit} in others,"
    # The weight of a character is no whole number, so a text of exactly the limit may come out a hair above it.
    if counted < limit + 1:
        return None
    return f"must be at most {accepts} for {model} (has {len(prompt)})"


def _is_latin(sign: str) -> bool:
    """Tell whether a character is a Latin letter, digit or sign, or punctuation or a combining mark that goes with them."""
    return sign <= "\u036f" or "\u1e00" <= sign <= "\u1eff" or "\u2000" <= sign <= "\u206f"
