# SPDX-License-Identifier: Apache-2.0
"""Operators against the sandbox: what is paid once, found again, and told truly, whatever fails around it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Variable
from PIL import Image

from kling_provider.api.codes import TaskState, parse_response
from kling_provider.api.dialects.reading import parse_task
from kling_provider.api.redaction import redact_urls
from kling_provider.exceptions import (
    KlingError,
    KlingModerationError,
    KlingServerError,
    KlingSubmitUnknown,
    KlingTaskFailedFinally,
)
from kling_provider.operators.kling import KlingDownloadOperator, KlingGenerateOperator
from kling_provider.sandbox import Sandbox
from kling_provider.sensors.kling import KlingTaskSensor
from kling_provider.submission import state_machine
from tests.contract.connecting import connect, say, server
from tests.unit.instance import Instance, Store

REQUEST = {"prompt": "A red panda", "duration": 3, "name": "panda"}
Start = Callable[..., Sandbox]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a sandbox with a connection to it, and makes waits short."""
    monkeypatch.setattr(state_machine, "LOOKS", (0.0,))
    monkeypatch.setattr(state_machine, "DUPLICATE_LOOKS", (0.0,))
    monkeypatch.setattr(state_machine, "BACKOFF", (0.0,))
    monkeypatch.setattr("kling_provider.hooks.kling._READ_TRIES", 1)
    with ExitStack() as stack:

        def started(profile: str = "kling", **options: Any) -> Sandbox:
            options = {"time_scale": 1, "render_seconds": 10, "profile": profile, **options}
            sandbox = stack.enter_context(Sandbox(**options))
            connection = {
                "conn_type": "kling",
                "host": sandbox.base_url,
                "password": sandbox.api_key,
                "extra": {"profile": profile},
            }
            monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(connection))
            return sandbox

        yield started


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Airflow's Variables."""
    kept: dict[str, Any] = {}
    monkeypatch.setattr(Variable, "get", lambda key, default=None, **_: kept.get(key, default))
    monkeypatch.setattr(Variable, "set", lambda key, value, **_: kept.__setitem__(key, value))
    monkeypatch.setattr(Variable, "delete", kept.pop)
    return kept


def made(sandbox: Sandbox) -> int:
    return int(sandbox.stats()["creates"]["made"])


def generate(**how: Any) -> KlingGenerateOperator:
    return KlingGenerateOperator(task_id="video", **{"request": REQUEST, **how})


def context(instance: Instance) -> Any:
    return {**instance.context, "outlet_events": defaultdict(lambda: SimpleNamespace(extra={}))}


def begin(
    operator: KlingGenerateOperator, instance: Instance, sandbox: Sandbox
) -> tuple[str, dict[str, Any]]:
    """Up to the defer, and the video rendered: its Kling task id, and the defer's ``kwargs``."""
    with pytest.raises(BaseException) as deferred:
        operator.execute(context(instance))
    assert type(deferred.value).__name__ == "TaskDeferred", deferred.value
    sandbox.advance(60)
    return instance.xcoms["kling"]["kling_task_id"], dict(deferred.value.kwargs or {})  # type: ignore[attr-defined]


def go_on(operator: KlingGenerateOperator, instance: Instance, kling_task_id: str, **kwargs: Any) -> Any:
    event = {"kling_task_id": kling_task_id, "status": "succeeded"}
    return operator.execute_complete(context(instance), event, **kwargs)


