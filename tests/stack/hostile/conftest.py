# SPDX-License-Identifier: Apache-2.0
"""An Airflow of its own, connected to hosts that answer as nobody should; its XComs are in an object store."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from kling_provider.sandbox import Sandbox
from tests.contract.connecting import server
from tests.stack.hostile.hostile_hosts import endless_list, flood
from tests.support.stack import AirflowStack, wait_for
from tests.support.stack.processes import ProcessFamily, free_port
from tests.support.webhook import Webhook

HERE = Path(__file__).parent
#: What JSON may hold, and neither a database nor UTF-8.
BAD = "half a \ud83d pair, a zero \x00 and an end"
#: The hosts whose tasks wait for ever, each with its task.
ENDLESS = ("flood", "list")
_WORDS = [
    {"kind": "unknown_status", "status": f"strange {BAD}", "match": {"prompt_contains": "A word"}},
    {"kind": "task_fails", "message": f"it failed: {BAD}", "match": {"prompt_contains": "It fails"}},
    {"kind": "refused", "code": 1301, "message": BAD, "match": {"prompt_contains": "It is refused"}},
]
_TOMORROW = [{"kind": "rate_limited", "on": ["read", "list"], "retry_after": 86_400, "times": 1}]
_BACKEND = "airflow.providers.common.io.xcom.backend.XComObjectStorageBackend"


@pytest.hookimpl(tryfirst=True)  # before those of tests/stack are put on the one worker of the one stack
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("hostile"))
            item.add_marker(pytest.mark.timeout(900))


@dataclass
class Hostile:
    """The Airflow, and what stands around it.

    :param sandbox: the Kling of the innocent ones.
    :param tomorrow: the host that asks to be left alone until tomorrow.
    :param words: the host of odd texts.
    """

    stack: AirflowStack
    sandbox: Sandbox
    words: Sandbox
    tomorrow: Sandbox
    webhook: Webhook

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        self.stack.api.wait_for_dag(dag_id, timeout=150)
        return self.stack.api.trigger(dag_id, conf)

    def end(self, dag_id: str, run_id: str, timeout: float = 400) -> str:
        """How a run ended; how it stands, where it does not end in time."""
        try:
            return self.stack.api.wait_run(dag_id, run_id, timeout=timeout)
        except TimeoutError:
            return str(self.stack.api.states(dag_id, run_id))

    def told(self, words: str, count: int, timeout: float = 90) -> list[dict[str, Any]]:
        """Wait for so many messages with these words, or for the end of the time; return those that came."""

        def came() -> list[dict[str, Any]]:
            return [one for one in self.webhook.received if words in json.dumps(one)]

        with suppress(TimeoutError):
            wait_for(lambda: len(came()) >= count, timeout=timeout, what="messages")
        return came()

    def triggerer(self) -> dict[int, float]:
        """The processes of the triggerer, each with when it was started: pids come again."""
        leader = psutil.Process(self.stack.components["triggerer"].process.pid)
        family = [leader, *leader.children(recursive=True)]
        return {one.pid: one.create_time() for one in family if one.status() != psutil.STATUS_ZOMBIE}

    def get(self, path: str, **arguments: Any) -> requests.Response:
        """A page of the API server, as somebody who is signed in."""
        with requests.Session() as session:
            session.trust_env = False
            token = session.get(f"{self.stack.address}/auth/token", timeout=30).json()["access_token"]
            return session.get(
                self.stack.address + path,
                headers={"Authorization": f"Bearer {token}"},
                timeout=60,
                **arguments,
            )

    def cards(self, **query: Any) -> dict[tuple[str, str], dict[str, Any]]:
        """The gallery's cards, by Dag and task."""
        answer = self.get("/kling/api/videos", params=query)
        answer.raise_for_status()
        return {(one["dag_id"], one["task_id"]): one for one in answer.json()["cards"]}


@pytest.fixture(scope="session")
def of_users(request: pytest.FixtureRequest) -> Path | None:
    """The folder of users' inputs, or nothing where it is not here."""
    try:
        return Path(request.getfixturevalue("cases"))
    except pytest.skip.Exception:
        return None


