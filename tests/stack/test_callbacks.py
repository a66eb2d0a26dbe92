# SPDX-License-Identifier: Apache-2.0
"""Kling's callbacks on a real Airflow with PostgreSQL: two API servers, a triggerer, and mapped tasks that wait."""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from standardwebhooks.webhooks import Webhook

from kling_provider.compat import has_callbacks
from kling_provider.sandbox import Sandbox
from tests.support.stack import AirflowStack, wait_for
from tests.support.stack.postgres import postgres, why_not
from tests.support.stack.processes import free_port

pytestmark = [
    pytest.mark.xdist_group("callbacks"),
    pytest.mark.timeout(900),
    pytest.mark.skipif(not has_callbacks(), reason="callbacks wake tasks from Airflow 3.3 on"),
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "PostgreSQL"),
]
HERE = Path(__file__).parent
SECRET = "whsec_dGhpcyBpcyB0aGUgc2VjcmV0IG9mIHRoZXNlIHRlc3Rz"
ANOTHER = "whsec_dGhpcyBpcyB0aGUgc2VjcmV0IG9mIHNvbWVib2R5IGVsc2U="
#: For how many tasks two API servers and the triggerer fire at the same moment.
#: (Not KLING_…: tests take such names out of the environment.)
AT_ONCE = int(os.environ.get("CALLBACKS_AT_ONCE", "20"))
#: How the sandbox of each Dag is.
SANDBOXES: dict[str, dict[str, Any]] = {
    "by_callback": {"render_seconds": 30},
    "hints": {"render_seconds": 3000},
    "young": {"render_seconds": 3},
    "at_once": {"render_seconds": 3000},
}


@dataclass
class World:
    """A running Airflow, and a Kling for each Dag."""

    stack: AirflowStack
    second: str
    sandboxes: dict[str, Sandbox]
    resumes: Path
    session: requests.Session = field(default_factory=requests.Session)

    def start(self, dag_id: str, number: int, *, age: float) -> tuple[str, dict[int, str]]:
        """Start a run, and return it with the Kling ids by map index once all tasks have waited for ``age`` seconds."""
        self.stack.api.wait_for_dag(dag_id, timeout=150)
        run_id = self.stack.api.trigger(dag_id, {"number": number})
        wait_for(
            lambda: [row["state"] for row in self.rows(dag_id)] == ["deferred"] * number,
            timeout=200 + 6 * number,
            interval=0.2,
            what=lambda: f"{number} waiting tasks: {self.rows(dag_id)}",
        )
        newest = "SELECT max(created_date) AS at FROM trigger"
        wait_for(
            lambda: (datetime.now(UTC) - self.stack.database.rows(newest)[0]["at"]).total_seconds() >= age,
            timeout=age + 10,
            what="old triggers",
        )
        return run_id, self.kling_ids(dag_id)

    def kling_ids(self, dag_id: str) -> dict[int, str]:
        """Kling's ids by map index: prompts are numbered as the tasks are."""
        tasks = self.sandboxes[dag_id].backend.all()
        return {int(str(task.request.prompt).rpartition(" ")[2]): task.id for task in tasks}

    def rows(self, dag_id: str) -> list[dict[str, Any]]:
        """What Airflow's database says of the mapped tasks."""
        return self.stack.database.rows(
            "SELECT map_index, state, trigger_id, try_number, scheduled_dttm FROM task_instance"
            " WHERE dag_id = :dag_id AND task_id = 'video' AND map_index >= 0 ORDER BY map_index",
            dag_id=dag_id,
        )

    def resumed(self, dag_id: str) -> dict[int, list[dict[str, Any]]]:
        """Each time that a task went on, with the event that it got, by map index."""
        files = (self.resumes / dag_id).glob("*.jsonl")
        return {int(one.stem): [json.loads(line) for line in one.read_text().splitlines()] for one in files}

    def post(
        self,
        dag_id: str,
        body: str,
        *,
        secret: str | None = SECRET,
        message_id: str | None = None,
        age: float = 0.0,
        server: str | None = None,
    ) -> int:
        """Send a message as Kling does, or nearly; return the status of the answer."""
        headers = {"Content-Type": "application/json"}
        if secret is not None:
            message_id, at = message_id or uuid.uuid4().hex, datetime.fromtimestamp(time.time() - age, UTC)
            headers |= {
                "webhook-id": message_id,
                "webhook-timestamp": str(int(at.timestamp())),
                "webhook-signature": Webhook(secret).sign(message_id, at, body),
            }
        url = f"{server or self.stack.address}/kling-callbacks/kling_{dag_id}"
        return self.session.post(url, body.encode(), headers=headers, timeout=30).status_code


