# SPDX-License-Identifier: Apache-2.0
"""Videos by DMXAPI's responses route, against a stand-in that offers ``POST /v1/responses`` alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kling_provider.exceptions import KlingError, KlingRequestError, KlingSubmitUnknown
from kling_provider.hooks.kling import KlingAsyncHook, KlingHook
from kling_provider.operators.kling import KlingGenerateOperator
from kling_provider.sandbox import Sandbox
from kling_provider.sandbox.endpoints.gateways.ids import TSK, UUID
from tests.regressions.attempts import attempt, made, use_connection
from tests.regressions.playing import defer, resume, sidecars
from tests.unit.instance import Instance

IMAGE = "https://images.example/a.png"
SHOTS = [{"index": 1, "prompt": "one", "duration": 2}, {"index": 2, "prompt": "two", "duration": 3}]
#: Every form: what a user writes, and the units that the host says it took.
REQUESTS: dict[str, tuple[dict[str, Any], str]] = {
    "3.0": ({"prompt": "a boat", "duration": 5, "audio": "native"}, "4.5"),
    "3.0 image": (
        {"type": "image_to_video", "first_frame": IMAGE, "prompt": "it drifts", "duration": 5},
        "3",
    ),
    "3.0 shots": (
        {
            "prompt": "two shots",
            "duration": 5,
            "multi_shot": True,
            "shot_type": "customize",
            "multi_prompt": SHOTS,
        },
        "3",
    ),
    "3.0 shots from an image": (
        {
            "type": "image_to_video",
            "first_frame": IMAGE,
            "duration": 5,
            "multi_shot": True,
            "shot_type": "customize",
            "multi_prompt": SHOTS,
        },
        "3",
    ),
    "2.6": ({"prompt": "a boat", "model": "kling-2.6", "duration": 5, "resolution": "1080p"}, "2.5"),
    "2.6 image": (
        {
            "type": "image_to_video",
            "first_frame": IMAGE,
            "prompt": "it drifts",
            "model": "kling-2.6",
            "duration": 10,
        },
        "3",
    ),
    "Bailian": ({"prompt": "a boat", "model": "kling-v3-video-generation", "duration": 5}, "3"),
    "Bailian image": (
        {
            "type": "image_to_video",
            "first_frame": IMAGE,
            "prompt": "it drifts",
            "model": "kling-v3-video-generation",
            "duration": 5,
        },
        "3",
    ),
}


def id_of(sandbox: Sandbox, form: str) -> str:
    """The id by which the host knows the only task."""
    [task] = sandbox.backend.all()
    return (
        task.id if form.startswith("2.6") else (UUID if form.startswith("Bailian") else TSK).encode(task.id)
    )


@pytest.fixture
def dmxapi(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(profile="gateway", shape="dmxapi-responses", time_scale=1000, units=1000) as sandbox:
        connect(monkeypatch, sandbox)
        yield sandbox


def connect(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, **extra: Any) -> None:
    use_connection(
        monkeypatch, sandbox.base_url, password=sandbox.api_key, extra={"profile": "dmxapi", **extra}
    )


@pytest.mark.parametrize("form", REQUESTS)
def test_a_request_becomes_a_saved_video(form: str, dmxapi: Sandbox, tmp_path: Path) -> None:
    request, units = REQUESTS[form]
    instance = Instance()
    operator = KlingGenerateOperator(
        task_id="video", request={**request, "name": "boat"}, destination=str(tmp_path)
    )
    waited = defer(operator, instance, dmxapi)
    result = resume(operator, instance, waited)
    assert result["status"] == "succeeded"
    assert (tmp_path / "boat.mp4").stat().st_size > 1000
    [saved] = sidecars(tmp_path).values()
    for billing in (result["billing"], saved["billing"]):
        assert [(one["charge_type"], one["amount"]) for one in billing] == [("unit", units)]
    assert made(dmxapi) == 1


@pytest.mark.parametrize("form", REQUESTS)
def test_a_lost_answer_stops_and_adopt_goes_on(form: str, dmxapi: Sandbox) -> None:
    request, _ = REQUESTS[form]
    instance = Instance()
    dmxapi.set_faults([{"kind": "answer_lost_after", "times": 1}])
    stopped = attempt(instance, request=request)
    assert isinstance(stopped, KlingSubmitUnknown), repr(stopped)
    assert "adopt" in str(stopped)
    assert "resubmit" in str(stopped)
    again = attempt(instance, request=request)
    assert isinstance(again, KlingSubmitUnknown), repr(again)
    assert made(dmxapi) == 1
    theirs = id_of(dmxapi, form)
    assert attempt(instance, request={**request, "adopt": theirs}) == theirs
    assert made(dmxapi) == 1


@pytest.mark.parametrize("place", ["message", "beside"])
@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize("form", REQUESTS)
def test_an_accepted_create_within_an_error_is_adopted(
    form: str, status: int, place: str, dmxapi: Sandbox
) -> None:
    request, _ = REQUESTS[form]
    dmxapi.set_faults([{"kind": "accepted_with_400", "status": status, "place": place, "times": 1}])
    done = attempt(Instance(), request=request)
    assert done == id_of(dmxapi, form)
    assert made(dmxapi) == 1


def test_an_accepted_create_without_an_id_stops(dmxapi: Sandbox) -> None:
    dmxapi.set_faults([{"kind": "accepted_with_400", "place": "none", "times": 1}])
    instance = Instance()
    for _ in range(2):
        assert isinstance(attempt(instance), KlingSubmitUnknown)
    assert made(dmxapi) == 1


@pytest.mark.parametrize("form", REQUESTS)
def test_a_failed_task_says_why(form: str, dmxapi: Sandbox) -> None:
    request, _ = REQUESTS[form]
    dmxapi.set_faults([{"kind": "task_fails", "message": "Internal render error"}])
    instance = Instance()
    kling_task_id = attempt(instance, request=request)
    dmxapi.advance(3600)
    task = KlingHook().get_task(kling_task_id, type=request.get("type", "text_to_video"))
    assert task.status == "failed"
    # Kling failed the first attempt, so the retry makes the next one.
    assert isinstance(attempt(instance, request=request), str)
    assert made(dmxapi) == 2


async def test_the_triggerer_reads_all_forms_at_once(dmxapi: Sandbox) -> None:
    ids = [
        attempt(Instance(run_id=form), request={**request, "prompt": f"{form}"})
        for form, (request, _) in REQUESTS.items()
        if request.get("type", "text_to_video") == "text_to_video"
    ]
    dmxapi.advance(3600)
    async with KlingAsyncHook() as hook:
        found = await hook.get_tasks(ids, type="text_to_video")
    assert {one: task.status for one, task in found.items()} == dict.fromkeys(ids, "succeeded")


@pytest.mark.parametrize("host", ["https://www.dmxapi.cn", "www.dmxapi.cn", "https://ssvip.dmxapi.com/"])
def test_a_connection_without_extras_takes_the_route(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_connection(monkeypatch, host, password="sk-kling-sandbox")
    plan = attempt(Instance(), request={"prompt": "a boat", "duration": 5}, plan_only=True)
    assert plan["http"]["method"] == "POST"
    assert plan["http"]["url"] == f"https://{host.removeprefix('https://').rstrip('/')}/v1/responses"
    assert plan["http"]["json"]["model"] == "kling-v3"
    assert plan["http"]["json"]["input"] == "a boat"
    assert plan["price"]["units"] is None
    assert "unit_price" in plan["price"]["basis"]
    use_connection(monkeypatch, f"{host.rstrip('/')}/kling", password="sk-kling-sandbox")
    plan = attempt(Instance(), request={"prompt": "a boat", "duration": 5}, plan_only=True)
    assert plan["http"]["url"].endswith("/kling/v1/videos/text2video")


def test_the_connection_test_asks_for_free(dmxapi: Sandbox) -> None:
    ok, text = KlingHook().test_connection()
    assert ok, text
    assert "responses" in text
    assert made(dmxapi) == 0


def test_a_wrong_key_is_told(dmxapi: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    use_connection(monkeypatch, dmxapi.base_url, password="other-key", extra={"profile": "dmxapi"})
    ok, text = KlingHook().test_connection()
    assert not ok
    assert "key" in text
    error = attempt(Instance())
    assert isinstance(error, KlingError)
    assert "Nothing was made" in str(error)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"prompt": "x", "model": "kling-2.5-turbo"}, "model"),
        ({"prompt": "x", "model": "kling-3.0-turbo"}, "model"),
        ({"type": "omni_video", "prompt": "x"}, "type"),
        ({"prompt": "x", "callback_url": "https://a.example/"}, "callback_url"),
        ({"prompt": "x", "external_task_id": "mine"}, "external_task_id"),
        ({"prompt": "x", "model": "kling-2.6", "watermark": True}, "watermark"),
        ({"prompt": "x", "model": "kling-v3-video-generation", "negative_prompt": "dogs"}, "negative_prompt"),
    ],
)
def test_what_the_route_has_no_field_for_is_refused_before_the_call(
    request_: dict[str, Any], field: str, dmxapi: Sandbox
) -> None:
    error = attempt(Instance(), request=request_)
    assert isinstance(error, KlingRequestError), repr(error)
    assert field in [problem.field for problem in error.problems]
    assert dmxapi.stats()["creates"]["received"] == 0


def test_its_older_route_says_that_its_models_are_retired(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Sandbox(profile="gateway", shape="dmxapi", time_scale=1000) as sandbox:
        connect(monkeypatch, sandbox)
        assert sandbox.base_url.endswith("/kling")
        assert KlingHook().connection.api == "legacy"
        assert isinstance(attempt(Instance()), str)
        assert "retired on 2026-09-15" in caplog.text
        assert "https://www.dmxapi.cn" in caplog.text
