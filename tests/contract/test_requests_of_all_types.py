# SPDX-License-Identifier: Apache-2.0
"""An example file of each type, from the file to saved outputs on the sandbox."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import av
import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from kling_provider.api.catalog import estimate_price
from kling_provider.api.parsing import parse_request
from kling_provider.operators.kling import KlingGenerateOperator
from kling_provider.prompts import load_prompts
from kling_provider.sandbox import Sandbox
from tests.regressions.playing import context, resume, retried
from tests.unit.instance import Instance

REQUESTS = Path(__file__).parents[2] / "dags/requests"
#: All but that of a type whose path Kling has not published: the sandbox has none for it.
TYPES = sorted({file.stem for file in REQUESTS.glob("*.yaml")})
TOOLS = ("multi_elements_add", "multi_elements_preview", "multi_elements_delete", "multi_elements_clear")
#: Whose ids are made by another type.
SOURCES = {
    "video_extend": {"video_id": "text_to_video"},
    **{tool: {"session_id": "multi_elements_init"} for tool in TOOLS},
}
#: What is made first: nothing can be shown or taken back before it is marked.
BEFORE = {
    "video_extend": ("text_to_video",),
    "multi_elements_add": ("multi_elements_init",),
    **dict.fromkeys(TOOLS[1:], ("multi_elements_init", "multi_elements_add")),
}
#: The calls that a worker makes first: the faces; a session, and what is marked in it.
CALLS_BEFORE = {"advanced_lip_sync": 1, "multi_elements": 2}


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, render_seconds=10, short_side=144) as running:
        connection = {"conn_type": "kling", "host": running.base_url, "password": running.api_key}
        monkeypatch.setenv(
            "AIRFLOW_CONN_KLING_DEFAULT", json.dumps({**connection, "extra": {"profile": "kling"}})
        )
        yield running


class Maker:
    """Makes types from their example files, each in a task of its own, and what they need first."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.made: dict[str, dict[str, Any]] = {}
        self.instances: dict[str, Instance] = {}
        self._folder = folder

    def make(self, type_: str) -> dict[str, Any]:
        """Make it, unless it is made already."""
        for needed in BEFORE.get(type_, ()):
            self.make(needed)
        if type_ not in self.made:
            self.instances[type_] = Instance(type_)
            self.made[type_] = self.run(type_, self.instances[type_])
        return self.made[type_]

    def run(self, type_: str, instance: Instance) -> dict[str, Any]:
        """Run its task once."""
        (data,) = load_prompts(REQUESTS / f"{type_}.yaml")
        assert data["type"] == type_
        inputs = {field: self.made[source] for field, source in SOURCES.get(type_, {}).items()}
        operator = KlingGenerateOperator(
            task_id=type_, request=data, inputs=inputs or None, destination=f"file://{self._folder}"
        )
        try:
            result: dict[str, Any] = operator.execute(context(instance))
        except TaskDeferred as deferred:
            self.sandbox.advance(60)
            waited = {
                "kling_task_id": instance.xcoms["kling"]["kling_task_id"],
                "kwargs": json.loads(json.dumps(deferred.kwargs or {})),
            }
            result = resume(operator, instance, waited)
        return result


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


@pytest.mark.parametrize("type_", TYPES)
def test_an_example_becomes_what_it_asks_for(type_: str, sandbox: Sandbox, tmp_path: Path) -> None:
    maker = Maker(sandbox, tmp_path)
    result = maker.make(type_)
    assert result["type"] == type_
    (data,) = load_prompts(REQUESTS / f"{type_}.yaml")
    request = parse_request(data)
    assert result["outputs"]
    for output in result["outputs"]:
        if output["file"] is None:
            assert output["type"] in ("session", "element")
            assert output["id"]
        else:
            check_file(Path(output["file"].removeprefix("file://")), request.summary.duration)
    charges = [one for one in result["billing"] if one["charge_type"] == "unit"]
    price = estimate_price(request)
    for charge in charges:
        assert charge["package_type"] == price.package
        assert price.units is None or Decimal(charge["amount"]) == price.units
    assert charges or type_ == "custom_element_old"  # whose answer says nothing of it
    made = sum(1 + CALLS_BEFORE.get(one, 0) for one in maker.made)
    assert sandbox.stats()["creates"]["made"] == made
    # A second try of the task finds it: nothing is paid again.
    found = maker.run(type_, retried(maker.instances[type_]))
    assert found["kling_task_id"] == result["kling_task_id"]
    assert sandbox.stats()["creates"]["made"] == made