def say_succeeded(kling_task_id: str, **more: Any) -> str:
    """The body of a callback of the standard API."""
    return json.dumps({"id": kling_task_id, "status": "succeeded", "message": "", "outputs": [], **more})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    dags, resumes = tmp_path_factory.mktemp("dags"), tmp_path_factory.mktemp("resumes")
    shutil.copytree(HERE / "callbacks" / "dags", dags, dirs_exist_ok=True)
    with ExitStack() as running:
        sandboxes = {
            name: running.enter_context(
                Sandbox(time_scale=1, concurrency=500, short_side=64, webhook_secret=SECRET, **options)
            )
            for name, options in SANDBOXES.items()
        }
        for name in ("hints", "at_once"):
            sandboxes[name].set_faults([{"kind": "callback_lost"}])  # the tests say them
        url = running.enter_context(postgres())
        stack = AirflowStack(dags_folder=dags, database_url=url, environment={"KLING_RESUMES": str(resumes)})
        for name, sandbox in sandboxes.items():
            stack.environment[f"AIRFLOW_CONN_KLING_{name.upper()}"] = json.dumps(
                {
                    "conn_type": "kling",
                    "host": sandbox.url,
                    "password": sandbox.api_key,
                    "extra": {
                        "profile": "kling",
                        "webhook_secret": f"{ANOTHER} {SECRET}" if name == "by_callback" else SECRET,
                        "callback_base_url": stack.address,
                    },
                }
            )
        running.enter_context(stack)
        port = free_port()
        stack.start("api-server", name="second-api-server", port=port)
        world = World(stack, f"http://127.0.0.1:{port}", sandboxes, resumes)
        world.session.trust_env = False
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=40)
        world.session.mount("http://", adapter)
        wait_for(
            lambda: _answers(world.session, f"{world.second}/api/v2/monitor/health"),
            timeout=240,
            what=lambda: f"the second API server\n{stack.logs()}",
        )
        yield world


def _answers(session: requests.Session, url: str) -> bool:
    try:
        return session.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def only_one_each(resumed: dict[int, list[dict[str, Any]]], number: int) -> Sequence[dict[str, Any]]:
    """The one event of each task; fails where a task went on twice, or not at all."""
    assert {index: len(lines) for index, lines in resumed.items()} == dict.fromkeys(range(number), 1)
    return [lines[0] for _, lines in sorted(resumed.items())]


def test_a_callback_wakes_mapped_tasks_within_a_second(world: World) -> None:
    """With two secrets, as while one is rotated; nothing is read while Kling renders."""
    number = 5
    run_id, ids = world.start("by_callback", number, age=0)
    assert world.stack.api.wait_run("by_callback", run_id, timeout=240) == "success"
    events = only_one_each(world.resumed("by_callback"), number)
    assert [(event["kling_task_id"], event["woken_by"]) for event in events] == [
        (ids[index], "callback") for index in range(number)
    ]
    sandbox = world.sandboxes["by_callback"]
    ends = {task.id: task.ends for task in sandbox.backend.all()}
    rows = world.rows("by_callback")
    notice = sorted(row["scheduled_dttm"].timestamp() - ends[ids[row["map_index"]]] for row in rows)
    print(f"notice by callback: {', '.join(f'{one:.3f}' for one in notice)} s")
    assert notice[-1] <= 1.0
    stats = sandbox.stats()
    assert stats["callbacks"]["200"] == 2 * number
    # One create and one read of the worker that goes on.
    assert (stats["creates"]["received"], stats["reads"], stats["lists"]) == (number, number, 0)
    assert [row["try_number"] for row in rows] == [1] * number
    # The triggerer cancels what the callback took from it.
    log = world.stack.api.log("by_callback", run_id, "video", map_index=0)
    assert "Nothing waits for Kling task" not in log


