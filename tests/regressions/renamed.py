# SPDX-License-Identifier: Apache-2.0
"""What had another name when the faults of these tests were found: each by the name that the package has."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from kling_provider import identity
from kling_provider.hooks.kling import KlingHook
from kling_provider.operators.kling import KlingGenerateOperator
from kling_provider.triggers import kling as triggers

#: Methods that Airflow calls after a wait: for the video, and for the account's concurrency.
AFTER_VIDEO = "execute_complete" if hasattr(KlingGenerateOperator, "execute_complete") else "resume_task"
AFTER_QUEUE = (
    "execute_after_queue" if hasattr(KlingGenerateOperator, "execute_after_queue") else "resume_slot"
)
#: The trigger of the queue, its deadline, the operator's limit, and the widest scope.
QueueTrigger: Any = getattr(triggers, "KlingConcurrencyTrigger", None) or triggers.KlingSlotTrigger  # type: ignore[attr-defined]
QUEUE_DEADLINE = "queue_deadline" if hasattr(triggers, "KlingConcurrencyTrigger") else "slot_deadline"
QUEUE_TIMEOUT = "queue_timeout" if AFTER_QUEUE == "execute_after_queue" else "slot_timeout"
ACCOUNT = "account" if "account" in getattr(identity, "SCOPES", ()) else "content"


def import_renamed(*names: str) -> Any:
    """Import the module of the package that has the first of these names, the newest first."""
    for name in names[:-1]:
        with contextlib.suppress(ModuleNotFoundError):
            return import_module(f"kling_provider.{name}")
    return import_module(f"kling_provider.{names[-1]}")


async def wait_for_capacity(*args: Any, **kwargs: Any) -> bool:
    """Wait in the queue below the concurrency limit."""
    waiting = import_module("kling_provider.polling.waiting")
    wait = getattr(waiting, "wait_for_capacity", None) or waiting.wait_for_turn
    return bool(await wait(*args, **kwargs))


def validate_request(hook: KlingHook, data: Any) -> Any:
    """Check a request without sending it."""
    return (hook.validate_request if hasattr(hook, "validate_request") else hook.request)(data)


def list_by_status(hook: KlingHook, statuses: Any) -> Any:
    """List tasks of these states."""
    old = "status" in KlingHook.list_tasks.__annotations__
    return hook.list_tasks(**{"status" if old else "statuses": statuses})


def make_authorization(*args: Any, **kwargs: Any) -> str:
    """Return the ``Authorization`` header of a credential."""
    try:
        make = import_module("kling_provider.hooks.authorization").make_authorization
    except ModuleNotFoundError:
        make = import_module("kling_provider.hooks.wire").auth_header
    return str(make(*args, **kwargs))


def without_pause_for_late_outputs(patch: pytest.MonkeyPatch) -> None:
    """Let the second read of a success without a result come at once."""
    try:
        patch.setattr(import_module("kling_provider.execution.reading"), "LATE_OUTPUTS", 0.0)
    except ModuleNotFoundError:
        waiting = import_module("kling_provider.operators.waiting")
        patch.setattr(waiting, "_LATE_OUTPUTS", 0.0, raising=False)


def with_lineage_collector(patch: pytest.MonkeyPatch, make: Callable[[], Any]) -> None:
    """Let Airflow's lineage collector be what ``make`` gives."""
    name = "get_hook_lineage_collector"
    patch.setattr(f"airflow.providers.common.compat.sdk.{name}", make, raising=False)
    with contextlib.suppress(ModuleNotFoundError):
        patch.setattr(import_module("kling_provider.execution.lineage"), name, make, raising=False)
