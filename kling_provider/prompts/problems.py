# SPDX-License-Identifier: Apache-2.0
"""Where something stands in a prompt file, and what is wrong with it there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath

from kling_provider.api.problems import Problem
from kling_provider.api.redaction import redact_value
from kling_provider.exceptions import KlingRequestError

#: The way to a value in a document: ``("prompts", 2, "duration")``.
Keys = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class PromptProblem(Problem):
    """A problem with its place; as text the whole line: ``prompts/a.md:4: duration 99: …``."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {Problem.__str__(self)}"


class Lines:
    """The line of each key of a document, found out only when somebody asks (that is, when it is wrong)."""

    def __init__(self, find: Callable[[], Mapping[Keys, int]]) -> None:
        self._find = find

    @cached_property
    def _known(self) -> Mapping[Keys, int]:
        return self._find()

    def at(self, keys: Keys) -> int | None:
        """The line of the value at ``keys``, or of the nearest thing around it."""
        while keys not in self._known and keys:
            keys = keys[:-1]
        return self._known.get(keys)

    def under(self, *keys: str | int) -> Lines:
        """The lines of a part of the document."""
        size = len(keys)
        return Lines(lambda: {path[size:]: line for path, line in self._known.items() if path[:size] == keys})


def one_line(line: int | None) -> Lines:
    """The lines of something that stands in one line, or in a file as a whole."""
    return Lines(lambda: {} if line is None else {(): line})


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, and the file of the entry that met it (another one where defaults are to blame)."""

    problem: PromptProblem
    reader: str


_PLACES = {".csv": "rows", ".txt": "lines", ".jsonl": "lines"}
#: So many lines say what to mend; a table of thousands of rows would fill the log.
_MOST_LINES = 100


def error_of(findings: Iterable[Finding], where: str) -> KlingRequestError:
    """One exception for all: a summary, then one line each.

    What several entries inherit is said once, and so is what is wrong in one way in many places of a file.
    """
    readers: dict[str, tuple[PromptProblem, list[str]]] = {}
    for finding in findings:
        problem = finding.problem
        problem = replace(problem, found=redact_value(problem.found), message=redact_value(problem.message))
        _, files = readers.setdefault(str(problem), (problem, []))
        if finding.reader not in files:
            files.append(finding.reader)
    problems = _merged([_with_readers(problem, files) for problem, files in readers.values()])
    problems.sort(key=lambda problem: (problem.file, problem.line or 0))
    count = "1 problem" if len(problems) == 1 else f"{len(problems):,} problems"
    lines = [str(problem) for problem in problems[:_MOST_LINES]]
    if (more := len(problems) - _MOST_LINES) > 0:
        lines.append(f"… and {more:,} more")
    text = "\n".join([f"{count} in {redact_value(where)}, nothing was sent:", *lines])
    return KlingRequestError(text, problems=problems)


def _merged(problems: Sequence[PromptProblem]) -> list[PromptProblem]:
    """The same thing wrong in several lines of one file is one problem: that of the first, with their number."""
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


def _with_readers(problem: PromptProblem, files: list[str]) -> PromptProblem:
    """A default may be right for one entry and wrong for another, so its problem names who met it."""
    if problem.file in files:
        return problem
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return replace(problem, message=f"{problem.message} (for {files[0]}{more})")
