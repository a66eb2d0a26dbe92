# SPDX-License-Identifier: Apache-2.0
"""What this Airflow can do, asked of Airflow itself: the only place that looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def task_state_store(context: Mapping[str, Any]) -> Any | None:
    """Airflow 3.3's store of a task instance between its tries; ``None`` on older ones."""
    return context.get("task_state_store")


def never_expire() -> Any:
    """``retention`` for a row of that store that must outlive its default of 30 days."""
    from airflow.sdk.execution_time.context import NEVER_EXPIRE

    return NEVER_EXPIRE
