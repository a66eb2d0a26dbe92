# SPDX-License-Identifier: Apache-2.0
"""A ``.md`` file -> its head and its body. What looks like a head and is not read is refused, not paid."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

_FENCE = re.compile(r"^---[ \t]*$", re.MULTILINE)
_COMMENTS = re.compile(r"\s*(?:<!--.*?-->\s*)+", re.DOTALL)
_OTHER_FENCES = {"+++": "TOML", ";;;": "JSON"}
_LANGUAGE = re.compile(r"---[ \t]*(toml|json5?|ya?ml|js|coffee)[ \t]*(?:\n|$)")
_KEY = re.compile(r"([A-Za-z_][\w-]*)[ \t]*:(?:[ \t]|$)")
_ONLY_YAML = "only a YAML head between two --- lines, as the first thing in the file, is read"

#: Lines that begin a block of their own in Markdown, so that the line break before them is no space.
_BLOCK = re.compile(r"[ \t]{0,3}(?:[-*+•][ \t]|\d{1,9}[.)][ \t]|#{1,6}(?:[ \t]|$)|>|\||[-=_*][-=_* \t]{2,}$)")
_CODE = re.compile(r"[ \t]{0,3}(```|~~~)")
_HARD_BREAK = re.compile(r"(?: {2,}|\\)$")


@dataclass(frozen=True, slots=True)
class WrongHead:
    """A head that is not read. ``line`` is where it stands, from 1."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Markdown:
    """``head`` is YAML, without its fences; ``head_line`` and ``body_line`` are those of the file, from 1."""

    head: str
    body: str
    head_line: int
    body_line: int


def split_head(text: str, known: Collection[str]) -> Markdown | WrongHead:
    """Split a file into its head and its body.

    :param text: the text of the file.
    :param known: the keys that a head may have, which tell a misplaced head from a prompt with lines in it.
    :return: the two parts; or what is wrong, if a head has no end, is not YAML, or does not stand at the top.
    """
    from frontmatter.default_handlers import YAMLHandler

    # The library's own boundary takes the line breaks after it along, and then no line number is right.
    handler = YAMLHandler(fm_boundary=_FENCE)
    head, body = "", text.lstrip("\n")
    first_line = len(text) - len(body) + 1
    if handler.detect(body):
        try:
            head, body = handler.split(body)
        except ValueError:
            return WrongHead(first_line, "its head must end with a second --- line")
    elif wrong := _find_other_head(body, first_line, known):
        return wrong
    body_line = text.count("\n", 0, len(text) - len(body)) + 1
    return _find_later_head(body, body_line, known) or Markdown(head, body, first_line, body_line)


def _find_other_head(body: str, line: int, known: Collection[str]) -> WrongHead | None:
    """Find a head that another tool would read, or one that is nearly right."""
    first = body.partition("\n")[0].rstrip()
    if first in _OTHER_FENCES:
        return WrongHead(line, f"has a head in {_OTHER_FENCES[first]} ({first}); {_ONLY_YAML}")
    if language := _LANGUAGE.match(body):
        return WrongHead(line, f"has a head that begins with ---{language[1]}; {_ONLY_YAML}")
    if first.strip() == "---":
        return WrongHead(line, "must not have a blank before the --- of its head: remove it")
    if body.startswith("{") and _has_json_head(body):
        return WrongHead(line, f"has a head in JSON; {_ONLY_YAML}")
    if (key := _KEY.match(first)) and key[1] in known:
        return WrongHead(line, f"begins with {key[1]}: and has no --- lines around it; {_ONLY_YAML}")
    if comment := _COMMENTS.match(body):
        after = body[comment.end() :].partition("\n")[0].rstrip()
        if after == "---" or after in _OTHER_FENCES or _LANGUAGE.match(after):
            here = line + body.count("\n", 0, comment.end())
            return WrongHead(here, f"has a comment before its head; {_ONLY_YAML}")
    return None


def _find_later_head(body: str, line: int, known: Collection[str]) -> WrongHead | None:
    """Find a block between two ``---`` lines with a key of a request in it: it would be sent as part of the prompt."""
    fences = list(_FENCE.finditer(body))
    for opening, closing in pairwise(fences):
        keys = [_KEY.match(one) for one in body[opening.end() : closing.start()].split("\n")]
        if any(key and key[1] in known for key in keys):
            here = line + body.count("\n", 0, opening.start())
            return WrongHead(here, f"has a head below its text; {_ONLY_YAML}, and a .md holds one prompt")
    return None


def _has_json_head(body: str) -> bool:
    try:
        value, _ = json.JSONDecoder().raw_decode(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict)


def join_lines(body: str) -> str:
    """Join the lines of ``body`` as Markdown does: a line break within a paragraph becomes a space.

    Two blanks or a backslash at the end of a line keep it, and so do lists, headings, quotes, tables and code.
    """
    lines: list[str] = []
    code = joins = False
    for line in body.split("\n"):
        fence = _CODE.match(line) is not None
        starts = code or fence or not line.strip() or _BLOCK.match(line) is not None
        hard = not code and _HARD_BREAK.search(line) is not None
        text = _HARD_BREAK.sub("", line) if hard and line.strip() else line
        if joins and not starts:
            lines[-1] = f"{lines[-1].rstrip()} {text.strip()}"
        else:
            lines.append(text)
        code = code != fence
        # A heading, a rule or a row of a table ends with its line; an item of a list goes on.
        whole = re.match(r"[ \t]{0,3}(?:#|\||[-=_*][-=_* \t]{2,}$)", line) is not None
        joins = bool(line.strip()) and not (code or fence or hard or whole)
    return "\n".join(lines)
