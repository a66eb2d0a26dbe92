# SPDX-License-Identifier: Apache-2.0
"""What tests of settings share: a sandbox that is connected, and how a task ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kling_provider.sandbox import Sandbox

RED_PANDA = {"prompt": "A red panda brews tea", "duration": 3, "name": "panda"}


@contextmanager
def connected(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Iterator[Sandbox]:
    """A sandbox, and the connection ``kling_default`` to it as to Kling itself."""
    with Sandbox(
        **{"time_scale": 1, "render_seconds": 10, "units": 10_000, "concurrency": 1000, **options}
    ) as sandbox:
        connection = {
            "conn_type": "kling",
            "host": sandbox.base_url,
            "password": sandbox.api_key,
            "extra": {} if sandbox.options.profile == "gateway" else {"profile": "kling"},
        }
        monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(connection))
        yield sandbox


def outcome_of(call: Callable[[], Any]) -> Any:
    """What a task comes to: its result, or what it raises (a defer and a skip too)."""
    try:
        return call()
    except BaseException as raised:
        if isinstance(raised, KeyboardInterrupt):
            raise
        return raised


def creates(sandbox: Sandbox) -> int:
    """How many paid calls the sandbox has received."""
    received: int = sandbox.stats()["creates"]["received"]
    return received
