# SPDX-License-Identifier: Apache-2.0
"""What operators tell of a video: asset event, log, Storage tab. How Airflow takes it is tested in tests/stack."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, AssetAlias
from PIL import Image

from kling_provider.assets import video_asset
from kling_provider.exceptions import KlingTaskFailedFinally
from kling_provider.operators.kling import (
    KlingDownloadOperator,
    KlingGenerateOperator,
    KlingSubmitOperator,
)
from kling_provider.sandbox import Sandbox
from kling_provider.sensors.kling import KlingTaskSensor
from tests.unit.instance import Instance

REQUEST = {"prompt": "A red panda", "duration": 3, "name": "panda"}
OURS = video_asset("films", "video")


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, render_seconds=10) as sandbox:
        connection = {
            "conn_type": "kling",
            "host": sandbox.url,
            "password": sandbox.api_key,
            "extra": {"profile": "kling"},
        }
        monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(connection))
        yield sandbox


@pytest.fixture
def dag() -> Iterator[DAG]:
    with DAG("films", start_date=datetime(2026, 1, 1), schedule=None) as dag:
        yield dag


def run(operator: Any, **where: Any) -> tuple[Any, dict[Any, Any], Instance]:
    """Result, extra by asset, and the instance (of the task ``video``, whichever operator it is)."""
    instance = Instance("video", **where)
    events: dict[Any, Any] = defaultdict(lambda: SimpleNamespace(extra={}))
    result = operator.execute({**instance.context, "outlet_events": events})
    return result, {asset: event.extra for asset, event in events.items()}, instance


def rendered(sandbox: Sandbox, dag: DAG) -> str:
    """A finished Kling task."""
    kling_task_id, _, _ = run(KlingSubmitOperator(task_id="submit", request=REQUEST))
    sandbox.advance(20)
    return str(kling_task_id)


def test_every_form_of_a_task_declares_its_asset(dag: DAG) -> None:
    own = Asset("own")
    KlingGenerateOperator(task_id="plain", request=REQUEST, outlets=[own])
    KlingGenerateOperator.partial(task_id="mapped", outlets=own).expand(request=[REQUEST])
    KlingTaskSensor.partial(task_id="sensor").expand(kling_task_id=["1"])
    KlingDownloadOperator(task_id="download", kling_task_id="1", destination="/videos")
    KlingSubmitOperator(task_id="submit", request=REQUEST)
    declared = {task.task_id: [outlet.name for outlet in task.outlets] for task in dag.tasks}
    assert declared == {
        "plain": ["own", "kling://films/plain"],
        "mapped": ["own", "kling://films/mapped"],
        "sensor": ["kling://films/sensor"],
        "download": ["kling://films/download"],
        "submit": [],
    }
    unmapped = dag.get_task("mapped").unmap({"request": REQUEST})  # type: ignore[union-attr]
    assert unmapped.outlets == [own, video_asset("films", "mapped")]


def test_an_id_of_any_letters_is_one_asset() -> None:
    asset = video_asset("fïlms/1", "a.b~c")
    assert asset.name == asset.uri == "kling://f%C3%AFlms%2F1/a.b~c"


def test_a_saved_video_is_an_event(sandbox: Sandbox, dag: DAG, tmp_path: Path) -> None:
    kling_task_id = rendered(sandbox, dag)
    operator = KlingDownloadOperator(
        task_id="video",
        kling_task_id=kling_task_id,
        destination=str(tmp_path),
        filename="{name}",
        request=REQUEST,
        outlets=[Asset("own"), AssetAlias("alias")],
    )
    result, events, _ = run(operator, map_index=7)
    extra = events[OURS]
    assert events == {OURS: extra, Asset("own"): extra}
    file = extra["files"][0]
    assert file["file"] == f"file://{tmp_path}/panda.mp4"
    assert file["bytes"] == (tmp_path / "panda.mp4").stat().st_size
    assert file["poster"] == f"{file['file']}.jpg"
    assert (extra["delivered"], extra["kling_task_id"], extra["map_index"]) == (False, kling_task_id, 7)
    assert (extra["prompt"], extra["resolution"], extra["aspect_ratio"]) == ("A red panda", "720p", "16:9")
    assert extra["duration"] == result["outputs"][0]["duration"]
    assert result["outputs"][0]["url"] not in json.dumps(extra)
    assert "Signature" not in json.dumps(extra)
    # The same again: nothing new.
    assert run(operator)[1][OURS]["delivered"] is True


def test_a_sensor_tells_of_a_video_without_a_file(sandbox: Sandbox, dag: DAG) -> None:
    _, events, _ = run(KlingTaskSensor(task_id="video", kling_task_id=rendered(sandbox, dag)))
    assert events[OURS]["files"] == []
    assert events[OURS]["adopted"] is None


def test_a_delivered_video_is_told_first_and_is_an_event(
    sandbox: Sandbox, dag: DAG, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    operator = KlingGenerateOperator(
        task_id="video", request=REQUEST, destination=str(tmp_path), deferrable=False, retries=1
    )
    kling_task_id = rendered(sandbox, dag)
    _, first, _ = run(operator, try_number=2)
    assert first[OURS]["adopted"] is True
    caplog.clear()
    with caplog.at_level(logging.INFO):
        _, events, instance = run(operator, try_number=3)
    assert caplog.messages[0].startswith("Delivered the existing video of 20")
    assert "nothing paid" in caplog.messages[0]
    assert (events[OURS]["delivered"], events[OURS]["kling_task_id"]) == (True, kling_task_id)
    assert instance.xcoms["kling"]["state"] == "succeeded"


def test_a_plan_is_no_event(sandbox: Sandbox, dag: DAG) -> None:
    operator = KlingGenerateOperator(task_id="video", request=REQUEST, plan_only=True, outlets=[Asset("own")])
    _, events, instance = run(operator)
    assert events == {}
    assert operator.outlets == []
    assert instance.store == {}


def test_the_log_folds_request_and_result(
    sandbox: Sandbox, dag: DAG, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image_file = tmp_path / "panda.png"
    Image.new("RGB", (400, 300), "red").save(image_file)
    request = {
        "type": "image_to_video",
        "prompt": "It moves",
        "duration": 3,
        "image": str(image_file),
        "callback_url": "https://hooks.example/kling?token=s3cr3t",
    }
    with caplog.at_level(logging.INFO):
        run(KlingSubmitOperator(task_id="submit", request=request, retries=1))
    lines = caplog.messages
    start, end = lines.index("::group::Request"), lines.index("::endgroup::")
    [shown] = lines[start + 1 : end]
    assert shown.startswith(f"POST {sandbox.url}/image-to-video/kling-3.0\n{{")
    assert f"{image_file} (sha256 " in shown
    assert '"callback_url": "https://hooks.example"' in shown
    assert "s3cr3t" not in caplog.text
    assert "iVBOR" not in caplog.text  # the image's base64


def test_the_plan_of_a_legacy_spelling_shows_no_bytes(sandbox: Sandbox, dag: DAG, tmp_path: Path) -> None:
    image_file = tmp_path / "panda.png"
    Image.new("RGB", (400, 300), "red").save(image_file)
    request = {"type": "image_to_video", "prompt": "It moves", "image": str(image_file)}
    plan, _, _ = run(KlingSubmitOperator(task_id="submit", request=request, plan_only=True))
    assert f"{image_file} (sha256 " in json.dumps(plan["http"])


def test_the_storage_tab_says_where_the_job_stands(sandbox: Sandbox, dag: DAG) -> None:
    sandbox.backend.set_limits(concurrency=1)
    run(KlingSubmitOperator(task_id="first", request=REQUEST))
    operator = KlingSubmitOperator(task_id="video", request={**REQUEST, "name": "second"})
    instance = Instance("video")
    with pytest.raises(BaseException) as deferred:
        operator.execute(instance.context)
    assert type(deferred.value).__name__ == "TaskDeferred"
    progress = instance.store["kling_progress"]
    assert (progress["state"], progress["kling_task_id"]) == ("waiting_for_concurrency", None)
    assert progress["waiting_for"] == "the concurrency limit of the account for kling-3.0"
    assert datetime.fromisoformat(progress["since"]).tzinfo


@pytest.mark.parametrize(
    "waits",
    [
        lambda one: KlingTaskSensor(task_id="video", kling_task_id=one, request=REQUEST),
        lambda one: KlingDownloadOperator(
            task_id="video", kling_task_id=one, destination="/videos", request=REQUEST
        ),
    ],
    ids=["sensor", "download"],
)
def test_whoever_waits_for_a_failed_video_leaves_the_reason_for_the_gallery(
    sandbox: Sandbox, dag: DAG, waits: Any
) -> None:
    sandbox.set_faults([{"kind": "task_fails", "message": "Internal render error"}])
    kling_task_id = rendered(sandbox, dag)
    instance = Instance("video")
    with pytest.raises(KlingTaskFailedFinally):
        waits(kling_task_id).execute(instance.context)
    left = instance.xcoms["kling"]
    assert (left["state"], left["kling_task_id"]) == ("failed", kling_task_id)
    assert "Internal render error" in left["reason"]
    assert left["request"] == {"prompt": "A red panda", "duration": 3, "name": "panda"}


def test_an_operator_that_gets_its_dag_later_has_its_asset() -> None:
    later = DAG("later", start_date=datetime(2026, 1, 1), schedule=None)
    made = [
        KlingGenerateOperator(task_id="generate", request=REQUEST, outlets=[Asset("own")]),
        KlingDownloadOperator(task_id="download", kling_task_id="1", destination="/videos"),
        KlingTaskSensor(task_id="sensor", kling_task_id="1"),
        KlingSubmitOperator(task_id="submit", request=REQUEST),
    ]
    assert [[asset.name for asset in task.outlets] for task in made] == [["own"], [], [], []]
    for task in made[:3]:
        later.add_task(task)
    made[0] >> made[3]  # gets its Dag from its neighbour
    assert [[asset.name for asset in task.outlets] for task in made] == [
        ["own", "kling://later/generate"],
        ["kling://later/download"],
        ["kling://later/sensor"],
        [],
    ]
    assert [asset.name for asset in made[3].inlets] == ["kling://later/submit"]
    made[0].add_outlets([Asset("more")])
    assert [asset.name for asset in made[0].outlets] == ["own", "kling://later/generate", "more"]


@pytest.mark.airflow_version
def test_airflow_stores_the_asset_of_an_operator_that_got_its_dag_later() -> None:
    from airflow.serialization import serialized_objects

    later = DAG("later", start_date=datetime(2026, 1, 1), schedule=None)
    later.add_task(KlingGenerateOperator(task_id="video", request=REQUEST))
    stores = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
    stored = stores.to_dict(later)["dag"]["tasks"][0]["__var"]
    assert "kling://later/video" in json.dumps(stored["outlets"])
