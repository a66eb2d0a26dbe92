# SPDX-License-Identifier: Apache-2.0
"""What gateways answer to a read: their own id and state outside, Kling's answer inside, and sometimes another task."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.exceptions import KlingServerError
from kling_provider.hooks.kling import KlingAsyncHook, KlingHook
from tests.contract.connecting import say, server
from tests.regressions.attempts import use_connection

PUBLIC = "task_LtujSKpBYTZNT4BXpUlfKYypoM5XabYN"
ROW = {"id": 4711, "task_id": PUBLIC, "platform": "50", "progress": "100%", "fail_reason": ""}
VIDEO = {"videos": [{"id": "v1", "url": "https://cdn.example/v.mp4", "duration": "5.1"}]}


def answering(body: Any) -> AbstractContextManager[int]:
    return server(lambda request: say(request, 200, body() if callable(body) else body))


def read_both(kling_task_id: str) -> list[Any]:
    """What both hooks make of the host's answer: a task, or the exception."""

    async def read() -> KlingTask:
        async with KlingAsyncHook() as hook:
            return await hook.get_task(kling_task_id)

    return [caught(lambda: KlingHook().get_task(kling_task_id)), caught(lambda: asyncio.run(read()))]


def caught(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:
        return error


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that cannot be understood is tried again without waiting."""
    monkeypatch.setattr("kling_provider.hooks.kling._READ_TRIES", 1)


def wrapped(outer: str, inner: dict[str, Any] | None, *, at: int = 1766737711, **more: Any) -> dict[str, Any]:
    """A row of the gateway's database with Kling's last answer in it."""
    native = {"code": 0, "message": "SUCCEED", "request_id": "r", "data": inner}
    row = {**ROW, "status": outer, "updated_at": at, "data": native if inner else None, **more}
    return {"code": "success", "message": "", "data": row}


def native(word: str, *, at: int = 1766737711, **more: Any) -> dict[str, Any]:
    result = VIDEO if word == "succeed" else {}
    task = {
        "task_id": "833446756000000001",
        "task_status": word,
        "task_status_msg": "",
        "task_result": result,
    }
    return {**task, "updated_at": at * 1000 + 775, **more}


def test_what_users_were_answered(cases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = json.loads((cases / "gateway" / "reads.json").read_text())
    rights = {
        "id = the id that was asked; processing": (TaskStatus.PROCESSING, "", 0),
        "id = the id that was asked; succeeded; one video": (TaskStatus.SUCCEEDED, "", 1),
        "failed, 'task timed out'": (TaskStatus.FAILED, "task timed out", 0),
        "succeeded; one video": (TaskStatus.SUCCEEDED, "", 1),
        "failed, 'upstream said no'": (TaskStatus.FAILED, "upstream said no", 0),
        "still running": (TaskStatus.PROCESSING, "", 0),
    }
    for case in known["cases"]:
        with answering(case["body"]) as port:
            use_connection(monkeypatch, f"http://127.0.0.1:{port}/kling")
            for read in read_both(known["asked"]):
                assert isinstance(read, KlingTask), f"{case['name']}: {read!r}"
                found = (read.status, read.message, len(read.outputs))
                assert (read.kling_task_id, found) == (known["asked"], rights[case["right"]]), case["name"]


STATES: dict[str, tuple[Any, TaskStatus, str]] = {
    "swept while Kling still renders": (
        wrapped("FAILURE", native("processing"), fail_reason="task timed out"),
        TaskStatus.FAILED,
        "task timed out",
    ),
    "the row was not written yet": (
        wrapped("SUBMITTED", native("processing"), at=1766737700),
        TaskStatus.PROCESSING,
        "",
    ),
    "Kling has ended and the row not yet": (
        wrapped("IN_PROGRESS", native("succeed")),
        TaskStatus.SUCCEEDED,
        "",
    ),
    "Kling failed it and the row says nothing": (
        wrapped("IN_PROGRESS", native("failed", at=1766737720, task_status_msg="Image pixel is invalid")),
        TaskStatus.FAILED,
        "Image pixel is invalid",
    ),
    "another try of the gateway's, after Kling failed the first": (
        wrapped("IN_PROGRESS", native("failed"), at=1766737799),
        TaskStatus.PROCESSING,
        "",
    ),
    "the reason beside the word SUCCEED": (
        {
            "code": "success",
            "message": "SUCCEED",
            "data": native("failed", task_id=PUBLIC, task_status_msg="no human"),
        },
        TaskStatus.FAILED,
        "no human",
    ),
    "a word about the call around a task that renders": (
        {"status": "success", "data": {"task_id": PUBLIC, "task_status": "processing"}},
        TaskStatus.PROCESSING,
        "",
    ),
    "a link where reasons stand, as older installs keep it": (
        wrapped("SUCCESS", None, fail_reason="https://cdn.example/v.mp4"),
        TaskStatus.SUCCEEDED,
        "",
    ),
    "a reason as an object": (
        {
            "id": PUBLIC,
            "object": "video",
            "status": "failed",
            "error": {"code": "x", "message": "no channel"},
        },
        TaskStatus.FAILED,
        "no channel",
    ),
    "an array with one task": (
        {"code": 0, "data": [{"id": PUBLIC, "status": "submitted"}]},
        TaskStatus.SUBMITTED,
        "",
    ),
    "only Kling's number is an int": (
        {"code": 0, "data": {"id": 4711, "task_id": PUBLIC, "task_status": "submitted"}},
        TaskStatus.SUBMITTED,
        "",
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_outer_and_inner_state(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body, status, reason = STATES[name]
    with answering(body) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}/kling")
        for read in read_both(PUBLIC):
            assert isinstance(read, KlingTask), repr(read)
            assert (read.kling_task_id, read.status, read.message) == (PUBLIC, status, reason)
            assert len(read.outputs) == (status is TaskStatus.SUCCEEDED)


WORDS = {
    TaskStatus.FAILED: "error cancelled canceled expired timeout rejected FAILURE Error TIMEOUT",
    TaskStatus.PROCESSING: "initializing generating running in_progress IN_PROGRESS Generating",
    TaskStatus.SUBMITTED: "waiting queued pending NOT_START Waiting",
    TaskStatus.SUCCEEDED: "success completed SUCCESS",
    TaskStatus.UNKNOWN: "paused frobnicating",
}


@pytest.mark.parametrize(
    ("status", "word"), [(s, word) for s, words in WORDS.items() for word in words.split()]
)
def test_the_words_of_gateways(status: TaskStatus, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"code": "success", "data": {"task_id": PUBLIC, "status": word, "fail_reason": "upstream said no"}}
    with answering(body) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}/kling")
        for read in read_both(PUBLIC):
            assert isinstance(read, KlingTask), repr(read)
            assert read.status is status
            assert status is not TaskStatus.FAILED or read.message == "upstream said no"


OTHERS: list[Any] = [
    {"code": 0, "data": {"task_id": "another", "task_status": "succeed", "task_result": VIDEO}},
    {"code": 0, "data": [{"id": "another", "status": "succeeded"}]},
    {"code": 0, "data": [{"id": "another", "status": "succeeded"}, {"id": "third", "status": "succeeded"}]},
    {"code": "success", "data": {"id": 4712, "status": "SUCCESS", "data": native("succeed")}},
    {
        "id": "another",
        "object": "video",
        "status": "completed",
        "metadata": {"url": "https://cdn.example/v.mp4"},
    },
    {"code": 0, "data": {"id": 4711, "task_status": "succeed", "task_result": VIDEO}},
]


@pytest.mark.parametrize("profile", ["gateway", "kling"])
@pytest.mark.parametrize("body", OTHERS)
def test_an_answer_about_another_task_is_unreadable(
    body: Any, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(body) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}", extra={"profile": profile})
        for read in read_both(PUBLIC):
            assert type(read) is KlingServerError, repr(read)
            assert f"Could not read task {PUBLIC}" in str(read)


LOOK_UPS: list[Any] = [
    {
        "code": 0,
        "data": {"task_id": "9", "task_status": "succeed", "task_info": {"external_task_id": "af-other"}},
    },
    {
        "code": 0,
        "data": {"task_id": "9", "task_status": "submitted", "task_info": {"external_task_id": "AF-MINE"}},
    },
]


@pytest.mark.parametrize("body", LOOK_UPS)
def test_a_look_up_that_shows_another_id_finds_nothing_of_ours(
    body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An access key looks external ids up one by one, in the place of the task's own id."""

    async def find() -> Any:
        async with KlingAsyncHook() as hook:
            return await hook.find(["af-mine"])

    with answering(body) as port:
        fields = {"login": "ak", "password": "s" * 40, "extra": {"profile": "kling"}}
        use_connection(monkeypatch, f"http://127.0.0.1:{port}", **fields)
        for found in (caught(lambda: KlingHook().find(["af-mine"])), caught(lambda: asyncio.run(find()))):
            assert type(found) is KlingServerError, repr(found)


@pytest.mark.parametrize(
    "entries",
    [
        [{"status": "succeeded", "external_id": "af-mine"}],
        [{"id": "", "status": "processing"}],
        [{"id": "9", "status": "succeeded", "external_id": "af-other"}],
        ["odd"],
    ],
)
def test_a_look_up_that_cannot_be_read_is_not_taken_for_nothing_there(
    entries: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who takes it for nothing sends, and pays, again."""

    async def find() -> Any:
        async with KlingAsyncHook() as hook:
            return await hook.find(["af-mine"])

    with answering({"code": 0, "data": entries}) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}", extra={"profile": "kling"})
        for found in (caught(lambda: KlingHook().find(["af-mine"])), caught(lambda: asyncio.run(find()))):
            assert isinstance(found, KlingServerError), repr(found)


@pytest.mark.parametrize("odd", [{"status": "succeeded"}, {"id": "", "status": "x"}, None, {"id": ["7"]}, 5])
def test_one_entry_without_an_id_holds_up_nobody(odd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [{"id": str(number), "status": "succeeded"} for number in range(1, 6)]

    def answer(request: BaseHTTPRequestHandler) -> None:
        ids = unquote(request.path.partition("task_ids=")[2]).split(",")
        chosen = [task for task in tasks if task["id"] in ids]
        say(request, 200, {"code": 0, "data": [odd, *chosen] if len(ids) > 1 else chosen})

    async def read() -> Any:
        async with KlingAsyncHook() as hook:
            return await hook.get_tasks(["1", "2", "3", "7"])

    with server(answer) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}", extra={"profile": "kling"})
        for found in (
            caught(lambda: KlingHook().get_tasks(["1", "2", "3", "7"])),
            caught(lambda: asyncio.run(read())),
        ):
            assert isinstance(found, dict), repr(found)
            assert set(found) == {"1", "2", "3"}


IDS = st.sampled_from([PUBLIC, "another", 4711, "", None, "833446756000000001"])
OBJECTS = st.recursive(
    st.none(),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "id": IDS,
            "task_id": IDS,
            "status": st.sampled_from(["SUCCESS", "processing", "FAILURE", "", "odd"]),
            "task_status": st.sampled_from(["succeed", "processing", "failed", ""]),
            "updated_at": st.integers(1766737700, 1766737720),
            "data": inner,
        },
    ),
    max_leaves=4,
)


@given(OBJECTS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_nested_the_id_that_was_asked_counts(monkeypatch: pytest.MonkeyPatch, data: Any) -> None:
    named = set()
    level = data
    while isinstance(level, dict):
        named |= {str(level[name]) for name in ("id", "task_id") if level.get(name)}
        level = level.get("data")
    with answering({"code": 0, "data": data}) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}/kling")
        read = caught(lambda: KlingHook().get_task(PUBLIC))
    if isinstance(read, KlingTask):
        assert read.kling_task_id == PUBLIC
        assert not named or PUBLIC in named
    else:
        assert isinstance(read, KlingServerError), repr(read)
        assert (named and PUBLIC not in named) or not isinstance(data, dict)
