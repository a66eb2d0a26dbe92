# SPDX-License-Identifier: Apache-2.0
"""What a host refuses was not made: the error says so, and the mended task goes on without ``adopt``.

All of it at a host without a lock, where a call whose end is unknown is never sent again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_provider.api.codes import TaskState
from kling_provider.exceptions import (
    KlingAuthError,
    KlingBalanceError,
    KlingError,
    KlingModerationError,
    KlingRequestError,
)
from kling_provider.hooks.kling import KlingHook
from kling_provider.sandbox import Sandbox
from tests.contract.connecting import say, server
from tests.regressions.attempts import PANDA, attempt, made, use_connection
from tests.regressions.renamed import QueueTrigger
from tests.unit.instance import Instance

PAGE = "<!DOCTYPE html><html><head><title>Welcome</title></head><body>A dashboard</body></html>"
SUCCESS = {
    "code": 0,
    "message": "SUCCEED",
    "data": {"task_id": "833446756000000001", "task_status": "submitted"},
}


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(profile="gateway", time_scale=1000) as sandbox:
        use_connection(monkeypatch, sandbox.base_url, extra={"profile": "gateway"})
        yield sandbox


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would be waited; nobody waits."""
    seconds: list[float] = []
    monkeypatch.setattr("time.sleep", lambda s: seconds.append(s) if s else None)
    return seconds


def answering(status: int, body: Any, headers: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    return {"kind": "answer", "status": status, "body": body, "headers": headers or {}, "times": 1, **more}


def wrapped(inner: Any) -> dict[str, Any]:
    return {"code": "fail_to_fetch_task", "message": json.dumps(inner), "data": None}


def is_refused(sandbox: Sandbox, rule: dict[str, Any]) -> KlingError:
    """One try is refused for good, and the next one, made without any word of a person, makes the only task."""
    instance = Instance()
    sandbox.set_faults([rule])
    error = attempt(instance)
    assert isinstance(error, KlingError), repr(error)
    assert error.task_state is TaskState.NONE, str(error)
    assert "nothing is billed" in str(error).lower()
    assert made(sandbox) == 0
    assert isinstance(attempt(instance), str), "no adopt is needed"
    assert made(sandbox) == 1
    return error


RIGHT: dict[str, type[KlingError]] = {
    "refused: too large": KlingRequestError,
    "refused: balance": KlingBalanceError,
    "refused: balance, not the key": KlingBalanceError,
    "refused: the request is wrong": KlingRequestError,
    "refused: moderation": KlingModerationError,
    "wrong address in the connection: nothing was made": KlingRequestError,
}


def test_what_users_were_answered(cases: Path, gateway: Sandbox, slept: list[float]) -> None:
    for case in json.loads((cases / "gateway" / "creates.json").read_text()):
        rule = answering(case["status"], case["body"], case["headers"])
        gateway.reset()
        slept.clear()
        if case["right"] in RIGHT:
            error = is_refused(gateway, rule)
            assert isinstance(error, RIGHT[case["right"]]), case["name"]
        elif case["right"] == "wait 7 s and send again":
            gateway.set_faults([rule])
            assert isinstance(attempt(Instance()), str), case["name"]
            assert 7 in slept
        else:
            assert case["right"] == "the account is full: wait, as for Kling's own 1303", "a new case"
            gateway.set_faults([rule])
            assert isinstance(attempt(Instance()), QueueTrigger), case["name"]


@pytest.mark.parametrize("status", [301, 308, 400, 401, 402, 403, 404, 405, 413, 415, 422])
@pytest.mark.parametrize("form", ["none", "HTML", "gateway JSON", "text"])
def test_a_refusing_status_made_nothing(status: int, form: str, gateway: Sandbox) -> None:
    body = {
        "none": "",
        "HTML": PAGE,
        "gateway JSON": {"error": {"message": "no", "type": "some_error", "code": "nope"}},
        "text": "no",
    }[form]
    is_refused(gateway, answering(status, body, {"Content-Type": "text/html"} if form == "HTML" else {}))


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("location", ["https://other.example/kling?key=secret", "/login", "http://[", ""])
def test_a_redirect_for_now_is_sent_again(
    status: int, location: str, gateway: Sandbox, slept: list[float]
) -> None:
    gateway.set_faults([{**answering(status, PAGE, {"Location": location}), "times": 2}])
    assert isinstance(attempt(Instance()), str)
    assert made(gateway) == 1

    gateway.set_faults([{**answering(status, "", {"Location": location}), "times": 99}])
    error = attempt(Instance(run_id="for ever"))
    assert isinstance(error, KlingError)
    assert error.task_state is TaskState.NONE, str(error)
    assert "check the connection's host" in str(error)
    assert "secret" not in str(error)
    assert made(gateway) == 1


@pytest.mark.parametrize("status", [200, 400, 408, 429, 500, 502, 503])
@pytest.mark.parametrize(
    ("code", "raised"), [(1002, KlingAuthError), (1102, KlingBalanceError), (1301, KlingModerationError)]
)
def test_klings_own_refusal_is_one_in_every_wrapper(
    status: int, code: int, raised: type[KlingError], gateway: Sandbox
) -> None:
    error = is_refused(gateway, answering(status, wrapped({"code": code, "message": "its own words"})))
    assert type(error) is raised
    assert error.code == code
    assert "its own words" in str(error)


@pytest.mark.parametrize(
    "body", [wrapped({"code": 1303}), {"error": {"code": 1303, "message": "parallel task"}}]
)
def test_a_full_account_behind_a_gateway_is_waited_for(body: Any, gateway: Sandbox) -> None:
    gateway.set_faults([answering(400, body)])
    assert isinstance(attempt(Instance()), QueueTrigger)


@pytest.mark.parametrize(
    ("seconds", "waits_deferred"), [("0", False), ("7", False), ("30", False), ("31", True), ("600", True)]
)
@pytest.mark.parametrize(
    "body", [{"code": 1302, "message": "too fast"}, {"error": {"message": "slow down"}}, PAGE]
)
def test_a_short_retry_after_is_slept_and_a_long_one_waits_without_a_worker(
    seconds: str, waits_deferred: bool, body: Any, gateway: Sandbox, slept: list[float]
) -> None:
    gateway.set_faults([answering(429, body, {"Retry-After": seconds})])
    came = attempt(Instance())
    if waits_deferred:
        assert isinstance(came, QueueTrigger), repr(came)
        assert came.first_look - came.queued_at == pytest.approx(float(seconds), abs=5)
        assert slept == []
    else:
        assert isinstance(came, str), repr(came)
        assert sum(slept) == float(seconds)


@pytest.mark.parametrize("status", [303, 408, 409, 425, 499, 418, 451, 500, 502, 503, 504, 524])
def test_every_other_status_proves_nothing(status: int, gateway: Sandbox) -> None:
    """The other side of it: these are never sent again."""
    instance = Instance()
    gateway.set_faults([answering(status, {"error": {"message": "no"}})])
    first, second = attempt(instance), attempt(instance)
    assert isinstance(first, KlingError)
    assert first.task_state is TaskState.MAY_EXIST
    assert isinstance(second, KlingError)
    assert made(gateway) == 0


SUCCESSES = [
    SUCCESS,
    {"error": {"message": "SUCCEED", "code": "dmxapi_kling_error_0"}},
    {"code": "success", "message": "", "data": None},
    {"code": 1201, "message": "no", "data": {"task_id": "1"}},
    wrapped(SUCCESS),
    wrapped({"code": "succeed", "message": ""}),
    {"task_id": "task_1", "error": {"message": "too slow"}},
]


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 422, 429, 500])
@pytest.mark.parametrize("body", SUCCESSES)
def test_what_names_a_task_or_says_success_is_never_a_refusal(
    status: int, body: Any, gateway: Sandbox
) -> None:
    instance = Instance()
    gateway.set_faults([answering(status, body, made=True)])
    accepted = status >= 400 and body in (SUCCESS, wrapped(SUCCESS))
    for _ in range(2):
        came = attempt(instance)
        if accepted and isinstance(came, str):
            # A task and a word of success: the task is taken over, and nothing is sent again.
            assert came == SUCCESS["data"]["task_id"]  # type: ignore[index]
            break
        assert isinstance(came, KlingError), repr(came)
        assert came.task_state is TaskState.MAY_EXIST, str(came)
    assert made(gateway) == 1


