# SPDX-License-Identifier: Apache-2.0
"""``KlingHook`` against the sandbox, with every kind of connection. What goes wrong: ``test_hook_failures.py``."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.exceptions import KlingRequestError, KlingTaskNotFound
from kling_provider.hooks.kling import KlingHook
from kling_provider.sandbox import Sandbox
from tests.contract.connecting import RED_PANDA, connect, connect_to, pauses, say, server
from tests.contract.sandbox_client import png


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=100) as running:
        yield running


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses(monkeypatch)


#: Connections, HttpHook and the masker are Airflow's.
pytestmark = pytest.mark.airflow_version

IMAGE = base64.b64encode(png(320, 320)).decode()
KINDS: dict[str, dict[str, Any]] = {
    "standard": {},
    "legacy": {"extra": {"api": "legacy"}},
    "access key": {"login": "ak-kling-sandbox", "password": "sandbox-secret-key-that-guards-nothing"},
}
GATEWAYS = {
    "gateway": ("dmxapi", {}),
    "dmxapi": ("dmxapi", {"profile": "dmxapi"}),
    "new-api": ("new-api", {"profile": "new-api"}),
    "new-api, newer": ("new-api-video", {"profile": "new-api"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_video_from_create_to_end(kind: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = connect_to(monkeypatch, sandbox, **KINDS[kind])
    made = hook.submit(RED_PANDA, external_task_id="af-1")
    assert (made.status, made.external_task_id) == (TaskStatus.SUBMITTED, "af-1")
    assert made.created_at is not None
    assert abs(made.created_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert hook.get_task(made.kling_task_id).status.running

    sandbox.advance(120)
    done = hook.get_task(made.kling_task_id)
    assert (done.status, done.message) == (TaskStatus.SUCCEEDED, "")
    (video,) = done.outputs
    assert (video.type, video.duration) == ("video", pytest.approx(5.041))
    assert str(video.url).startswith(sandbox.url)
    assert [(item.charge_type, item.amount) for item in done.billing] == [("unit", Decimal(3))]
    assert done.expires_at is not None
    assert done.updated_at is not None
    assert done.expires_at == done.updated_at.replace(microsecond=0) + timedelta(days=30)


@pytest.mark.parametrize("kind", KINDS)
def test_many_tasks_and_look_ups(kind: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = connect_to(monkeypatch, sandbox, **KINDS[kind])
    count = 23 if kind == "standard" else 3
    ids = {}
    for number in range(count):
        ids[f"af-{number}"] = hook.submit(RED_PANDA, external_task_id=f"af-{number}").kling_task_id
    before = len(sandbox.requests())
    found = hook.find([*ids, "af-unknown"])
    assert {external: [task.kling_task_id for task in tasks] for external, tasks in found.items()} == {
        external: [kling_task_id] for external, kling_task_id in ids.items()
    }
    assert len(sandbox.requests()) - before == (4 if kind == "access key" else -(-(count + 1) // 20))
    read = hook.get_tasks(list(ids.values()))
    assert {one: task.kling_task_id for one, task in read.items()} == {one: one for one in ids.values()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_that_nobody_knows(kind: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = connect_to(monkeypatch, sandbox, **KINDS[kind])
    with pytest.raises(KlingTaskNotFound) as caught:
        hook.get_task("867283741759111202")
    assert "does not know task 867283741759111202" in str(caught.value)
    assert caught.value.kling_task_id == "867283741759111202"
    assert len(sandbox.requests()) == 1, "what Kling does not know is not asked again"
    assert hook.find(["af-unknown"]) == {}


def test_unknown_ids_are_missing_among_many(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = connect_to(monkeypatch, sandbox)
    made = hook.submit(RED_PANDA, external_task_id=None)
    assert made.external_task_id is None
    assert set(hook.get_tasks([made.kling_task_id, "1", made.kling_task_id])) == {made.kling_task_id}
    assert hook.get_tasks([]) == {}
    assert hook.find([]) == {}


def test_tasks_are_listed_by_time_and_status(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = connect_to(monkeypatch, sandbox)
    assert hook.list_tasks() == []
    made = {hook.submit(RED_PANDA, external_task_id=f"af-{n}").kling_task_id for n in range(3)}
    sandbox.advance(120)
    last = hook.submit(RED_PANDA, external_task_id="af-last").kling_task_id
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert {task.kling_task_id for task in hook.list_tasks(until=tomorrow)} == {*made, last}
    running = hook.list_tasks(until=tomorrow, statuses=["submitted", "processing"])
    assert [task.kling_task_id for task in running] == [last]
    assert hook.list_tasks(since=tomorrow - timedelta(days=9), until=tomorrow - timedelta(days=8)) == []


def test_a_list_is_read_to_its_last_page(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def answer(request: Any) -> None:
        asked.append(request.json)
        page = len(asked)
        more = {"next_cursor": f"c{page}", "has_more": True} if page < 3 else {"has_more": False}
        say(request, 200, {"code": 0, "data": {"result": [{"id": str(page)}], "count": 1, **more}})

    with server(answer) as port:
        hook = connect(monkeypatch, f"http://127.0.0.1:{port}", "sk-key", extra={"profile": "kling"})
        assert [task.kling_task_id for task in hook.list_tasks()] == ["1", "2", "3"]
    assert asked == [{"limit": 500}, {"limit": 500, "cursor": "c1"}, {"limit": 500, "cursor": "c2"}]


def test_the_list_of_solutions_wants_both_words_for_success(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Any]] = []

    def answer(request: Any) -> None:
        asked.append((request.path, request.json))
        found = {"id": "1", "status": "succeed"}
        say(request, 200, {"code": 0, "data": {"result": [found], "count": 1, "has_more": False}})

    with server(answer) as port:
        hook = connect(monkeypatch, f"http://127.0.0.1:{port}", "sk-key", extra={"profile": "kling"})
        (task,) = hook.list_tasks(statuses=["succeeded", "failed"], type="virtual_try_on")
        hook.list_tasks(statuses=["succeeded"])
    assert task.status is TaskStatus.SUCCEEDED
    filters = [(path, body["filters"]) for path, body in asked]
    assert filters == [
        ("/solutions", [{"key": "status", "values": ["succeeded", "failed", "succeed"]}]),
        ("/tasks", [{"key": "status", "values": ["succeeded"]}]),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_the_packs_of_the_account(kind: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    pack, images = connect_to(monkeypatch, sandbox, **KINDS[kind]).account()
    assert (pack.name, pack.status) == ("Trial-Video-1000Units-100Con-1Months", "online")
    assert (pack.total, pack.remaining, pack.concurrency) == (1000, 1000, 100)
    assert (images.name, images.concurrency) == ("Trial-Image-10000Units-100Con-1Months", None)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "standard",
            "standard API, profile kling) accepts the key; the account has 1000 video units and 10000 image units left.",
        ),
        (
            "legacy",
            "legacy API, profile kling) accepts the key; the account has 1000 video units and 10000 image units left.",
        ),
        (
            "access key",
            "legacy API, profile kling) accepts the key; the account has 1000 video units and 10000 image units left.",
        ),
    ],
)
def test_the_connection_test_is_free(
    kind: str, said: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, text = connect_to(monkeypatch, sandbox, **KINDS[kind]).test_connection()
    assert (good, text.endswith(said)) == (True, True), text
    assert sandbox.stats()["creates"]["received"] == 0


# -- image to video, and the sandbox's own reading of every field ------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_what_we_asked_for_is_what_the_other_side_understood(
    kind: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = connect_to(monkeypatch, sandbox, **KINDS[kind])
    asked = {
        "prompt": "A red panda brews tea",
        "model": "kling-v3",
        "duration": "12",
        "resolution": "1080p",
        "aspect_ratio": "9:16",
        "audio": True,
        "watermark": True,
        "callback_url": f"{sandbox.url}/nobody",
    }
    created = _created(sandbox, hook.submit(asked, external_task_id="af-1"))
    assert (created.product, created.model, created.prompt) == ("text-to-video", "kling-3.0", asked["prompt"])
    assert created.settings.items() >= {"duration": 12, "resolution": "1080p", "aspect_ratio": "9:16"}.items()
    assert (created.settings["sound"], created.watermark, created.external_id) == (True, True, "af-1")
    assert created.callback_url == asked["callback_url"]

    frames = {"first_frame": IMAGE, "last_frame": IMAGE}
    asked = {
        "type": "image_to_video",
        "model": "kling-2.5-turbo",
        "resolution": "1080p",
        "duration": 10,
        **frames,
    }
    created = _created(sandbox, hook.submit(asked, external_task_id="af-2"))
    assert (created.product, created.model, created.prompt) == ("image-to-video", "kling-2.5-turbo", "")
    assert created.settings.items() >= {"duration": 10, "resolution": "1080p", "sound": False}.items()
    assert created.image is not None


def _created(sandbox: Sandbox, made: KlingTask) -> Any:
    task = sandbox.backend.get_task(made.kling_task_id)
    assert task is not None
    return task.request


# -- gateways ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GATEWAYS)
def test_every_call_at_each_kind_of_gateway(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shape, extra = GATEWAYS[name]
    with Sandbox(profile="gateway", shape=shape, time_scale=1) as sandbox:
        hook = connect_to(monkeypatch, sandbox, extra=extra)
        assert hook.test_connection()[0], hook.test_connection()
        made = hook.submit(RED_PANDA, external_task_id=None if "new-api" in name else "af-1")
        assert made.status is TaskStatus.SUBMITTED
        assert hook.get_task(made.kling_task_id).status.running
        sandbox.advance(120)
        done = hook.get_task(made.kling_task_id)
        assert (done.status, done.kling_task_id) == (TaskStatus.SUCCEEDED, made.kling_task_id)
        assert [str(output.url).startswith(sandbox.url) for output in done.outputs] == [True]
        assert set(hook.get_tasks([made.kling_task_id])) == {made.kling_task_id}
        image_request = {"type": "image_to_video", "model": "kling-v1-6", "first_frame": IMAGE}
        other = hook.submit(image_request, external_task_id=None)
        assert hook.get_task(other.kling_task_id, type="image_to_video").status.running
        with pytest.raises(KlingTaskNotFound):
            hook.get_task("867283741759111202")
        _has_no(hook)


def _has_no(hook: KlingHook) -> None:
    for call, said in (
        (lambda: hook.find(["af-1"]), "finds no tasks by external id"),
        (hook.list_tasks, "lists no tasks"),
        (hook.account, "does not tell what the account has"),
    ):
        with pytest.raises(KlingRequestError, match=said):
            call()


def test_access_key_and_secret_key_have_no_list(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KlingRequestError, match="a list needs Kling itself and an API key"):
        connect_to(monkeypatch, sandbox, **KINDS["access key"]).list_tasks()
    assert sandbox.requests() == []


# -- the clock --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [3600, -600])
def test_a_clock_that_is_off_is_mended_once(
    seconds: int, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.set_faults([{"kind": "skewed_clock", "seconds": seconds}])
    hook = connect_to(monkeypatch, sandbox, **KINDS["access key"])
    made = hook.submit(RED_PANDA, external_task_id="af-1")
    assert [one["status"] for one in sandbox.requests()] == [401, 200]
    assert hook.get_task(made.kling_task_id).status.running
    assert hook.find(["af-1"])["af-1"][0].kling_task_id == made.kling_task_id
    assert [one["status"] for one in sandbox.requests()] == [401, 200, 200, 200], "what was learned is kept"
    assert sandbox.stats()["creates"]["made"] == 1


# -- before anything is sent ------------------------------------------------------------------------------


def test_a_wrong_request_is_not_sent(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = connect_to(monkeypatch, sandbox)
    wrong = {"promt": "A red panda", "duration": 99, "negative_prompt": "rain"}
    with pytest.raises(KlingRequestError) as caught:
        hook.submit({**wrong, "prompt": "x"}, external_task_id=None)
    assert str(caught.value).startswith(
        "The request is wrong, nothing was sent: promt 'A red panda': must be a known key."
    )
    assert [problem.field for problem in caught.value.problems] == ["promt", "duration"]
    with pytest.raises(KlingRequestError, match="drops it silently"):
        hook.submit({"prompt": "x", "negative_prompt": "rain"}, external_task_id=None)
    assert sandbox.requests() == []
