# SPDX-License-Identifier: Apache-2.0
"""Airflow's metadata database: made quickly, and read by tests for what no API shows."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy.pool import NullPool

from tests.support.stack.processes import StackError

REPOSITORY = Path(__file__).resolve().parents[3]
CACHE = REPOSITORY / ".cache" / "airflow-db"

# What decides the tables: Airflow's own packages, and the settings that add tables of others (FAB's users).
_VERSIONS = (
    "from importlib.metadata import distributions as d;"
    "print(sorted({(x.name.lower(), x.version) for x in d() if x.name.lower().startswith('apache-airflow')}))"
)
_DECISIVE = ("AIRFLOW__CORE__AUTH_MANAGER", "AIRFLOW__DATABASE__EXTERNAL_DB_MANAGERS")


def migrate(database_url: str, *, python: Path, environment: Mapping[str, str]) -> None:
    """``airflow db migrate`` on that database."""
    done = subprocess.run(
        [str(python), "-m", "airflow", "db", "migrate"],
        env={**environment, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise StackError(f"airflow db migrate failed ({done.returncode}):\n{done.stdout[-4000:]}")


def migrated_sqlite(
    destination: Path, *, python: Path = Path(sys.executable), environment: Mapping[str, str] = os.environ
) -> None:
    """A migrated SQLite database at ``destination``, copied from one that is made once per installation.

    Migrating takes 7 s and always gives the same; the copy takes none.
    """
    versions = subprocess.run(
        [str(python), "-c", _VERSIONS], check=True, capture_output=True, text=True
    ).stdout
    decisive = [f"{name}={environment.get(name, '')}" for name in _DECISIVE]
    key = hashlib.sha256("\n".join([versions, *decisive]).encode()).hexdigest()[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    template = CACHE / f"{key}.db"
    with (CACHE / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may come here at once
        if not template.exists():
            with tempfile.TemporaryDirectory(prefix="kling-migrate-") as home:
                fresh = Path(home) / "airflow.db"
                migrate(
                    f"sqlite:///{fresh}", python=python, environment={**environment, "AIRFLOW_HOME": home}
                )
                with sqlite3.connect(fresh) as connection:  # the log beside the file holds what is not copied
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                connection.close()
                shutil.copyfile(fresh, template.with_suffix(".part"))
                template.with_suffix(".part").replace(template)
    destination.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(template, destination)


class MetadataDb:
    """Reads of the metadata database. Tests look; they never write."""

    def __init__(self, url: str) -> None:
        self.url = url

    @cached_property
    def _engine(self) -> sqlalchemy.Engine:
        return sqlalchemy.create_engine(self.url, poolclass=NullPool)

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """The rows of a query; values are named as ``:name`` in it."""
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(sqlalchemy.text(sql), parameters).mappings()]

    def triggers(self) -> list[dict[str, Any]]:
        """Every trigger row as it is stored, with the task instance that waits for it."""
        return self.rows(
            "SELECT t.*, ti.dag_id, ti.run_id, ti.task_id, ti.map_index FROM trigger t"
            " LEFT JOIN task_instance ti ON ti.trigger_id = t.id ORDER BY t.id"
        )

    def occupied_slots(self) -> int:
        """Task instances that hold a worker slot or are about to: running and queued, not deferred."""
        return int(
            self.rows("SELECT count(*) AS n FROM task_instance WHERE state IN ('running', 'queued')")[0]["n"]
        )

    def newest_job(self, job_type: str) -> int:
        """The id of the newest living job of that type ("SchedulerJob", …); 0 if there is none."""
        sql = "SELECT max(id) AS id FROM job WHERE job_type = :type AND state = 'running'"
        return int(self.rows(sql, type=job_type)[0]["id"] or 0)
