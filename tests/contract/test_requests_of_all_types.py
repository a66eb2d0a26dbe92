# SPDX-License-Identifier: Apache-2.0
"""An example file of each type, from the file to saved outputs on the sandbox."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
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

#: All but that of a type whose path Kling has not published: the sandbox has none for it.
FILES = sorted(
    file for file in (Path(__file__).parents[2] / "dags/requests").glob("*.yaml") if file.stem != "long_image"
)


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, render_seconds=10, short_side=144) as running:
        connection = {"conn_type": "kling", "host": running.base_url, "password": running.api_key}
        monkeypatch.setenv(
            "AIRFLOW_CONN_KLING_DEFAULT", json.dumps({**connection, "extra": {"profile": "kling"}})
        )
        yield running


def check_file(file: Path, seconds: int | None) -> None:
    """Whether it is what its name says: a video of so many seconds, a picture, a sound, a text with times."""
    if file.suffix in (".srt", ".ass"):
        assert re.search(r"\d:\d\d:\d\d[.,]\d\d", file.read_text())
        return
    with av.open(str(file)) as media:
        assert media.streams
        if file.suffix == ".mp4" and seconds is not None:
            assert media.duration is not None
            assert round(media.duration / av.time_base) == seconds


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_becomes_what_it_asks_for(file: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    (data,) = load_prompts(file)
    assert data["type"] == file.stem
    instance = Instance()
    operator = KlingGenerateOperator(task_id="video", request=data, destination=f"file://{tmp_path}")
    result = resume(operator, instance, defer(operator, instance, sandbox))
    assert result["type"] == file.stem
    request = parse_request(data)
    assert result["outputs"]
    for output in result["outputs"]:
        check_file(Path(output["file"].removeprefix("file://")), request.summary.duration)
    (charge,) = result["billing"]
    price = estimate_price(request)
    assert charge["package_type"] == price.package
    assert price.units is None or Decimal(charge["amount"]) == price.units
    # A second run of the task finds it: nothing is paid again.
    again = KlingGenerateOperator(task_id="video", request=data, destination=f"file://{tmp_path}")
    found = again.execute(context(Instance(try_number=2)))
    assert found["kling_task_id"] == result["kling_task_id"]
    assert sandbox.stats()["creates"]["made"] == 1
