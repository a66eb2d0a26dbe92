# SPDX-License-Identifier: Apache-2.0
"""Keys, tokens and signed links are in no exception, log record or representation of the hook."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from kling_provider.exceptions import KlingError
from kling_provider.sandbox import Sandbox
from tests.contract.connecting import (
    RED_PANDA,
    connect,
    connect_to,
    pauses,
    refused_create,
    say,
    server,
)

#: Connections, HttpHook and the masker are Airflow's.
pytestmark = pytest.mark.airflow_version

KEY = "api-key-kling-sandbox"
SECRET = "sandbox-secret-key-that-guards-nothing"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=100) as running:
        yield running


LINK = "https://bucket.example/a.png?X-Amz-Signature=SIGNATURE-OF-A-LINK"


@pytest.mark.parametrize("kind", ["api key", "access key"])
def test_no_secret_is_said_anywhere(
    kind: str,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    pauses(monkeypatch)
    fields = {"login": "ak-kling-sandbox", "password": SECRET} if kind == "access key" else {}
    hook = connect_to(monkeypatch, sandbox, **fields, extra={"X-Team-Token": "HEADER-OF-THE-USER"})
    said: list[str] = []

    def tries(call: Any) -> None:
        try:
            said.append(repr(call()))
        except KlingError as error:
            said.extend([str(error), repr(error), "".join(traceback.format_exception(error))])

    image = {"type": "image_to_video", "first_frame": LINK, "callback_url": LINK}
    for fault in (
        None,
        {"kind": "answer_lost_after"},
        {"kind": "html_502"},
        {"kind": "redirect", "location": LINK},
        {"kind": "auth", "code": 1000},
        {"kind": "refused", "message": f"cannot get {LINK}"},
        {"kind": "outage"},
        {"kind": "skewed_clock", "seconds": 3600},
    ):
        sandbox.set_faults([fault] if fault else [])
        tries(lambda: hook.submit(RED_PANDA, external_task_id=None))
        tries(lambda: hook.create(hook.prepare_create(hook.validate_request(image), external_task_id=None)))
        tries(lambda: hook.get_task("1"))
        tries(lambda: hook.find(["af-1"]))
        tries(hook.test_connection)
    sandbox.set_faults([])
    made = hook.submit(RED_PANDA, external_task_id=None)
    sandbox.advance(200)
    done = hook.get_task(made.kling_task_id)
    said += [repr(done), repr(hook.connection)]

    sent = {dict(one["headers"])["Authorization"].removeprefix("Bearer ") for one in sandbox.requests()}
    assert sent
    links = [str(done.outputs[0].url).partition("?")[2]]
    out, err = capfd.readouterr()
    logged = "\n".join([caplog.text, *(str(vars(record)) for record in caplog.records), out, err])
    text = "\n".join([*said, logged])
    for secret in (*sent, KEY, SECRET, "SIGNATURE-OF-A-LINK", *links):
        assert secret not in text
    assert "HEADER-OF-THE-USER" not in text


@pytest.mark.parametrize("status", [200, 400, 401])
def test_a_host_that_repeats_the_key_is_not_quoted(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        text = f"Incorrect API key provided: {request.headers['Authorization'].partition(' ')[2]}."
        say(request, status, {"error": {"message": text}})

    with server(answer) as port:
        error = refused_create(connect(monkeypatch, f"http://127.0.0.1:{port}", "sk-of-a-gateway-0123"))
    assert "Incorrect API key provided: ***." in str(error)
    assert "0123" not in repr(error)
