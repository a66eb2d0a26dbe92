# SPDX-License-Identifier: Apache-2.0
"""The text of a ``.json`` file, or a line of a ``.jsonl``, with the line of every key."""

from __future__ import annotations

import json
from collections import Counter
from functools import cached_property
from typing import Any

from kling_provider.prompts.formats.yaml_text import WRITTEN_ONCE, YamlText
from kling_provider.prompts.places import Lines
from kling_provider.prompts.problems import TextProblem


class JsonText:
    """One document: its ``value``, the ``lines`` of its keys, and what is wrong with it, in ``problems``.

    ``is_readable`` says whether there is a value at all (which may be ``None``).

    :param line: where it stands, if all of it stands in one line.
    """

    def __init__(self, text: str, *, line: int | None = None) -> None:
        self.value: Any = None
        self.lines = Lines.of_one(line)
        self.problems: list[TextProblem] = []
        self.is_readable = False
        self._text = text
        twice: list[str] = []
        try:
            self.value = _parse_json(text, twice)
        except json.JSONDecodeError as error:
            if line is None:
                wrong = f"cannot be read as JSON: {error.msg} (column {error.colno})"
                self.problems.append(TextProblem(error.lineno, "", wrong))
            else:
                self.problems.append(TextProblem(line, "", f"cannot be read as JSON: {error.msg}"))
            return
        except (ValueError, RecursionError) as error:
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
            self.problems.append(TextProblem(line, "", f"cannot be read as JSON: {reason}"))
            return
        self.is_readable = True
        if line is None:
            self.lines = Lines(lambda: self._as_yaml.lines_by_key)
            self._find_twice(twice)
        else:
            self.problems += [TextProblem(line, key, WRITTEN_ONCE) for key in twice]

    @cached_property
    def _as_yaml(self) -> YamlText:
        # JSON is YAML, near enough to learn its lines from it; only tabs are not.
        return YamlText(self._text.replace("\t", " "))

    def _find_twice(self, twice: list[str]) -> None:
        if not twice:
            return
        known = [
            (line, key) for line, key, message in self._as_yaml.problems if message.startswith(WRITTEN_ONCE)
        ]
        self.problems += [TextProblem(line, key, WRITTEN_ONCE) for line, key in known]
        unplaced = set(twice) - {key for _, key in known}
        self.problems += [TextProblem(None, key, WRITTEN_ONCE) for key in sorted(unplaced)]


def _parse_json(text: str, twice: list[str]) -> Any:
    """Parse ``text`` as JSON; append to ``twice`` the keys that stand twice in a mapping."""

    def make_mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        counts = Counter(key for key, _ in pairs)
        twice.extend(key for key, count in counts.items() if count > 1)
        return dict(pairs)

    def refuse_number(word: str) -> Any:
        raise ValueError(f"{word} is not a number")

    return json.loads(text, object_pairs_hook=make_mapping, parse_constant=refuse_number)
