# SPDX-License-Identifier: Apache-2.0
"""What many unit tests need: small videos of a sandbox in this process, a host of files, retries without pauses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kling_provider.sandbox import Sandbox
from tests.unit.storage_stand_ins import Host, running_host


@pytest.fixture(autouse=True)
def _small_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the videos show is tested in ``tests/contract``."""
    monkeypatch.setitem(Sandbox.defaults, "short_side", 144)


@pytest.fixture
def host() -> Iterator[Host]:
    """A host that serves files, and what else it is told to."""
    with running_host() as running:
        yield running


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries follow at once."""
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
