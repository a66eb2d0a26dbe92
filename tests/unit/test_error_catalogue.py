# SPDX-License-Identifier: Apache-2.0
"""Every failure, side by side: each is produced for real against the sandbox, and what it says is the catalogue.

``docs/errors.md`` is written by this test (``WRITE_DOCS=1 pytest …``) and must be what it would write.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from kling_provider.exceptions import KlingError
from kling_provider.operators.kling import (
    KlingDownloadOperator,
    KlingGenerateOperator,
    KlingSubmitOperator,
)
from kling_provider.sandbox import Sandbox
from kling_provider.sensors.kling import KlingTaskSensor
from kling_provider.submission import state_machine
from tests.regressions.outcomes import outcome_of
from tests.unit.instance import Instance

WRITE_DOCS = "WRITE_DOCS" in os.environ
FOLDER = "kling-errors-"
RED_PANDA = {"prompt": "A red panda brews tea", "name": "red-panda", "duration": 5}
MASKS = {"type": "image_recognize", "image": "https://pictures.example/a.png", "name": "masks"}
SELECTION = {"type": "multi_elements_init", "video": "https://films.example/a.mp4", "name": "selection"}
LIPS = {
    "type": "advanced_lip_sync",
    "video": "https://films.example/a.mp4?faces=2",
    "sound": "https://sounds.example/a.mp3",
    "sound_start_time": 0,
    "sound_end_time": 2000,
    "sound_insert_time": 0,
    "name": "lips",
}
Faults = list[dict[str, Any]]
#: A host without a lock: the connection to it, and the sandbox that plays it.
GATEWAY: tuple[dict[str, Any], dict[str, Any]] = ({"extra": {}}, {"profile": "gateway"})
QUOTA = {"code": "insufficient_user_quota", "message": "user quota is not enough", "data": None}
PAGE = "<!DOCTYPE html><html><head><title>Welcome</title></head></html>"


@dataclass
class Case:
    """One failure: how it comes about, and what must be said about it."""

    title: str
    run: Callable[[Sandbox, Instance], Any]
    faults: Faults = field(default_factory=list)
    connection: dict[str, Any] = field(default_factory=dict)
    sandbox: dict[str, Any] = field(default_factory=dict)


def submit(_: Sandbox, instance: Instance, **how: Any) -> Any:
    return KlingSubmitOperator(task_id="video", **{"request": RED_PANDA, **how}).execute(instance.context)


def generate(_: Sandbox, instance: Instance, **how: Any) -> Any:
    extras: Any = defaultdict(lambda: SimpleNamespace(extra={}))
    operator = KlingGenerateOperator(task_id="video", **how)
    return operator.execute({**instance.context, "outlet_events": extras})


def generate_after_its_end(sandbox: Sandbox, instance: Instance) -> Any:
    generate(sandbox, instance, request=SELECTION)
    instance.store["kling"]["answer"]["updated_at"] = "2026-01-02T03:04:05+00:00"
    instance.ti.try_number = 2
    return generate(sandbox, instance, request=SELECTION)


def submit_twice(sandbox: Sandbox, instance: Instance) -> Any:
    with suppress(KlingError):
        submit(sandbox, instance)
    instance.ti.try_number = 2
    return submit(sandbox, instance)


def answering(status: int, body: Any) -> dict[str, Any]:
    kind = {"Content-Type": "text/html"} if body is PAGE else {}
    return {"kind": "answer", "status": status, "body": body, "headers": kind}


def submit_wrong(sandbox: Sandbox, instance: Instance) -> Any:
    request = {"promt": "A red panda", "duration": 99, "negative_prompt": "rain", "prompt": "x"}
    return submit(sandbox, instance, request=request)


def made(sandbox: Sandbox, instance: Instance) -> str:
    kling_task_id: str = submit(sandbox, instance)
    sandbox.advance(200)
    return kling_task_id


def sense(sandbox: Sandbox, instance: Instance) -> Any:
    sensor = KlingTaskSensor(task_id="wait", kling_task_id=made(sandbox, instance))
    return sensor.execute(instance.context)


def sense_too_long(sandbox: Sandbox, instance: Instance) -> Any:
    kling_task_id = submit(sandbox, instance)
    sensor = KlingTaskSensor(task_id="wait", kling_task_id=kling_task_id)
    return sensor.execute_complete(instance.context, {"kling_task_id": kling_task_id, "status": "timeout"})


def generate_failing(sandbox: Sandbox, instance: Instance) -> Any:
    operator = KlingGenerateOperator(task_id="video", request=RED_PANDA)
    event = {"kling_task_id": made(sandbox, instance), "status": "failed"}
    return operator.execute_complete(instance.context, event)


def download_unfinished(sandbox: Sandbox, instance: Instance) -> Any:
    kling_task_id = submit(sandbox, instance)
    save = KlingDownloadOperator(task_id="save", kling_task_id=kling_task_id, destination="/tmp/kling-none")
    return save.execute(instance.context)


def download_unknown(sandbox: Sandbox, instance: Instance) -> Any:
    save = KlingDownloadOperator(task_id="save", kling_task_id="123", destination="/tmp/kling-none")
    return save.execute(instance.context)


def generate_twice(sandbox: Sandbox, instance: Instance) -> Any:
    """Two Dags that want one file: the second one."""
    with TemporaryDirectory(prefix=FOLDER) as folder:
        operator = KlingGenerateOperator(task_id="video", request=RED_PANDA, destination=folder)
        outcome_of(lambda: operator.execute(Instance(dag_id="films").context))
        return operator.execute(Instance(dag_id="trailers").context)


def generate_over(name: str, *, below: str = "") -> Callable[[Sandbox, Instance], Any]:
    """A file of somebody else's stands in the way."""

    def run(sandbox: Sandbox, instance: Instance) -> Any:
        with TemporaryDirectory(prefix=FOLDER) as folder:
            (Path(folder) / name).write_text("somebody's")
            operator = KlingGenerateOperator(
                task_id="video", request=RED_PANDA, destination=f"{folder}{below}"
            )
            return operator.execute(instance.context)

    return run


