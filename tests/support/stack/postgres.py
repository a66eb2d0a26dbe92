# SPDX-License-Identifier: Apache-2.0
"""A throw-away PostgreSQL, for what SQLite cannot carry: two triggerers.

Debian: ``apt-get install postgresql``; from pip: ``psycopg2-binary`` and ``asyncpg``.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.stack.processes import MARKER, ProcessFamily, StackError, free_port

_MODULES = ("psycopg2", "asyncpg")
#: Nothing here is worth a write to the disk before the answer.
_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}


def why_not() -> str:
    """Why there is no PostgreSQL here, or nothing."""
    if _programs() is None:
        return "no PostgreSQL server here (Debian: apt-get install postgresql)"
    if missing := [module for module in _MODULES if find_spec(module) is None]:
        return f"not installed: {', '.join(missing)}"
    if not os.geteuid() and _user() is None:
        return "PostgreSQL does not run as root, and there is no user postgres or nobody"
    return ""


@contextmanager
def postgres() -> Iterator[str]:
    """The SQLAlchemy address of an empty database; the server and its files are gone after the block."""
    programs = _programs()
    if programs is None:
        raise StackError(why_not())
    home = Path(tempfile.mkdtemp(prefix="kling-postgres-"))
    port = free_port()
    family = ProcessFamily()  # ends the server even where this process is killed
    try:
        if user := _user():
            shutil.chown(home, user)
        _run([programs / "initdb", "-D", home / "data", "-U", "airflow", "-A", "trust", "-E", "UTF8"])
        options = [f"-p {port}", "-h 127.0.0.1", f"-k {home}"]
        options += [f"-c {name}={value}" for name, value in _SETTINGS.items()]
        start = ["-o", " ".join(options), "-l", home / "log", "start"]
        _run([programs / "pg_ctl", "-D", home / "data", "-w", *start], environment={MARKER: family.id})
        try:
            _run([programs / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "airflow", "airflow"])
            yield f"postgresql+psycopg2://airflow@127.0.0.1:{port}/airflow"
        finally:
            _run([programs / "pg_ctl", "-D", home / "data", "-m", "immediate", "stop"])
    finally:
        family.end()
        shutil.rmtree(home, ignore_errors=True)


def dump(url: str, file: Path) -> None:
    """A copy of a database that runs."""
    _run([_program("pg_dump"), *_server(url), "-f", file, "airflow"], as_postgres=False)


def load(url: str, file: Path) -> None:
    """That copy in the place of what is there; nobody may be connected."""
    _run([_program("dropdb"), *_server(url), "--force", "airflow"], as_postgres=False)
    _run([_program("createdb"), *_server(url), "airflow"], as_postgres=False)
    _run(
        [_program("psql"), *_server(url), "-q", "-v", "ON_ERROR_STOP=1", "-f", file, "airflow"],
        as_postgres=False,
    )


def _server(url: str) -> list[str]:
    parts = urlsplit(url)
    return ["-h", str(parts.hostname), "-p", str(parts.port), "-U", str(parts.username)]


def _programs() -> Path | None:
    """The folder of the newest server's programs; Debian keeps them out of the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if found:
        return found[-1].parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).parent if elsewhere else None


def _program(name: str) -> Path:
    folder = _programs()
    if folder is None:
        raise StackError(why_not())
    return folder / name


def _user() -> str | None:
    """Who runs the server: PostgreSQL refuses to run as root."""
    if os.geteuid():
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    return None


def _run(
    command: Sequence[object], *, as_postgres: bool = True, environment: Mapping[str, str] | None = None
) -> None:
    done = subprocess.run(
        [str(word) for word in command],
        user=_user() if as_postgres else None,
        cwd="/",
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise StackError(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-2000:]}")
