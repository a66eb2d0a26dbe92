# SPDX-License-Identifier: Apache-2.0
"""What a real Airflow is told of videos: asset events that run other DAGs, lineage, metrics, callbacks."""

from __future__ import annotations

import html
import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox_process import SandboxProcess
from tests.support.stack import AirflowStack, wait_for
from tests.support.stack.postgres import postgres, why_not
from tests.support.webhook import Webhook

HERE = Path(__file__).parent

pytestmark = pytest.mark.xdist_group("assets")


@pytest.fixture(scope="module")
def messages() -> Iterator[Webhook]:
    with Webhook() as webhook:
        yield webhook


@pytest.fixture(scope="module")
def statsd() -> Iterator[socket.socket]:
    """Where Airflow's metrics arrive."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)  # read at the end only
        server.settimeout(0.2)
        yield server


@pytest.fixture(scope="module")
def lineage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where OpenLineage writes its events, one line each."""
    return tmp_path_factory.mktemp("lineage") / "events.jsonl"


@pytest.fixture(scope="module")
def airflow(
    repository: Path,
    sandbox_process: SandboxProcess,
    messages: Webhook,
    statsd: socket.socket,
    lineage: Path,
    videos: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AirflowStack]:
    dags = tmp_path_factory.mktemp("dags")
    for source in (repository / "dags", HERE / "assets/dags"):
        shutil.copytree(source, dags, dirs_exist_ok=True)
    publishing = dags / "kling_on_video.py"
    text = publishing.read_text()
    assert text.count("schedule=None") == 1
    publishing.write_text(text.replace("schedule=None", "schedule=VIDEO"))  # as it says itself
    with (
        # Where it is installed: SQLite has one writer, so nothing finishes at once there.
        nullcontext() if why_not() else postgres() as database,
        AirflowStack(
            dags_folder=dags,
            database_url=database,
            connections={
                "kling_default": sandbox_process.connection,
                "kling_webhook": {"conn_type": "http", "host": messages.address},
            },
            environment={
                "KLING_VIDEOS": str(videos),
                "AIRFLOW__OPENLINEAGE__NAMESPACE": "kling-tests",
                "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
                    {"type": "file", "log_file_path": str(lineage), "append": True}
                ),
                "AIRFLOW__METRICS__STATSD_ON": "True",
                "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
                "AIRFLOW__METRICS__STATSD_PORT": str(statsd.getsockname()[1]),
                "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
                "AIRFLOW__METRICS__METRICS_ALLOW_LIST": "kling",
            },
            parallelism=16,
            paused=True,  # schedules are on here, assets being one of them: a DAG runs from the test on that wants it
        ) as running,
    ):
        yield running


def wake(airflow: AirflowStack, *dag_ids: str) -> None:
    for dag_id in dag_ids:
        airflow.api.wait_for_dag(dag_id)
        airflow.api.pause(dag_id, False)


def first_run(airflow: AirflowStack, dag_id: str, timeout: float = 60) -> str:
    """The run that nobody but the scheduler made."""
    runs = wait_for(lambda: airflow.api.runs(dag_id), timeout=timeout, what=f"a run of {dag_id}")
    run_id = str(runs[0]["dag_run_id"])
    assert airflow.api.wait_run(dag_id, run_id, timeout=200) == "success", airflow.api.states(dag_id, run_id)
    return run_id


def events(airflow: AirflowStack, run_id: str, task_id: str) -> list[dict[str, Any]]:
    found = airflow.api.asset_events(source_run_id=run_id)
    return [event["extra"] for event in found if event["source_task_id"] == task_id]


@pytest.mark.airflow_version
def test_twenty_first_finishes_at_once_lose_none(airflow: AirflowStack) -> None:
    wake(airflow, "outlets_at_once")
    run_id = airflow.api.trigger("outlets_at_once")
    state = airflow.api.wait_run("outlets_at_once", run_id, timeout=280)
    assert state == "success", airflow.api.states("outlets_at_once", run_id)
    found = events(airflow, run_id, "video")
    assert sorted(one["name"] for one in found) == sorted(f"film-{number}" for number in range(20))
    assert {one["map_index"] for one in found} == set(range(20))
    assert all(Path(one["files"][0]["file"].removeprefix("file://")).is_file() for one in found)


@pytest.fixture(scope="module")
def run_id(airflow: AirflowStack) -> str:
    """A run of ``outlets_forms``."""
    wake(airflow, "outlets_forms", "outlets_consumer")
    run_id = airflow.api.trigger("outlets_forms")
    assert airflow.api.wait_run("outlets_forms", run_id, timeout=250) == "success"
    return run_id


