# SPDX-License-Identifier: Apache-2.0
"""Texts of a host that no database and no log can hold: half a surrogate pair, U+0000, escape sequences, megabytes.

One such text ended the triggerer process, and each one that was started after it.
"""

from __future__ import annotations

import asyncio
import json
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from airflow.triggers.base import TriggerEvent
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.exceptions import KlingError, KlingModerationError
from kling_provider.hooks.kling import KlingAsyncHook, KlingHook
from kling_provider.sandbox import Sandbox
from kling_provider.triggers.kling import KlingTaskTrigger
from tests.contract.connecting import say, server
from tests.regressions.attempts import attempt, use_connection
from tests.regressions.conftest import Start
from tests.unit.instance import Instance

TEXTS = {
    "half a pair": "half \ud83d pair",
    "the other half": "half \ude00 pair",
    "U+0000": "nul \x00 end",
    "a colour": "\x1b[31mred\x1b[0m",
    "a title of the terminal": "\x1b]0;owned\x07 text",
    "an 8-bit escape": "\x9b31mred",
    "line breaks": "one\r\ntwo\u2028three\x85four",
    "a turn of direction": "safe \u202egnp.exe",
    "a backspace": "pay 1\x08\x089",
    "a long text": "x" * 300_000,  # some answers repeat it, and a whole one has 8 MB at most
}


def is_clean(text: str) -> bool:
    """One line that UTF-8, PostgreSQL and a terminal can hold, of a length that people read."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return (
        "\x1b" not in text
        and len(text) < 3000
        and not any(c in text for c in "\x00\n\r\x08\x9b\x85\u2028\u202e")
    )


def texts_of(value: Any) -> list[str]:
    """Every text in a JSON value or a task."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in texts_of(item)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in texts_of(item)]
    if isinstance(value, KlingTask):
        fields = (value.kling_task_id, value.status_word, value.message, value.external_task_id)
        outputs = [(one.id, one.url, one.type) for one in value.outputs]
        return texts_of([*fields, *outputs, [(one.charge_type, one.currency) for one in value.billing]])
    return []


def task(bad: str, word: str) -> dict[str, Any]:
    return {
        "id": "7",
        "status": word,
        "message": bad,
        "external_id": f"af-{bad}",
        "outputs": [{"type": bad, "id": bad, "url": f"https://cdn.example/{bad}"}],
        "billing": [{"charge_type": bad, "amount": "1", "currency": bad}],
    }


def read_both() -> list[Any]:
    async def read() -> KlingTask:
        async with KlingAsyncHook() as hook:
            return await hook.get_task("7")

    found: list[Any] = []
    for call in (lambda: KlingHook().get_task("7"), lambda: asyncio.run(read())):
        try:
            found.append(call())
        except KlingError as error:
            found.append(str(error))
    return found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kling_provider.hooks.kling._READ_TRIES", 1)


@pytest.mark.parametrize("bad", TEXTS.values(), ids=list(TEXTS))
@pytest.mark.parametrize("word", ["failed", "the text itself"])
def test_a_task_that_is_read_has_clean_texts(bad: str, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"code": 0, "message": bad, "data": [task(bad, word if word == "failed" else bad)]}
    with server(lambda request: say(request, 200, body)) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}", extra={"profile": "kling"})
        for read in read_both():
            assert isinstance(read, KlingTask), repr(read)[:300]
            assert read.status is (TaskStatus.FAILED if word == "failed" else TaskStatus.UNKNOWN)
            links = [text for text in texts_of(read) if text.startswith("https://")]
            assert all(is_clean(text) for text in texts_of(read) if text not in links), texts_of(read)
            assert all(is_clean(link[:2000]) for link in links)