@pytest.fixture(scope="session")
def half_a_pair(of_users: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host among users' inputs: its address."""
    if of_users is None:
        yield ""
        return
    port, family = free_port(), ProcessFamily()
    command = [sys.executable, str(of_users / "dags" / "half_a_pair_host.py"), str(port)]
    log = tmp_path_factory.mktemp("half-a-pair") / "log"
    try:
        process = family.start(command, environment={}, log=log)

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            with suppress(requests.ConnectionError):
                return requests.get(f"http://127.0.0.1:{port}/_stats", timeout=5).ok
            return False

        wait_for(answers, timeout=30, what="the host of half a pair")
        yield f"http://127.0.0.1:{port}"
    finally:
        family.end()


@pytest.fixture(scope="session")
def dags(of_users: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our Dags, and those of users, with the first of theirs at the host that they are about."""
    folder = tmp_path_factory.mktemp("dags")
    shutil.copytree(HERE / "dags", folder, dirs_exist_ok=True)
    if of_users is not None:
        text = (of_users / "dags" / "half_a_pair.py").read_text(encoding="utf-8")
        there = re.sub(r"(Kling\w+Operator\()", r'\1kling_conn_id="half_a_pair", ', text)
        (folder / "half_a_pair.py").write_text(there, encoding="utf-8")
        shutil.copy(of_users / "dags" / "notifier_of_a_dag.py", folder)
    return folder


@pytest.fixture(scope="session")
def hostile(dags: Path, half_a_pair: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    """The hosts, and an Airflow that is connected to all of them."""
    videos, xcoms = tmp_path_factory.mktemp("videos"), tmp_path_factory.mktemp("xcoms")
    with ExitStack() as running:
        sandbox = running.enter_context(Sandbox(concurrency=20))
        words = running.enter_context(Sandbox(concurrency=20))
        tomorrow = running.enter_context(Sandbox())
        webhook = running.enter_context(Webhook())
        sandbox.set_faults([{"kind": "slow_render", "factor": 60, "match": {"prompt_contains": "late"}}])
        words.set_faults(_WORDS)
        tomorrow.set_faults(_TOMORROW)
        hosts = {
            "kling_default": sandbox.url,
            "at_word": words.url,
            "at_tomorrow": tomorrow.url,
            "at_flood": f"http://127.0.0.1:{running.enter_context(server(flood))}",
            "at_list": f"http://127.0.0.1:{running.enter_context(server(endless_list()))}",
            **({"half_a_pair": half_a_pair} if half_a_pair else {}),
        }
        stack = running.enter_context(
            AirflowStack(
                dags_folder=dags,
                connections={
                    **{name: _kling(host, sandbox.api_key) for name, host in hosts.items()},
                    "kling_webhook": {"conn_type": "http", "host": webhook.address},
                },
                environment={
                    "KLING_VIDEOS": str(videos),
                    "AIRFLOW__KLING__GALLERY_ROOTS": str(videos),
                    "AIRFLOW__CORE__XCOM_BACKEND": _BACKEND,
                    "AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH": f"file://{xcoms}",
                    "AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_THRESHOLD": "0",
                },
                parallelism=12,
            )
        )
        yield Hostile(stack, sandbox, words, tomorrow, webhook)


def _kling(host: str, key: str) -> dict[str, Any]:
    return {"conn_type": "kling", "host": host, "password": key, "extra": {"profile": "kling"}}


@dataclass
class Played:
    """What came of it: the triggerer before and after, states by task, and what the host was asked."""

    before: dict[int, float]
    after: dict[int, float]
    videos: str
    time: str
    meanwhile: dict[str, str | None]
    at_last: dict[str, str | None]


@pytest.fixture(scope="session")
def played(hostile: Hostile) -> Played:
    api = hostile.stack.api
    run_id = hostile.trigger("hostile")
    for task_id in ("word", *ENDLESS):
        api.wait_task("hostile", run_id, task_id, ("deferred",), timeout=120)
    before = hostile.triggerer()
    # Beside a trigger that waits for ten seconds first: all hosts have been asked by then.
    videos, moment = hostile.trigger("innocent_videos"), hostile.trigger("innocent_time")
    ended = hostile.end("innocent_videos", videos), hostile.end("innocent_time", moment)
    meanwhile = api.states("hostile", run_id)
    with suppress(TimeoutError):
        for task_id in ("tomorrow", "word"):
            api.wait_task("hostile", run_id, task_id, ("success", "failed"), timeout=240)
    return Played(before, hostile.triggerer(), *ended, meanwhile, api.states("hostile", run_id))
