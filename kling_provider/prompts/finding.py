# SPDX-License-Identifier: Apache-2.0
"""Where prompt files are, which of them are read, and their text.

Who may write into the folder is not always who wrote the Dag: only regular files that really lie below the folder are
read, of a bounded size and number.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_provider.api.problems import Problem
from kling_provider.api.redaction import redact_value
from kling_provider.exceptions import KlingRequestError
from kling_provider.prompts.problems import PromptProblem
from kling_provider.prompts.usual_files import is_usual

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    AnyPath = Path | ObjectStoragePath

log = logging.getLogger(__name__)

SUFFIXES = (".md", ".yaml", ".yml", ".json", ".jsonl", ".csv", ".txt")
#: Forms that people have and that are not read by that name, and what they are called here.
OTHER_NAMES = {
    ".tsv": ".csv",
    ".tab": ".csv",
    ".ndjson": ".jsonl",
    ".jl": ".jsonl",
    ".markdown": ".md",
    ".text": ".txt",
}
#: The files of folder-wide defaults.
DEFAULTS = ("defaults.yaml", "defaults.yml")

MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_FILES = 10_000
#: Folders within folders.
_MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class File:
    """One file. ``shown`` is its path as messages name it, ``relative`` that from the folder, with slashes, in NFC."""

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


@dataclass(slots=True)
class Found:
    """What there is at a path: its files in their order, the folder that they lie in, and what cannot be read."""

    root: AnyPath
    files: list[File] = field(default_factory=list)
    problems: list[PromptProblem] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)

    def take(self, path: AnyPath, shown: str, relative: str) -> None:
        """Keep ``path`` if it is a prompt file, by its name."""
        suffix = path.suffix.lower()
        if is_usual(path.name):
            log.info("%s is passed over: it belongs to the repository.", redact_value(shown))
        elif suffix in SUFFIXES:
            if len(self.files) >= MAX_FILES:
                raise refused(
                    f"there are more than {MAX_FILES:,} prompt files in {self.root}: load a folder in it"
                )
            if isinstance(path, Path) and not isinstance(self.root, Path):
                path = type(self.root)(f"file://{path}")
            self.files.append(File(path, shown, unicodedata.normalize("NFC", relative)))
        elif suffix in OTHER_NAMES:
            self.passed_over.append(f"{shown} is passed over: call it {OTHER_NAMES[suffix]}")


def find_files(path: str | os.PathLike[str]) -> Found:
    """The prompt files and defaults of ``path``, sorted by path.

    :raises KlingRequestError: where there is nothing at ``path``, or nothing to read in it.
    """
    given = str(path) if "://" in str(path) else os.fspath(path)
    root = find_root(given)
    given = redact_value(given).rstrip("/")
    if not root.is_dir():
        return _one_file(root, given)
    found = Found(root)
    try:
        disk = on_disk(root)
        if disk is not None:
            _look_below(disk, given, "", Path(os.path.realpath(disk)), (), found)
        elif not isinstance(root, Path):
            _look_remote(root, given, "", found, 0)
    except PermissionError as error:
        raise refused(f"{error.filename or given} cannot be read: {error.strerror}") from None
    found.files.sort(key=lambda file: file.relative)
    for line in found.passed_over:
        log.warning("%s.", redact_value(line))
    if not found.problems and all(file.is_defaults for file in found.files):
        more = "".join(f"; {line}" for line in found.passed_over[:3])
        raise refused(f"there are no prompt files in {given}: they end in {', '.join(SUFFIXES)}{more}")
    return found


def _one_file(path: AnyPath, given: str) -> Found:
    """A file that the Dag names itself, with the defaults beside it."""
    if isinstance(path, Path):
        path = Path(os.path.realpath(path))
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES or path.name.lower() in DEFAULTS:
        other = OTHER_NAMES.get(suffix)
        raise refused(
            f"{given} is no prompt file: they end in {', '.join(SUFFIXES)}"
            + (f"; call it {other}" if other else "")
        )
    folder, slash, _ = given.rpartition("/")
    found = Found(path.parent)
    for name in DEFAULTS:
        beside = path.with_name(name)
        if beside.is_file():
            found.files.append(File(beside, f"{folder}{slash}{name}", name))
    found.files.append(File(path, given, unicodedata.normalize("NFC", path.name)))
    return found


def _look_below(
    folder: Path, shown: str, relative: str, root: Path, above: tuple[str, ...], found: Found
) -> None:
    """Everything below a local folder. Links are followed inside ``root``, its real path, and nowhere else."""
    here = os.path.realpath(folder)
    if here in above:  # a link that leads back up
        return
    if len(above) >= _MAX_DEPTH:
        raise refused(f"{shown} lies more than {_MAX_DEPTH} folders deep")
    for child in folder.iterdir():
        if child.name.startswith("."):
            continue
        name = f"{relative}/{child.name}" if relative else child.name
        text = f"{shown}/{child.name}"
        wanted = child.suffix.lower() in SUFFIXES and not is_usual(child.name)
        if child.is_symlink() and (wanted or child.is_dir()) and (out := _outside(child, root)):
            found.problems.append(PromptProblem("", None, out, text))
        elif child.is_dir():
            _look_below(child, text, name, root, (*above, here), found)
        elif wanted and child.exists() and not child.is_file():
            found.problems.append(PromptProblem("", None, "is no regular file", text))
        else:
            found.take(child, text, name)


def _outside(link: Path, root: Path) -> str | None:
    """What is wrong with a link that leads out of ``root``."""
    there = Path(os.path.realpath(link))
    if there.is_relative_to(root):
        return None
    return (
        f"is a link out of the folder (to {there}); copy what it leads to, or load that by a path of its own"
    )


def _look_remote(folder: ObjectStoragePath, shown: str, relative: str, found: Found, depth: int) -> None:
    if depth >= _MAX_DEPTH:
        raise refused(f"{shown} lies more than {_MAX_DEPTH} folders deep")
    for child in folder.iterdir():
        if child.name.startswith("."):
            continue
        name = f"{relative}/{child.name}" if relative else child.name
        text = f"{shown}/{child.name}"
        if child.is_dir():
            _look_remote(child, text, name, found, depth + 1)
        else:
            found.take(child, text, name)


def read_text(file: File) -> str | PromptProblem:
    """The text of ``file``, every line ended by ``\\n``, so that one text has one form on all systems."""
    try:
        content = _read_bytes(file.path)
    except OSError as error:
        return PromptProblem(
            "", None, f"cannot be read: {error.strerror or type(error).__name__}", file.shown
        )
    if content is None:
        return PromptProblem("", None, "is no regular file", file.shown)
    if len(content) > MAX_FILE_BYTES:
        limit = f"has more than {MAX_FILE_BYTES // 1024 // 1024} MB; split it, and name images by path"
        return PromptProblem("", None, limit, file.shown)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        wrong = f"is not UTF-8 (byte 0x{content[error.start]:02x}): save the file as UTF-8"
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            wrong += " (it is UTF-16, which spreadsheets call Unicode text)"
        return PromptProblem("", None, wrong, file.shown, line)
    # Files that were put together with cat have the next one's byte order mark in the middle.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return re.sub("^\ufeff", "", text, flags=re.MULTILINE)


def _read_bytes(path: AnyPath) -> bytes | None:
    """No more than one byte beyond the limit; ``None`` for what is no regular file."""
    disk = on_disk(path)
    if disk is None:
        with path.open("rb") as remote:
            return bytes(remote.read(MAX_FILE_BYTES + 1))
    # Without O_NONBLOCK the open of a named pipe waits for a writer for ever.
    descriptor = os.open(os.path.realpath(disk), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as local:
        return local.read(MAX_FILE_BYTES + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


def on_disk(path: AnyPath) -> Path | None:
    """``path`` where it is a file or folder of this machine, whatever way it was written; else ``None``."""
    if isinstance(path, Path):
        return path
    return Path(path.path) if path.protocol in ("file", "local") else None


def find_root(given: str) -> AnyPath:
    """The file or folder at ``given``, looked for where :func:`kling_provider.prompts.load_prompts` says.

    :raises KlingRequestError: where there is none.
    """
    if not given.strip():
        raise refused("the path of the prompts is empty")
    if "://" in given:
        from airflow.sdk import ObjectStoragePath

        try:
            there = ObjectStoragePath(given)
            exists = there.exists()
        except (ValueError, ImportError) as error:
            raise refused(f"{given}: {error}") from None
        if not exists:
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
    """Where a relative path may begin: around the Dag's file first, because a bundle has its own version."""
    from airflow.providers.common.compat.sdk import conf

    dag: Any = context_of_task().get("dag")
    if dag is not None and dag.fileloc:
        yield from Path(dag.fileloc).absolute().parents
    yield Path.cwd()
    if dags := conf.get("core", "dags_folder", fallback=""):
        yield from (Path(dags), Path(dags).parent)


def context_of_task() -> dict[str, Any]:
    """The context of the task that runs here; empty while a Dag is parsed, where there is none."""
    from airflow.sdk import get_current_context

    try:
        context: Any = get_current_context()
        return dict(context)
    except (RuntimeError, KeyError):
        return {}


def refused(message: str) -> KlingRequestError:
    """The error of a call that is wrong as a whole."""
    message = redact_value(message)
    end = "" if message.endswith((".", "?")) else "."
    text = f"{message[0].upper()}{message[1:]}{end} Nothing was sent."
    return KlingRequestError(text, problems=[Problem("", None, message)])
