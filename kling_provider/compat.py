# SPDX-License-Identifier: Apache-2.0
"""Differences between the supported Airflow versions (3.1 to 3.3). No other module checks the version.

:func:`forget_mask` is here for another reason: it uses a private API of Airflow.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, cast

from airflow.sdk import get_current_context


def get_task_state_store(context: Mapping[str, Any]) -> Any | None:
    """Return Airflow 3.3's state store of a task instance, which lasts between its tries; ``None`` on older versions."""
    return context.get("task_state_store")


def get_asset_state_store(context: Mapping[str, Any], asset: Any) -> Any | None:
    """Return Airflow 3.3's state store of ``asset``, which all runs share.

    It is ``None`` on older versions, and where the task declares the asset neither as an inlet nor as an outlet.
    """
    stores = context.get("asset_state_store")
    if stores is None:
        return None
    try:
        return stores[asset]
    except KeyError:
        return None


def get_never_expire_retention() -> Any:
    """Return the ``retention`` of a state store's value that must outlive the default of 30 days (Airflow 3.3)."""
    from airflow.sdk.execution_time.context import NEVER_EXPIRE

    return NEVER_EXPIRE


def get_task_deferral_timeout_class() -> type[Exception]:
    """Return the class of the error that Airflow raises when a deferral times out; its module differs by version."""
    from airflow.sdk import exceptions as sdk

    if not hasattr(sdk, "TaskDeferralTimeout"):
        from airflow import exceptions as core

        return cast("type[Exception]", core.TaskDeferralTimeout)
    return sdk.TaskDeferralTimeout


def get_stats(*, triggerer: bool) -> Any:
    """Return Airflow's metrics, with ``incr``, ``gauge`` and ``timing``.

    :param triggerer: this process is the triggerer or the API server. Since 3.2 the task SDK and Airflow's core have metrics of their own,
        and only one of them is set up: the SDK's in workers, the core's in those two. The other drops everything.
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
    """Tell whether this Airflow can show the gallery: plugins with pages and tabs of their own came with 3.3."""
    return _is_3_3()


def has_callbacks() -> bool:
    """Tell whether this Airflow can be woken by Kling's callbacks: tasks are resumed as its own routes of 3.3 do it."""
    return _is_3_3()


def _is_3_3() -> bool:
    from airflow import __version__

    return tuple(int(part) for part in __version__.split(".")[:2]) >= (3, 3)


def get_running_context() -> dict[str, Any]:
    """Return the context of the Airflow task that runs in this process; empty outside of tasks."""
    try:
        context: Any = get_current_context()
        return dict(context)
    except (RuntimeError, KeyError):
        return {}


def enable_database_connections() -> None:
    """Let this process find connections in Airflow's database, for command lines that have access to it.

    Airflow's own commands do the same; elsewhere only environment and secrets backends are asked.
    """
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")


def forget_mask(secret: str) -> None:
    """Remove an expired secret from the ones that this process masks in its logs.

    It takes effect with the next ``add_mask``, which compiles the secrets to one pattern. Airflow has no public call for it,
    so this uses a private one: where a version of Airflow has it no more, the secret stays masked, and each further secret
    makes logging a little slower.
    """
    try:
        from airflow.sdk._shared.secrets_masker import _secrets_masker

        _secrets_masker().patterns.discard(re.escape(secret))
    except (ImportError, AttributeError):
        return