@given(
    status=st.sampled_from([200, 307, 400, 403, 404, 413, 422, 429, 500]),
    levels=st.lists(st.sampled_from(["object", "text", "list"]), max_size=4),
    task=st.booleans(),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_generated_wrappers_hide_neither_a_task_nor_a_refusal(
    gateway: Sandbox, status: int, levels: list[str], task: bool
) -> None:
    body: Any = {"task_id": "1"} if task else {"code": 1301, "message": "its own words"}
    for level in levels:
        body = {
            "object": {"code": "upstream_error", "error": body},
            "text": {"code": "upstream_error", "message": f"upstream: {json.dumps(body)}"},
            "list": {"code": "upstream_error", "detail": [body]},
        }[level]
    gateway.reset()
    instance = Instance()
    gateway.set_faults([answering(status, body, made=task)])
    first, second = attempt(instance), attempt(instance)
    if task:
        # Where it is a plain success with an id it is one; everywhere else nothing is sent again.
        assert isinstance(first, str) or first.task_state is TaskState.MAY_EXIST, str(first)
    else:
        assert isinstance(first, KlingModerationError), repr(first)
        assert first.task_state is TaskState.NONE, str(first)
        assert isinstance(second, str)
    assert made(gateway) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"code": "insufficient_user_quota", "message": "user quota is not enough", "data": None},
        {"error": {"message": "该令牌额度已用尽", "type": "new_api_error"}},
        {"error": {"message": "用户额度不足, 剩余额度: ＄0.000000", "type": "new_api_error"}},
        {"error": {"message": "Insufficient credits", "code": "no_credits"}},
    ],
)
@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_quota_is_a_balance_and_not_a_wrong_key(status: int, body: Any, gateway: Sandbox) -> None:
    error = is_refused(gateway, answering(status, body))
    assert type(error) is KlingBalanceError
    assert "Check the key" not in str(error)


@pytest.mark.parametrize("status", [200, 400, 403, 404, 405])
def test_an_html_page_is_a_wrong_address_and_says_so(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    page = PAGE.encode()
    with server(lambda request: say(request, status, page, Content_Type="text/html")) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}", extra={"profile": "gateway"})
        error = attempt(Instance())
        good, text = KlingHook().test_connection()
        try:
            KlingHook().submit(PANDA, external_task_id=None)
        except KlingError as submitted:
            direct = submitted
    assert isinstance(error, KlingError)
    assert not good
    assert "check the connection's host" in text
    assert "check the connection's host" in str(direct)
    assert "path prefix" in str(direct)
