# SPDX-License-Identifier: Apache-2.0
"""Where prompt files are, and their text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_provider.api.problems import Problem
from kling_provider.exceptions import KlingRequestError
from kling_provider.prompts.problems import PromptProblem, harmless

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    AnyPath = Path | ObjectStoragePath

SUFFIXES = (".md", ".yaml", ".yml", ".json", ".jsonl", ".csv", ".txt")
#: The files of folder-wide defaults.
DEFAULTS = ("defaults.yaml", "defaults.yml")


@dataclass(frozen=True, slots=True)
class File:
    """One file. ``shown`` is its path as messages name it, ``relative`` that from the folder, with slashes."""

    path: AnyPath
    shown: str
    relative: str

    @property
    def folder(self) -> AnyPath:
        return self.path.parent

    @property
    def suffix(self) -> str:
        return self.path.suffix.lower()

    @property
    def stem(self) -> str:
        return self.relative[: -len(self.path.suffix)]

    @property
    def is_defaults(self) -> bool:
        return self.path.name.lower() in DEFAULTS


def find_files(path: str | os.PathLike[str]) -> list[File]:
    """The prompt files and defaults of ``path``, sorted by path.

    :raises KlingRequestError: where there is nothing at ``path``, or nothing to read in it.
    """
    given = str(path) if "://" in str(path) else os.fspath(path)
    root = _root(given)
    given = harmless(given).rstrip("/")
    if root.is_file():
        if root.suffix.lower() not in SUFFIXES or root.name.lower() in DEFAULTS:
            raise refused(f"{given} is no prompt file: they end in {', '.join(SUFFIXES)}")
        folder, slash, _ = given.rpartition("/")
        beside = [File(root.with_name(name), f"{folder}{slash}{name}", name) for name in DEFAULTS]
        return [File(root, given, root.name), *(file for file in beside if file.path.is_file())]
    try:
        files = sorted(_below(root, given, "", ()), key=lambda file: file.relative)
    except PermissionError as error:
        raise refused(f"{error.filename or given} cannot be read: {error.strerror}") from None
    if all(file.is_defaults for file in files):
        raise refused(f"there are no prompt files in {given}: they end in {', '.join(SUFFIXES)}")
    return files


def _below(folder: AnyPath, shown: str, relative: str, above: tuple[str, ...]) -> Iterator[File]:
    here = os.path.realpath(folder) if isinstance(folder, Path) else str(folder)
    if here in above:  # a link that leads back up
        return
    for child in folder.iterdir():
        if child.name.startswith("."):
            continue
        name = f"{relative}/{child.name}" if relative else child.name
        if child.is_dir():
            yield from _below(child, f"{shown}/{child.name}", name, (*above, here))
        elif child.suffix.lower() in SUFFIXES and child.stem.lower() != "readme":
            yield File(child, f"{shown}/{child.name}", name)


def read_text(file: File) -> str | PromptProblem:
    """The text of ``file``, every line ended by ``\\n``, so that one text has one form on all systems."""
    try:
        content = file.path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        return PromptProblem("", None, f"cannot be read: {error.strerror}", file.shown)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        wrong = f"is not UTF-8 (byte 0x{content[error.start]:02x}): save the file as UTF-8"
        return PromptProblem("", None, wrong, file.shown, line)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _root(given: str) -> AnyPath:
    if not given.strip():
        raise refused("the path of the prompts is empty")
    if "://" in given:
        from airflow.sdk import ObjectStoragePath

        try:
            there = ObjectStoragePath(given)
        except ValueError as error:
            raise refused(f"{given}: {error}") from None
        if not there.exists():
            raise refused(f"there is no {given}")
        return there
    looked: list[Path] = []
    for folder in _folders():
        candidate = folder / given  # an absolute path stays what it is
        if candidate not in looked:
            looked.append(candidate)
        if candidate.exists():
            return candidate
    raise refused(f"there is no {given}; looked for {', '.join(map(str, looked))}")


def _folders() -> Iterator[Path]:
    """Where a relative path may begin: around the DAG's file first, because a bundle has its own version."""
    from airflow.providers.common.compat.sdk import conf
    from airflow.sdk import get_current_context

    try:
        dag: Any = get_current_context()["dag"]
    except (RuntimeError, KeyError):
        dag = None
    if dag is not None and dag.fileloc:
        yield from Path(dag.fileloc).absolute().parents
    yield Path.cwd()
    if dags := conf.get("core", "dags_folder", fallback=""):
        yield from (Path(dags), Path(dags).parent)


def refused(message: str) -> KlingRequestError:
    """The error of a call that is wrong as a whole."""
    message = harmless(message)
    end = "" if message.endswith((".", "?")) else "."
    error = KlingRequestError(f"{message[0].upper()}{message[1:]}{end} Nothing was sent.")
    error.problems = (Problem("", None, message),)
    return error
