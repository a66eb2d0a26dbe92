# SPDX-License-Identifier: Apache-2.0
"""A path -> requests, or everything that is wrong with the files there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from kling_provider.api.problems import InvalidRequest, Problem
from kling_provider.api.requests import IMAGE_FIELDS, WRITE_TYPE, Request, parse_request
from kling_provider.api.spelling import ours
from kling_provider.api.values import impossible_characters, whole_number
from kling_provider.prompts import naming
from kling_provider.prompts.choosing import chosen
from kling_provider.prompts.finding import File, context_of_task, find_files, refused
from kling_provider.prompts.literal import LiteralRequest
from kling_provider.prompts.markdown import join_lines
from kling_provider.prompts.pictures import Inputs
from kling_provider.prompts.problems import Finding, PromptProblem, error_of
from kling_provider.prompts.reading import Document, Part, Reader
from kling_provider.prompts.settings import Film, Settings, Value, films_of, kind_of, settings_of

if TYPE_CHECKING:
    from kling_provider.hooks.connection import KlingConnection
    from kling_provider.prompts.filling import Filler

#: What ``values`` never changes: what an entry is called and what it is.
_NOT_FILLED = ("name", "type")


def load(
    path: str | os.PathLike[str],
    *,
    conn_id: str | None,
    only: Sequence[str] | str | None,
    values: Mapping[str, Any] | None,
    inputs_below: Sequence[str | os.PathLike[str]] | str | None,
    limit: int,
) -> list[dict[str, Any]]:
    """See :func:`kling_provider.prompts.load_prompts`."""
    if values is not None and not isinstance(values, Mapping):
        raise refused(f"values is a mapping such as {{'city': 'Oslo'}}; found {type(values).__name__}")
    _check_limit(limit)
    found = find_files(path)
    loading = _Loading(Inputs(found.root, inputs_below), _connection(conn_id), _filler(values))
    loading.findings += [Finding(problem, problem.file) for problem in found.problems]
    made = loading.made(found.files)
    if loading.findings:
        raise error_of(loading.findings, str(path))
    if not made:
        raise refused(f"there are no prompts in {path}: its files are empty")
    wanted = chosen([(each.request["name"], each.label) for each in made], only)
    if len(wanted) > limit:
        raise refused(
            f"{path} makes {len(wanted):,} videos, and the limit is {limit:,}. Each of them would be paid: choose some with only, "
            f"or give limit={len(wanted)} if you mean all of them"
        )
    requests = [each.request for number, each in enumerate(made) if number in wanted]
    # What a task returns goes through XCom, where Airflow takes nothing for a template.
    return requests if context_of_task() else [LiteralRequest(request) for request in requests]


def _check_limit(limit: Any) -> None:
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise refused(f"limit must be a whole number from 1; found {limit!r:.80}")


@dataclass(frozen=True, slots=True)
class _Made:
    """A request (finished, unless something is wrong with it), and where its entry stands."""

    request: dict[str, Any]
    label: str
    named: bool
    own: Part

    @property
    def line(self) -> int | None:
        return self.own.lines.at(("name",))

    @property
    def place(self) -> str:
        return self.own.shown if self.line is None else f"{self.own.shown}:{self.line}"


@dataclass(slots=True)
class _Loading:
    inputs: Inputs
    connection: KlingConnection | None
    filler: Filler | None
    findings: list[Finding] = field(default_factory=list)

    def made(self, files: list[File]) -> list[_Made]:
        defaults = self._folder_defaults(files)
        made: list[_Made] = []
        for file in files:
            if file.is_defaults:
                continue
            document = self._read(file)
            above = [defaults[folder] for folder in _folders_of(file) if folder in defaults]
            if document.defaults is not None:
                above.append(document.defaults)
            for own in document.entries:
                made += self._entry(own, document, above)
        self._find_twins(made)
        return made

    def _read(self, file: File) -> Document:
        problems: list[PromptProblem] = []
        document = Reader(file, problems).read()
        self.findings += [Finding(problem, file.shown) for problem in problems]
        return document

    def _folder_defaults(self, files: list[File]) -> dict[str, Part]:
        found: dict[str, Part] = {}
        for file in files:
            if not file.is_defaults:
                continue
            problems: list[PromptProblem] = []
            folder = _folders_of(file)[-1]
            if folder in found:
                wrong = f"its folder has {found[folder].shown} as well; keep one of them"
                problems.append(PromptProblem("", None, wrong, file.shown))
            elif part := Reader(file, problems).read_defaults():
                found[folder] = part
            self.findings += [Finding(problem, file.shown) for problem in problems]
        return found

    def _entry(self, own: Part, document: Document, above: Sequence[Part]) -> Iterator[_Made]:
        settings = settings_of(own, above)
        films, problems = films_of(settings, own)
        self._report(problems, settings, own)
        name = self._name(settings, own, document)
        for film in films:
            full = naming.of_combination(name, film.chosen) if film.chosen and name else name
            if film.chosen and full and (wrong := naming.wrong_with(full)):
                self._report([Problem("matrix", full, f"its name {wrong}")], settings, own)
            data = self._data(film, own)
            data["name"] = full  # nothing, where it cannot be one: that has been said
            take = whole_number(data.get("take", 0))
            if take is not None and film.more_takes:
                data["take"] = take = take + film.more_takes
            request = self._checked(data, film, own)
            if full is not None:
                yield _Made(
                    request=_mapping(request) if request is not None else data,
                    label=naming.label(full, film.more_takes if take is None else take),
                    named="name" in settings or not document.several,
                    own=own,
                )

    def _name(self, settings: Settings, own: Part, document: Document) -> str | None:
        """The name before a matrix adds to it; ``None`` where it cannot be one."""
        given = settings.get("name")
        if given is not None and (
            isinstance(given.value, bool) or not isinstance(given.value, str | int | float)
        ):
            self._report([Problem("name", given.value, "is text")], settings, own)
            return None
        if given is not None:
            name = str(given.value)
        elif document.several:
            plain = {key: value.value for key, value in settings.items()}
            name = naming.by_content(document.file.stem, plain)
        else:
            name = document.file.stem
        if wrong := naming.wrong_with(name):
            self._report([Problem("name", name, wrong)], settings, own)
            return None
        return name

    def _data(self, film: Film, own: Part) -> dict[str, Any]:
        data = {}
        type_ = film.settings.get("type")
        pictures = kind_of(type_ and type_.value).model_fields.keys() & set(IMAGE_FIELDS)
        for key, value in film.settings.items():
            content = (
                value.value if key in _NOT_FILLED else self._filled(value.value, key, film.settings, own)
            )
            if ours(key) in pictures and isinstance(content, str):
                content = self._picture(content, key, value.part, film.settings, own)
            elif key == "dynamic_masks" and isinstance(content, list):
                content = [
                    item | {"mask": self._picture(item["mask"], key, value.part, film.settings, own)}
                    if isinstance(item, dict) and isinstance(item.get("mask"), str)
                    else item
                    for item in content
                ]
            elif key == "prompt" and isinstance(content, str):
                # The same prompt is the same in every form of file, some of which end it with a line break.
                content = (join_lines(content) if value.part.body else content).strip()
            data[key] = content
        return data

    def _picture(self, picture: str, key: str, part: Part, settings: Settings, own: Part) -> str:
        try:
            return self.inputs.find(picture.strip(), part.folder)
        except ValueError as error:
            self._report([Problem(key, picture, str(error))], settings, own)
            return picture

    def _filled(self, value: Any, key: str, settings: Settings, own: Part) -> Any:
        if isinstance(value, Mapping):
            return {name: self._filled(item, key, settings, own) for name, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item, key, settings, own) for item in value]
        if not isinstance(value, str):
            return value
        text = value
        if self.filler is not None:
            from kling_provider.prompts.filling import NotFilled

            try:
                text = self.filler.fill(value)
            except NotFilled as error:
                for line, message in error.problems:
                    self._report([Problem(key, None, message)], settings, own, line_of_prompt=line)
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def _checked(self, data: dict[str, Any], film: Film, own: Part) -> Request | None:
        self._report(impossible_characters(data), film.settings, own)
        try:
            request = parse_request(data)
        except InvalidRequest as error:
            self._report(error.problems, film.settings, own)
            return None
        if self.connection is not None:
            self._report(self.connection.dropped(request), film.settings, own)
        return request

    def _find_twins(self, made: list[_Made]) -> None:
        """One name, one file; one external id, one task."""
        labels: dict[str, _Made] = {}
        ids: dict[str, _Made] = {}
        for each in made:
            other = labels.setdefault(naming.same(each.label), each)
            if other is not each:
                if each.named or other.named:
                    wrong = f"{each.label!r} is the name of {other.place} as well; names are unique, whatever their case"
                else:
                    wrong = f"asks for the same as {other.place}; {_ways_to_differ(each.own.suffix)}"
                self._twin(each, "name", wrong)
            if own_id := each.request.get("external_task_id"):
                other = ids.setdefault(own_id, each)
                if other.own is not each.own:  # else its variants and matrix were refused
                    self._twin(each, "external_task_id", f"{own_id!r} is that of {other.place} as well")

    def _twin(self, made: _Made, field: str, message: str) -> None:
        file = made.own.shown
        self.findings.append(Finding(PromptProblem(field, None, message, file, made.line), file))

    def _report(
        self, problems: Sequence[Problem], settings: Settings, own: Part, *, line_of_prompt: int = 1
    ) -> None:
        for problem in problems:
            origin = _origin(problem.field, settings, own)
            line = origin.part.lines.at(origin.keys)
            if line is not None and origin.part.body and problem.field == "prompt":
                line += line_of_prompt - 1
            message = problem.message.replace(WRITE_TYPE, _how_to_write_type(origin.part.suffix))
            found = PromptProblem(problem.field, problem.found, message, origin.part.shown, line)
            self.findings.append(Finding(found, own.shown))


def _ways_to_differ(suffix: str) -> str:
    """What to do about two entries that ask for one video and have no names, in words for their form of file."""
    if suffix == ".txt":
        return "take one of them out; for several videos of one prompt write a .yaml with variants: 2"
    if suffix == ".csv":
        return "give each a name (a column `name`), or one of them a take (a column `take`)"
    return "give each a name, or one of them a take"


def _how_to_write_type(suffix: str) -> str:
    return "add a column `type` with image_to_video" if suffix == ".csv" else WRITE_TYPE


def _origin(field: str, settings: Settings, own: Part) -> Value:
    """Where the value of a (dotted) field was written: in either spelling, in the entry or in its defaults."""
    head, *rest = [field] if field in settings else field.split(".")
    for key, value in settings.items():
        if key == head or ours(key) == head:
            below = tuple(int(part) if part.isascii() and part.isdigit() else part for part in rest)
            return Value(value.value, value.part, (*value.keys, *below))
    return Value(None, own, ())


def _folders_of(file: File) -> list[str]:
    """The folders around a file, outermost first: ``["", "a", "a/b"]``."""
    parents = [str(parent) for parent in PurePosixPath(file.relative).parents]
    return ["" if parent == "." else parent for parent in reversed(parents)]


def _mapping(request: Request) -> dict[str, Any]:
    """What was given, in our vocabulary, and what every request says: its name and its type."""
    given = request.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    return {"name": request.name, "type": request.type} | given


def _connection(conn_id: str | None) -> KlingConnection | None:
    if conn_id is None:
        return None
    from airflow.sdk import BaseHook

    from kling_provider.hooks.connection import KlingConnection

    return KlingConnection.parse(BaseHook.get_connection(conn_id))


def _filler(values: Mapping[str, Any] | None) -> Filler | None:
    if values is None:
        return None
    from kling_provider.prompts.filling import Filler

    return Filler(values)
