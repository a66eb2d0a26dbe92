# SPDX-License-Identifier: Apache-2.0
"""Keys, regions, signed tokens, packs and the number of tasks at once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

import pytest

from kling_provider.sandbox import Sandbox
from kling_provider.sandbox.http.errors import ApiError
from kling_provider.sandbox.options import Options
from kling_provider.sandbox.state.backend import Backend
from kling_provider.sandbox.state.clock import ManualClock
from kling_provider.sandbox.state.tasks import CreateRequest
from tests.contract.sandbox_client import Client, refused, token

COSTS = "/account/costs?start_time=0&end_time=9999999999999"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1) as running:
        yield running


def test_a_signed_token_works_on_legacy_and_account_paths_only(client: Client) -> None:
    sandbox = client.sandbox
    signed = Client(sandbox, token(sandbox.access_key, sandbox.secret_key))
    assert signed.legacy().status_code == 200
    assert signed.get("/v1/videos/text2video").status_code == 200
    assert signed.get(COSTS).status_code == 200
    for answer in (signed.create_video(), signed.get("/tasks?task_ids=1"), signed.post("/tasks", {})):
        refused(answer, 401, 1002, "The current API does not support AK/SK")


def test_bad_tokens(client: Client) -> None:
    access, secret = client.sandbox.access_key, client.sandbox.secret_key
    for bad, code, text in (
        (token(access, secret, nbf=60), 1003, ""),
        (token(access, secret, exp=-1), 1004, ""),
        (token(access, "x" * 40), 1002, "signature"),
        (token("nobody", secret), 1002, "access key"),
        ("a.b", 1002, "but got 2"),
        ("a.b.c.d", 1002, "but got > 3"),
        ("a.b.c", 1002, ""),
        ("api-key-of-nobody", 1002, "api key not found"),
    ):
        refused(Client(client.sandbox, bad).get(COSTS), 401, code, text)
    refused(client.get(COSTS, headers={"Authorization": "Basic abc"}), 401, 1000)


def test_accounts_do_not_see_each_other(client: Client) -> None:
    other = Client(client.sandbox, client.sandbox.backend.get_account("second").api_key)
    task_id = client.made(external_id="mine")
    assert other.get(f"/tasks?task_ids={task_id}").json()["data"] == []
    assert other.get("/tasks?external_task_ids=mine").json()["data"] == []
    assert other.post("/tasks", {}).json()["data"] == {"count": 0, "has_more": False}
    assert other.create_video(external_id="mine").status_code == 200


def test_a_rotated_key() -> None:
    with Sandbox() as sandbox:
        old = Client(sandbox)
        task_id = old.made()
        sandbox.rotate_key("api-key-new")
        refused(old.get("/tasks?task_ids=1"), 401, 1002, "api key not found")
        assert Client(sandbox).task(task_id)["id"] == task_id


def test_the_other_region() -> None:
    with Sandbox(region="china") as sandbox:
        assert Client(sandbox).create_video().status_code == 200
        global_key = sandbox.backend.get_account("other-region").api_key
        refused(Client(sandbox, global_key).create_video(), 401, 1002, "api key not found")


def test_tasks_at_once_are_counted_by_model_version(client: Client) -> None:
    for _ in range(3):
        client.made()
    for _ in range(2):
        assert client.legacy().status_code == 200  # kling-v3 is kling-3.0
    refused(client.create_video(), 429, 1303, "parallel task over resource pack limit")
    refused(client.legacy(), 429, 1303)
    assert client.create_video(model="kling-2.6").status_code == 200
    second = Client(client.sandbox, client.sandbox.backend.get_account("second").api_key)
    assert second.create_video().status_code == 200
    client.sandbox.advance(95)
    assert client.create_video().status_code == 200
    stats = client.sandbox.stats()
    assert stats["creates"]["answers"] == {"ok": 8, "concurrency": 2}
    assert stats["peak_live_by_model"]["kling-3.0"] == 5
    assert [task["ended"] is None for task in stats["in_flight"]].count(True) == 1


def test_a_refused_create_leaves_its_id_free(client: Client) -> None:
    for _ in range(5):
        client.made()
    refused(client.create_video(external_id="waits"), 429, 1303)
    client.sandbox.advance(95)
    assert client.create_video(external_id="waits").status_code == 200


def test_units_run_out() -> None:
    with Sandbox(units=4, time_scale=1) as sandbox:
        client = Client(sandbox)
        client.finished()
        client.finished()  # costs 3 with 1 left: it was accepted, so it is finished
        refused(client.create_video(), 429, 1102, "Account balance not enough")
        pack = client.get(COSTS).json()["data"]["resource_pack_subscribe_infos"][0]
        assert (pack["remaining_quantity"], pack["status"]) == (0.0, "runOut")
        assert sandbox.stats()["units"]["default"] == {"spent": "6", "remaining": "0"}


def test_the_pack_tells_its_limit_only_when_its_name_does(client: Client) -> None:
    pack = client.get(COSTS).json()["data"]["resource_pack_subscribe_infos"][0]
    assert pack["resource_pack_name"] == "Trial-Video-1000Units-5Con-1Months"
    with Sandbox(pack="plain", concurrency=1, time_scale=1) as sandbox:
        plain = Client(sandbox)
        pack = plain.get(COSTS).json()["data"]["resource_pack_subscribe_infos"][0]
        assert "Con" not in pack["resource_pack_name"]
        plain.made()
        refused(plain.create_video(), 429, 1303)
    refused(client.get("/account/costs"), 400, 1201, "start_time")


def test_the_documented_limit_of_costs() -> None:
    with Sandbox() as sandbox:
        client = Client(sandbox)
        assert client.get(COSTS).status_code == 200
        refused(client.get(COSTS), 429, 1302)
        sandbox.advance(1)
        assert client.get(COSTS).status_code == 200
        sandbox.reset()
        assert client.get(COSTS).status_code == 200
    with Sandbox(account_qps=0) as sandbox:
        assert {Client(sandbox).get(COSTS).status_code for _ in range(3)} == {200}


def test_twenty_threads_with_one_external_id_make_one_task(client: Client) -> None:
    barrier = threading.Barrier(20)
    answers: list[int] = []

    def create() -> None:
        barrier.wait()
        answers.append(client.create_video(external_id="once").status_code)

    threads = [threading.Thread(target=create) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(answers) == {200: 1, 400: 19}
    assert client.sandbox.stats()["tasks"]["total"] == 1


def test_a_backend_without_a_server() -> None:
    clock = ManualClock()
    backend = Backend(Options(concurrency=1, time_scale=30), clock)
    request = CreateRequest(
        dialect="standard",
        product="text-to-video",
        model="kling-3.0",
        model_name="kling-3.0",
        prompt="x",
        price=Decimal(3),
    )
    task = backend.create_task(backend.get_account(), request)
    with pytest.raises(ApiError, match="1303"):
        backend.create_task(backend.get_account(), request)
    states = []
    for _ in range(4):
        states.append(task.get_state(clock()))
        clock.advance_by(1)
    assert states == ["submitted", "processing", "processing", "succeeded"]
    assert backend.create_task(backend.get_account(), request).id > task.id
