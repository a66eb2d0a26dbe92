# SPDX-License-Identifier: Apache-2.0
"""The gate before the route of callbacks, while what it guards is still being imported."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter
from types import ModuleType
from typing import Any

import pytest

from kling_provider.plugins.callbacks.gate import FloodGate
from kling_provider.plugins.plugin import LazyApp

MODULE = "an_app_that_takes_its_time"


@pytest.fixture
def importing(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, list[str]]:
    """A module whose import waits for the event; and which names were imported."""
    go_on, imported = threading.Event(), []

    def import_module(name: str) -> ModuleType:
        imported.append(name)
        assert go_on.wait(30)
        module = ModuleType(name)
        module.make_app = lambda: answer  # type: ignore[attr-defined]
        return module

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    monkeypatch.setattr("importlib.import_module", import_module)
    assert MODULE not in sys.modules
    return go_on, imported


def test_a_flood_waits_for_no_import(importing: tuple[threading.Event, list[str]]) -> None:
    """A thousand messages a second came while two seconds of modules were imported: each waited, and took a thread."""
    go_on, imported = importing
    statuses: Counter[int] = Counter()

    async def send_one(gate: FloodGate) -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses[message["status"]] += 1

        await gate({"type": "http", "path": "/kling_default", "method": "POST"}, receive, send)

    async def flood() -> None:
        gate = FloodGate(LazyApp(MODULE))
        sending = [asyncio.create_task(send_one(gate)) for _ in range(500)]
        while statuses[429] < 500 - 64:
            await asyncio.sleep(0)
        assert statuses == {429: 500 - 64}, (
            "as many as may be handled at once wait for the import, and no more"
        )
        go_on.set()
        await asyncio.gather(*sending)

    asyncio.run(asyncio.wait_for(flood(), 20))
    assert statuses == {429: 500 - 64, 404: 64}
    assert imported == [MODULE]
