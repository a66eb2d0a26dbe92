# SPDX-License-Identifier: Apache-2.0
"""What is taken at the route of callbacks, what is refused, and who is woken."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from tests.unit.callbacks.conftest import ANOTHER, OLD_SECRET, SECRET, Sender, Waiting


def standard(kling_task_id: str | int, status: str = "succeeded", **more: Any) -> str:
    times = {"create_time": 1781080778802, "update_time": 1781080794151}
    return json.dumps({"id": kling_task_id, "status": status, "message": "", **times, **more})


def legacy(kling_task_id: str, status: str = "succeed") -> str:
    empty: dict[str, Any] = {"images": [], "videos": [], "audios": []}
    return json.dumps({"task_id": kling_task_id, "task_status": status, "task_result": empty})


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (standard("t1"), "succeeded"),
        (standard(1, "failed").replace('"id": 1,', '"id": 913827032734642185,'), "failed"),
        (legacy("t1"), "succeeded"),
        (legacy("t1", "failed"), "failed"),
    ],
)
def test_both_forms_wake_the_one_who_waits(kling: Sender, waiting: Waiting, body: str, status: str) -> None:
    waited_for = "913827032734642185" if "913827032734642185" in body else "t1"
    waiting.defer(0, waited_for)
    waiting.defer(1, "t2")
    assert kling.send(body) == 200
    assert waiting.states() == {0: "scheduled", 1: "deferred"}
    event = waiting.event(0)
    assert (event["kling_task_id"], event["status"]) == (waited_for, status)
    assert event["woken_by"] == "callback"
    assert event["deadline"] == pytest.approx(time.time() + 900, abs=60)


def test_all_who_wait_for_one_task_are_woken(kling: Sender, waiting: Waiting) -> None:
    for index in range(3):
        waiting.defer(index, "t1")
    waiting.defer(3, "t1", kling_conn_id="kling_other")
    assert kling.send(standard("t1")) == 200
    assert waiting.states() == {0: "scheduled", 1: "scheduled", 2: "scheduled", 3: "deferred"}


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
@pytest.mark.parametrize("signatures", ["{}", "v1,bm90IG91cnM= {}", "v2,bm90IG91cnM= {} v1,bm90IG91cnM="])
def test_while_a_secret_is_rotated_each_of_them_signs(
    kling: Sender, waiting: Waiting, secret: str, signatures: str
) -> None:
    waiting.defer(0, "t1")
    assert kling.send(standard("t1"), secret=secret, signatures=signatures) == 200
    assert waiting.states() == {0: "scheduled"}


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"secret": ANOTHER}, 404),
        ({"secret": None}, 404),
        ({"signatures": ""}, 404),
        ({"signatures": "v1"}, 404),
        ({"signatures": "v2,{}"}, 404),
        ({"signatures": "{}é"}, 404),
        ({"age": 301}, 404),
        ({"age": -330}, 404),
        ({"signed": standard("t2")}, 404),
        ({"signed": standard("t1") + " "}, 404),
        ({"body": standard("t1", more="x" * 66_000)}, 413),
        ({"body": "not JSON"}, 404),
        ({"body": "[" * 60_000}, 404),
        ({"body": "[]"}, 404),
        ({"body": b"\xff\xfe"}, 404),
        ({"body": json.dumps({"id": {"t1": 1}, "status": "succeeded"})}, 404),
        ({"body": json.dumps({"id": True, "status": "succeeded"})}, 404),
        ({"body": json.dumps({"id": "t1"})}, 404),
        ({"body": json.dumps({"code": 0, "data": json.loads(standard("t1"))})}, 404),
        ({"conn_id": "kling_off"}, 404),
        ({"conn_id": "something_else"}, 404),
        ({"conn_id": "nobody"}, 404),
        ({"conn_id": "x" * 300}, 404),
        ({"conn_id": "a%00b"}, 404),
        ({"conn_id": "kling_other"}, 200),
        ({"body": standard("t1", "processing")}, 200),
        ({"body": standard("t1", "submitted")}, 200),
        ({"body": standard("t1", "Succeeded!")}, 200),
        ({"body": standard("t2")}, 200),
    ],
)
def test_nothing_else_wakes_anybody(
    kling: Sender, waiting: Waiting, wrong: dict[str, Any], status: int
) -> None:
    waiting.defer(0, "t1")
    if "{}é" in wrong.get("signatures", ""):
        with pytest.raises(UnicodeEncodeError):  # no client sends it as text; as bytes it is no base64
            kling.send(standard("t1"), **wrong)
        return
    assert kling.send(**{"body": standard("t1"), **wrong}) == status
    assert waiting.states() == {0: "deferred"}
    assert kling.send(standard("t1")) == 200
    assert waiting.states() == {0: "scheduled"}


def test_a_repeated_message_wakes_once(kling: Sender, waiting: Waiting) -> None:
    waiting.defer(0, "t1")
    assert kling.send(standard("t1"), message_id="one") == 200
    assert waiting.states() == {0: "scheduled"}
    waiting.defer(1, "t1")  # as the same task waits again
    assert kling.send(standard("t1"), message_id="one") == 200
    assert waiting.states() == {0: "scheduled", 1: "deferred"}
    assert kling.send(standard("t1"), message_id="another") == 200
    began = time.monotonic()
    while waiting.states()[1] == "deferred" and time.monotonic() - began < 20:
        pass  # the database is looked at once a second
    assert waiting.states() == {0: "scheduled", 1: "scheduled"}


def test_a_forged_message_does_not_use_up_an_id(kling: Sender, waiting: Waiting) -> None:
    waiting.defer(0, "t1")
    assert kling.send(standard("t1"), message_id="one", secret=ANOTHER) == 404
    assert kling.send(standard("t1"), message_id="one") == 200
    assert waiting.states() == {0: "scheduled"}


def test_a_message_of_which_the_announced_size_is_a_lie_is_not_read_on(
    kling: Sender, waiting: Waiting
) -> None:
    """Refused while it is read: the sender gets the answer before it has sent all."""
    sent = 0

    def parts() -> Any:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b"x" * 1024

    answer = kling.client.post("/kling-callbacks/kling_default", content=parts())
    assert answer.status_code == 413


def test_a_young_defer_is_woken_when_it_is_ten_seconds_old(kling: Sender, waiting: Waiting) -> None:
    waiting.defer(0, "t1", age=8.5)
    began = time.monotonic()
    assert kling.send(standard("t1")) == 200
    assert waiting.states() == {0: "deferred"}
    while waiting.states() == {0: "deferred"} and time.monotonic() - began < 20:
        pass
    assert waiting.states() == {0: "scheduled"}
    assert time.monotonic() - began >= 1.0


def test_a_callback_that_is_ahead_of_the_defer_finds_it_later(kling: Sender, waiting: Waiting) -> None:
    assert kling.send(standard("t1")) == 200
    waiting.defer(0, "t1")
    began = time.monotonic()
    while waiting.states() == {0: "deferred"} and time.monotonic() - began < 20:
        pass
    assert waiting.states() == {0: "scheduled"}


def test_a_flood_is_answered_before_anything_is_done_for_it(
    kling: Sender, waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kling_provider.plugins.callbacks.gate._RATE", 0.001)  # however slow this machine is
    waiting.defer(0, "t1")
    answers = [
        kling.client.post("/kling-callbacks/kling_default", content=b"{}").status_code for _ in range(310)
    ]
    assert answers == [404] * 300 + [429] * 10
    answer = kling.client.post("/kling-callbacks/kling_default", content=b"{}")
    assert (answer.json(), answer.headers["retry-after"]) == ({"detail": "Too many requests."}, "2")
    assert kling.client.post("/elsewhere").status_code == 404, "only callbacks are held up"
    assert waiting.states() == {0: "deferred"}


def test_what_woke_is_marked_for_the_triggerer_by_api_design(kling: Sender, waiting: Waiting) -> None:
    from airflow.models.variable import Variable
    from sqlalchemy import select

    def marks() -> dict[str, float]:
        waiting.seeds.session.rollback()
        return {one.key: float(one.val) for one in waiting.seeds.session.scalars(select(Variable))}

    waiting.defer(0, "t1")
    assert kling.send(standard("nobody waits for this")) == 200
    assert kling.send(standard("t1"), secret=ANOTHER) == 404
    assert marks() == {}
    assert kling.send(legacy("t1")) == 200
    assert marks() == {"kling_callbacks:kling_default:legacy": pytest.approx(time.time(), abs=30)}


def test_the_vendors_own_example_verifies(captures: Any) -> None:
    """The key, the message and the signature of Kling's page, by the package that the route verifies with."""
    from datetime import UTC, datetime

    vector = json.loads((captures / "27_webhook_signature_vector.json").read_text())
    at = datetime.fromtimestamp(int(vector["webhook_timestamp"]), UTC)
    signature = Webhook(vector["secret"]).sign(vector["webhook_id"], at, vector["raw_body"])
    assert signature == vector["expected_signature"]
