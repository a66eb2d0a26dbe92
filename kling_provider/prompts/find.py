# SPDX-License-Identifier: Apache-2.0
"""Step 1: a path -> the prompt files there.

Users who may write into the folder are not always those who wrote the Dag, so only regular files that really lie below
the folder are read, and a bounded number of them.
"""

from __future__ import annotations

import logging
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

from kling_provider.api.redaction import redact_value
from kling_provider.compat import get_running_context
from kling_provider.prompts.problems import Problems, PromptProblem, build_call_error
from kling_provider.prompts.repository_files import is_repository_file

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    AnyPath = Path | ObjectStoragePath

log = logging.getLogger(__name__)

SUFFIXES = (".md", ".yaml", ".yml", ".json", ".jsonl", ".csv", ".txt")
#: Forms that people have and that are not read by that name, and what they are called here.
_OTHER_NAMES = {
    ".tsv": ".csv",
    ".tab": ".csv",
    ".ndjson": ".jsonl",
    ".jl": ".jsonl",
    ".markdown": ".md",
    ".text": ".txt",
}
#: The files of folder-wide defaults.
_DEFAULTS = ("defaults.yaml", "defaults.yml")

MAX_FILES = 10_000
#: Folders within folders.
_MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class PromptFile:
    """One prompt file, or one file of defaults.

    :param path: where it is.
    :param shown: its path as messages write it.
    :param relative: its path from the folder, with slashes, in NFC.
    :param stem: ``relative`` without its suffix: what a file of one prompt is called.
    :param suffix: the suffix in small letters, which says what it holds.
    :param is_defaults: whether it holds defaults of its folder.
    """

    path: AnyPath
    shown: str
    relative: str
    stem: str
    suffix: str
    is_defaults: bool


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """The folder that is loaded, and its files in the order of their paths."""

    root: AnyPath
    files: tuple[PromptFile, ...]


def find_files(path: str | os.PathLike[str], problems: Problems) -> FoundFiles:
    """Find the prompt files and the files of defaults at ``path``.

    :param path: a folder or a file.
    :param problems: gets files that lie there and are refused.
    :raises KlingRequestError: if there is nothing at ``path``, or no prompt file in it.
    """
    given = str(path) if "://" in str(path) else os.fspath(path)
    root = find_path(given)
    given = redact_value(given).rstrip("/")
    if not root.is_dir():
        return _take_one_file(root, given)
    search = _Search(root)
    try:
        local = get_local_path(root)
        if local is not None:
            search.walk_local(local, given, "", Path(os.path.realpath(local)), ())
        elif not isinstance(root, Path):
            search.walk_store(root, given, "", 0)
    except PermissionError as error:
        raise build_call_error(f"{error.filename or given} cannot be read: {error.strerror}") from None
    for line in search.passed_over:
        log.warning("%s.", redact_value(line))
    for problem in search.problems:
        problems.add_problem(problem)
    if not search.problems and all(file.is_defaults for file in search.files):
        more = "".join(f"; {line}" for line in search.passed_over[:3])
        raise build_call_error(
            f"there are no prompt files in {given}: they end in {', '.join(SUFFIXES)}{more}"
        )
    return FoundFiles(root, tuple(sorted(search.files, key=lambda file: file.relative)))


def _take_one_file(path: AnyPath, given: str) -> FoundFiles:
    """Return a file that the Dag names itself, with the defaults beside it."""
    if isinstance(path, Path):
        path = Path(os.path.realpath(path))
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES or path.name.lower() in _DEFAULTS:
        other = _OTHER_NAMES.get(suffix)
        raise build_call_error(
            f"{given} must be a prompt file: one that ends in {', '.join(SUFFIXES)} and holds no defaults"
            + (f"; call it {other}" if other else "")
        )
    folder, slash, _ = given.rpartition("/")
    beside = [
        _make_file(path.with_name(name), f"{folder}{slash}{name}", name)
        for name in _DEFAULTS
        if path.with_name(name).is_file()
    ]
    return FoundFiles(path.parent, (*beside, _make_file(path, given, path.name)))


def _make_file(path: AnyPath, shown: str, relative: str) -> PromptFile:
    relative = unicodedata.normalize("NFC", relative)
    return PromptFile(
        path,
        shown,
        relative,
        stem=relative[: -len(path.suffix)],
        suffix=path.suffix.lower(),
        is_defaults=path.name.lower() in _DEFAULTS,
    )


