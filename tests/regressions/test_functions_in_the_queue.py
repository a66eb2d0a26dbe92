# SPDX-License-Identifier: Apache-2.0
"""``@task.kling`` and the queue: the function's request is sent once the account has room, too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from kling_provider.decorators.kling import kling_task
from kling_provider.sandbox import Sandbox
from tests.regressions.conftest import Start
from tests.regressions.outcomes import outcome_of
from tests.regressions.playing import context, made
from tests.regressions.renamed import AFTER_QUEUE, AFTER_VIDEO
from tests.unit.instance import Instance


def operator_of(function: Any, **settings: Any) -> Any:
    """The operator of a decorated function, as Airflow makes it anew in each process."""
    with DAG("panda"):
        return kling_task(function, **settings)().operator


@pytest.mark.parametrize(
    "returned",
    [
        "A red panda in a queue",
        {"prompt": "A red panda in a queue", "duration": 3},
        {"prompt": "A second one"},
    ],
)
def test_what_the_function_returns_is_sent_after_the_queue(
    returned: Any, start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sandbox: Sandbox = start(concurrency=1)
    monkeypatch.setenv(
        "AIRFLOW_CONN_KLING_DEFAULT",
        json.dumps(
            {"conn_type": "kling", "host": sandbox.base_url, "password": sandbox.api_key}
            | {"extra": {"profile": "kling"}}
        ),
    )
    calls = []

    def panda() -> Any:
        calls.append(returned)
        return returned

    def other() -> str:
        return "the one in front"

    front = outcome_of(lambda: operator_of(other).execute(context(Instance("other"))))
    assert front.method_name == AFTER_VIDEO
    instance = Instance("panda")
    queued = outcome_of(lambda: operator_of(panda).execute(context(instance)))
    assert (queued.method_name, made(sandbox)) == (AFTER_QUEUE, 1)
    sandbox.advance(600)
    event = {**queued.trigger.serialize()[1], "status": "room"}
    again = outcome_of(lambda: getattr(operator_of(panda), AFTER_QUEUE)(context(instance), event))
    assert getattr(again, "method_name", again) == AFTER_VIDEO
    assert (made(sandbox), len(calls)) == (2, 2)
