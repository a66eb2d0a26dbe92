# SPDX-License-Identifier: Apache-2.0
"""Step 2: prompt files -> what they hold, in their own words."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kling_provider.api.problems import unknown_key
from kling_provider.prompts.find import PromptFile, get_local_path
from kling_provider.prompts.formats.csv_table import Table
from kling_provider.prompts.formats.json_text import JsonText
from kling_provider.prompts.formats.markdown import WrongHead, split_head
from kling_provider.prompts.formats.txt_lines import find_wrong_in_line, list_prompts
from kling_provider.prompts.formats.yaml_text import YamlText
from kling_provider.prompts.places import Lines, Section
from kling_provider.prompts.problems import Problems, PromptProblem, TextProblem
from kling_provider.prompts.request_fields import KEYS_OF_ONE_TASK, get_known_keys

if TYPE_CHECKING:
    from kling_provider.prompts.find import AnyPath

_MAX_FILE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FileContent:
    """The content of a file. ``holds_several`` depends on its form, not on its number of entries."""

    file: PromptFile
    entries: tuple[Section, ...] = ()
    holds_several: bool = False
    defaults: Section | None = None


def read_files(files: Sequence[PromptFile], problems: Problems) -> list[FileContent]:
    """Read the content of files, in their order.

    :param files: the files, those of defaults among them.
    :param problems: gets what cannot be read.
    """
    return [_FileReader(file, problems).read_file() for file in files]


class _FileReader:
    """Reads one file."""

    def __init__(self, file: PromptFile, problems: Problems) -> None:
        self.file = file
        self._problems = problems

    def read_file(self) -> FileContent:
        """Read the file by its suffix; what cannot be read becomes a problem."""
        text = _read_text(self.file.path)
        if isinstance(text, TextProblem):
            self._add_problems([text])
            return FileContent(self.file)
        if self.file.is_defaults:
            return self._read_folder_defaults(text)
        match self.file.suffix:
            case ".md":
                return self._read_markdown(text)
            case ".json":
                return self._read_document(JsonText(text))
            case ".jsonl":
                return self._take_several(self._read_json_lines(text))
            case ".csv":
                return self._take_several(self._read_rows(text))
            case ".txt":
                return self._take_several(self._read_lines(text))
            case _:
                return self._read_document(YamlText(text))

    # One form after the other.

    def _read_folder_defaults(self, text: str) -> FileContent:
        document = YamlText(text)
        self._add_problems(document.problems)
        if document.value is None:
            return FileContent(self.file)
        return FileContent(self.file, defaults=self._make_defaults(document.value, document.lines))

    def _read_markdown(self, text: str) -> FileContent:
        file = split_head(text, get_known_keys())
        if isinstance(file, WrongHead):
            self._add_problem(file.line, file.message)
            return FileContent(self.file)
        head = YamlText(file.head, first_line=file.head_line)
        self._add_problems(head.problems)
        data = {} if head.value is None and not head.problems else head.value
        if not isinstance(data, dict):
            if not head.problems:
                self._add_problem(file.head_line, "its head must be a mapping such as duration: 5")
            return FileContent(self.file)
        lines = head.lines_by_key | {(): file.head_line}
        prompt = file.body.strip()
        if prompt:
            if data.get("prompt") is not None:
                self._add_problem(
                    lines.get(("prompt",)),
                    "must be written once: it is in the head and below it",
                    key="prompt",
                )
            blank = len(file.body) - len(file.body.lstrip())
            lines["prompt",] = file.body_line + file.body.count("\n", 0, blank)
            data["prompt"] = prompt
        return FileContent(self.file, (self._make_section(data, Lines(lambda: lines), is_body=bool(prompt)),))

    def _read_lines(self, text: str) -> Iterator[Section]:
        for number, prompt in list_prompts(text):
            if wrong := find_wrong_in_line(prompt, get_known_keys()):
                self._add_problem(number, wrong)
            else:
                yield self._make_section({"prompt": prompt}, Lines.of_one(number))

    def _read_json_lines(self, text: str) -> Iterator[Section]:
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip():
                continue
            document = JsonText(line, line=number)
            self._add_problems(document.problems)
            if document.is_readable and (entry := self._make_entry(document.value, document.lines)):
                yield entry

    def _read_rows(self, text: str) -> Iterator[Section]:
        table = Table(text, get_known_keys())
        for line, cells in table.read_rows():
            yield self._make_section(cells, Lines.of_one(line))
        self._add_problems(table.problems)

    # What YAML and JSON share.

    def _read_document(self, document: YamlText | JsonText) -> FileContent:
        self._add_problems(document.problems)
        value, lines = document.value, document.lines
        if value is None:
            if document.is_readable:
                self._add_problem(None, "must hold at least one prompt")
            return FileContent(self.file)
        if isinstance(value, Mapping) and ("prompts" in value or "defaults" in value):
            return self._read_with_defaults(value, lines)
        if isinstance(value, list):
            return self._take_several(self._read_list(value, lines))
        entry = self._make_entry(value, lines)
        return FileContent(self.file, (entry,) if entry else ())

    def _read_with_defaults(self, value: Mapping[str, Any], lines: Lines) -> FileContent:
        for key in value:
            if key not in ("prompts", "defaults"):
                wrong = unknown_key(key, value[key], ("prompts", "defaults"))
                self._add_problem(lines.find_line((key,)), wrong.message, key=key, found=wrong.found)
        prompts = value.get("prompts")
        if not isinstance(prompts, list):
            line = lines.find_line(("prompts",))
            self._add_problem(line, "must be a list, beside defaults", key="prompts", found=prompts)
            return FileContent(self.file)
        own = value.get("defaults")
        defaults = None if own is None else self._make_defaults(own, lines.narrow_to("defaults"))
        entries = tuple(self._read_list(prompts, lines.narrow_to("prompts")))
        return FileContent(self.file, entries, holds_several=True, defaults=defaults)

    def _read_list(self, items: list[Any], lines: Lines) -> Iterator[Section]:
        if not items:
            self._add_problem(lines.find_line(()), "must hold at least one prompt")
        for index, item in enumerate(items):
            if entry := self._make_entry(item, lines.narrow_to(index)):
                yield entry

    # What is made of it.

    def _take_several(self, entries: Iterator[Section]) -> FileContent:
        return FileContent(self.file, tuple(entries), holds_several=True)

    def _make_entry(self, value: Any, lines: Lines) -> Section | None:
        if isinstance(value, str):
            value = {"prompt": value}
        if not isinstance(value, Mapping):
            wrong = f"an entry must be a mapping such as prompt: A red panda (found {value!r:.60})"
            self._add_problem(lines.find_line(()), wrong)
            return None
        return self._make_section(value, lines)

    def _make_defaults(self, value: Any, lines: Lines) -> Section | None:
        if not isinstance(value, Mapping):
            self._add_problem(lines.find_line(()), "defaults must be a mapping such as {duration: 5}")
            return None
        for key in ("name", *KEYS_OF_ONE_TASK):
            if value.get(key) is not None:
                wrong = "must be in an entry, not in defaults"
                self._add_problem(lines.find_line((key,)), wrong, key=key, found=value[key])
        return self._make_section(value, lines)

    def _make_section(self, data: Mapping[str, Any], lines: Lines, *, is_body: bool = False) -> Section:
        return Section(data, lines, self.file.shown, self.file.path.parent, is_body)

    # What is wrong with it.

    def _add_problem(self, line: int | None, message: str, *, key: str = "", found: Any = None) -> None:
        self._problems.add_problem(PromptProblem(key, found, message, self.file.shown, line))

    def _add_problems(self, problems: Iterable[TextProblem]) -> None:
        for problem in problems:
            self._add_problem(problem.line, problem.message, key=problem.key)


def _read_text(path: AnyPath) -> str | TextProblem:
    r"""Read a regular file in UTF-8, up to ``_MAX_FILE_BYTES``, with ``\n`` as the end of every line."""
    try:
        content = _read_bytes(path)
    except OSError as error:
        return TextProblem(None, "", f"cannot be read: {error.strerror or type(error).__name__}")
    if content is None:
        return TextProblem(None, "", "must be a regular file")
    if len(content) > _MAX_FILE_BYTES:
        limit = f"has more than {_MAX_FILE_BYTES // 1024 // 1024} MB; split it, and name images by path"
        return TextProblem(None, "", limit)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        wrong = f"must be UTF-8 (found the byte 0x{content[error.start]:02x}): save the file as UTF-8"
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            wrong += " (it is UTF-16, which spreadsheets call Unicode text)"
        return TextProblem(line, "", wrong)
    # Files that were put together with cat have the next one's byte order mark in the middle.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return re.sub("^\ufeff", "", text, flags=re.MULTILINE)


def _read_bytes(path: AnyPath) -> bytes | None:
    """Read up to one byte more than the limit; return ``None`` if it is not a regular file."""
    local = get_local_path(path)
    if local is None:
        with path.open("rb") as remote:
            return bytes(remote.read(_MAX_FILE_BYTES + 1))
    # Without O_NONBLOCK the open of a named pipe waits for a writer for ever.
    descriptor = os.open(os.path.realpath(local), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(_MAX_FILE_BYTES + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
