# SPDX-License-Identifier: Apache-2.0
"""Every Dag in the pages for users, as it stands there, on a whole Airflow and the sandbox."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.pages import read_blocks
from tests.support.stack import AirflowStack
from tests.support.webhook import Webhook

pytestmark = [pytest.mark.airflow_version, pytest.mark.timeout(600)]

BLOCKS = read_blocks("python")
DAG_IDS = [re.search(r'DAG\(\s*"(\w+)"', block.text)[1] for block in BLOCKS]  # type: ignore[index]


@dataclass
class Read:
    """A reader's runs: each Dag of the pages once, all at the same time."""

    stack: AirflowStack
    webhook: Webhook
    runs: dict[str, str]

    def state(self, dag_id: str) -> str:
        return self.stack.api.wait_run(dag_id, self.runs[dag_id], timeout=400)

    def states(self, dag_id: str) -> dict[str, str | None]:
        return self.stack.api.states(dag_id, self.runs[dag_id])

    def xcom(self, dag_id: str, task_id: str, map_index: int = -1) -> Any:
        return self.stack.api.xcom(dag_id, self.runs[dag_id], task_id, map_index)

    def file(self, dag_id: str, task_id: str, map_index: int = -1) -> Path:
        """The one file that a task saved."""
        [output] = self.xcom(dag_id, task_id, map_index)["outputs"]
        file = Path(output["file"].removeprefix("file://"))
        assert file.is_relative_to(self.stack.home / "kling-videos")  # where the gallery looks
        assert file.stat().st_size
        return file


@pytest.fixture(scope="module")
def read(stack: AirflowStack) -> Iterator[Read]:
    folder = Path(stack.environment["AIRFLOW__CORE__DAGS_FOLDER"]) / "pages"
    [prompt] = read_blocks("markdown", pages=("README.md",))
    (folder / "prompts").mkdir(parents=True)
    (folder / "prompts" / "red-panda.md").write_text(prompt.text, encoding="utf-8")
    for dag_id, block in zip(DAG_IDS, BLOCKS, strict=True):
        (folder / f"{dag_id}.py").write_text(block.text, encoding="utf-8")
    with Webhook() as webhook:
        connection = {"connection_id": "kling_webhook", "conn_type": "http", "host": webhook.address}
        stack.api.call("POST", "/connections", json=connection)
        runs = {}
        for dag_id in DAG_IDS:
            stack.api.wait_for_dag(dag_id, timeout=120)
            runs[dag_id] = stack.api.trigger(dag_id)
        yield Read(stack, webhook, runs)


@pytest.mark.parametrize("dag_id", [name for name in DAG_IDS if name != "docs_max_units"])
def test_every_documented_dag_runs(read: Read, dag_id: str) -> None:
    assert read.state(dag_id) == "success", read.states(dag_id)


def test_what_the_pages_say_of_it_is_so(read: Read) -> None:
    for dag_id in DAG_IDS:
        read.state(dag_id)
    assert read.file("films", "video", 0).name == "red-panda.mp4"
    assert read.file("docs_generate", "video").name == "red-panda.mp4"
    assert read.file("docs_three_tasks", "save").name.startswith("paper-boat-")
    assert {read.file("docs_budget", "video", index).stem for index in (0, 1)} == {"dawn", "dusk"}
    assert "a " in read.xcom("docs_decorator", "city")["prompt"]
    assert read.file("docs_decorator", "city")
    assert read.file("docs_hook", "save")
    assert set(read.xcom("docs_reconcile", "reconcile")) == {
        "saved",
        "kept",
        "known",
        "running",
        "failed",
        "young",
    }


def test_a_plan_pays_nothing_and_says_what_it_would(read: Read) -> None:
    read.state("docs_plan_only")
    plan = read.xcom("docs_plan_only", "video")
    assert plan["plan_only"] is True
    assert plan["kling_task_id"] is None
    assert plan["http"]["json"]["settings"]["resolution"] == "1080p"
    assert plan["price"]["units"] == "2.4"


def test_the_dearer_of_two_is_not_sent(read: Read) -> None:
    assert read.state("docs_max_units") == "failed"
    assert read.states("docs_max_units") == {"video_3s": "success", "video_15s": "failed"}


def test_the_chat_is_told(read: Read) -> None:
    read.state("docs_notifier")
    [message] = read.webhook.received
    assert message["channel"] == "#videos"
    assert message["text"].startswith("New video espresso (1.8 unit")
    assert message["text"].endswith("kling-videos/docs/espresso.mp4")
