# SPDX-License-Identifier: Apache-2.0
"""The environment of the components: everything that differs from Airflow's defaults, and why."""

from __future__ import annotations

import json
import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.stack.database import REPOSITORY


def clean_environment(python: Path) -> dict[str, str]:
    """The caller's environment without its Airflow and its proxies' view of loopback."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW_", "_AIRFLOW_"))
        and name not in ("KLING_VIDEOS", "VIRTUAL_ENV", "PYTHONHOME")
    }
    path = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **kept,
        "PATH": os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join(path),  # kling_provider is found even where it is not installed
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def airflow_environment(
    *,
    home: Path,
    dags_folder: Path,
    port: int,
    execution_port: int,
    database_url: str,
    parallelism: int,
    paused: bool,
    connections: Mapping[str, Mapping[str, Any]],
) -> dict[str, str]:
    """What makes Airflow run here: in ``home``, on loopback at ``port``, quickly, with nobody to sign in."""
    address = f"http://127.0.0.1:{port}"
    settings = {
        "CORE__DAGS_FOLDER": dags_folder,
        "CORE__LOAD_EXAMPLES": False,
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": parallelism,
        # Its default (16) would hold back a mapped task long before the account's limit does.
        "CORE__MAX_ACTIVE_TASKS_PER_DAG": 1000,
        "CORE__DEFAULT_POOL_TASK_SLOT_COUNT": 1000,
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": paused,
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{execution_port}/execution/",
        # Keys from here, because components that each made their own would not understand one another.
        "CORE__FERNET_KEY": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "API__SECRET_KEY": secrets.token_hex(16),
        "API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "API__HOST": "127.0.0.1",
        "API__PORT": port,
        "API__BASE_URL": address,
        "API__WORKERS": 1,
        "DATABASE__SQL_ALCHEMY_CONN": database_url,
        "DATABASE__LOAD_DEFAULT_CONNECTIONS": False,
        "LOGGING__BASE_LOG_FOLDER": home / "logs",
        "DAG_PROCESSOR__REFRESH_INTERVAL": 5,  # new DAG files are seen soon; changed ones are by their date
        "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": 1,
        "DAG_PROCESSOR__PARSING_PROCESSES": 2,
        "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": 1,
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.5,
        "USAGE_DATA_COLLECTION__ENABLED": False,
    }
    return {
        "AIRFLOW_HOME": str(home),
        **{f"AIRFLOW__{name}": str(value) for name, value in settings.items()},
        **{f"AIRFLOW_CONN_{name.upper()}": json.dumps(value) for name, value in connections.items()},
    }


def write_local_settings(home: Path, modules: Sequence[str]) -> None:
    """Have the scheduler import ``modules`` before it forks its workers; Airflow finds the file in ``home``."""
    folder = home / "config"
    folder.mkdir(exist_ok=True)
    (folder / "airflow_local_settings.py").write_text(
        "import importlib, sys\n"
        'if "scheduler" in sys.argv:\n'
        f"    for module in {list(modules)!r}:\n"
        "        importlib.import_module(module)\n"
    )
