# SPDX-License-Identifier: Apache-2.0
"""The command line, the controls, the page, callbacks, and what importing costs."""

from __future__ import annotations

import json
import re
import select
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from airflow.sdk import Connection
from hypothesis import example, given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from kling_provider.api.auth import ApiKey
from kling_provider.hooks.connection import KlingConnection
from kling_provider.sandbox import Sandbox
from kling_provider.sandbox.connecting import list_exports
from kling_provider.sandbox.options import Options
from kling_provider.sandbox.state.callbacks import is_on_this_machine, sign_message
from tests.contract.sandbox_client import TIMEOUT, Client

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=100, webhook_secret="whsec_dGVzdHNlY3JldA==") as running:
        yield running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_line(tmp_path: Path, number: signal.Signals) -> None:
    port_file = tmp_path / "address"
    command = [sys.executable, "-m", "kling_provider.sandbox", "--port", "0", "--time-scale", "1000"]
    command += ["--port-file", str(port_file), "--state-dir", str(tmp_path / "state"), "--units", "7"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], 30)[0], "said nothing for 30 s"
            line = process.stdout.readline()
            match = re.match(r"Kling sandbox on (http://127\.0\.0\.1:\d+) key (\S+) ", line)
            assert match, line
            url, key = match.groups()
            assert port_file.read_text().strip() == url
            answer = requests.get(
                f"{url}/tasks?task_ids=0", headers={"Authorization": f"Bearer {key}"}, timeout=TIMEOUT
            )
            assert answer.json()["data"] == []
            process.send_signal(number)
            assert process.wait(10) == 0
        finally:
            process.kill()
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["tasks.jsonl"]  # no video was fetched


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """A sandbox that is expected not to start."""
    command = [sys.executable, "-m", "kling_provider.sandbox", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize("module", ["av", "PIL"])
def test_it_does_not_start_without_its_extra(module: str) -> None:
    """A create that is taken and a download that then fails would look like a fault of somebody else."""
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from kling_provider.sandbox.__main__ import main\n"
        "sys.exit(main([]))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=30
    )
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.startswith("Not started: ")
    assert "pip install 'airflow-provider-kling[sandbox]'" in process.stderr
    assert {"av": "PyAV", "PIL": "Pillow"}[module] + " must be installed" in process.stderr
    assert "Traceback" not in process.stderr


def test_it_says_why_it_cannot_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Sandbox(state_dir=tmp_path / "taken") as running:
        port = running.url.rpartition(":")[2]
        for arguments, words in (
            (("--port", port), f"127.0.0.1:{port}: Address already in use"),
            (("--state-dir", tmp_path / "taken"), "another sandbox is running with --state-dir"),
            (("--state-dir", tmp_path / "file"), f"{tmp_path / 'file'}: File exists"),
            (("--time-scale", 0), "time_scale must be above 0"),
        ):
            process = run(*arguments)
            assert (process.returncode, process.stdout) == (1, "")
            assert process.stderr.startswith(f"Not started: {words}")
            assert "Traceback" not in process.stderr


KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1).map("sk-".__add__)


@given(
    key=st.none() | KEYS,
    profile=st.sampled_from(["kling", "dmxapi", "new-api"]),
    prefix=st.sampled_from([None, "", "/kling", "/a/b"]),
)
@example(key="sk-it's%2F@:/?#&", profile="kling", prefix=None)
@example(key=None, profile="dmxapi", prefix=None)
def test_both_forms_to_paste_connect_to_it(key: str | None, profile: str, prefix: str | None) -> None:
    kind = {} if profile == "kling" else {"profile": "gateway", "shape": profile}
    options = Options(api_key=key, prefix=prefix, **kind)  # type: ignore[arg-type]
    address = "http://127.0.0.1:8765" + options.path_prefix
    for line in list_exports(options, address):
        word, assignment = shlex.split(line)
        name, _, value = assignment.partition("=")
        assert (word, name) == ("export", "AIRFLOW_CONN_KLING_DEFAULT")
        if value.startswith("{"):
            connection = Connection.from_json(value, conn_id="kling_default")
        else:
            connection = Connection.from_uri(value, conn_id="kling_default")
        assert connection.conn_type == "kling"
        read = KlingConnection.parse(connection)
        assert (read.base_url, read.profile.name) == (address, profile)
        assert read.credential == ApiKey(options.first_key)


def test_help_lists_options_and_faults() -> None:
    command = [sys.executable, "-m", "kling_provider.sandbox", "--help"]
    text = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=30
    ).stdout
    for word in ("--time-scale", "--concurrency", "answer_lost_after", "ids_forgotten"):
        assert word in text


