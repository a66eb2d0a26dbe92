# SPDX-License-Identifier: Apache-2.0
"""What is wrong with prompt files: collected beside the steps that read them, told in one error."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import NamedTuple

from kling_provider.api.problems import Problem
from kling_provider.api.redaction import redact_value
from kling_provider.exceptions import KlingRequestError
from kling_provider.prompts.places import Fields, Section, find_origin


@dataclass(frozen=True, slots=True)
class PromptProblem(Problem):
    """A problem with its place; as text the whole line: ``prompts/a.md:4: duration 99: …``."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {Problem.__str__(self)}"


class TextProblem(NamedTuple):
    """What is wrong with a text as such. ``line`` is counted from 1, ``key`` empty where none is meant."""

    line: int | None
    key: str
    message: str


_PLACES = {".csv": "rows", ".txt": "lines", ".jsonl": "lines"}
#: The most lines of one error: a table of thousands of rows would fill the log.
_MOST_LINES = 100
#: How the API's rules say that an input needs another type. A table has no place where that could be written so.
_WRITE_TYPE = re.compile(r"\bwrite type: (\w+(?: or \w+)*)")


class Problems:
    """Everything that is wrong with the files of one load. Steps add to it and go on with what is right."""

    def __init__(self) -> None:
        #: Each with the file of the entry that met it (another one where defaults are to blame).
        self._met: list[tuple[PromptProblem, str]] = []

    def __bool__(self) -> bool:
        return bool(self._met)

    def add_problem(self, problem: PromptProblem, *, met_in: str | None = None) -> None:
        """Add a problem whose place is known.

        :param met_in: the file of the entry that has the problem, if that is not the file to blame.
        """
        self._met.append((problem, met_in or problem.file))

    def add_for_fields(
        self, problems: Iterable[Problem], fields: Fields, own: Section, *, line_of_prompt: int = 1
    ) -> None:
        """Add problems with the values of an entry; each gets the place where its value was written.

        :param problems: the problems, by field.
        :param fields: the fields of the entry, with its defaults.
        :param own: the entry, which is the place of problems with fields that were not written.
        :param line_of_prompt: the line within the prompt, from 1.
        """
        for problem in problems:
            origin = find_origin(problem.field, fields, own)
            line = origin.section.lines.find_line(origin.keys)
            if line is not None and origin.section.is_body and problem.field == "prompt":
                line += line_of_prompt - 1
            message = problem.message
            if origin.section.file_suffix == ".csv":
                message = _WRITE_TYPE.sub(r"add a column `type` with \1", message)
            self.add_problem(
                PromptProblem(problem.field, problem.found, message, origin.section.file, line),
                met_in=own.file,
            )

    def build_error(self, where: str) -> KlingRequestError:
        """Build one exception for all problems: a summary, then a line for each.

        A problem of defaults that several entries inherit has one line, and so has one that many lines of a file share.

        :param where: the path that was loaded.
        """
        by_text: dict[str, tuple[PromptProblem, list[str]]] = {}
        for problem, file in self._met:
            clean = replace(problem, found=redact_value(problem.found), message=redact_value(problem.message))
            _, files = by_text.setdefault(str(clean), (clean, []))
            if file not in files:
                files.append(file)
        problems = _merge_places([_name_files(problem, files) for problem, files in by_text.values()])
        problems.sort(key=lambda problem: (problem.file, problem.line or 0))
        count = "1 problem" if len(problems) == 1 else f"{len(problems):,} problems"
        lines = [str(problem) for problem in problems[:_MOST_LINES]]
        if (more := len(problems) - _MOST_LINES) > 0:
            lines.append(f"… and {more:,} more")
        text = "\n".join([f"{count} in {redact_value(where)}, nothing was sent:", *lines])
        return KlingRequestError(text, problems=problems)


def build_call_error(message: str) -> KlingRequestError:
    """Build the error of a call that is wrong as a whole; add that nothing was sent."""
    message = redact_value(message)
    end = "" if message.endswith((".", "?")) else "."
    text = f"{message[0].upper()}{message[1:]}{end} Nothing was sent."
    return KlingRequestError(text, problems=[Problem("", None, message)])


def _merge_places(problems: Sequence[PromptProblem]) -> list[PromptProblem]:
    """Merge the same problem in several lines of one file into that of the first line, with their number."""
    places: dict[tuple[str, str, str], list[PromptProblem]] = {}
    for problem in problems:
        places.setdefault((problem.file, problem.field, problem.message), []).append(problem)
    found = []
    for same in places.values():
        first = min(same, key=lambda problem: problem.line or 0)
        if (count := len({problem.line for problem in same})) > 1:
            word = _PLACES.get(PurePosixPath(first.file).suffix.lower(), "places")
            first = replace(first, message=f"{first.message} (in {count:,} {word})")
        found.append(first)
    return found


def _name_files(problem: PromptProblem, files: list[str]) -> PromptProblem:
    """Name the files whose entries have a problem of defaults, which may be right for other entries."""
    if problem.file in files:
        return problem
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return replace(problem, message=f"{problem.message} (for {files[0]}{more})")
