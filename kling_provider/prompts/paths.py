# SPDX-License-Identifier: Apache-2.0
"""Paths as a Dag names them: where a relative one begins, and which of them lie on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_provider.prompts.problems import build_call_error

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    AnyPath = Path | ObjectStoragePath


def find_path(given: str) -> AnyPath:
    """Find the file or folder at ``given``, where :func:`kling_provider.prompts.load_prompts` says that it is looked for.

    :raises KlingRequestError: where there is none.
    """
    if not given.strip():
        raise build_call_error("the path of the prompts is empty")
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
    """Give ``path`` where it is a file or folder of this machine, whatever way it was written; else ``None``."""
    if isinstance(path, Path):
        return path
    return Path(path.path) if path.protocol in ("file", "local") else None


def get_task_context() -> dict[str, Any]:
    """Give the context of the task that runs here; empty while a Dag is parsed, where there is none."""
    from airflow.sdk import get_current_context

    try:
        context: Any = get_current_context()
        return dict(context)
    except (RuntimeError, KeyError):
        return {}


def _find_in_store(given: str) -> AnyPath:
    from airflow.sdk import ObjectStoragePath

    try:
        there = ObjectStoragePath(given)
        exists = there.exists()
    except (ValueError, ImportError) as error:
        raise build_call_error(f"{given}: {error}") from None
    if not exists:
        raise build_call_error(f"there is no {given}")
    return there


def _list_folders() -> Iterator[Path]:
    """List where a relative path may begin: around the Dag's file first, because a bundle has its own version."""
    from airflow.providers.common.compat.sdk import conf

    dag: Any = get_task_context().get("dag")
    if dag is not None and dag.fileloc:
        yield from Path(dag.fileloc).absolute().parents
    yield Path.cwd()
    if dags := conf.get("core", "dags_folder", fallback=""):
        yield from (Path(dags), Path(dags).parent)