class _Search:
    """One walk through a folder and those in it."""

    def __init__(self, root: AnyPath) -> None:
        self.root = root
        self.files: list[PromptFile] = []
        self.problems: list[PromptProblem] = []
        self.passed_over: list[str] = []

    def walk_local(self, folder: Path, shown: str, relative: str, root: Path, above: tuple[str, ...]) -> None:
        """Walk through a local folder, following links only inside ``root``, the real path of the loaded folder."""
        here = os.path.realpath(folder)
        if here in above:  # a link that leads back up
            return
        _check_depth(len(above), shown)
        for child in folder.iterdir():
            if child.name.startswith("."):
                continue
            name = f"{relative}/{child.name}" if relative else child.name
            text = f"{shown}/{child.name}"
            wanted = child.suffix.lower() in SUFFIXES and not is_repository_file(child.name)
            if child.is_symlink() and (wanted or child.is_dir()) and (wrong := _check_link(child, root)):
                self.problems.append(PromptProblem("", None, wrong, text))
            elif child.is_dir():
                self.walk_local(child, text, name, root, (*above, here))
            elif wanted and child.exists() and not child.is_file():
                self.problems.append(PromptProblem("", None, "must be a regular file", text))
            else:
                self._take_file(child, text, name)

    def walk_store(self, folder: ObjectStoragePath, shown: str, relative: str, depth: int) -> None:
        """Walk through a folder of an object store."""
        _check_depth(depth, shown)
        for child in folder.iterdir():
            if child.name.startswith("."):
                continue
            name = f"{relative}/{child.name}" if relative else child.name
            text = f"{shown}/{child.name}"
            if child.is_dir():
                self.walk_store(child, text, name, depth + 1)
            else:
                self._take_file(child, text, name)

    def _take_file(self, path: AnyPath, shown: str, relative: str) -> None:
        """Keep ``path`` if it is a prompt file, by its name."""
        suffix = path.suffix.lower()
        if is_repository_file(path.name):
            log.info("%s is skipped: it belongs to the repository.", redact_value(shown))
        elif suffix in SUFFIXES:
            if len(self.files) >= MAX_FILES:
                raise build_call_error(
                    f"there are more than {MAX_FILES:,} prompt files in {self.root}: load a folder in it"
                )
            if isinstance(path, Path) and not isinstance(self.root, Path):
                path = type(self.root)(f"file://{path}")
            self.files.append(_make_file(path, shown, relative))
        elif suffix in _OTHER_NAMES:
            self.passed_over.append(f"{shown} is skipped: call it {_OTHER_NAMES[suffix]}")


def _check_depth(depth: int, shown: str) -> None:
    if depth >= _MAX_DEPTH:
        raise build_call_error(f"{shown} must be at most {_MAX_DEPTH} folders deep")


def _check_link(link: Path, root: Path) -> str | None:
    """Say what is wrong with a link that leads out of ``root``; return ``None`` if it stays inside."""
    there = Path(os.path.realpath(link))
    if there.is_relative_to(root):
        return None
    return f"must not be a link out of the folder (to {there}); copy what it leads to, or load that by a path of its own"


# Where a path that the Dag names is.


def find_path(given: str) -> AnyPath:
    """Find the file or folder at ``given``; a relative path is searched for as ``load_prompts`` documents it.

    :param given: a path, or the URL of an object store.
    :raises KlingRequestError: if there is none.
    """
    if not given.strip():
        raise build_call_error("the path of the prompts must not be empty")
    if "://" in given:
        return _find_in_store(given)
    looked: list[Path] = []
    for folder in _list_folders():
        candidate = folder / given  # an absolute path stays what it is
        if candidate not in looked:
            looked.append(candidate)
        if candidate.exists():
            return candidate
    raise build_call_error(f"there is no {given}; looked for {', '.join(map(str, looked))}")


def get_local_path(path: AnyPath) -> Path | None:
    """Return ``path`` if it is on a local disk, however it was written; otherwise return ``None``."""
    if isinstance(path, Path):
        return path
    return Path(path.path) if path.protocol in ("file", "local") else None


def open_store_path(url: str) -> ObjectStoragePath:
    """Return the Airflow path for a URL such as ``s3://bucket/prompts``.

    :raises ValueError: if Airflow does not know the scheme.
    """
    from airflow.sdk import ObjectStoragePath

    return ObjectStoragePath(url)


def _find_in_store(given: str) -> AnyPath:
    try:
        there = open_store_path(given)
        exists = there.exists()
    except (ValueError, ImportError) as error:
        raise build_call_error(f"{given}: {error}") from None
    if not exists:
        raise build_call_error(f"there is no {given}")
    return there


def _list_folders() -> Iterator[Path]:
    """List the folders in which a relative path is searched for.

    The Dag's file comes first, because each version of a bundle has prompts of its own.
    """
    dag: Any = get_running_context().get("dag")
    if dag is not None and dag.fileloc:
        yield from Path(dag.fileloc).absolute().parents
    yield Path.cwd()
    if dags := conf.get("core", "dags_folder", fallback=""):
        yield from (Path(dags), Path(dags).parent)
