# SPDX-License-Identifier: Apache-2.0
"""An operator that gets its Dag later (``dag.add_task``, ``>>``) had no asset, and its saved video was "not fetched"."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, Asset
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_provider.operators.kling import KlingDownloadOperator, KlingGenerateOperator
from kling_provider.sensors.kling import KlingTaskSensor
from tests.regressions.outcomes import RED_PANDA, connected, outcome_of
from tests.regressions.renamed import AFTER_VIDEO
from tests.unit.instance import Instance


def generate(**more: Any) -> Any:
    return KlingGenerateOperator(task_id="video", request=RED_PANDA, **more)


def assets(operator: Any) -> list[str]:
    return [outlet.name for outlet in operator.outlets]


@pytest.mark.parametrize(
    "make",
    [
        generate,
        lambda **more: KlingTaskSensor(task_id="video", kling_task_id="1", **more),
        lambda **more: KlingDownloadOperator(
            task_id="video", kling_task_id="1", destination="/videos", **more
        ),
    ],
    ids=["generate", "sensor", "download"],
)
def test_add_task_and_shift_give_the_asset(make: Any) -> None:
    added, shifted, own = make(), make(), make(outlets=[Asset("own")])
    dag, other, third = DAG("later", schedule=None), DAG("shifted", schedule=None), DAG("own", schedule=None)
    dag.add_task(added)
    with other:
        first = KlingGenerateOperator(task_id="first", request=RED_PANDA)
    first >> shifted
    third.add_task(own)
    assert assets(added) == ["kling://later/video"]
    assert assets(shifted) == ["kling://shifted/video"]
    assert assets(own) == ["own", "kling://own/video"]


@settings(max_examples=50, deadline=None)
@given(
    dag_id=st.text("abcDEF019._-", min_size=1, max_size=30),
    mine=st.lists(st.text("xyz", min_size=1, max_size=5), unique=True),
)
def test_whatever_they_are_called(dag_id: str, mine: list[str]) -> None:
    operator = generate(outlets=[Asset(name) for name in mine])
    DAG(dag_id, schedule=None).add_task(operator)
    assert assets(operator) == [*mine, f"kling://{dag_id}/video"]


def test_its_saved_video_is_an_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = generate(destination=str(tmp_path))
    DAG("films", schedule=None).add_task(operator)
    events: Any = defaultdict(lambda: SimpleNamespace(extra={}))
    context = {**Instance().context, "outlet_events": events}
    with connected(monkeypatch) as sandbox:
        deferred = outcome_of(lambda: operator.execute(context))
        sandbox.advance(20)
        event = {"kling_task_id": deferred.trigger.kling_task_id, "status": "succeeded"}
        result = outcome_of(lambda: getattr(operator, AFTER_VIDEO)(context, event, **deferred.kwargs))
    assert isinstance(result, dict), repr(result)
    told = {asset.name: event.extra for asset, event in events.items()}
    assert list(told) == ["kling://films/video"]
    assert told["kling://films/video"]["files"][0]["file"] == result["outputs"][0]["file"]
