# SPDX-License-Identifier: Apache-2.0
"""A whole Airflow in a throw-away home, each component a process of its own."""

from tests.support.stack.airflow_stack import COMPONENTS, PRELOADED, AirflowStack
from tests.support.stack.api import AirflowApi, ApiError
from tests.support.stack.database import MetadataDb, migrated_sqlite
from tests.support.stack.processes import ProcessFamily, StackError, TaskProcesses, wait_for

__all__ = [
    "COMPONENTS",
    "PRELOADED",
    "AirflowApi",
    "AirflowStack",
    "ApiError",
    "MetadataDb",
    "ProcessFamily",
    "StackError",
    "TaskProcesses",
    "migrated_sqlite",
    "wait_for",
]
