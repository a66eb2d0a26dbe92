# SPDX-License-Identifier: Apache-2.0
"""Videos of a sandbox in this process are small here: what they show is tested in ``tests/contract``."""

from __future__ import annotations

import pytest

from kling_provider.sandbox import Sandbox


@pytest.fixture(autouse=True)
def _small_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Sandbox.defaults, "short_side", 144)