def test_what_is_not_kling_wakes_nothing(world: World) -> None:
    """Neither does a repetition. A right message is a hint: the worker looks, and waits on where Kling still renders."""
    run_id, ids = world.start("hints", 2, age=11)
    before = [row["trigger_id"] for row in world.rows("hints")]
    end = say_succeeded(ids[0])
    large = say_succeeded(ids[0], padding="x" * 70_000)
    statuses = {
        "forged": world.post("hints", end, secret=ANOTHER),
        "unsigned": world.post("hints", end, secret=None),
        "stale": world.post("hints", end, age=301),
        "from the future": world.post("hints", end, age=-301),
        "oversized": world.post("hints", large),
        "unreadable": world.post("hints", "[]"),
        "of another connection": world.post("at_once", end),
        "to no connection": world.post("nobody", end),
        "not the end": world.post("hints", json.dumps({"id": ids[0], "status": "processing"})),
    }
    assert statuses == {
        "forged": 404,
        "unsigned": 404,
        "stale": 404,
        "from the future": 404,
        "oversized": 413,
        "unreadable": 404,
        "of another connection": 200,
        "to no connection": 404,
        "not the end": 200,
    }
    rows = world.rows("hints")
    assert [(row["state"], row["trigger_id"]) for row in rows] == [("deferred", one) for one in before]
    # A message of Kling's that is ahead of its reads.
    assert world.post("hints", end, message_id="said-once") == 200
    wait_for(lambda: world.resumed("hints").get(0), timeout=30, what="the first task to look")
    again = wait_for(
        lambda: (row := world.rows("hints")[0])["state"] == "deferred" and row["trigger_id"],
        timeout=60,
        what="the first task to wait on",
    )
    assert again not in (None, before[0])
    young = "SELECT created_date AS at FROM trigger WHERE id = :id"
    made_at = world.stack.database.rows(young, id=again)[0]["at"]
    wait_for(lambda: (datetime.now(UTC) - made_at).total_seconds() > 11, timeout=20, what="an old trigger")
    assert world.post("hints", end, message_id="said-once") == 200
    assert world.post("hints", say_succeeded(ids[1], more="legacy"), secret=ANOTHER) == 404
    assert [(row["state"], row["trigger_id"]) for row in world.rows("hints")] == [
        ("deferred", again),
        ("deferred", before[1]),
    ]
    # Both forms are understood, and what is said in the end is true.
    world.sandboxes["hints"].advance(3000)
    legacy = json.dumps({"task_id": ids[1], "task_status": "succeed", "task_result": {}})
    assert world.post("hints", end) == world.post("hints", legacy) == 200
    assert world.stack.api.wait_run("hints", run_id, timeout=240) == "success"
    resumed = world.resumed("hints")
    assert (len(resumed[0]), len(resumed[1])) == (2, 1)
    assert {event["try"] for events in resumed.values() for event in events} == {1}


def test_a_callback_that_comes_early_wakes_when_the_defer_is_ten_seconds_old(world: World) -> None:
    """Before, the scheduler may not have seen the end of the process that deferred."""
    run_id = world.stack.api.trigger("young", {"number": 3})
    assert world.stack.api.wait_run("young", run_id, timeout=240) == "success"
    only_one_each(world.resumed("young"), 3)
    ends = {task.id: task.ends for task in world.sandboxes["young"].backend.all()}
    ids = world.kling_ids("young")
    notice = [row["scheduled_dttm"].timestamp() - ends[ids[row["map_index"]]] for row in world.rows("young")]
    print(f"notice of early callbacks: {', '.join(f'{one:.1f}' for one in notice)} s")
    assert all(4 < one < 25 for one in notice), "polling would take ten minutes"


def test_two_api_servers_and_the_triggerer_fire_at_once(world: World) -> None:
    """Whoever is first, each task goes on once."""
    run_id, ids = world.start("at_once", AT_ONCE, age=11)
    servers = (world.stack.address, world.second)
    with ThreadPoolExecutor(32) as threads:
        world.sandboxes["at_once"].advance(3000)
        # At its next look the triggerer finds the ends. It fires for one after the other, and the callbacks come in between.
        wait_for(
            lambda: any(row["state"] != "deferred" for row in world.rows("at_once")),
            timeout=60,
            interval=0.005,
            what="the triggerer",
        )
        answers = list(
            threads.map(
                lambda one: world.post("at_once", say_succeeded(one[0]), server=one[1]),
                [(kling_id, server) for kling_id in ids.values() for server in servers],
            )
        )
    assert Counter(answers) == {200: 2 * AT_ONCE}
    assert world.stack.api.wait_run("at_once", run_id, timeout=200 + 6 * AT_ONCE) == "success"
    events = only_one_each(world.resumed("at_once"), AT_ONCE)
    print(f"{AT_ONCE} tasks woken by {dict(Counter(event.get('woken_by', 'triggerer') for event in events))}")
    rows = world.rows("at_once")
    assert {(row["state"], row["try_number"]) for row in rows} == {("success", 1)}
    assert [event["kling_task_id"] for event in events] == [ids[index] for index in range(AT_ONCE)]
