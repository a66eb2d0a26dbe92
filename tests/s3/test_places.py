# SPDX-License-Identifier: Apache-2.0
"""Who gets a place, on a whole Airflow: in a bucket and on a disk, while workers are killed.

Nothing is paid that cannot be saved, and nothing is paid for a place that another task holds.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.s3.conftest import BUCKET, BucketServer
from tests.support.sandbox_process import SandboxProcess
from tests.support.stack import AirflowStack, wait_for

_numbers = count()


@dataclass
class Stage:
    """One place that several tasks want, and a prompt of its own to count by."""

    stack: AirflowStack
    sandbox: SandboxProcess
    url: str
    files: Callable[[], set[str]]
    prompt: str = field(default_factory=lambda: f"Place number {next(_numbers)}")

    def trigger(self, dag_id: str, *requests: dict[str, Any]) -> str:
        self.stack.api.wait_for_dag(dag_id)
        wanted = [
            {"name": "film", "duration": 3, "prompt": self.prompt, **request} for request in requests or ({},)
        ]
        return self.stack.api.trigger(dag_id, {"place": self.url, "requests": wanted})

    def end(self, dag_id: str, run_id: str) -> str:
        return self.stack.api.wait_run(dag_id, run_id, timeout=240)

    @property
    def creates(self) -> int:
        """How many paid calls came for this prompt, also those that made nothing."""
        log = self.sandbox.call("GET", "/_sandbox/stats")["create_log"]
        return len([create for create in log if self.prompt in create["prompt"]])

    @property
    def made(self) -> int:
        """How many tasks were made for it."""
        return len(
            [one for one in self.sandbox.call("GET", "/_sandbox/tasks") if self.prompt in one["prompt"]]
        )

    @property
    def videos(self) -> set[str]:
        return {name for name in self.files() if name.endswith(".mp4")}

    def reason(self, dag_id: str, run_id: str) -> str:
        """Why the run's video failed."""
        known = self.stack.api.xcom(dag_id, run_id, "video", 0, key="kling")
        return str(known["reason"])

    def kill(self, dag_id: str, run_id: str) -> None:
        """SIGKILL of the process that makes the video."""
        instance = self.stack.api.task_instance(dag_id, run_id, "video", 0)

        def process() -> int | None:
            found = self.stack.task_processes(instance["id"])
            return found.task if found else None

        pid = wait_for(process, timeout=30, what="the task's process")
        assert pid
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(params=["s3", "disk"])
def stage(
    request: pytest.FixtureRequest, stack: AirflowStack, sandbox: SandboxProcess, s3: Any, tmp_path: Path
) -> Stage:
    if request.param == "disk":
        return Stage(
            stack,
            sandbox,
            str(tmp_path / "places"),
            lambda: {path.name for path in (tmp_path / "places").rglob("*")},
        )
    prefix = f"places-{next(_numbers)}/"

    def keys() -> set[str]:
        listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return {one["Key"].removeprefix(prefix) for one in listed}

    return Stage(stack, sandbox, f"s3://aws_videos@{BUCKET}/{prefix}", keys)


def refused(stage: Stage, dag_id: str, run_id: str) -> None:
    """The run ended before it paid, and its reason names the owner."""
    reason = stage.reason(dag_id, run_id)
    assert re.search(r"is claimed for another result|belongs to another result", reason), reason
    assert "Nothing was sent, nothing is billed." in reason
    assert f"Dag {'places' if dag_id != 'places' else 'places_of_others'}, run" in reason


def test_of_two_dags_that_want_one_file_at_once_one_pays(stage: Stage) -> None:
    runs = {dag_id: stage.trigger(dag_id) for dag_id in ("places", "places_of_others")}
    ends = {dag_id: stage.end(dag_id, run_id) for dag_id, run_id in runs.items()}
    assert sorted(ends.values()) == ["failed", "success"]
    (loser,) = [dag_id for dag_id, end in ends.items() if end == "failed"]
    refused(stage, loser, runs[loser])
    assert stage.creates == 1
    assert stage.files() == {"film.mp4", "film.kling.json", "film.mp4.jpg"}


def test_of_one_task_and_name_all_are_paid_and_saved(stage: Stage) -> None:
    """Two entries of one name in each of two runs at the same time."""
    entries = ({"prompt": f"{stage.prompt}, tea"}, {"prompt": f"{stage.prompt}, coffee"})
    runs = [stage.trigger("places", *entries) for _ in range(2)]
    assert [stage.end("places", run_id) for run_id in runs] == ["success"] * 2
    assert stage.creates == stage.made == 4
    assert len(stage.videos) == 4
    results = [stage.stack.api.xcom("places", run_id, "video", index) for run_id in runs for index in (0, 1)]
    told = {result["outputs"][0]["file"].rpartition("/")[2] for result in results}
    assert told == stage.videos
    assert {name for name in told if re.fullmatch(r"film\.[0-9a-f]{8}\.mp4", name)} == told - {"film.mp4"}
    manifests = {f"{name.removesuffix('.mp4')}.kling.json" for name in told}
    assert stage.files() == told | manifests | {f"{name}.jpg" for name in told}


@pytest.mark.parametrize("made", [False, True], ids=["before Kling makes the task", "before the answer"])
def test_a_killed_owner_keeps_its_place_and_saves_there(stage: Stage, made: bool) -> None:
    rule = {"kind": "slow", "seconds": 60, "before": not made, "times": 1}
    stage.sandbox.call(
        "POST", "/_sandbox/faults", json=[{**rule, "match": {"prompt_contains": stage.prompt}}]
    )
    run_id = stage.trigger("places")
    wait_for(lambda: stage.creates, timeout=90, what="the paid call")
    if made:
        wait_for(lambda: stage.made, timeout=30, what="the task")
    assert stage.files() == {"film.kling.json"}
    stage.kill("places", run_id)
    other = stage.trigger("places_of_others")
    assert stage.end("places_of_others", other) == "failed"
    refused(stage, "places_of_others", other)
    assert stage.end("places", run_id) == "success"
    assert stage.made == 1
    assert stage.files() == {"film.mp4", "film.kling.json", "film.mp4.jpg"}


@pytest.mark.parametrize("stage", ["s3"], indirect=True)
def test_an_owner_killed_between_its_claim_and_the_payment_pays_once(
    stage: Stage, bucket_server: BucketServer
) -> None:
    bucket_server.hold_claim("film.kling.json")
    try:
        run_id = stage.trigger("places")
        assert bucket_server.held.wait(90)
        assert stage.creates == 0
        stage.kill("places", run_id)
    finally:
        bucket_server.let_go()
    other = stage.trigger("places_of_others")
    assert stage.end("places_of_others", other) == "failed"
    refused(stage, "places_of_others", other)
    assert stage.end("places", run_id) == "success"
    assert stage.creates == stage.made == 1
    assert stage.files() == {"film.mp4", "film.kling.json", "film.mp4.jpg"}


def test_a_place_that_nothing_came_of_is_free_again(stage: Stage) -> None:
    rule = {"kind": "exhausted", "match": {"prompt_contains": stage.prompt}, "times": 1}
    stage.sandbox.call("POST", "/_sandbox/faults", json=[rule])
    run_id = stage.trigger("places")
    assert stage.end("places", run_id) == "failed"
    assert stage.files() == set()
    other = stage.trigger("places_of_others")
    assert stage.end("places_of_others", other) == "success"
    assert stage.made == 1
    assert stage.videos == {"film.mp4"}
