# SPDX-License-Identifier: Apache-2.0
"""What ``KlingHook`` says when something goes wrong: exception, whether a task may exist, what to change.

And what it never says: keys, tokens, signed links.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from kling_provider.api.codes import TaskState
from kling_provider.exceptions import (
    KlingAuthError,
    KlingBalanceError,
    KlingConcurrencyError,
    KlingError,
    KlingModerationError,
    KlingRateLimitError,
    KlingRequestError,
    KlingServerError,
)
from kling_provider.sandbox import Sandbox
from tests.contract.connecting import (
    RED_PANDA,
    closed_port,
    connect,
    connect_to,
    pauses,
    refused_create,
    say,
    self_signed,
    server,
)

KEY = "api-key-kling-sandbox"
SECRET = "sandbox-secret-key-that-guards-nothing"
NOTHING_MADE = "Nothing was made, nothing is billed."
MAY_EXIST = "A task may exist at Kling and may be billed."


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=100) as running:
        yield running


# -- Kling refuses ----------------------------------------------------------------------------------------

REFUSALS: dict[str, tuple[dict[str, Any], list[dict[str, Any]], type[KlingError], int, str]] = {
    "wrong key": (
        {"password": "sk-somebody-elses"},
        [],
        KlingAuthError,
        1002,
        "password must be the whole key",
    ),
    "key of another region": (
        {"password": f"{KEY}-china"},
        [],
        KlingAuthError,
        1002,
        "api key not found (code 1002). The connection's password must be the whole key, and a key of this region (extra region: "
        "global or china)",
    ),
    "wrong secret key": (
        {"login": "ak-kling-sandbox", "password": "wrong" * 9},
        [],
        KlingAuthError,
        1002,
        "signature",
    ),
    "no permission": (
        {},
        [{"kind": "auth", "code": 1103}],
        KlingAuthError,
        1103,
        "ask for it in Kling's console",
    ),
    "address not allowed": ({}, [{"kind": "auth", "code": 1304}], KlingAuthError, 1304, "IP list"),
    "no units": ({}, [{"kind": "exhausted"}], KlingBalanceError, 1102, "top up or buy a pack"),
    "arrears": ({}, [{"kind": "arrears"}], KlingBalanceError, 1101, "The account is in arrears: top up"),
    "bad field": (
        {},
        [{"kind": "refused", "code": 1201, "message": "prompt is required"}],
        KlingRequestError,
        1201,
        "prompt is required (code 1201). Change the request.",
    ),
    "moderation": (
        {},
        [{"kind": "moderation"}],
        KlingModerationError,
        1301,
        "Change the prompt or the images",
    ),
    "too fast": (
        {},
        [{"kind": "rate_limited", "retry_after": 7}],
        KlingRateLimitError,
        1302,
        "after a pause",
    ),
    "concurrency limit": (
        {},
        [{"kind": "concurrency"}],
        KlingConcurrencyError,
        1303,
        "The account is at its concurrency limit",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_kling_refuses_a_create(name: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    fields, faults, raised, code, said = REFUSALS[name]
    sandbox.set_faults(faults)
    error = refused_create(connect_to(monkeypatch, sandbox, **fields))
    assert (type(error), error.code, error.task_state) == (raised, code, TaskState.NONE)
    assert isinstance(error, AirflowFailException) is (
        raised not in (KlingRateLimitError, KlingConcurrencyError)
    )
    assert str(error).startswith(f"Could not create a video at {sandbox.url.removeprefix('http://')}: ")
    assert said in str(error)
    assert str(error).endswith(NOTHING_MADE)
    assert error.request_id
    assert error.retry_after == (7 if name == "too fast" else None)
    figures = sandbox.stats()["creates"]
    assert (figures["received"], figures["made"]) == (1, 0), "one call, and no other"


def test_access_key_and_secret_key_on_the_standard_api(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"login": "ak-kling-sandbox", "password": SECRET, "extra": {"api": "standard"}}
    with pytest.raises(KlingAuthError) as caught:
        connect_to(monkeypatch, sandbox, **fields).submit(RED_PANDA, external_task_id=None)
    assert "Make an API key in Kling's console and leave login empty, or set the extra api to legacy" in str(
        caught.value
    )
    assert sandbox.requests() == []


# -- nobody knows whether a task was made -----------------------------------------------------------------

AMBIGUOUS: dict[str, tuple[dict[str, Any], int, str]] = {
    "lost before": (
        {"kind": "answer_lost_before"},
        0,
        "the connection broke before a response came (no response).",
    ),
    "lost after": (
        {"kind": "answer_lost_after"},
        1,
        "the connection broke before a response came (no response).",
    ),
    "cut": ({"kind": "answer_cut"}, 1, "the connection broke before a response came (no response)."),
    "5000": ({"kind": "error_after", "code": 5000}, 1, "(code 5000)."),
    "5001": ({"kind": "error_before", "code": 5001}, 0, "(code 5001)."),
    "5002": ({"kind": "error_after", "code": 5002}, 1, "(code 5002)."),
    "a proxy's page": ({"kind": "html_502", "made": True}, 1, "Bad Gateway"),
    "408": ({"kind": "status_408", "made": True}, 1, "(HTTP 408)."),
    "303": ({"kind": "redirect", "status": 303}, 0, "redirect to http"),
    "no id": ({"kind": "missing_id"}, 1, "the response names no task (HTTP 200)."),
    "slow": ({"kind": "slow", "seconds": 2, "on": "create"}, 1, "no response in time (no response)."),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_an_ambiguous_answer(name: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    fault, made, said = AMBIGUOUS[name]
    sandbox.set_faults([fault])
    hook = connect_to(monkeypatch, sandbox, extra={"timeout": [5, 0.4]})
    error = refused_create(hook)
    assert (type(error), error.task_state) == (KlingServerError, TaskState.MAY_EXIST)
    assert not isinstance(error, AirflowFailException)
    assert said in str(error)
    assert str(error).endswith(MAY_EXIST)
    figures = sandbox.stats()["creates"]
    assert (figures["received"], figures["made"]) == (1, made), "sent once, never again"
    assert sandbox.stats()["redirects_followed"] == 0


@pytest.mark.parametrize("status", [401, 408, 500, 502])
def test_a_late_token_is_signed_again_once_whatever_the_status_around_it(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kling's code proves that nothing was made; one around a task proves nothing."""
    calls: list[str] = []
    task: dict[str, Any] = {}

    def answer(request: BaseHTTPRequestHandler) -> None:
        calls.append(request.path)
        say(request, status, {"code": 1004, "message": "Authorization is expired", "data": task})

    with server(answer) as port:
        host = f"http://127.0.0.1:{port}"
        error = refused_create(connect(monkeypatch, host, SECRET, login="ak"))
        assert (type(error), error.task_state, len(calls)) == (KlingAuthError, TaskState.NONE, 2)
        task["task_id"] = "1"
        error = refused_create(connect(monkeypatch, host, SECRET, login="ak"))
        assert (error.task_state, len(calls)) == (TaskState.MAY_EXIST, 3)
        del task["task_id"]
        error = refused_create(connect(monkeypatch, host, "sk-gateway"))
    assert (error.task_state, len(calls)) == (TaskState.NONE, 4), (
        "an API key has no time to be signed again by"
    )


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_wrong_address(
    status: int, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.set_faults(
        [{"kind": "redirect", "status": status, "location": "https://other.example/kling?a=b"}]
    )
    hook = connect_to(monkeypatch, sandbox)
    error = refused_create(hook)
    raised = KlingRequestError if status in (301, 308) else KlingServerError
    assert (type(error), error.task_state) == (raised, TaskState.NONE)
    assert "redirect to https://other.example/kling, which is not followed" in str(error)
    assert "check the connection's host" in str(error)
    assert sandbox.stats()["redirects_followed"] == 0


def test_a_redirect_to_nowhere_is_a_redirect_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """``requests`` looks at the address even where it is told not to go there."""
    with server(lambda request: say(request, 307, b"", Location="http://[")) as port:
        error = refused_create(connect(monkeypatch, f"http://127.0.0.1:{port}", KEY))
    assert (type(error), error.task_state) == (KlingServerError, TaskState.NONE)


def test_a_path_that_the_host_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(profile="gateway") as sandbox:
        hook = connect_to(monkeypatch, sandbox, host=f"{sandbox.url}/klng")
        error = refused_create(hook)
        assert (type(error), error.task_state) == (KlingRequestError, TaskState.NONE)
        assert "Not Found (HTTP 404). This URL has no such path: check the connection's host" in str(error)
        with pytest.raises(KlingRequestError, match="no such path"):
            hook.get_task("1")
        good, text = hook.test_connection()
    assert not good
    assert "no such path" in text


# -- no way to the host -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "extra", "said"),
    [
        ("http://127.0.0.1:{closed}", {}, "the host refused the connection (no response)."),
        (
            "https://no-such-host.invalid",
            {},
            "the host's name is not known (no response). Check the connection's host",
        ),
        (
            "https://127.0.0.1:{plain}",
            {},
            "TLS failed (WRONG_VERSION_NUMBER): check the scheme of host, and verify",
        ),
        ("https://127.0.0.1:{tls}", {}, "TLS failed (CERTIFICATE_VERIFY_FAILED)"),
        ("http://127.0.0.1:{plain}", {"verify": "/no/such/bundle.pem"}, "extra verify or cert"),
        (
            "http://127.0.0.1:{plain}",
            {"cert": ["/no/such/cert.pem", "/no/such/key.pem"]},
            "extra verify or cert",
        ),
    ],
)
def test_no_way_to_the_host(
    host: str, extra: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arrived: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        arrived.append(request.path)
        say(request, 200, {"code": 0, "data": {"task_id": "1"}})

    _, context = self_signed(tmp_path)
    with server(answer) as plain, server(answer, context) as tls:
        ports = {"closed": closed_port(), "plain": plain, "tls": tls}
        hook = connect(monkeypatch, host.format(**ports), KEY, extra=extra)
        error = refused_create(hook)
        good, text = hook.test_connection()
    assert error.task_state is TaskState.NONE
    assert said in str(error)
    assert str(error).endswith("nothing is billed.")
    assert isinstance(error, KlingRequestError if "extra verify" in said else KlingServerError)
    assert not good
    assert said.partition(" (no response")[0] in text
    assert arrived == []


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_host_without_a_scheme_is_reached_by_https(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(f"{request.command} {request.path} {request.headers['Authorization']}")
        say(request, 200, {"code": 0, "data": {"task_id": "7", "task_status": "submitted"}})

    certificate, context = self_signed(tmp_path)
    with server(answer, context) as port:
        for verify in (False, "false", str(certificate)):
            hook = connect(monkeypatch, f"127.0.0.1:{port}/kling", KEY, extra={"verify": verify})
            assert hook.submit(RED_PANDA, external_task_id=None).kling_task_id == "7"
    assert asked == [f"POST /kling/v1/videos/text2video Bearer {KEY}"] * 3


def test_a_host_that_takes_connections_and_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(lambda request: time.sleep(1.5)) as port:
        hook = connect(monkeypatch, f"http://127.0.0.1:{port}", KEY, extra={"timeout": 0.3})
        error = refused_create(hook)
    assert (type(error), error.task_state) == (KlingServerError, TaskState.MAY_EXIST)
    assert "no response in time" in str(error)


# -- reads are tried again --------------------------------------------------------------------------------


def test_a_read_survives_faults(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = pauses(monkeypatch)
    hook = connect_to(monkeypatch, sandbox)
    made = hook.submit(RED_PANDA, external_task_id="af-1")
    for fault in (
        {"kind": "outage"},
        {"kind": "rate_limited", "on": "read"},
        {"kind": "html_502", "on": "read"},
    ):
        sandbox.set_faults([{**fault, "times": 3}])
        assert hook.get_task(made.kling_task_id).kling_task_id == made.kling_task_id
        assert hook.find(["af-1"])
    assert len(taken) == 9
    assert 5 <= sum(taken[:3]) <= 12, "growing pauses: 1, 2 and 4 seconds, and a little by chance"


def test_a_read_gives_up_after_five_tries(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = pauses(monkeypatch)
    hook = connect_to(monkeypatch, sandbox)
    sandbox.set_faults([{"kind": "outage"}])
    with pytest.raises(KlingServerError, match=r"^Could not read task 1 at 127\.0\.0\.1:\d+: "):
        hook.get_task("1")
    assert (len(taken), len(sandbox.requests())) == (4, 5)


@pytest.mark.parametrize("code", [1000, 1002, 1103, 1304])
def test_a_read_that_is_refused_is_not_repeated(
    code: int, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = pauses(monkeypatch)
    sandbox.set_faults([{"kind": "auth", "code": code}])
    with pytest.raises(KlingAuthError) as caught:
        connect_to(monkeypatch, sandbox).get_task("1")
    assert (caught.value.code, caught.value.task_state, taken) == (code, TaskState.NONE, [])
