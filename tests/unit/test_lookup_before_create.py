# SPDX-License-Identifier: Apache-2.0
"""Who looks first: a create that is refused as a duplicate costs nothing, and a look saves it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from kling_provider.operators.kling import KlingSubmitOperator
from kling_provider.sandbox import Sandbox
from tests.unit.instance import Instance

REQUEST = {"prompt": "A red panda", "duration": 3, "name": "panda"}


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(render_seconds=1) as sandbox:
        connection = {"conn_type": "kling", "host": sandbox.url, "password": sandbox.api_key}
        extra = {"extra": {"profile": "kling"}}
        monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps({**connection, **extra}))
        yield sandbox


def submitted(sandbox: Sandbox, instance: Instance) -> tuple[str, int]:
    """The Kling task id, and how many creates Kling has received by then."""
    kling_task_id = KlingSubmitOperator(task_id="video", request=REQUEST).execute(instance.context)
    return kling_task_id, sandbox.stats()["creates"]["received"]


def test_a_first_try_sends_first_and_a_second_one_looks(sandbox: Sandbox) -> None:
    first = submitted(sandbox, Instance(map_index=3))
    assert first[1] == 1
    assert submitted(sandbox, Instance(map_index=3, try_number=2)) == first


def test_an_instance_that_a_cleared_run_has_got_looks_first(sandbox: Sandbox) -> None:
    """A file was inserted and the run cleared: the video of map index 3 stands at 4 now, in its first try."""
    first = submitted(sandbox, Instance(map_index=3))
    assert submitted(sandbox, Instance(map_index=4, clear_number=1)) == first
