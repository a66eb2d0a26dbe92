# SPDX-License-Identifier: Apache-2.0
"""YAML with the line of every key, and without what prompt files have no use for.

Read from PyYAML's nodes, by its safe loader in pure Python: libyaml's would end the whole process on a file of
many opening brackets. Plain scalars mean what YAML 1.2's core schema says, so ``16:9``, ``off`` and ``010`` are what
people wrote. Duplicate keys (PyYAML silently takes the last), aliases that contain themselves, tags and merge keys are
problems; so is a prompt of which YAML would take a part for a comment or an anchor.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from kling_provider.prompts.places import Keys, Lines
from kling_provider.prompts.problems import TextProblem
from kling_provider.prompts.request_fields import get_prompt_keys, get_text_keys

_TAG = "tag:yaml.org,2002:"
_AS_TEXT = frozenset({"str", "timestamp", "value"})
_NUMBERS = frozenset({"int", "float", "bool"})
_BASES = {"0o": 8, "0x": 16}
#: Python reads longer numbers to base 8 or 16 as well, but cannot write them in decimal.
_MAX_DIGITS = 1000
#: What is said of a key that a mapping has twice; the reader of JSON finds the lines of those by it.
WRITTEN_ONCE = "must be written once"
#: Far more than prompts need; a few nested aliases could stand for billions.
_MAX_NODES = 100_000


class _CoreLoader(yaml.SafeLoader):
    """Resolves plain scalars by the core schema of YAML 1.2 (chapter 10.3.2)."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own class attribute


for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
):
    _CoreLoader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(rf"(?:{_pattern})\Z"), _first)


class YamlText:
    """One document: its ``value``, the ``lines`` of its keys, and what is wrong with it, in ``problems``.

    Where a key holds text, ``name: 007`` and ``adopt: 930831534075682845`` mean what is written.

    :param first_line: where the text begins in its file.
    """

    def __init__(self, text: str, *, first_line: int = 1) -> None:
        self.value: Any = None
        self.lines_by_key: dict[Keys, int] = {}
        self.lines = Lines(lambda: self.lines_by_key)
        self.problems: list[TextProblem] = []
        self._first = first_line
        self._nodes = 0
        self._around: list[yaml.Node] = []
        try:
            self._text = text
            node = _CoreLoader(text).get_single_node()
            self.value = None if node is None else self._read_node(node, ())
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._add_problem(
                mark.line if mark else 0, "", f"cannot be read as YAML: {_explain_error(error)}"
            )
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position)
            self._add_problem(
                line, "", f"has a character that YAML does not allow: U+{_get_code(error.character):04X}"
            )
        except RecursionError:
            self._add_problem(0, "", "cannot be read as YAML: it is nested too deeply")
        except (ValueError, OverflowError):  # PyYAML's chr() of "\\UFFFFFFFF"
            self._add_problem(0, "", "cannot be read as YAML: it has an escape that is no character")

    @property
    def is_readable(self) -> bool:
        """Return whether nothing is wrong with the document."""
        return not self.problems

    def _add_problem(self, line: int, key: str, message: str) -> None:
        self.problems.append(TextProblem(line + self._first, key, message))

    def _read_node(self, node: yaml.Node, path: Keys) -> Any:
        line = node.start_mark.line
        self.lines_by_key.setdefault(path, line + self._first)
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise yaml.MarkedYAMLError(problem="its aliases stand for too much", problem_mark=node.start_mark)
        if any(node is other for other in self._around):
            raise yaml.MarkedYAMLError(problem="an alias contains itself", problem_mark=node.start_mark)
        kind = node.tag.removeprefix(_TAG)
        if isinstance(node, yaml.ScalarNode):
            return self._read_scalar(node, kind, path)
        if kind != ("map" if isinstance(node, yaml.MappingNode) else "seq"):
            self._add_problem(line, _join_keys(path), f"must have no tag {node.tag}: remove it")
            return None
        self._around.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._read_mapping(node, path)
            return [self._read_node(item, (*path, index)) for index, item in enumerate(node.value)]
        finally:
            self._around.pop()

    def _read_scalar(self, node: yaml.ScalarNode, kind: str, path: Keys) -> Any:
        text: str = node.value
        key = next((one for one in reversed(path) if isinstance(one, str)), None)
        prompts = get_prompt_keys()
        if node.style is None and (key in prompts or key in (None, "prompts")):
            self._find_lost_text(node, str(key) if key in prompts else "")
        if kind == "null":
            return None
        if kind in _AS_TEXT or (kind in _NUMBERS and key in get_text_keys()):
            return text
        if kind in _NUMBERS:
            return _convert_scalar(text, kind)
        self._add_problem(node.start_mark.line, _join_keys(path), f"must have no tag {node.tag}: remove it")
        return text

    def _find_lost_text(self, node: yaml.ScalarNode, key: str) -> None:
        """Report a part of an unquoted prompt that YAML takes for a comment or an anchor, and would silently drop."""
        rest = self._text[node.end_mark.index :].partition("\n")[0]
        if re.match(r"[ \t]*#", rest) and node.value:
            shown = f"{rest.strip()[:30]}…" if len(rest.strip()) > 30 else rest.strip()
            wrong = f"ends before {shown!r}, where YAML begins a comment; put the text in quotes, or the comment above it"
            self._add_problem(node.end_mark.line, key, wrong)
        if self._text[node.start_mark.index :].startswith("&"):  # an empty value may stand at the very end
            wrong = "begins with &, and YAML takes the first word for the name of an anchor; put the text in quotes"
            self._add_problem(node.start_mark.line, key, wrong)

    def _read_mapping(self, node: yaml.MappingNode, path: Keys) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line
            if not isinstance(key_node, yaml.ScalarNode):
                self._add_problem(line, _join_keys(path), "must have a word as a key")
                continue
            # A key that YAML takes for a number or a boolean (no, 1) is the word that was written.
            key: str = key_node.value
            if key_node.tag == f"{_TAG}merge":
                self._add_problem(line, key, "must not be used: write defaults instead of a merge key")
                continue
            if key in first:
                self._add_problem(
                    line, key, f"{WRITTEN_ONCE}; it is in line {first[key] + self._first} as well"
                )
                continue
            first[key] = line
            self.lines_by_key[*path, key] = line + self._first
            found[key] = self._read_node(value_node, (*path, key))
        return found


def _convert_scalar(text: str, kind: str) -> Any:
    """Read a number or a boolean by the core schema; return the text if it is none in spite of its tag."""
    if kind == "bool":
        return text.lower() == "true" if text.lower() in ("true", "false") else text
    try:
        if kind == "int":
            if (base := _BASES.get(text[:2])) is None:
                return int(text)
            return int(text[2:], base) if len(text) <= _MAX_DIGITS else text
        number = float(text)
    except ValueError:  # more digits than Python reads; .inf and .nan
        return text
    return number if math.isfinite(number) else text


def _explain_error(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "unknown reason"
    if "another document" in problem:
        return "it has several documents, with --- between; write a list instead"
    if "'\\t'" in problem:
        return "it has a tab where YAML needs spaces"
    if "mapping values are not allowed" in problem:
        return "it has a text with a colon and a blank in it (': '); put the text in quotes"
    return problem if error.context is None else f"{problem}, {error.context}"


def _get_code(character: object) -> int:
    return character if isinstance(character, int) else ord(str(character))


def _join_keys(path: Keys) -> str:
    return ".".join(map(str, path))