def test_imports_are_light_and_of_its_own() -> None:
    code = (
        "import sys, kling_provider.sandbox.__main__ as m; from kling_provider.sandbox import Sandbox\n"
        "with Sandbox(): pass\n"
        "ours = {n for n in sys.modules if n.startswith('kling_provider')}\n"
        "assert all(n == 'kling_provider' or n.startswith('kling_provider.sandbox') for n in ours), ours\n"
        "heavy = {'av', 'PIL', 'airflow', 'requests', 'aiohttp', 'jwt', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True, timeout=30)


def test_the_controls(sandbox: Sandbox) -> None:
    client, base = Client(sandbox), f"{sandbox.url}/_sandbox"

    def post(name: str, body: object) -> Any:
        answer = requests.post(f"{base}/{name}", json=body, timeout=TIMEOUT)
        assert answer.status_code == 200, answer.text
        return answer.json()

    task_id = client.made(external_id="a")
    post("advance", {"seconds": 120})
    (task,) = requests.get(f"{base}/tasks", timeout=TIMEOUT).json()
    assert (task["id"], task["state"], task["units"]) == (task_id, "succeeded", "3")
    assert task["request"]["body"]["options"] == {"external_task_id": "a"}
    assert ["Authorization", "***"] in task["request"]["headers"]
    assert task["told"] is None
    (request,) = requests.get(f"{base}/requests", timeout=TIMEOUT).json()
    assert (request["method"], request["path"]) == ("POST", "/text-to-video/kling-3.0")
    assert ["Authorization", f"Bearer {client.key}"] in request["headers"]  # what is on the wire, as it was
    assert json.loads(request["body"])["prompt"] == task["prompt"]
    options = post("options", {"concurrency": 1, "units": 50, "time_scale": 5})
    assert (options["concurrency"], options["units"], options["time_scale"]) == (1, 50, 5.0)
    client.made()
    assert client.create_video().json()["code"] == 1303
    post("keys", {"api_key": "api-key-next"})
    assert client.create_video().status_code == 401
    post("reset", {})
    stats = requests.get(f"{base}/stats", timeout=TIMEOUT).json()
    assert (stats["tasks"]["total"], stats["creates"]["received"], stats["live"]) == (0, 0, 0)
    for name, body in (("options", {"port": 1}), ("advance", {"seconds": -1}), ("advance", {}), ("keys", {})):
        assert requests.post(f"{base}/{name}", json=body, timeout=TIMEOUT).status_code == 400
    assert requests.get(f"{base}/nothing", timeout=TIMEOUT).status_code == 404


def test_the_controls_say_when_an_end_was_first_told(sandbox: Sandbox) -> None:
    client, base = Client(sandbox), f"{sandbox.url}/_sandbox"

    def read_told() -> int | None:
        (task,) = requests.get(f"{base}/tasks", timeout=TIMEOUT).json()
        told: int | None = task["told"]
        return told

    task_id = client.made()
    client.task(task_id)
    assert read_told() is None  # it had not ended
    client.sandbox.advance(120)
    client.task(task_id)
    first = read_told()
    (task,) = requests.get(f"{base}/tasks", timeout=TIMEOUT).json()
    assert first is not None
    assert first >= task["ended"]
    client.sandbox.advance(60)
    client.post("/tasks", {})
    assert read_told() == first
    client.sandbox.reset()
    client.made()
    assert read_told() is None


def test_the_statistics_of_a_sandbox(sandbox: Sandbox) -> None:
    client = Client(sandbox)
    task_id = client.made(external_id="a", prompt="a panda")
    client.task(task_id)
    client.post("/tasks", {})
    client.get("/account/costs?start_time=1&end_time=2")
    stats = sandbox.stats()
    assert (stats["reads"], stats["lists"], stats["account_reads"], stats["downloads"]) == (1, 1, 1, 0)
    assert stats["paths"]["GET /tasks"] == 1
    (entry,) = stats["create_log"]
    assert {key: entry[key] for key in ("external_task_id", "model", "prompt", "answer", "task_id")} == {
        "external_task_id": "a",
        "model": "kling-3.0",
        "prompt": "a panda",
        "answer": "ok",
        "task_id": task_id,
    }
    assert stats["in_flight"][0]["began"] <= stats["now"]


def test_the_page_needs_nothing_from_outside(sandbox: Sandbox) -> None:
    page = requests.get(sandbox.url, timeout=TIMEOUT)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert not re.search(r"https?://|src=|@import", page.text.replace("video.src = task.video", ""))


def test_unknown_paths(sandbox: Sandbox) -> None:
    client = Client(sandbox)
    assert client.get("/v1/models").status_code == 404
    assert client.get("/nothing").json()["code"] == 1203
    assert client.call("DELETE", "/tasks").json()["code"] == 1202


class Receiver(HTTPServer):
    """Collects callbacks."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], str]] = []
        self.arrived = threading.Condition()
        super().__init__(("127.0.0.1", 0), ReceiverHandler)

    def wait_for(self, number: int) -> list[tuple[dict[str, str], str]]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.got) >= number, timeout=10), self.got
            return list(self.got)


class ReceiverHandler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with self.server.arrived:
            self.server.got.append((dict(self.headers), body))
            self.server.arrived.notify_all()
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_callbacks_at_every_change(sandbox: Sandbox, receiver: Receiver) -> None:
    client, address = Client(sandbox), f"http://127.0.0.1:{receiver.server_address[1]}/cb?x=1"
    client.made(external_id="a", options={"callback_url": address})
    sandbox.advance(10)
    receiver.wait_for(1)
    sandbox.advance(120)
    got = receiver.wait_for(2)
    assert [json.loads(body)["status"] for _, body in got] == ["processing", "succeeded"]
    headers, body = got[1]
    assert json.loads(body)["outputs"][0]["url"].startswith(sandbox.url)
    assert headers["webhook-signature"] == sign_message(
        "whsec_dGVzdHNlY3JldA==", headers["webhook-id"], headers["webhook-timestamp"], body
    )
    client.legacy(callback_url=address)
    sandbox.advance(10)
    receiver.wait_for(3)
    sandbox.advance(120)
    last = json.loads(receiver.wait_for(4)[3][1])
    assert (last["task_status"], set(last["task_result"])) == ("succeed", {"images", "videos", "audios"})


def test_what_goes_wrong_with_callbacks_on_demand(sandbox: Sandbox, receiver: Receiver) -> None:
    """Compared with the package of Standard Webhooks, which is not the sandbox's own signer."""
    client, address = Client(sandbox), f"http://127.0.0.1:{receiver.server_address[1]}/cb"

    def sign(headers: dict[str, str], body: str) -> str:
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        return Webhook("whsec_dGVzdHNlY3JldA==").sign(headers["webhook-id"], at, body)

    def receive(kind: str, number: int, **more: Any) -> list[tuple[dict[str, str], str]]:
        """What comes for one task with this fault, in its order."""
        before = len(receiver.got)
        sandbox.set_faults([{"kind": kind, **more}])
        client.made(options={"callback_url": address})
        sandbox.advance(200)
        return receiver.wait_for(before + number)[before:]

    assert [json.loads(body)["status"] for _, body in receive("callback_out_of_order", 2)] == [
        "succeeded",
        "processing",
    ]
    twice = receive("callback_twice", 4)
    assert [headers["webhook-id"] for headers, _ in twice[:2]] == [twice[0][0]["webhook-id"]] * 2
    assert twice[0] == twice[1] != twice[2] == twice[3]
    for headers, body in receive("callback_forged", 2):
        assert headers["webhook-signature"] != sign(headers, body)
    for headers, _ in receive("callback_unsigned", 2):
        assert not [name for name in headers if name.startswith("webhook-")]
    for headers, body in receive("callback_stale", 2, seconds=1000):
        assert sandbox.backend.clock() - int(headers["webhook-timestamp"]) >= 1000
        assert headers["webhook-signature"] == sign(headers, body)
    sandbox.set_faults([{"kind": "callback_late", "seconds": 500}])
    before = len(receiver.got)
    client.made(options={"callback_url": address})
    sandbox.advance(200)
    sandbox.set_faults([{"kind": "callback_lost"}])
    client.made(options={"callback_url": address})
    sandbox.advance(200)
    assert client.call("GET", "/_sandbox/stats").json()["callbacks"]["not sent: lost"] == 1
    assert len(receiver.got) == before
    sandbox.advance(300)
    assert len(receiver.wait_for(before + 2)) == before + 2


def test_every_callback_has_an_id_of_its_own(
    sandbox: Sandbox, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also two of the same moment: receivers tell a repeated message by its id (Standard Webhooks)."""
    client, address = Client(sandbox), f"http://127.0.0.1:{receiver.server_address[1]}/cb"
    moment = sandbox.backend.clock()
    monkeypatch.setattr(sandbox.backend, "clock", lambda: moment)
    for _ in range(2):
        client.made(options={"callback_url": address})
    monkeypatch.setattr(sandbox.backend, "clock", lambda: moment + 200)
    got = receiver.wait_for(4)
    assert len({headers["webhook-id"] for headers, _ in got}) == 4


def test_callbacks_stay_on_this_machine(sandbox: Sandbox) -> None:
    Client(sandbox).made(options={"callback_url": "http://192.0.2.1/cb"})
    sandbox.advance(120)
    assert sandbox.stats()["callbacks"] == {"not sent: not a loopback address": 1}
    assert all(map(is_on_this_machine, ("http://localhost:1/", "http://[::1]:1/", "http://127.0.0.1:80")))
    assert not any(
        map(is_on_this_machine, ("http://127.0.0.1.example.org/", "https://127.0.0.1/", "ftp://x"))
    )