@pytest.mark.airflow_version
def test_what_an_event_says_and_who_sends_none(airflow: AirflowStack, messages: Webhook, run_id: str) -> None:
    found = airflow.api.asset_events(source_run_id=run_id)
    assert sorted((event["source_task_id"], event["name"]) for event in found) == [
        ("clip.save", "kling://outlets_forms/clip.save"),
        ("clip.wait", "kling://outlets_forms/clip.wait"),
        ("from_picture", "kling://outlets_forms/from_picture"),
        ("mapped_function", "kling://outlets_forms/mapped_function"),
        ("mapped_function", "kling://outlets_forms/mapped_function"),
        ("plain", "kling://outlets_forms/plain"),
        ("plain", "the-users-own"),
        ("unsaved", "kling://outlets_forms/unsaved"),
    ]

    extra = events(airflow, run_id, "plain")[0]
    file = extra["files"][0]
    result = airflow.api.xcom("outlets_forms", run_id, "plain")
    assert {key: extra[key] for key in ("name", "prompt", "model", "take", "duration", "resolution")} == {
        "name": "plain",
        "prompt": "A film called plain",
        "model": "kling-3.0",
        "take": 0,
        "duration": result["outputs"][0]["duration"],
        "resolution": "720p",
    }
    assert extra["kling_task_id"] == result["kling_task_id"]
    assert (extra["adopted"], extra["delivered"], extra["billing"]) == (False, False, result["billing"])
    assert file["file"] == result["outputs"][0]["file"]
    assert (extra["dag_id"], extra["run_id"], extra["task_id"], extra["map_index"]) == (
        "outlets_forms",
        run_id,
        "plain",
        -1,
    )
    assert events(airflow, run_id, "plain")[1] == extra
    assert events(airflow, run_id, "unsaved")[0]["files"] == []
    assert result["outputs"][0]["url"].split("?")[1] not in json.dumps([event["extra"] for event in found])

    # The callback of the task told the webhook, ...
    [message] = messages.received
    assert message["channel"] == "#outlets_forms"
    lines = message["text"].splitlines()
    assert lines[:3] == ["Kling video done: plain", "A film called plain", "Cost: 1.8 units"]
    assert lines[3] == f"File: {file['file']}"
    assert lines[4].startswith("Image: ")
    assert file["poster"] == f"{file['file']}.jpg"
    assert any(line.startswith("Log: http") and "outlets_forms" in line for line in lines)
    # ... and the DAG that is scheduled by the asset ran with the event.
    consumed = first_run(airflow, "outlets_consumer")
    assert airflow.api.xcom("outlets_consumer", consumed, "received")[0] == extra

    # A run that delivers what is there says so.
    airflow.api.clear("outlets_forms", run_id, ["plain"])
    assert airflow.api.wait_run("outlets_forms", run_id) == "success"
    again = events(airflow, run_id, "plain")[-1]
    assert (again["kling_task_id"], again["adopted"], again["delivered"]) == (
        extra["kling_task_id"],
        True,
        True,
    )


@pytest.mark.airflow_version
def test_the_log_is_folded(airflow: AirflowStack, run_id: str) -> None:
    log = airflow.api.log("outlets_forms", run_id, "plain")
    ours = [line.split("::group::")[1].split(" ")[0] for line in log.splitlines() if "::group::" in line]
    assert [title for title in ours if title in ("Request", "Waiting", "Result")] == [
        "Request",
        "Waiting",
        "Result",
    ]
    assert log.count("::group::") == log.count("::endgroup::")
    waiting = next(line for line in log.splitlines() if "::group::Waiting" in line)
    assert "expected at about" in waiting


def test_openlineage_events_name_the_saved_file(airflow: AirflowStack, run_id: str, lineage: Path) -> None:
    pytest.importorskip("airflow.providers.openlineage")
    from openlineage.client.generated.base import EventType

    sent = [json.loads(line) for line in lineage.read_text().splitlines()]
    ours = [event for event in sent if event["job"]["name"].startswith("outlets_forms.")]
    for event in ours:
        follows_the_spec(event)
    done = {event["job"]["name"]: event for event in ours if event["eventType"] == EventType.COMPLETE.value}
    event = done["outlets_forms.from_picture"]
    result = airflow.api.xcom("outlets_forms", run_id, "from_picture")
    file = result["outputs"][0]["file"].removeprefix("file://")
    [output] = event["outputs"]
    assert (output["namespace"], output["name"]) == ("file", file)
    assert output["outputFacets"]["outputStatistics"]["size"] == Path(file).stat().st_size
    [image] = event["inputs"]
    assert (image["namespace"], Path(image["name"]).name) == ("file", "kite.jpg")
    facet = event["run"]["facets"]["kling"]
    assert (facet["model"], facet["kling_task_id"]) == ("kling-3.0", result["kling_task_id"])
    assert facet["billing"][0]["amount"] == result["billing"][0]["amount"]
    assert [one["name"] for one in done["outlets_forms.clip.save"]["outputs"]]
    assert "kling" in done["outlets_forms.clip.submit"]["run"]["facets"]


