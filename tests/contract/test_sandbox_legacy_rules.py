# SPDX-License-Identifier: Apache-2.0
"""What the legacy API takes and refuses beyond its plain fields: shots, frames, elements, masks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kling_provider.sandbox import Sandbox
from tests.contract.sandbox_client import Client, refused


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=500) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    sandbox.reset()
    return Client(sandbox)


def test_shots_have_a_limit_of_their_own(client: Client) -> None:
    shots = [{"index": n, "prompt": "x" * 512, "duration": "1"} for n in range(1, 7)]
    told = {"prompt": None, "multi_shot": True, "multi_prompt": shots, "duration": "6"}
    assert client.legacy(**told).status_code == 200  # 3072 characters in all
    shots[0]["prompt"] += "x"
    refused(client.legacy(**told), 400, 1201, "512")
