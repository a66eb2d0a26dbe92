# SPDX-License-Identifier: Apache-2.0
"""A copy of Airflow's metadata database, and back to it."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from tests.support.stack import postgres


def copy(url: str, file: Path) -> None:
    """Copy the database, which may be in use."""
    if not url.startswith("sqlite:///"):
        postgres.dump(url, file)
        return
    with sqlite3.connect(_file(url)) as source, sqlite3.connect(file) as target:
        source.backup(target)


def restore(url: str, file: Path) -> None:
    """Put the copy in its place; no component may run."""
    if not url.startswith("sqlite:///"):
        postgres.load(url, file)
        return
    for suffix in ("-wal", "-shm", "-journal"):
        _file(url).with_name(_file(url).name + suffix).unlink(missing_ok=True)
    shutil.copyfile(file, _file(url))


def _file(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))
