# SPDX-License-Identifier: Apache-2.0
"""What every test gets: a throw-away Airflow home, made before anything imports Airflow."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).resolve().parent.parent

# Airflow reads its home, its configuration and its connections while it is imported, and what the developer's
# shell says about them must not reach a test. Every xdist worker imports this file and gets a home of its own.
for _name in list(os.environ):
    if _name.startswith(("AIRFLOW_", "KLING_")) and _name not in ("KLING_CAPTURES", "KLING_CASES"):
        del os.environ[_name]
_HOME = Path(tempfile.mkdtemp(prefix="kling-tests-"))
os.environ.update(
    {
        "AIRFLOW_HOME": str(_HOME),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(_HOME / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_HOME / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(_HOME / "logs"),
        "AIRFLOW__API_AUTH__JWT_SECRET": "tests-only-secret-of-sixty-four-characters-0123456789abcdef012345",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        # A netrc file or a proxy of the machine must not change what is sent to loopback.
        "NETRC": os.devnull,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
)
(_HOME / "dags").mkdir()
# How long it takes to make an example says more of the machine's load than of the test.
settings.register_profile("loaded", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("loaded")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once what is not there, with the number of tests that wanted it, and not once per test."""
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple) and report.longrepr[2].removeprefix("Skipped: ").startswith(
            "NO "
        ):
            report.longrepr = (__file__, None, report.longrepr[2])


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def airflow_home() -> Path:
    """The throw-away AIRFLOW_HOME of this test process."""
    return _HOME


@pytest.fixture(scope="session")
def metadata_db(airflow_home: Path) -> Path:
    """A migrated metadata database (SQLite) in this process's home, for tests that cannot do without one."""
    from tests.support.stack.database import migrated_sqlite

    database = airflow_home / "airflow.db"
    migrated_sqlite(database)
    return database


@pytest.fixture(scope="session")
def captures() -> Path:
    """The recorded wire data: ``KLING_CAPTURES``, else ``../shared/captures`` beside the checkout."""
    folder = Path(os.environ.get("KLING_CAPTURES") or REPOSITORY.parent / "shared" / "captures")
    if not any(folder.glob("*.json")):
        pytest.skip(f"NO CAPTURES: no recorded wire data in {folder}; set KLING_CAPTURES to their folder")
    return folder


@pytest.fixture(scope="session")
def cases() -> Path:
    """Inputs of users that went wrong: ``KLING_CASES``, else ``../shared/cases`` beside the checkout."""
    folder = Path(os.environ.get("KLING_CASES") or REPOSITORY.parent / "shared" / "cases")
    if not any(folder.glob("*/*")):
        pytest.skip(f"NO CASES: no inputs of users in {folder}; set KLING_CASES to their folder")
    return folder
