# SPDX-License-Identifier: Apache-2.0
"""A sandbox with a connection to it, waits made short, and Airflow's Variables in a dict."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Variable

from kling_provider.sandbox import Sandbox
from tests.regressions.renamed import import_renamed

machine = import_renamed("submission.state_machine", "submission.machine")

Start = Callable[..., Sandbox]
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all of this folder as slow: together they take minutes, and have a target of their own."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def _small_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    """What videos show is tested elsewhere; rendering them at full size takes most of a test's time."""
    monkeypatch.setitem(Sandbox.defaults, "short_side", 144)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a sandbox with the connection ``kling_default`` to it."""
    monkeypatch.setattr(machine, "LOOKS", (0.0,))
    monkeypatch.setattr(machine, "DUPLICATE_LOOKS", (0.0,))
    monkeypatch.setattr(machine, "BACKOFF", (0.0,))
    monkeypatch.setattr("kling_provider.hooks.kling._READ_TRIES", 1)
    with ExitStack() as stack:

        def started(profile: str = "kling", **options: Any) -> Sandbox:
            options = {"time_scale": 1, "render_seconds": 10, "profile": profile, **options}
            sandbox = stack.enter_context(Sandbox(**options))
            connection = {
                "conn_type": "kling",
                "host": sandbox.base_url,
                "password": sandbox.api_key,
                "extra": {"profile": profile},
            }
            monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(connection))
            return sandbox

        yield started


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Airflow's Variables, in this test only."""
    kept: dict[str, Any] = {}
    monkeypatch.setattr(Variable, "get", lambda key, default=None, **_: kept.get(key, default))
    monkeypatch.setattr(Variable, "set", lambda key, value, **_: kept.__setitem__(key, value))
    monkeypatch.setattr(Variable, "delete", lambda key: kept.pop(key, None))
    return kept