@pytest.mark.parametrize("profile", ["kling", "gateway"])
def test_replace_delivers_our_own(
    profile: str, start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    """At a host without a lock, and after 30 days anywhere, the saved file is the only memory of pay_once_per."""
    sandbox = start(profile)
    sandbox.set_faults([{"kind": "ids_forgotten", "seconds": 3600, "mode": "free"}])
    how = {"destination": str(tmp_path), "replace": True, "pay_once_per": "dag"}
    first = Instance(run_id="monday")
    kling_task_id, kwargs = begin(generate(**how), first, sandbox)
    go_on(generate(**how), first, kling_task_id, **kwargs)
    sandbox.advance(4000)
    again = generate(**how).execute(context(Instance(run_id="tuesday")))
    assert again["kling_task_id"] == kling_task_id
    assert made(sandbox) == 1


@pytest.mark.slow
@pytest.mark.parametrize("task", ["generate", "download"])
def test_a_finished_task_without_a_result_is_no_success(
    task: str, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that puts the link where nobody looks: green, and gone after 30 days."""
    sandbox, instance = start(), Instance()
    operator = generate(destination=str(tmp_path))
    kling_task_id, kwargs = begin(operator, instance, sandbox)
    monkeypatch.setattr("kling_provider.api.dialects.reading._read_outputs", lambda fields: ())
    download = KlingDownloadOperator(task_id="save", kling_task_id=kling_task_id, destination=str(tmp_path))
    deliver: Callable[[], Any] = (
        partial(go_on, operator, instance, kling_task_id, **kwargs)
        if task == "generate"
        else partial(download.execute, context(instance))
    )
    with pytest.raises(KlingServerError, match=r"names no result.* It was billed") as caught:
        deliver()
    assert caught.value.task_state is TaskState.EXISTS
    assert caught.value.kling_task_id == kling_task_id


def test_the_first_frame_is_not_needed_to_deliver(start: Start, tmp_path: Path) -> None:
    """It may be a file of the worker that sent it, and another one resumes; or it is gone by then."""
    image = tmp_path / "frame.png"
    Image.new("RGB", (400, 300), "red").save(image)
    request = {"type": "image_to_video", "prompt": "It moves", "duration": 3, "name": "panda"}
    how = {"request": {**request, "first_frame": str(image)}, "destination": str(tmp_path / "videos")}
    sandbox, instance = start(), Instance()
    kling_task_id, kwargs = begin(generate(**how), instance, sandbox)
    image.unlink()
    result = go_on(generate(**how), instance, kling_task_id, **json.loads(json.dumps(kwargs)))
    manifest = json.loads((tmp_path / "videos" / "panda.kling.json").read_text())
    assert result["kling_task_id"] == kling_task_id
    assert "(sha256 " in manifest["request"]["first_frame"]
    # The next try is given it again, and finds what is saved by the same identity.
    Image.new("RGB", (400, 300), "red").save(image)
    instance.ti.try_number = 2
    assert generate(**how).execute(context(instance))["kling_task_id"] == kling_task_id


@pytest.mark.parametrize("fault", [{"kind": "outage"}, {"kind": "auth", "on": "read"}], ids=["outage", "key"])
def test_what_fails_while_a_paid_video_is_delivered_says_that_it_is_paid(
    fault: dict[str, Any], start: Start, tmp_path: Path
) -> None:
    sandbox, instance = start(), Instance()
    operator = generate(destination=str(tmp_path))
    kling_task_id, kwargs = begin(operator, instance, sandbox)
    sandbox.set_faults([fault])
    with pytest.raises(KlingError) as caught:
        go_on(operator, instance, kling_task_id, **kwargs)
    who = "The retry" if fault["kind"] == "outage" else "A clear"
    assert f"{who} adopts it and pays nothing." in str(caught.value)
    left = instance.xcoms["kling"]
    assert (left["kling_task_id"], left["task_state"]) == (kling_task_id, "exists")


def test_a_wrong_connection_on_resume_does_not_say_that_nothing_was_made(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox, instance = start(), Instance()
    operator = generate(destination=str(tmp_path))
    kling_task_id, kwargs = begin(operator, instance, sandbox)
    monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps({"conn_type": "kling", "host": sandbox.url}))
    with pytest.raises(KlingError, match=f"task {kling_task_id}"):
        go_on(operator, instance, kling_task_id, **kwargs)
    assert instance.xcoms["kling"]["task_state"] == "exists"


@pytest.mark.parametrize("reason", ["Internal render error", "Failure to pass the risk control system"])
@pytest.mark.parametrize("who", ["adopt", "own id", "sensor"])
def test_a_failed_task_promises_a_next_attempt_only_where_one_is_made(
    who: str, reason: str, start: Start
) -> None:
    sandbox, instance = start(), Instance()
    sandbox.set_faults([{"kind": "task_fails", "message": reason}])
    own = {**REQUEST, "external_task_id": "mine"}
    kling_task_id, _ = begin(generate(request=own if who == "own id" else REQUEST), instance, sandbox)
    again: dict[str, Any] = {
        "adopt": generate(request={**REQUEST, "adopt": kling_task_id}),
        "own id": generate(request=own),
        "sensor": KlingTaskSensor(task_id="wait", kling_task_id=kling_task_id),
    }
    with pytest.raises((KlingTaskFailedFinally, KlingModerationError)) as caught:
        again[who].execute(context(Instance("other")))
    expected = {
        "adopt": f"says adopt: {kling_task_id}, a retry adopts the same task",
        "own id": "Choose another external_task_id",
        "sensor": "Clear the task that submitted it",
    }
    assert expected[who] in str(caught.value)
    assert "A clear of this task makes the next attempt" not in str(caught.value)
    assert "The retry" not in str(caught.value)
    assert made(sandbox) == 1


@pytest.mark.parametrize("fault", ["no lock", "not echoed"])
def test_a_paid_task_is_waited_for_though_its_record_cannot_be_kept(
    fault: str, start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The intent before it stays open, so that a later try stops rather than pays again."""

    class Broken(Store):
        def set(self, key: str, value: Any, *, retention: Any = None) -> None:
            if key == "kling" and value["state"] == "created":
                raise RuntimeError("the API server answered 500")
            super().set(key, value)

    sandbox, instance = start("gateway" if fault == "no lock" else "kling"), Instance()
    if fault == "not echoed":
        sandbox.set_faults([{"kind": "external_id_not_echoed"}])
    instance.store = Broken()
    operator = generate()
    kling_task_id, kwargs = begin(operator, instance, sandbox)
    assert f"put adopt: {kling_task_id} into the request first" in caplog.text
    assert go_on(operator, instance, kling_task_id, **kwargs)["kling_task_id"] == kling_task_id
    instance.ti.try_number = 2
    with pytest.raises(KlingSubmitUnknown):
        generate().execute(context(instance))
    adopted = generate(request={**REQUEST, "adopt": kling_task_id}).execute(context(instance))
    assert adopted["kling_task_id"] == kling_task_id
    assert made(sandbox) == 1


@pytest.mark.parametrize(
    "request_of",
    [
        lambda link: {"type": "image_to_video", "prompt": "x", "first_frmae": link},
        lambda link: {"type": "image_to_video", "prompt": "x", "first_frame": [link]},
        lambda link: {"type": "image_to_video", "prompt": "x", "first_frame": link.replace("https", "s3")},
        lambda link: {
            "type": "image_to_video",
            "prompt": "x",
            "first_frame": link.replace("https", "nosuch"),
        },
        lambda link: {"prompt": "x", "callback_url": link.replace("https", "ftp")},
        lambda link: {"prompt": "x", "duration": link},
    ],
)
@pytest.mark.parametrize(
    "link", ["https://u:SeCrEt@cdn.example/a.png", "https://cdn.example/a.png?sig=SeCrEt"]
)
def test_a_refused_request_tells_no_secret_of_an_address(
    link: str, request_of: Callable[[str], dict[str, Any]], start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox, instance = start(), Instance()
    if "sig=" in link and str(request_of(link).get("first_frame", "")).startswith("s3"):
        pytest.skip("a key of a bucket may hold a question mark, and nobody signs s3://")
    with pytest.raises(KlingError) as caught:
        generate(request=request_of(link)).execute(context(instance))
    assert "SeCrEt" not in f"{caught.value} {instance.xcoms} {caplog.text}"
    assert sandbox.requests() == []


@pytest.mark.parametrize(
    "link",
    ["https://u:SeCrEt@cdn.example/a.png", "http://SeCrEt@cdn.example/a", "https://cdn.example/a.png?SeCrEt"],
)
def test_an_address_in_an_answer_tells_no_secret(
    link: str, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox, instance = start(), Instance()
    sandbox.set_faults([{"kind": "refused", "code": 1201, "message": f"cannot get {link}"}])
    with pytest.raises(KlingError, match="cannot get http") as caught:
        generate().execute(context(instance))
    assert "SeCrEt" not in f"{caught.value} {instance.xcoms} {caplog.text}"


def test_a_connection_in_a_path_is_no_secret() -> None:
    assert redact_urls("there is no file s3://conn@bucket/a.png") == "there is no file s3://conn@bucket/a.png"


@pytest.mark.parametrize("data", [{"task_status": "submitted"}, {}, [], "", None])
def test_an_id_beside_the_data_is_the_paid_task(data: Any) -> None:
    """Some gateways write it at the top; at them a lost id stops every retry."""
    body = {"code": 0, "message": "SUCCEED", "request_id": "r", "task_id": "77", "data": data}
    answer = parse_response(200, {}, json.dumps(body).encode())
    assert answer.ok
    assert parse_task(answer.data, accepts_gateway_statuses=True).kling_task_id == "77"


def test_an_id_within_the_data_comes_first() -> None:
    body = {"code": 0, "task_id": "outside", "data": {"task_id": "inside"}}
    assert parse_task(parse_response(200, {}, json.dumps(body).encode()).data).kling_task_id == "inside"


@pytest.mark.parametrize("try_number", [1, 2])
def test_what_this_very_try_paid_for_is_not_called_nothing_paid(
    try_number: int, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    sandbox, instance = start(), Instance(try_number=try_number)
    sandbox.set_faults([{"kind": "answer_lost_after", "times": 1}])
    begin(generate(), instance, sandbox)
    assert "adopted, nothing more paid; it is" in caplog.text
    assert "nothing paid" not in caplog.text
    instance.ti.try_number = 3
    generate().execute(context(instance))
    assert "adopted, nothing paid; it is" in caplog.text


@pytest.mark.parametrize("waits", ["sensor", "download"])
def test_a_read_that_fails_does_not_tell_the_gallery_that_there_is_no_task(
    waits: str, start: Start, tmp_path: Path
) -> None:
    sandbox, instance = start(), Instance()
    kling_task_id, _ = begin(generate(), instance, sandbox)
    sandbox.set_faults([{"kind": "outage"}])
    operator: Any = (
        KlingTaskSensor(task_id="wait", kling_task_id=kling_task_id)
        if waits == "sensor"
        else KlingDownloadOperator(task_id="save", kling_task_id=kling_task_id, destination=str(tmp_path))
    )
    with pytest.raises(KlingServerError):
        operator.execute(context(instance))
    left = instance.xcoms["kling"]
    assert (left["kling_task_id"], left["task_state"]) == (kling_task_id, "may_exist")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"code": 200, "message": "success", "data": {"task_id": "77"}}),
        (200, {"code": 1303, "message": "full", "data": {"task_id": "77"}}),
        (502, {"code": 5000, "message": "late", "data": {"task_id": "77"}}),
    ],
)
def test_an_ambiguous_answer_that_names_a_task_is_not_forgotten(
    status: int, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No code proves that nothing was made beside an id; and whoever is stopped is told the id."""
    calls: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        calls.append(request.path)
        say(request, status, body)

    with server(answer) as port:
        hook = connect(monkeypatch, f"http://127.0.0.1:{port}", "sk-gateway")
        instance = Instance()
        with pytest.raises(KlingSubmitUnknown, match="names task 77") as caught:
            generate(kling_conn_id=hook.kling_conn_id).execute(context(instance))
        with pytest.raises(KlingError) as raised:
            hook.submit(REQUEST, external_task_id="af-2")
    assert caught.value.task_state is raised.value.task_state is TaskState.MAY_EXIST
    assert instance.store["kling"]["state"] == "open"
    assert len(calls) == 2


def test_the_next_run_adopts_what_a_run_paid_and_did_not_save(
    start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    """At a gateway, once per Dag: before Airflow 3.3 a Variable is the memory, also of where the file is."""
    sandbox = start("gateway")
    how = {"destination": str(tmp_path), "pay_once_per": "dag"}
    monday, tuesday = Instance(run_id="monday"), Instance(run_id="tuesday")
    kling_task_id, _ = begin(generate(**how), monday, sandbox)
    assert len(variables) == 1
    # Monday's run dies here; Tuesday's finds the video finished.
    result = generate(**how).execute(context(tuesday))
    assert (result["kling_task_id"], result["adopted"]) == (kling_task_id, True)
    assert made(sandbox) == 1
    assert [Path(file).name for record in variables.values() for file in record["files"]] == [
        "panda.kling.json"
    ]
    assert generate(**how).execute(context(Instance(run_id="wednesday")))["kling_task_id"] == kling_task_id
    assert made(sandbox) == 1


def test_the_next_run_stops_where_a_run_left_an_ambiguous_call(
    start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    sandbox = start("gateway")
    sandbox.set_faults([{"kind": "answer_lost_after", "times": 1}])
    how = {"destination": str(tmp_path), "pay_once_per": "dag"}
    for run_id in ("monday", "tuesday"):
        with pytest.raises(KlingSubmitUnknown, match="adopt"):
            generate(**how).execute(context(Instance(run_id=run_id)))
    assert made(sandbox) == 1


def test_a_changed_prompt_at_the_same_place_is_a_new_video(
    start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    """A clear after a file was changed: what is known by identity is not ambiguous."""
    sandbox, instance = start("gateway"), Instance()
    how = {"destination": str(tmp_path), "pay_once_per": "dag", "filename": "{name}-{take}"}
    kling_task_id, kwargs = begin(generate(**how), instance, sandbox)
    go_on(generate(**how), instance, kling_task_id, **kwargs)
    cleared = Instance(try_number=2, max_tries=4, clear_number=1)
    cleared.store = instance.store
    another, _ = begin(generate(**how, request={**REQUEST, "take": 1}), cleared, sandbox)
    assert another != kling_task_id
    assert made(sandbox) == 2
