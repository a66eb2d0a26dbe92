# SPDX-License-Identifier: Apache-2.0
"""What this Airflow can do, asked of Airflow itself: the only place that looks."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, cast

from airflow.sdk import get_current_context


def task_state_store(context: Mapping[str, Any]) -> Any | None:
    """Airflow 3.3's store of a task instance between its tries; ``None`` on older ones."""
    return context.get("task_state_store")


def asset_state_store(context: Mapping[str, Any], asset: Any) -> Any | None:
    """Return Airflow 3.3's store of ``asset``, which all runs share; ``None`` on older ones, and where the task declares
    the asset neither as an inlet nor as an outlet."""
    stores = context.get("asset_state_store")
    if stores is None:
        return None
    try:
        return stores[asset]
    except KeyError:
        return None


def never_expire() -> Any:
    """``retention`` for a row of that store that must outlive its default of 30 days."""
    from airflow.sdk.execution_time.context import NEVER_EXPIRE

    return NEVER_EXPIRE


def task_deferral_timeout() -> type[Exception]:
    """What Airflow raises when its own limit on a deferral strikes; its home moved between 3.1 and 3.3."""
    from airflow.sdk import exceptions as sdk

    if not hasattr(sdk, "TaskDeferralTimeout"):
        from airflow import exceptions as core

        return cast("type[Exception]", core.TaskDeferralTimeout)
    return sdk.TaskDeferralTimeout


def stats(*, triggerer: bool) -> Any:
    """Airflow's metrics: ``incr``, ``gauge``, ``timing``.

    :param triggerer: since 3.2 the task SDK and Airflow's core have one each, and only the one of the process that
        we run in is set up: the SDK's in workers, the core's in the triggerer. The other one drops all.
    """
    if triggerer:
        try:
            from airflow.observability import stats as core
        except ImportError:
            pass
        else:
            return core
    from airflow.providers.common.compat.sdk import Stats

    return Stats


def has_gallery() -> bool:
    """Whether this Airflow can show the gallery: plugins with pages and tabs of their own came with 3.3."""
    from airflow import __version__

    return tuple(int(part) for part in __version__.split(".")[:2]) >= (3, 3)


def running_context() -> dict[str, Any]:
    """Return the context of the Airflow task that runs here; empty where none does."""
    try:
        context: Any = get_current_context()
        return dict(context)
    except (RuntimeError, KeyError):
        return {}


def read_database() -> None:
    """Let connections be found in Airflow's database, where this process has access to it: on a command line.

    Airflow's own commands do the same; elsewhere only environment and secrets backends are asked.
    """
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")


def forget_mask(secret: str) -> None:
    """Take a dead secret out of what this process hides in its logs. Airflow has no such call; where its masker is built
    otherwise than today's, the secret stays hidden, which costs time with each further one."""
    try:
        from airflow.sdk._shared.secrets_masker import _secrets_masker

        _secrets_masker().patterns.discard(re.escape(secret))
    except (ImportError, AttributeError):
        return
