# SPDX-License-Identifier: Apache-2.0
"""The text of one prompt file -> its entries, in the file's own words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from kling_provider.api.problems import unknown_key
from kling_provider.api.requests import KINDS
from kling_provider.api.spelling import legacy_names
from kling_provider.prompts.finding import File, read_text
from kling_provider.prompts.lines import prompts_of, wrong_with_line
from kling_provider.prompts.markdown import WrongHead, split_head
from kling_provider.prompts.problems import Keys, Lines, PromptProblem, one_line
from kling_provider.prompts.tables import Table
from kling_provider.prompts.yaml_text import YamlText

if TYPE_CHECKING:
    from kling_provider.prompts.finding import AnyPath


#: Keys of an entry that make several videos of it.
SEVERAL = ("variants", "matrix")
#: Every key that an entry may have, in either spelling.
KNOWN_KEYS = frozenset(
    {*legacy_names(), *SEVERAL, *(key for kind in KINDS.values() for key in kind.model_fields)}
)


@dataclass(frozen=True, slots=True)
class Part:
    """A mapping as somebody wrote it: an entry, or defaults."""

    data: Mapping[str, Any]
    lines: Lines
    shown: str
    folder: AnyPath
    #: The prompt is the body of a Markdown file: a line of it is a line of the file, and its line breaks are spaces.
    body: bool = False

    @property
    def suffix(self) -> str:
        """That of its file, for words that fit the form."""
        return PurePosixPath(self.shown).suffix.lower()


@dataclass(frozen=True, slots=True)
class Document:
    """What a file holds. ``several`` is a matter of its form, not of its number of entries."""

    file: File
    entries: tuple[Part, ...] = ()
    several: bool = False
    defaults: Part | None = None


@dataclass(slots=True)
class Reader:
    """Reads one file; ``problems`` grows as it goes."""

    file: File
    problems: list[PromptProblem]

    def read(self) -> Document:
        text = read_text(self.file)
        if isinstance(text, PromptProblem):
            self.problems.append(text)
            return Document(self.file)
        match self.file.suffix:
            case ".md":
                return self._markdown(text)
            case ".json":
                return self._document(*self._json(text))
            case ".jsonl":
                return self._several(self._json_lines(text))
            case ".csv":
                return self._several(self._rows(text))
            case ".txt":
                return self._several(self._lines(text))
            case _:
                return self._document(*self._yaml(text))

    def read_defaults(self) -> Part | None:
        """``defaults.yaml``: a mapping of keys that entries leave out."""
        text = read_text(self.file)
        if isinstance(text, PromptProblem):
            self.problems.append(text)
            return None
        value, lines = self._yaml(text)
        return self._defaults(value, lines) if value is not None else None

    def _bad(self, line: int | None, message: str, *, field: str = "", found: Any = None) -> None:
        self.problems.append(PromptProblem(field, found, message, self.file.shown, line))

    def _part(self, data: Mapping[str, Any], lines: Lines, *, body: bool = False) -> Part:
        return Part(data, lines, self.file.shown, self.file.folder, body)

    def _several(self, parts: Iterator[Part]) -> Document:
        return Document(self.file, tuple(parts), several=True)

    def _defaults(self, value: Any, lines: Lines) -> Part | None:
        if not isinstance(value, Mapping):
            self._bad(lines.at(()), "defaults are a mapping such as {duration: 5}")
            return None
        for key in ("name", "adopt", "external_task_id"):
            if value.get(key) is not None:
                self._bad(
                    lines.at((key,)), "belongs to one entry, not into defaults", field=key, found=value[key]
                )
        return self._part(value, lines)

    # One form after the other.

    def _markdown(self, text: str) -> Document:
        try:
            file = split_head(text, KNOWN_KEYS)
        except WrongHead as wrong:
            self._bad(wrong.line, str(wrong))
            return Document(self.file)
        head = YamlText(file.head, first_line=file.head_line)
        self._take(head)
        data = {} if head.value is None and not head.problems else head.value
        if not isinstance(data, dict):
            if not head.problems:
                self._bad(file.head_line, "its head is a mapping such as duration: 5")
            return Document(self.file)
        lines = dict(head.lines) | {(): file.head_line}
        prompt = file.body.strip()
        if prompt:
            if data.get("prompt") is not None:
                wrong_line = lines.get(("prompt",))
                self._bad(wrong_line, "is written twice, in the head and below it", field="prompt")
            blank = len(file.body) - len(file.body.lstrip())
            lines["prompt",] = file.body_line + file.body.count("\n", 0, blank)
            data["prompt"] = prompt
        return Document(self.file, (self._part(data, Lines(lambda: lines), body=bool(prompt)),))

    def _lines(self, text: str) -> Iterator[Part]:
        for number, prompt in prompts_of(text):
            if wrong := wrong_with_line(prompt, KNOWN_KEYS):
                self._bad(number, wrong)
            else:
                yield self._part({"prompt": prompt}, one_line(number))

    def _yaml(self, text: str) -> tuple[Any, Lines]:
        document = YamlText(text)
        self._take(document)
        if document.value is None and not document.problems and not self.file.is_defaults:
            self._bad(None, "holds no prompt")
        return document.value, Lines(lambda: document.lines)

    def _take(self, document: YamlText) -> None:
        for line, field, message in document.problems:
            self._bad(line, message, field=field)

    def _json(self, text: str) -> tuple[Any, Lines]:
        # JSON is YAML, near enough to learn its lines from it; only tabs are not.
        document: list[YamlText] = []

        def positions() -> Mapping[Keys, int]:
            if not document:
                document.append(YamlText(text.replace("\t", " ")))
            return document[0].lines

        twice: list[str] = []
        try:
            value = _parse_json(text, twice)
        except json.JSONDecodeError as error:
            self._bad(error.lineno, f"cannot be read as JSON: {error.msg} (column {error.colno})")
            return None, one_line(None)
        except (ValueError, RecursionError) as error:
            self._bad(None, f"cannot be read as JSON: {_reason(error)}")
            return None, one_line(None)
        lines = Lines(positions)
        if twice:
            lines.at(())
            known = [(line, key) for line, key, message in document[0].problems if "twice" in message]
            for line, key in known:
                self._bad(line, "stands here twice", field=key)
            for key in set(twice) - {key for _, key in known}:
                self._bad(None, "stands here twice", field=key)
        if value is None:
            self._bad(None, "holds no prompt")
        return value, lines

    def _json_lines(self, text: str) -> Iterator[Part]:
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip():
                continue
            twice: list[str] = []
            try:
                value = _parse_json(line, twice)
            except (ValueError, RecursionError) as error:
                self._bad(number, f"cannot be read as JSON: {_reason(error)}")
                continue
            for key in twice:
                self._bad(number, "stands here twice", field=key)
            if part := self._entry(value, one_line(number)):
                yield part

    def _rows(self, text: str) -> Iterator[Part]:
        table = Table(text, KNOWN_KEYS)
        for line, cells in table.rows():
            yield self._part(cells, one_line(line))
        for line, key, message in table.problems:
            self._bad(line, message, field=key)

    # What YAML and JSON share.

    def _document(self, value: Any, lines: Lines) -> Document:
        if value is None:
            return Document(self.file)
        if isinstance(value, Mapping) and ("prompts" in value or "defaults" in value):
            return self._with_defaults(value, lines)
        if isinstance(value, list):
            return Document(self.file, self._list(value, lines), several=True)
        entry = self._entry(value, lines)
        return Document(self.file, (entry,) if entry else ())

    def _with_defaults(self, value: Mapping[str, Any], lines: Lines) -> Document:
        for key in value:
            if key not in ("prompts", "defaults"):
                wrong = unknown_key(key, value[key], ("prompts", "defaults"))
                self._bad(lines.at((key,)), wrong.message, field=key, found=wrong.found)
        prompts = value.get("prompts")
        if not isinstance(prompts, list):
            self._bad(lines.at(("prompts",)), "is a list, beside defaults", field="prompts", found=prompts)
            return Document(self.file)
        own = value.get("defaults")
        defaults = self._defaults(own, lines.under("defaults")) if own is not None else None
        return Document(
            self.file, self._list(prompts, lines.under("prompts")), several=True, defaults=defaults
        )

    def _list(self, items: list[Any], lines: Lines) -> tuple[Part, ...]:
        if not items:
            self._bad(lines.at(()), "holds no prompt")
        parts = (self._entry(item, lines.under(index)) for index, item in enumerate(items))
        return tuple(part for part in parts if part is not None)

    def _entry(self, value: Any, lines: Lines) -> Part | None:
        if isinstance(value, str):
            value = {"prompt": value}
        if not isinstance(value, Mapping):
            self._bad(
                lines.at(()), f"an entry is a mapping such as prompt: A red panda (found {value!r:.60})"
            )
            return None
        return self._part(value, lines)


def _parse_json(text: str, twice: list[str]) -> Any:
    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        counts = Counter(key for key, _ in pairs)
        twice.extend(key for key, count in counts.items() if count > 1)
        return dict(pairs)

    def no_number(word: str) -> Any:
        raise ValueError(f"{word} is no number")

    return json.loads(text, object_pairs_hook=mapping, parse_constant=no_number)


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)
