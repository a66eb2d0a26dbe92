# SPDX-License-Identifier: Apache-2.0
"""A whole Airflow in a throw-away home, each component a process of its own."""

from tests.support.stack.airflow_stack import COMPONENTS, AirflowStack
from tests.support.stack.api import AirflowApi, ApiError
from tests.support.stack.database import MetadataDb, migrated_sqlite
from tests.support.stack.processes import ProcessFamily, StackError, TaskProcesses, wait_for

__all__ = [
    "COMPONENTS",
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