def follows_the_spec(event: dict[str, Any]) -> None:
    """OpenLineage's spec, 2-0-2: what a RunEvent must have; and its own classes take what it has."""
    from openlineage.client.generated import base

    run, job = event["run"], event["job"]
    inputs = [base.InputDataset(namespace=one["namespace"], name=one["name"]) for one in event["inputs"]]
    outputs = [base.OutputDataset(namespace=one["namespace"], name=one["name"]) for one in event["outputs"]]
    base.RunEvent(
        eventTime=event["eventTime"],
        producer=event["producer"],
        eventType=base.EventType(event["eventType"]),
        run=base.Run(runId=run["runId"]),  # a UUID
        job=base.Job(namespace=job["namespace"], name=job["name"]),
        inputs=inputs,
        outputs=outputs,
    )
    assert event["schemaURL"].startswith("https://openlineage.io/spec/2-0-2/OpenLineage.json")
    holders = [run, job, *event["inputs"], *event["outputs"]]
    for holder in holders:
        for kind in ("facets", "inputFacets", "outputFacets"):
            for name, facet in (holder.get(kind) or {}).items():
                assert facet["_producer"].startswith("http"), name
                assert facet["_schemaURL"].startswith("http"), name


@pytest.mark.airflow_version
def test_metrics_come_from_workers_and_triggerer(
    airflow: AirflowStack, run_id: str, statsd: socket.socket
) -> None:
    pytest.importorskip("statsd")
    seen: dict[str, list[set[str]]] = {}
    while True:
        try:
            line = statsd.recv(65536).decode()
        except TimeoutError:
            break
        name, _, tags = line.partition(":")[0].partition(",")
        seen.setdefault(name, []).append(set(tags.split(",")))
    tags = {"dag_id=outlets_forms", "type=text_to_video", "model=kling-3.0"}
    for name in ("submitted", "delivered", "render_time"):
        assert tags in seen[f"airflow.kling.{name}"], name
    assert tags | {"package=video"} in seen["airflow.kling.units"]
    assert {"dag_id=outlets_forms"} in seen["airflow.kling.notice_delay"]
    assert any("kind=result" in one for one in seen["airflow.kling.waiting"])


@pytest.mark.airflow_version
def test_a_failure_is_told(airflow: AirflowStack, messages: Webhook) -> None:
    wake(airflow, "outlets_refused")
    run_id = airflow.api.trigger("outlets_refused")
    assert airflow.api.wait_run("outlets_refused", run_id, timeout=120) == "failed"
    assert messages.received[-1]["text"].startswith("failed &lt;!channel&gt; dear: max_units must be")
    assert events(airflow, run_id, "too_dear") == []


@pytest.mark.airflow_version
def test_a_dag_publishes_what_another_one_generated(airflow: AirflowStack, videos: Path) -> None:
    wake(airflow, "kling_on_video", "kling_prompt_files")
    run_id = airflow.api.trigger("kling_prompt_files", {"plan_only": False})
    assert airflow.api.wait_run("kling_prompt_files", run_id, timeout=200) == "success"
    made = events(airflow, run_id, "video")
    assert len(made) > 3
    first_run(airflow, "kling_on_video")

    def published() -> bool:
        """One run or several: the videos do not all finish together."""
        return len(list((videos / "published").glob("*.mp4"))) == len(made)

    wait_for(published, timeout=60, what="all videos in published/")
    wait_for(
        lambda: {run["state"] for run in airflow.api.runs("kling_on_video")} == {"success"},
        timeout=60,
        what="the end of kling_on_video",
    )
    page = (videos / "published/index.html").read_text()
    for one in made:
        video = Path(one["files"][0]["file"].removeprefix("file://"))
        assert (videos / f"published/{one['kling_task_id']}.mp4").read_bytes() == video.read_bytes()
        assert html.escape(one["prompt"]) in page


@pytest.mark.airflow_version
def test_a_video_whose_run_was_deleted_is_found_and_saved(
    airflow: AirflowStack, sandbox_process: SandboxProcess
) -> None:
    wake(airflow, "outlets_orphaned", "outlets_reconcile")
    lost = airflow.api.trigger("outlets_orphaned")
    assert airflow.api.wait_run("outlets_orphaned", lost) == "success"
    kling_task_id = airflow.api.xcom("outlets_orphaned", lost, "submit")
    airflow.api.delete_run("outlets_orphaned", lost)

    def rendered() -> bool:
        key = {"Authorization": f"Bearer {sandbox_process.connection['password']}"}
        [task] = sandbox_process.call("GET", f"/tasks?task_ids={kling_task_id}", headers=key)["data"]
        return bool(task["status"] == "succeeded")

    wait_for(rendered, timeout=60, what="the end of the render")
    run_id = airflow.api.trigger("outlets_reconcile")
    assert airflow.api.wait_run("outlets_reconcile", run_id) == "success"
    [saved] = airflow.api.xcom("outlets_reconcile", run_id, "reconcile")["saved"]
    assert saved["kling_task_id"] == kling_task_id
    folder = Path(airflow.environment["KLING_VIDEOS"]) / "outlets_reconcile" / run_id / "orphans"
    assert {path.name for path in folder.iterdir()} >= {f"{kling_task_id}.mp4", f"{kling_task_id}.kling.json"}
