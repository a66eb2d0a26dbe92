# SPDX-License-Identifier: Apache-2.0
"""``KlingHook`` and ``KlingAsyncHook`` share one core: the same parameters, the same results, the same texts."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kling_provider.exceptions import KlingError, KlingRequestError
from kling_provider.hooks.kling import AUTO, KlingAsyncHook, KlingHook
from kling_provider.sandbox import Sandbox
from tests.contract.connecting import RED_PANDA, closed_port, say, server

READS = (
    "get_task",
    "get_tasks",
    "get_batch",
    "find",
    "list_tasks",
    "list_page",
    "list_tasks_of_type",
    "account",
    "list_voices",
    "list_elements",
    "list_unit_deductions",
    "list_balance_deductions",
)
UNKNOWN = "867283741759111202"

CALLS: dict[str, Callable[[Any], Any]] = {
    "a task": lambda hook: hook.get_task("{first}"),
    "an unknown task": lambda hook: hook.get_task(UNKNOWN),
    "a wrong type": lambda hook: hook.get_task(UNKNOWN, type="text2video"),
    "many tasks": lambda hook: hook.get_tasks(["{first}", UNKNOWN, "{last}", "{first}"]),
    "no tasks": lambda hook: hook.get_tasks([]),
    "letters": lambda hook: hook.get_tasks("1"),
    "a batch": lambda hook: hook.get_batch(["{first}", UNKNOWN]),
    "a batch that is too large": lambda hook: hook.get_batch([str(number) for number in range(21)]),
    "a batch of another path": lambda hook: hook.get_batch([UNKNOWN], type="goods_studio"),
    "a batch of no type": lambda hook: hook.get_batch([UNKNOWN], type="text2video"),
    "external ids": lambda hook: hook.find(["af-0", "af-none", "af-22", "af-0"]),
    "letters of external ids": lambda hook: hook.find("af-0"),
    "a list": lambda hook: hook.list_tasks(statuses=["submitted", "processing"]),
    "one page": lambda hook: hook.list_tasks(product_types=["video"], max_pages=1),
    "a page": lambda hook: hook.list_page(statuses=["processing"]),
    "a page of a wrong cursor": lambda hook: hook.list_page(cursor="never seen"),
    "no page": lambda hook: hook.list_tasks(max_pages=0),
    "tasks of a type": lambda hook: hook.list_tasks_of_type("text_to_video"),
    "tasks of no type": lambda hook: hook.list_tasks_of_type("tts"),
    "a wrong state": lambda hook: hook.list_tasks(statuses=["faild"]),
}
CONNECTIONS: dict[str, dict[str, Any]] = {
    "kling": {"extra": {"profile": "kling"}},
    "legacy": {"extra": {"profile": "kling", "api": "legacy"}},
    "access key": {
        "login": "ak-kling-sandbox",
        "password": "sandbox-secret-key-that-guards-nothing",
        "extra": {"profile": "kling"},
    },
    "gateway": {"extra": {"profile": "gateway"}},
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, render_seconds=10_000, concurrency=100) as running:
        yield running


@pytest.fixture
def ids(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    connect(monkeypatch, sandbox.base_url, password=sandbox.api_key, **CONNECTIONS["kling"])
    hook = KlingHook()
    if not hook.find(["af-22"]):
        for number in range(23):
            hook.submit(RED_PANDA, external_task_id=f"af-{number}")
    return {"{first}": one(hook, "af-0"), "{last}": one(hook, "af-22")}


def one(hook: KlingHook, external_task_id: str) -> str:
    return hook.find([external_task_id])[external_task_id][0].kling_task_id


def connect(
    monkeypatch: pytest.MonkeyPatch, host: str, password: str = "sk-test-0123", **fields: Any
) -> None:
    connection = {"conn_type": "kling", "host": host, "password": password, **fields}
    monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(connection))
    monkeypatch.setattr("kling_provider.hooks.kling._READ_TRIES", 1)


class Named:
    """A hook that is asked for the ids behind ``{first}`` and ``{last}``."""

    def __init__(self, hook: Any, ids: dict[str, str]) -> None:
        self._hook = hook
        self._ids = ids

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            return getattr(self._hook, name)(*map(self._known, args), **kwargs)

        return call

    def _known(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._known(item) for item in value]
        return self._ids.get(value, value)


def seen(result: Any) -> Any:
    """A result, or what an error says, as it can be compared."""
    if isinstance(result, KlingError):
        facts = {**vars(result), "request_id": None}
        return type(result), str(result), facts
    return result


async def outcomes(
    call: Callable[[Any], Any], ids: dict[str, str] | None = None, between: Callable[[], Any] = lambda: None
) -> tuple[Any, Any]:
    """What a call comes to by each hook."""
    try:
        result = call(Named(KlingHook(), ids or {}))
    except KlingError as error:
        result = error
    between()
    async with KlingAsyncHook() as hook:
        try:
            other = await call(Named(hook, ids or {}))
        except KlingError as error:
            other = error
    return seen(result), seen(other)


@pytest.mark.parametrize("name", READS)
def test_both_take_the_same_parameters(name: str) -> None:
    ours, other = (getattr(hook, name) for hook in (KlingHook, KlingAsyncHook))
    assert inspect.signature(ours) == inspect.signature(other)
    assert inspect.getdoc(ours) == inspect.getdoc(other)


def test_the_asynchronous_one_only_reads() -> None:
    public = {name for name in dir(KlingAsyncHook) if not name.startswith("_")}
    assert public == {*READS, "connection", "close"}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", CONNECTIONS)
async def test_both_come_to_the_same(
    kind: str, name: str, ids: dict[str, str], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"password": sandbox.api_key, **CONNECTIONS[kind]}
    connect(monkeypatch, sandbox.base_url, **fields)
    result, other = await outcomes(CALLS[name], ids)
    assert result == other


@pytest.mark.parametrize(
    "path", ["http://127.0.0.1:{closed}", "https://127.0.0.1:{plain}", "http://no-such.invalid"]
)
async def test_both_say_the_same_of_a_host_that_cannot_be_reached(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server(lambda request: say(request, 200, {})) as plain:
        connect(monkeypatch, path.format(closed=closed_port(), plain=plain), extra={"profile": "kling"})
        result, other = await outcomes(lambda hook: hook.get_task("1"))
    assert result == other
    assert result[1].startswith("Could not read task 1 at ")
    assert "Check the connection's host and port" in result[1]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"code": 0, "data": [{"id": "2", "status": "submitted"}]}),
        (200, {"code": 0, "data": {"result": [{"id": "1"}], "next_cursor": "c", "has_more": True}}),
        (401, {"code": 1004, "message": "Authorization is expired"}),
        (404, b"<html>no such page</html>"),
        (429, {"code": 1302, "message": "too fast"}),
        (500, {"code": 5000, "message": "internal"}),
        (302, b""),
        (200, b"not json"),
    ],
)
@pytest.mark.parametrize("login", [None, "ak"])
async def test_both_read_a_strange_answer_alike(
    status: int, body: Any, login: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(request: Any) -> None:
        asked.append(request.headers["Authorization"])
        say(request, status, body)

    with server(answer) as port:
        connect(monkeypatch, f"http://127.0.0.1:{port}", login=login, extra={"profile": "kling"})
        for call in (CALLS["an unknown task"], CALLS["external ids"], CALLS["a list"]):
            asked.clear()
            result, other = await outcomes(call)
            assert result == other
            assert len(asked) % 2 == 0, "as many calls by the one as by the other"


def test_an_external_id_that_is_given_is_obeyed(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connect(monkeypatch, sandbox.base_url, password=sandbox.api_key, **CONNECTIONS["kling"])
    with caplog.at_level(logging.WARNING):
        assert KlingHook().submit(RED_PANDA, external_task_id=None).external_task_id is None
        assert KlingHook().submit(RED_PANDA, external_task_id="auto").external_task_id == "auto"
        own = {**RED_PANDA, "external_task_id": "of-the-request"}
        assert KlingHook().submit(own, external_task_id=AUTO).external_task_id == "of-the-request"
    assert "paid again" not in caplog.text


@pytest.mark.parametrize("profile", ["gateway", "new-api"])
def test_a_host_without_a_lock_is_said_to_protect_nothing(
    profile: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow.sdk.execution_time.context import set_current_context

    from tests.unit.instance import Instance

    shape = {"shape": "new-api"} if profile == "new-api" else {}
    context: Any = Instance().context
    with Sandbox(profile="gateway", time_scale=1, **shape) as gateway, set_current_context(context):
        connect(monkeypatch, gateway.base_url, gateway.api_key, extra={"profile": profile})
        with caplog.at_level(logging.WARNING):
            assert KlingHook().submit(RED_PANDA).kling_task_id
    assert "has no lock against paying twice" in caplog.text
    assert "a retry of this task pays again" in caplog.text


def test_the_hook_offers_no_session_of_its_own() -> None:
    with pytest.raises(NotImplementedError):
        KlingHook().get_conn()


def test_more_than_a_batch_is_refused_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, "http://127.0.0.1:9", extra={"profile": "kling"})
    with pytest.raises(KlingRequestError, match="at most 20 for one call; found 21"):
        KlingHook().get_batch([str(number) for number in range(21)])