def full_for_a_day(sandbox: Sandbox, instance: Instance) -> Any:
    operator = KlingSubmitOperator(task_id="video", request=RED_PANDA)
    event = {"external_task_id": "af-0", "status": "timeout", "queued_at": 0.0}
    return operator.execute_after_queue(instance.context, event)


CASES = [
    Case("Wrong request", submit_wrong),
    Case("Above max_units", lambda s, i: submit(s, i, max_units=1)),
    Case("No key in the connection", submit, connection={"password": ""}),
    Case("Wrong key", submit, connection={"password": "api-key-of-nobody"}),
    Case("Key of another region", submit, connection={"password": "other-region"}),
    Case(
        "Access key on the standard API",
        submit,
        connection={"login": "ak-kling-sandbox", "extra": {"profile": "kling", "api": "standard"}},
    ),
    Case("Wrong clock on this machine", submit, [{"kind": "auth", "code": 1004}]),
    Case("No right to the model", submit, [{"kind": "auth", "code": 1103, "on": "create"}]),
    Case("IP address not on the key's list", submit, [{"kind": "auth", "code": 1304}]),
    Case("No units left", submit, sandbox={"units": 0}),
    Case("In arrears", submit, [{"kind": "arrears"}]),
    Case("Refused by moderation at the call", submit, [{"kind": "moderation"}]),
    Case("Too many requests, for a long time", submit, [{"kind": "rate_limited", "on": "create"}]),
    Case("At the concurrency limit for a day", full_for_a_day),
    Case("Host cannot be reached", submit, connection={"host": "http://127.0.0.1:9"}),
    Case("Host's name is unknown", submit, connection={"host": "http://kling.invalid"}),
    Case("Key's quota at a gateway is used up", submit, [answering(403, QUOTA)], *GATEWAY),
    Case("Host is a website, or its path prefix is wrong", submit, [answering(403, PAGE)], *GATEWAY),
    Case(
        "Host redirects",
        submit,
        [{"kind": "redirect", "status": 301, "location": "https://new.example/kling"}],
    ),
    Case("Request is too large for the host", submit, [answering(413, PAGE)], *GATEWAY),
    Case(
        "Proxy cannot be used",
        submit,
        connection={"extra": {"profile": "kling", "proxies": {"http": "gopher://proxy.example"}}},
    ),
    Case("Response lost each time, no task made", submit, [{"kind": "answer_lost_before"}]),
    Case(
        "Response lost, and the look-ups fail, too",
        submit,
        [{"kind": "answer_lost_after", "times": 1}, {"kind": "outage", "on": "read"}],
    ),
    Case(
        "Response lost at a host without a lock",
        submit,
        [{"kind": "answer_lost_after"}],
        {"extra": {}},
        {"profile": "gateway"},
    ),
    Case(
        "The retry of that (response lost, no lock)",
        submit_twice,
        [{"kind": "answer_lost_after"}],
        {"extra": {}},
        {"profile": "gateway"},
    ),
    Case(
        "External id exists, its task is forgotten",
        submit_twice,
        [
            {"kind": "answer_lost_after", "times": 1},
            {"kind": "ids_forgotten", "seconds": 0, "mode": "refused"},
        ],
    ),
    Case(
        "pay_once_per without a lock",
        lambda s, i: submit(s, i, pay_once_per="account"),
        [],
        {"extra": {}},
        {"profile": "gateway"},
    ),
    Case(
        "Answered at once, and three responses lost",
        lambda s, i: generate(s, i, request=MASKS),
        [{"kind": "answer_lost_after"}],
    ),
    Case(
        "Answered at once, a response lost, and the price is unknown",
        lambda s, i: generate(s, i, request=SELECTION),
        [{"kind": "answer_lost_after"}],
    ),
    Case("Answered at once, and the session has ended", generate_after_its_end),
    Case("Answered at once, in KlingSubmitOperator", lambda s, i: submit(s, i, request=MASKS)),
    Case("Several faces, and none is chosen", lambda s, i: submit(s, i, request=LIPS)),
    Case("Place claimed by another task", generate_twice),
    Case("Place taken by another file", generate_over("red-panda.mp4")),
    Case("A place that cannot be written", generate_over("videos", below="/videos")),
    Case("Task to adopt is not there", lambda s, i: submit(s, i, request={**RED_PANDA, "adopt": "123"})),
    Case(
        "Kling failed the task",
        generate_failing,
        [{"kind": "task_fails", "message": "Image pixel is invalid"}],
    ),
    Case(
        "Kling failed the task in moderation",
        generate_failing,
        [{"kind": "task_fails", "message": "Failure to pass the risk control system"}],
    ),
    Case(
        "Kling failed the task, seen by the sensor",
        sense,
        [{"kind": "task_fails", "message": "Image pixel is invalid"}],
    ),
    Case("Still rendering at the deadline", sense_too_long, [{"kind": "stuck"}]),
    Case("Download of a task that still runs", download_unfinished, [{"kind": "stuck"}]),
    Case("Download of an unknown task", download_unknown),
]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same waits, shorter."""
    monkeypatch.setattr(state_machine, "LOOKS", (0.0,))
    monkeypatch.setattr(state_machine, "DUPLICATE_LOOKS", (0.0,))
    monkeypatch.setattr(state_machine, "BACKOFF", (0.0, 0.0))
    monkeypatch.setattr("kling_provider.hooks.kling._READ_TRIES", 1)


def fail(case: Case, monkeypatch: pytest.MonkeyPatch) -> tuple[BaseException, Sandbox]:
    with Sandbox(**{"time_scale": 1, "render_seconds": 90, **case.sandbox}) as sandbox:
        sandbox.set_faults(case.faults)
        password = case.connection.get("password", sandbox.api_key)
        if password == "other-region":
            password = sandbox.backend.get_account("other-region").api_key
        if case.connection.get("login"):
            password = sandbox.secret_key
        connection = {
            "conn_type": "kling",
            "host": sandbox.base_url,
            "extra": {"profile": "kling"},
            **case.connection,
            "password": password,
        }
        monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(connection))
        with pytest.raises(Exception) as caught:
            case.run(sandbox, Instance())
        return caught.value, sandbox


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_every_failure_says_what_happened_and_what_to_do(
    case: Case, quick: None, monkeypatch: pytest.MonkeyPatch, catalogue: dict[str, tuple[str, str, str]]
) -> None:
    error, sandbox = fail(case, monkeypatch)
    text = _neutral(str(error))
    first = text.splitlines()[0]
    assert len(first) > 30
    assert "Traceback" not in text
    for secret in (sandbox.api_key, sandbox.secret_key, "Signature="):
        assert secret not in str(error)
    final = isinstance(error, AirflowFailException) or type(error).__name__ == "AirflowSensorTimeout"
    state = str(getattr(error, "task_state", "exists"))
    if isinstance(error, KlingError):
        # The first line tells what a wallet wants to know: whether there is a task, and whether it is billed.
        assert re.search(r"billed|[Nn]othing|adopt|[Nn]ot sent|at Kling|does not know|save yet", text), text
    catalogue[case.title] = (type(error).__name__, "fails at once" if final else "retries", f"{state}|{text}")


@pytest.fixture(scope="module")
def catalogue(repository: Path) -> Any:
    found: dict[str, tuple[str, str, str]] = {}
    yield found
    if len(found) != len(CASES):
        return  # only some were asked for
    lines = [
        "# What can go wrong, and what it says",
        "",
        "Every failure below was produced against the sandbox, and the text is what the task log shows. *Task* says",
        "whether one exists at Kling: `none`, `exists`, or `may_exist`.",
        "",
    ]
    for title, (kind, airflow, rest) in found.items():
        state, text = rest.split("|", 1)
        lines += [f"## {title}", "", f"`{kind}` · Airflow {airflow} · task: `{state}`", ""]
        lines += [f"> {line}" for line in text.splitlines()] + [""]
    page = repository / "docs" / "errors.md"
    written = "\n".join(lines)
    if WRITE_DOCS:
        page.parent.mkdir(exist_ok=True)
        page.write_text(written, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == written, "docs/errors.md is old: WRITE_DOCS=1 writes it"


def _neutral(text: str) -> str:
    """What differs between two runs, made the same."""
    text = re.sub(r"127\.0\.0\.1:\d+", "api-singapore.klingai.com", text)
    text = re.sub(rf"{gettempdir()}/{FOLDER}[^/]+", "/opt/airflow/videos", text)
    text = re.sub(r"\b9\d{17}\b", "953895286126000640", text)
    text = re.sub(r"af-[0-9a-f]{40}", "af-855e379cabacc79b17f742c90334744760b4ca24", text)
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.+]+", "2026-11-24T06:00:00+00:00", text)
