# SPDX-License-Identifier: Apache-2.0
"""The text of a ``.txt`` file -> prompts, one per line. What other tools put into such files is told from prompts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

_NOT_HERE = "a .txt holds one prompt per line and nothing else"
_AS_YAML = f"{_NOT_HERE}; write a .yaml with a list of entries, each with prompt: and what else it needs"

_FOREIGN = (
    (
        re.compile(r"(positive|negative|pos|neg)([ _]prompt)?s?[ \t]*[:=]|negative[ _]?prompt\b|prompt[ \t]*[:=]", re.I),
        f"is a line of another tool's format: {_AS_YAML} (negative_prompt: is for the legacy API)",
    ),
    (re.compile(r"--[a-z]|Steps: \d+,|<lora:"), f"is a line of another tool's format: {_AS_YAML}"),
    (re.compile(r'\{[ \t]*["\']|\[[ \t]*[{"\']|\{\}?$|\[\]?$'), "is JSON: call the file .json, or .jsonl where each line is an entry"),
    (re.compile(r"//|;|/\*|\*/|<[!?/a-zA-Z]"), f"is a comment or markup of another format: {_NOT_HERE}, and # begins a comment"),
    (re.compile(r"[\d:,.]+ --> [\d:,.]+"), f"is a line of subtitles: {_NOT_HERE}"),
)  # fmt: skip


def list_prompts(text: str) -> Iterator[tuple[int, str]]:
    """List every line with a letter or digit that is no comment, with its number from 1."""
    for number, line in enumerate(text.split("\n"), start=1):
        prompt = line.strip()
        if prompt and not prompt.startswith("#") and any(sign.isalnum() for sign in prompt):
            yield number, prompt


def find_wrong_in_line(prompt: str, known: Collection[str]) -> str | None:
    """Say why a line is no prompt; return ``None`` if it may be one.

    :param prompt: the line, without spaces at its ends.
    :param known: the keys of requests.
    """
    for pattern, message in _FOREIGN:
        if pattern.match(prompt):
            return message
    if (key := re.match(r"(?:-[ \t]+)?([a-z_]+)[ \t]*[:=]", prompt)) and key[1] in known:
        return f"begins with the key {key[1]}: {_AS_YAML}"
    if any(_is_header(prompt.split(sign), known) for sign in (",", ";", "\t", "|")):
        return "is the header of a table: call the file .csv"
    return None


def _is_header(cells: list[str], known: Collection[str]) -> bool:
    return len(cells) > 1 and all(cell.strip(' "').lower() in known for cell in cells)
