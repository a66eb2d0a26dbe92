# SPDX-License-Identifier: Apache-2.0
"""Every fault does what its line in the table says."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from kling_provider.sandbox.state.faults import KINDS
from tests.contract.sandbox_client import TIMEOUT, Client, refused, token

CUT = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


def fault(client: Client, kind: str, **rest: Any) -> None:
    client.sandbox.set_faults([{"kind": kind, **rest}])


def made(client: Client) -> int:
    return client.sandbox.stats()["creates"]["made"]


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("made_too", [False, True])
@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({"error": {"message": "no \ud83d"}}, b'{"error":{"message":"no \\ud83d"}}'),
        ("<html>", b"<html>"),
        ([1, "你"], '[1,"你"]'.encode()),
    ],
)
def test_answer(client: Client, made_too: bool, body: Any, sent: bytes) -> None:
    headers = {"Retry-After": "7", "Content-Type": "text/x-odd"}
    fault(client, "answer", status=418, headers=headers, body=body, made=made_too)
    answer = client.create_video()
    assert (answer.status_code, answer.content) == (418, sent)
    assert (answer.headers["Retry-After"], answer.headers["Content-Type"]) == ("7", "text/x-odd")
    assert made(client) == made_too


def test_drip(client: Client) -> None:
    fault(client, "drip", seconds=0.005, on="read")
    began = time.monotonic()
    answer = client.get("/tasks?task_ids=1")
    assert answer.json()["data"] == []
    assert time.monotonic() - began >= 0.005 * len(answer.content)


@pytest.mark.parametrize("packed", [True, False])
def test_flood(client: Client, packed: bool) -> None:
    fault(client, "flood", megabytes=3, gzip=packed)
    answer = client.get("/tasks?task_ids=1")
    assert answer.json()["data"] == []
    assert len(answer.content) > 3 * 1024**2
    assert (int(answer.headers["Content-Length"]) < 100_000) is packed


def test_answer_lost_after(client: Client) -> None:
    fault(client, "answer_lost_after", times=1)
    with pytest.raises(requests.ConnectionError):
        client.create_video(external_id="a")
    assert made(client) == 1
    assert len(client.get("/tasks?external_task_ids=a").json()["data"]) == 1
    refused(client.create_video(external_id="a"), 400, 1201, "already exists")
    assert client.sandbox.stats()["creates"] == {
        "received": 2,
        "made": 1,
        "answers": {"answer_lost_after": 1, "duplicate": 1},
    }


def test_answer_lost_before(client: Client) -> None:
    fault(client, "answer_lost_before", times=1)
    with pytest.raises(requests.ConnectionError):
        client.create_video(external_id="a")
    assert made(client) == 0
    assert client.create_video(external_id="a").status_code == 200


def test_answer_cut(client: Client) -> None:
    fault(client, "answer_cut")
    with pytest.raises(CUT):
        client.create_video()
    assert made(client) == 1


@pytest.mark.parametrize(("code", "status"), [(5000, 500), (5001, 503), (5002, 504)])
@pytest.mark.parametrize("kind", ["error_before", "error_after"])
def test_server_errors(client: Client, kind: str, code: int, status: int) -> None:
    fault(client, kind, code=code)
    refused(client.create_video(), status, code)
    assert made(client) == (kind == "error_after")


@pytest.mark.parametrize("task", [False, True])
def test_html_502(client: Client, task: bool) -> None:
    fault(client, "html_502", made=task, retry_after=3)
    answer = client.create_video()
    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html")
    assert answer.headers["Retry-After"] == "3"
    assert made(client) == task


@pytest.mark.parametrize("task", [False, True])
def test_status_408(client: Client, task: bool) -> None:
    fault(client, "status_408", made=task)
    assert client.create_video().status_code == 408
    assert made(client) == task


def test_redirect(client: Client) -> None:
    fault(client, "redirect", times=1)
    answer = client.create_video()
    assert (answer.status_code, made(client)) == (307, 0)
    assert client.sandbox.stats()["redirects_followed"] == 0
    requests.post(answer.headers["Location"], timeout=TIMEOUT)
    assert client.sandbox.stats()["redirects_followed"] == 1


@pytest.mark.parametrize("before", [False, True])
def test_slow(client: Client, before: bool) -> None:
    fault(client, "slow", seconds=0.3, before=before)
    start = time.monotonic()
    assert client.get("/tasks?task_ids=1").status_code == 200
    assert time.monotonic() - start >= 0.3
    with pytest.raises(requests.ReadTimeout):
        client.call("POST", "/text-to-video/kling-3.0", json={"prompt": "x"}, timeout=0.1)
    assert made(client) == (not before)
    wait_until(lambda: made(client) == 1)  # late, but done


@pytest.mark.parametrize(
    ("kind", "rest", "status", "code"),
    [
        ("rate_limited", {}, 429, 1302),
        ("concurrency", {}, 429, 1303),
        ("arrears", {}, 429, 1101),
        ("exhausted", {}, 429, 1102),
        ("moderation", {}, 400, 1301),
        ("moderation", {"code": 1300}, 400, 1300),
        ("auth", {"code": 1000}, 401, 1000),
        ("auth", {"code": 1002}, 401, 1002),
        ("auth", {"code": 1004}, 401, 1004),
        ("auth", {"code": 1103}, 403, 1103),
        ("auth", {"code": 1304}, 429, 1304),
        ("refused", {"code": 1201, "message": "prompt is odd"}, 400, 1201),
    ],
)
def test_refusals(client: Client, kind: str, rest: dict[str, Any], status: int, code: int) -> None:
    fault(client, kind, **rest)
    refused(client.create_video(), status, code, rest.get("message"))
    assert made(client) == 0


def test_retry_after_of_a_rate_limit(client: Client) -> None:
    fault(client, "rate_limited", retry_after=7, on="read")
    assert client.get("/tasks?task_ids=1").headers["Retry-After"] == "7"
    assert client.create_video().status_code == 200


def test_task_fails(client: Client) -> None:
    fault(client, "task_fails", times=1, after=0.5)
    task_id, fine = client.made(), client.made()
    client.sandbox.advance(46)
    task = client.task(task_id)
    assert (task["status"], task["message"]) == ("failed", "Failure to pass the risk control system")
    assert (task["outputs"], task["billing"]) == ([], [{"amount": "0"}])
    assert client.task(fine)["status"] == "processing"


def test_stuck(client: Client) -> None:
    fault(client, "stuck")
    task_id = client.made()
    client.sandbox.advance(86400)
    assert client.task(task_id)["status"] == "processing"


def test_slow_render(client: Client) -> None:
    fault(client, "slow_render", factor=3)
    task_id = client.made()
    client.sandbox.advance(200)
    assert client.task(task_id)["status"] == "processing"
    client.sandbox.advance(80)
    assert client.task(task_id)["status"] == "succeeded"


@pytest.mark.parametrize("mode", ["refused", "free"])
def test_ids_forgotten(client: Client, mode: str) -> None:
    fault(client, "ids_forgotten", seconds=100, mode=mode, times=1)
    task_id = client.made(external_id="a")
    client.sandbox.advance(99)
    assert client.task(task_id)["id"] == task_id
    client.sandbox.advance(2)
    for read in (f"/tasks?task_ids={task_id}", "/tasks?external_task_ids=a"):
        assert client.get(read).json()["data"] == []
    assert client.post("/tasks", {}).json()["data"]["count"] == 0
    assert client.create_video(external_id="a").status_code == (400 if mode == "refused" else 200)


def test_cut_download(client: Client) -> None:
    task = client.finished(duration=3)
    fault(client, "cut_download", times=1)
    with pytest.raises(CUT):
        assert requests.get(task["outputs"][0]["url"], timeout=TIMEOUT).content
    assert requests.get(task["outputs"][0]["url"], timeout=TIMEOUT).content


def test_expired_link(client: Client) -> None:
    task_id = client.made(duration=3)
    client.sandbox.advance(120)
    fault(client, "expired_link", times=1)
    dead, alive = (client.task(task_id)["outputs"][0]["url"] for _ in range(2))
    assert requests.get(dead, timeout=TIMEOUT).status_code == 403
    assert requests.get(alive, timeout=TIMEOUT).status_code == 200
    fault(client, "expired_link", seconds=60)
    soon = client.task(task_id)["outputs"][0]["url"]
    assert requests.head(soon, timeout=TIMEOUT).status_code == 200
    client.sandbox.advance(61)
    assert requests.head(soon, timeout=TIMEOUT).status_code == 403


def test_unknown_status_of_the_tasks_that_match(client: Client) -> None:
    one, two = client.made(external_id="one"), client.made(external_id="two")
    fault(client, "unknown_status", match={"external_task_id": "one"})
    found = {task["id"]: task["status"] for task in client.get(f"/tasks?task_ids={one},{two}").json()["data"]}
    assert found == {one: "paused", two: "submitted"}
    fault(client, "unknown_status", status="archived")
    assert client.task(two)["status"] == "archived"


def test_missing_id(client: Client) -> None:
    fault(client, "missing_id")
    answer = client.create_video()
    assert (answer.status_code, answer.json()["code"], "id" in answer.json()["data"]) == (200, 0, False)
    assert "task_id" not in client.legacy().json()["data"]
    assert made(client) == 2


def test_wrong_code_shape(client: Client) -> None:
    fault(client, "wrong_code_shape", code="success")
    assert client.create_video().json()["code"] == "success"
    assert client.get("/tasks?task_ids=1").json()["code"] == "success"


def test_outage(client: Client) -> None:
    fault(client, "outage", for_seconds=120)
    task_id = client.made()
    answer = client.get(f"/tasks?task_ids={task_id}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "text/html")
    assert client.post("/tasks", {}).status_code == 503
    client.sandbox.advance(121)
    assert client.task(task_id)["status"] == "succeeded"


def test_refuse_connect(client: Client) -> None:
    fault(client, "refuse_connect", seconds=2)
    closed = time.monotonic()
    with pytest.raises(requests.ConnectionError, match="refused"):
        client.create_video()
    while time.monotonic() - closed < 10:
        try:
            assert client.create_video().status_code == 200
            break
        except requests.ConnectionError:
            continue
    assert made(client) == 1


def test_external_id_not_echoed(client: Client) -> None:
    fault(client, "external_id_not_echoed")
    created = client.create_video(external_id="a").json()["data"]
    assert "external_id" not in created
    assert "external_id" not in client.get("/tasks?external_task_ids=a").json()["data"][0]
    refused(client.create_video(external_id="a"), 400, 1201, "already exists")


def test_ids_ignored(client: Client) -> None:
    fault(client, "ids_ignored")
    assert "external_id" not in client.create_video(external_id="a").json()["data"]
    assert client.create_video(external_id="a").status_code == 200
    assert client.get("/tasks?external_task_ids=a").json()["data"] == []


def test_no_lock(client: Client) -> None:
    fault(client, "no_lock")
    ids = {client.made(external_id="a"), client.made(external_id="a")}
    assert {task["id"] for task in client.get("/tasks?external_task_ids=a").json()["data"]} == ids


@pytest.mark.parametrize(("seconds", "code"), [(-600, 1003), (3600, 1004)])
def test_skewed_clock(client: Client, seconds: int, code: int) -> None:
    fault(client, "skewed_clock", seconds=seconds)
    sandbox = client.sandbox
    path = "/account/costs?start_time=1&end_time=2"
    real = sandbox.backend.clock()
    answer = Client(sandbox, token(sandbox.access_key, sandbox.secret_key, now=real)).get(path)
    refused(answer, 401, code)
    theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    assert theirs == pytest.approx(real + seconds, abs=2)
    signed_by_their_clock = token(sandbox.access_key, sandbox.secret_key, now=theirs)
    assert Client(sandbox, signed_by_their_clock).get(path).status_code == 200


def test_who_is_hit_and_how_often(client: Client) -> None:
    fault(client, "arrears", match={"prompt_contains": "panda", "nth": [2, 3]}, times=1)
    prompts = ["a panda", "a cat", "a panda", "a panda"]
    assert [client.create_video(prompt).status_code for prompt in prompts] == [200, 200, 429, 200]
    fault(client, "arrears", match={"model": "kling-3.0"})
    assert [client.legacy().status_code, client.create_video(model="kling-2.6").status_code] == [429, 200]


def test_chance_is_repeatable(client: Client) -> None:
    def draw() -> list[int]:
        fault(client, "error_before", probability=0.5)
        return [client.create_video().status_code for _ in range(20)]

    first, second = draw(), draw()
    assert first == second
    assert set(first) == {200, 500}


def test_rules_are_checked(client: Client) -> None:
    url = f"{client.sandbox.url}/_sandbox/faults"
    for rules in (
        [{"kind": "x"}],
        [{"kind": "stuck", "tmies": 1}],
        [{"kind": "stuck", "match": {"id": 1}}],
        [1],
    ):
        answer = requests.post(url, json=rules, timeout=TIMEOUT)
        assert (answer.status_code, "rule 1" in answer.text) == (400, True)
    requests.post(url, json=[{"kind": "stuck"}], timeout=TIMEOUT)
    assert requests.get(url, timeout=TIMEOUT).json()["rules"] == [{"kind": "stuck", "seen": 0, "acted": 0}]
    requests.delete(url, timeout=TIMEOUT)
    known = requests.get(url, timeout=TIMEOUT).json()
    assert (known["rules"], set(known["kinds"])) == ([], set(KINDS))


def test_faults_leave_the_controls_alone(client: Client) -> None:
    fault(client, "auth", on="any")
    assert requests.get(f"{client.sandbox.url}/_sandbox/stats", timeout=TIMEOUT).status_code == 200
    refused(client.get("/tasks?task_ids=1"), 401, 1002)