@pytest.mark.parametrize("bad", TEXTS.values(), ids=list(TEXTS))
def test_the_event_of_a_trigger_can_be_stored(bad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the triggerer writes to the database, and prints."""
    body = {"code": 0, "data": [task("", bad)]}
    now = time.time()
    trigger = KlingTaskTrigger(kling_task_id="7", deadline=now + 0.1, first_look=now, poll_interval=0.1)
    said: list[str] = []
    monkeypatch.setattr(trigger.log, "info", lambda text, *rest: said.append(str(text)))

    async def run() -> list[TriggerEvent]:
        return [event async for event in trigger.run()]

    with server(lambda request: say(request, 200, body)) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}", extra={"profile": "kling"})
        (event,) = asyncio.run(run())
    assert event.payload["status"] == "timeout"
    assert all(is_clean(text) for text in texts_of(event.payload)), event.payload
    assert all(is_clean(text) for text in said)


@pytest.mark.parametrize("bad", TEXTS.values(), ids=list(TEXTS))
@pytest.mark.parametrize("form", ["Kling's", "in a wrapper", "as a page", "in a header"])
def test_a_refusal_keeps_its_reason_and_is_sent_once(
    bad: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    refusal = {"code": 1301, "message": f"moderation: {bad}", "request_id": bad}

    def answer(request: BaseHTTPRequestHandler) -> None:
        calls.append(request.path)
        if form == "Kling's":
            say(request, 400, refusal)
        elif form == "in a wrapper":
            say(request, 400, {"code": "fail_to_fetch_task", "message": json.dumps(refusal)})
        elif form == "as a page":
            page = f"<html><title>moderation: {bad}</title></html>".encode("utf-8", "surrogatepass")
            say(request, 400, page)
        else:
            say(request, 400, b"moderation:", X_Request_Id="\x1b[31mid")

    with server(answer) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}", extra={"profile": "kling"})
        instance = Instance()
        error = attempt(instance)
    assert isinstance(error, KlingError), repr(error)[:300]
    assert isinstance(error, KlingModerationError) is (form in ("Kling's", "in a wrapper"))
    # A page of a megabyte without an end of its title has none.
    assert "moderation:" in str(error) or (form == "as a page" and len(bad) > 1000)
    assert is_clean(str(error)), str(error)[:500]
    assert is_clean(error.request_id or "")
    assert all(is_clean(text) for text in texts_of(instance.xcoms) if text != "A red panda brews tea")
    assert len(calls) == 1


def test_a_failed_video_says_why(start: Start) -> None:
    """From the sandbox, as a task that resumes reads it."""
    sandbox: Sandbox = start()
    sandbox.set_faults([{"kind": "task_fails", "message": "half \ud83d pair, nul \x00 end"}])
    kling_task_id = attempt(Instance())
    sandbox.advance(100)
    read = KlingHook().get_task(kling_task_id)
    assert read.status is TaskStatus.FAILED
    assert is_clean(read.message), repr(read.message)
    assert read.message.startswith("half ")
    assert "nul" in read.message


@pytest.mark.parametrize("kling_task_id", ["id\x00", "i\ud83dd", "two\nlines", "a b", "9" * 400])
def test_an_id_that_cannot_be_asked_for_again_is_no_id(
    kling_task_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paid or not: nobody can know, so nothing is sent again, and nobody waits for an id that is not the task's."""
    calls: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        calls.append(request.path)
        say(request, 200, {"code": 0, "data": {"task_id": kling_task_id, "task_status": "submitted"}})

    with server(answer) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}", extra={"profile": "gateway"})
        instance = Instance()
        for _ in range(2):
            error = attempt(instance)
            assert isinstance(error, KlingError), repr(error)[:300]
            assert error.task_state == "may_exist"
    assert len(calls) == 1


ANY_TEXT = st.text(st.characters(), max_size=20)


@given(ANY_TEXT, ANY_TEXT)
@example("\ud83d", "\x1b]8;;http://x\x1b\\link")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_generated_texts_end_where_the_answer_is_read(
    monkeypatch: pytest.MonkeyPatch, word: str, message: str
) -> None:
    body = {"code": 0, "message": message, "data": [{"id": "7", "status": word, "message": message}]}
    with server(lambda request: say(request, 200, body)) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}", extra={"profile": "kling"})
        read = KlingHook().get_task("7")
    assert all(is_clean(text) for text in texts_of(read)), texts_of(read)
