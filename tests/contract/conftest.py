# SPDX-License-Identifier: Apache-2.0
"""A sandbox for a file of tests, and its client. A file that needs other options has a ``sandbox`` of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kling_provider.sandbox import Sandbox
from tests.contract.sandbox_client import Client


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=500) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    """Return a client of the sandbox, which is as freshly started."""
    sandbox.reset()
    return Client(sandbox)
