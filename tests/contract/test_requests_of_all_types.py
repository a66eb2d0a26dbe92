# SPDX-License-Identifier: Apache-2.0
"""An example file of each type, from the file to saved outputs on the sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from kling_provider.api.catalog import estimate_price
from kling_provider.api.parsing import parse_request
from kling_provider.operators.kling import KlingGenerateOperator
from kling_provider.prompts import load_prompts
from kling_provider.sandbox import Sandbox
from tests.regressions.playing import context, defer, resume
from tests.unit.instance import Instance

FILES = sorted((Path(__file__).parents[2] / "dags/requests").glob("*.yaml"))


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, render_seconds=10, short_side=144) as running:
        connection = {"conn_type": "kling", "host": running.base_url, "password": running.api_key}
        monkeypatch.setenv(
            "AIRFLOW_CONN_KLING_DEFAULT", json.dumps({**connection, "extra": {"profile": "kling"}})
        )
        yield running


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_becomes_what_it_asks_for(file: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    (data,) = load_prompts(file)
    assert data["type"] == file.stem
    instance = Instance()
    operator = KlingGenerateOperator(task_id="video", request=data, destination=f"file://{tmp_path}")
    result = resume(operator, instance, defer(operator, instance, sandbox))
    assert result["type"] == file.stem
    request = parse_request(data)
    (output,) = result["outputs"]
    with av.open(output["file"].removeprefix("file://")) as video:
        assert video.duration is not None
        assert round(video.duration / av.time_base) == request.summary.duration
    units = estimate_price(request).units
    assert units is not None
    assert float(result["billing"][0]["amount"]) == float(units)
    # A second run of the task finds it: nothing is paid again.
    again = KlingGenerateOperator(task_id="video", request=data, destination=f"file://{tmp_path}")
    found = again.execute(context(Instance(try_number=2)))
    assert found["kling_task_id"] == result["kling_task_id"]
    assert sandbox.stats()["creates"]["made"] == 1
