# SPDX-License-Identifier: Apache-2.0
"""Faults on DMXAPI's responses route, where one path makes tasks and reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from kling_provider.sandbox import Sandbox
from tests.contract.responses_client import (
    BAILIAN,
    FORMS,
    V3,
    V26,
    Responses,
    id_of,
    open_responses,
    said,
    told,
)
from tests.contract.sandbox_client import TIMEOUT, Client


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_responses() as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Responses:
    sandbox.reset()
    return Responses(sandbox, "sk-x")


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("kind", ["answer_lost_after", "answer_cut"])
def test_a_lost_answer(name: str, kind: str, client: Responses) -> None:
    client.sandbox.set_faults([{"kind": kind}])
    with pytest.raises(requests.RequestException):
        client.ask(FORMS[name])
    assert len(client.sandbox.backend.all()) == 1
    assert client.sandbox.stats()["creates"]["answers"] == {kind: 1}


@pytest.mark.parametrize("name", FORMS)
def test_errors_of_the_route(name: str, client: Responses) -> None:
    """Those before the task is made, and those after, in the gateway's own form."""
    wanted = [
        ({"kind": "error_before", "code": 5000}, 500, "dmxapi_kling_error_5000", 0),
        ({"kind": "error_after", "code": 5002}, 504, "dmxapi_kling_error_5002", 1),
        ({"kind": "concurrency"}, 429, "dmxapi_kling_error_1303", 0),
        ({"kind": "rate_limited"}, 429, "dmxapi_kling_error_1302", 0),
        ({"kind": "exhausted"}, 403, "insufficient_user_quota", 0),
        ({"kind": "moderation"}, 400, "dmxapi_kling_error_1301", 0),
        ({"kind": "auth"}, 401, "", 0),
    ]
    for rule, status, code, made in wanted:
        client.sandbox.reset()
        client.sandbox.set_faults([rule])
        answer = client.ask(FORMS[name])
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert len(client.sandbox.backend.all()) == made
    client.sandbox.reset()
    client.sandbox.set_faults([{"kind": "html_502", "on": "any"}])
    assert client.ask(FORMS[name]).headers["Content-Type"] == "text/html"
    assert client.read(FORMS[name], "1").status_code == 502
    client.sandbox.set_faults([{"kind": "outage"}])
    assert client.read(FORMS[name], "1").status_code == 503
    assert client.ask(FORMS[name]).status_code == 200, "a create is no read, though the route is the same"
    stats = client.sandbox.stats()
    assert (stats["creates"]["received"], stats["reads"]) == (2, 2)
    assert stats["paths"] == {"POST /v1/responses": 4}


@pytest.mark.parametrize("place", ["beside", "message", "none"])
@pytest.mark.parametrize("name", FORMS)
def test_an_accepted_create_that_looks_refused(name: str, place: str, client: Responses) -> None:
    client.sandbox.set_faults([{"kind": "accepted_with_400", "place": place}])
    answer = client.ask(FORMS[name])
    error = answer.json().pop("error")
    assert (answer.status_code, error["code"]) == (400, "dmxapi_kling_error_0")
    (task,) = client.sandbox.backend.all()
    if place == "none":
        assert set(answer.json()) == {"error"}
        assert error["message"] == "SUCCEED"
        return
    payload = answer.json() if place == "beside" else json.loads(error["message"])
    client.sandbox.set_faults([])
    assert client.read(FORMS[name], id_of(payload)).status_code == 200
    assert task.id == id_of(payload) or name != "v2.6"


@pytest.mark.parametrize("name", FORMS)
def test_a_failed_task_that_looks_refused(name: str, client: Responses) -> None:
    rules: list[dict[str, Any]] = [{"kind": "failed_with_400"}]
    client.sandbox.set_faults([*rules, {"kind": "task_fails", "match": {"prompt_contains": "sinks"}}])
    sinking = json.loads(json.dumps(FORMS[name]).replace("a boat", "a boat sinks"))
    good, bad = client.made(FORMS[name]), client.made(sinking)
    client.sandbox.advance(120)
    assert client.read(FORMS[name], good).status_code == 200
    answer = client.read(sinking, bad)
    assert answer.status_code == 400
    words = {"v2.6": "failed", "v3": '"task_status":"failed"', "bailian": '"task_status":"FAILED"'}
    assert words[name] in answer.json()["error"]["message"]
    assert client.sandbox.stats()["faults"]["failed_with_400"] == 1


@pytest.mark.parametrize("name", FORMS)
def test_an_answer_without_an_id(name: str, client: Responses) -> None:
    client.sandbox.set_faults([{"kind": "missing_id"}])
    answer = client.ask(FORMS[name])
    assert answer.status_code == 200
    (task,) = client.sandbox.backend.all()
    assert task.id not in answer.text
    assert "tsk-" not in answer.text
    assert "taskId" not in answer.text
    assert "task_id" not in answer.text


def test_other_words_links_and_outputs(client: Responses) -> None:
    ids = {name: client.made(body) for name, body in FORMS.items()}
    client.sandbox.advance(120)
    client.sandbox.set_faults([{"kind": "unknown_status", "status": "CANCELED"}])
    assert "CANCELED" in told(client.read(V26, ids["v2.6"]))
    assert said(client.read(V3, ids["v3"]).json())["data"]["task_status"] == "CANCELED"
    assert said(client.read(BAILIAN, ids["bailian"]).json())["task_status"] == "CANCELED"
    client.sandbox.set_faults([{"kind": "expired_link"}])
    url = said(client.read(BAILIAN, ids["bailian"]).json())["video_url"]
    assert requests.get(url, timeout=TIMEOUT).status_code == 403
    client.sandbox.set_faults([{"kind": "outputs", "outputs": []}])
    assert "video_url" not in said(client.read(BAILIAN, ids["bailian"]).json())
    assert said(client.read(V3, ids["v3"]).json())["data"]["task_result"] == {}
    assert "http" not in told(client.read(V26, ids["v2.6"]))
    client.sandbox.set_faults([{"kind": "wrong_code_shape", "code": "0"}])
    assert said(client.read(V3, ids["v3"]).json())["code"] == "0"
    assert client.ask(V26).json()["code"] == "0"
    client.sandbox.set_faults([{"kind": "flood", "megabytes": 1, "gzip": False}])
    assert ids["v2.6"] in told(client.read(V26, ids["v2.6"]))


def test_any_gateway_can_look_so() -> None:
    with Sandbox(profile="gateway", shape="native", time_scale=1) as sandbox:
        sandbox.set_faults([{"kind": "accepted_with_400", "status": 422}])
        answer = Client(sandbox, "sk-x", "/kling").legacy()
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "dmxapi_kling_error_0")
        assert answer.json()["data"]["task_id"] == sandbox.backend.all()[0].id
