# SPDX-License-Identifier: Apache-2.0
"""A type that the package does not know, from the prompt file to the card: one class and one row are enough."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

from kling_provider.api.catalog import add_spec_for_now
from kling_provider.operators.kling import KlingGenerateOperator
from kling_provider.prompts import load_prompts
from kling_provider.sandbox import Sandbox
from tests.support.postcard import Postcard
from tests.support.postcard_request import POSTCARD
from tests.unit.gallery.conftest import RUN, As
from tests.unit.gallery.seeds import Seeds
from tests.unit.instance import Instance


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with (
        add_spec_for_now(POSTCARD),
        Sandbox(time_scale=1, render_seconds=10, products=[Postcard()]) as running,
    ):
        connection = {"conn_type": "kling", "host": running.base_url, "password": running.api_key}
        monkeypatch.setenv(
            "AIRFLOW_CONN_KLING_DEFAULT", json.dumps({**connection, "extra": {"profile": "kling"}})
        )
        yield running


@pytest.mark.slow
def test_from_prompt_file_to_card(
    sandbox: Sandbox, tmp_path: Path, settings: Path, seeds: Seeds, as_user: As
) -> None:
    (tmp_path / "boat.yaml").write_text("type: postcard\nwords: A paper boat / drifts away\nwide: 800\n")
    (request,) = load_prompts(tmp_path)

    extras: dict[Any, Any] = defaultdict(lambda: SimpleNamespace(extra={}))
    instance = Instance(dag_id="ann_clips", run_id=RUN)
    with DAG("ann_clips", schedule=None):
        operator = KlingGenerateOperator(task_id="video", request=request, destination=f"file://{settings}")
    with pytest.raises(BaseException) as deferred:
        operator.execute({**instance.context, "outlet_events": extras})
    assert type(deferred.value).__name__ == "TaskDeferred", deferred.value
    sandbox.advance(60)
    kling_task_id = instance.xcoms["kling"]["kling_task_id"]
    result = operator.execute_complete(
        {**instance.context, "outlet_events": extras},
        {"kling_task_id": kling_task_id, "status": "succeeded"},
        **json.loads(json.dumps(deferred.value.kwargs)),  # type: ignore[attr-defined]
    )

    # XCom and files.
    assert (result["type"], result["name"], result["prompt"]) == (
        "postcard",
        "boat",
        "A paper boat / drifts away",
    )
    assert [output["type"] for output in result["outputs"]] == ["image", "image", "audio"]
    files = [Path(output["file"].removeprefix("file://")) for output in result["outputs"]]
    assert [file.name for file in files] == ["boat-0.png", "boat-1.jpg", "boat-2.mp3"]
    assert all(file.stat().st_size > 100 for file in files)
    # Manifest.
    manifest = json.loads((settings / "boat.kling.json").read_text())
    assert (manifest["type"], manifest["kling_task_id"]) == ("postcard", kling_task_id)
    assert [output["file"] for output in manifest["outputs"]] == [file.name for file in files]
    assert manifest["billing"] == [
        {"charge_type": "unit", "amount": "12.5", "currency": None, "package_type": "image"}
    ]
    assert sandbox.stats()["image_units"]["default"]["spent"] == "12.5"
    # Asset event.
    (event,) = [accessor.extra for accessor in extras.values() if accessor.extra]
    assert (event["type"], event["prompt"]) == ("postcard", "A paper boat / drifts away")
    assert len(event["files"]) == 3
    # Card.
    seeds.video("ann_clips", RUN, kling_task_id=kling_task_id, claims=event)
    seeds.session.commit()
    (card,) = as_user("ann").get("/kling/api/videos").json()["cards"]
    assert (card["type"], card["prompt"]) == ("postcard", "A paper boat / drifts away")
    assert [output["kind"] for output in card["outputs"]] == ["image", "image", "audio"]

    # Once more: it is found, and nothing is paid.
    again = Instance(dag_id="ann_clips", run_id=RUN, try_number=2)
    found = operator.execute({**again.context, "outlet_events": extras})
    assert found["kling_task_id"] == kling_task_id
    assert sandbox.stats()["creates"]["made"] == 1
