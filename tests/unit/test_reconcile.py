# SPDX-License-Identifier: Apache-2.0
"""Reconciling, against the sandbox: what was paid and never saved is saved once, and nothing else is touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from kling_provider.api.catalog import add_spec_for_now
from kling_provider.exceptions import KlingError, KlingRequestError
from kling_provider.hooks.kling import KlingHook
from kling_provider.operators.kling import (
    KlingDownloadOperator,
    KlingGenerateOperator,
    KlingReconcileOperator,
    KlingSubmitOperator,
)
from kling_provider.sandbox import Sandbox
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect
from tests.support.postcard import Postcard
from tests.support.postcard_request import POSTCARD
from tests.unit.instance import Instance

#: ``advance`` puts the sandbox's clock ahead of ours, so that its tasks end in our future.
AT_ONCE = -300.0


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, render_seconds=10) as sandbox:
        connect(monkeypatch, sandbox)
        yield sandbox


def connect(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, **fields: Any) -> None:
    connection = {
        "conn_type": "kling",
        "host": sandbox.base_url,
        "password": sandbox.api_key,
        "extra": {"profile": "kling"},
        **fields,
    }
    monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(connection))


def submit(number: int, **where: Any) -> str:
    request = {"prompt": f"Film {number}", "duration": 3, "name": f"film-{number}"}
    kling_task_id: str = KlingSubmitOperator(task_id="video", request=request).execute(
        Instance(**where).context
    )
    return kling_task_id


def reconcile(folder: Path, **how: Any) -> dict[str, Any]:
    operator = KlingReconcileOperator(task_id="reconcile", destination=str(folder), **how)
    if "grace" not in how:
        operator.grace = AT_ONCE
    report: dict[str, Any] = operator.execute(Instance("reconcile").context)
    return report


def test_what_nobody_saved_is_saved_once(sandbox: Sandbox, tmp_path: Path) -> None:
    kept, lost, failed = submit(0), submit(1), None
    sandbox.set_faults([{"kind": "task_fails", "times": 1}])
    failed = submit(2)
    foreign = KlingHook().submit({"prompt": "not ours", "duration": 3}, external_task_id="somebody-else")
    sandbox.advance(20)
    running = submit(3)
    KlingDownloadOperator(
        task_id="save", kling_task_id=kept, destination=str(tmp_path), filename="shelf/kept"
    ).execute(Instance("save").context)

    report = reconcile(tmp_path)
    assert [one["kling_task_id"] for one in report["saved"]] == [lost]
    assert (tmp_path / "orphans" / f"{lost}.mp4").stat().st_size > 1000
    assert (report["known"], report["running"]) == (1, 1)
    assert [one["kling_task_id"] for one in report["failed"]] == [failed]
    assert report["failed"][0]["message"]
    assert not list(tmp_path.rglob(f"*{foreign.kling_task_id}*"))
    assert not list(tmp_path.rglob(f"*{running}*"))

    again = reconcile(tmp_path)
    assert again["saved"] == []
    assert again["known"] == 2


def test_young_ones_are_left_to_their_tasks(sandbox: Sandbox, tmp_path: Path) -> None:
    submit(0)
    sandbox.advance(20)
    assert reconcile(tmp_path, grace=timedelta(hours=2))["young"] == 1
    assert not list(tmp_path.rglob("*.mp4"))


def test_only_the_dags_that_are_asked_for(sandbox: Sandbox, tmp_path: Path) -> None:
    mine, other = submit(0), submit(1, dag_id="others")
    sandbox.advance(20)
    saved = reconcile(tmp_path, dag_ids=["films"])["saved"]
    assert [one["kling_task_id"] for one in saved] == [mine]
    assert [one["kling_task_id"] for one in reconcile(tmp_path)["saved"]] == [other]


def test_a_file_that_was_deleted_counts_as_not_saved(sandbox: Sandbox, tmp_path: Path) -> None:
    lost = submit(0)
    sandbox.advance(20)
    reconcile(tmp_path)
    (tmp_path / "orphans" / f"{lost}.mp4").unlink()
    assert len(reconcile(tmp_path)["saved"]) == 1


@pytest.mark.parametrize(
    "fields",
    [{"login": "ak-kling-sandbox", "password": "sandbox-secret-key-that-guards-nothing"}, {"extra": {}}],
)
def test_without_a_list_it_says_so(
    fields: dict[str, Any], sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, sandbox, **fields)
    with pytest.raises(KlingRequestError, match="a list needs Kling itself and an API key"):
        reconcile(tmp_path)


# -- every kind ------------------------------------------------------------------------------------------------


class NumberedPostcard(Postcard):
    """The made-up type, with an external id."""

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        request = super().check_body(dialect, body, model=model, lenient=lenient)
        return replace(request, external_id=Fields(body).read_text("external_task_id"))


@pytest.fixture
def mixed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    spec = replace(POSTCARD, external_ids=True)
    with (
        add_spec_for_now(spec),
        Sandbox(time_scale=1, render_seconds=10, products=[NumberedPostcard()]) as sandbox,
    ):
        connect(monkeypatch, sandbox)
        yield sandbox


def create(sandbox: Sandbox, path: str, number: int, **body: Any) -> str:
    """Send a create as an operator of another release would, with an external id of this provider's form."""
    answer = requests.post(
        sandbox.base_url + path,
        json={**body, "external_task_id": ours(number)},
        headers={"Authorization": f"Bearer {sandbox.api_key}"},
        timeout=30,
    ).json()
    assert answer["code"] == 0, answer
    return str(answer["data"].get("task_id") or answer["data"]["id"])


def ours(number: int) -> str:
    return f"af-{number:040x}"


def test_orphans_of_every_kind_are_saved_as_what_they_are(
    mixed: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    card = create(mixed, "/v1/general/postcards", 1, look={}, lines=["a", "b"])
    sound = create(mixed, "/v1/audio/text-to-audio", 2, prompt="rain", duration=3.0)
    video = create(mixed, "/v1/videos/text2video", 3, prompt="a boat", model_name="kling-v3", duration="3")
    mixed.advance(60)
    saved = {one["kling_task_id"]: one for one in reconcile(tmp_path)["saved"]}
    assert [Path(file).name for file in saved[card]["files"]] == [
        f"{card}-0.png",
        f"{card}-1.jpg",
        f"{card}-2.mp3",
    ]
    assert (saved[card]["type"], saved[card]["made"]) == ("postcard", "2 images and 1 sound")
    assert [Path(file).suffix for file in saved[sound]["files"]] == [".mp3"]
    assert saved[sound]["made"] == "sound"
    # Kling's list does not tell which of the types of videos it was, and so neither does the report.
    assert (saved[video]["type"], saved[video]["made"]) == (None, "video")
    assert "its type is not known: several types make such a result" in caplog.text
    manifests = {
        key: json.loads((tmp_path / "orphans" / f"{key}.kling.json").read_text()) for key in (card, video)
    }
    assert [manifests[key]["type"] for key in (card, video)] == ["postcard", None]
    assert manifests[card]["billing"][0]["package_type"] == "image"
    assert reconcile(tmp_path)["known"] == 3


def test_a_claim_tells_the_type(sandbox: Sandbox, tmp_path: Path) -> None:
    request = {"prompt": "A red panda", "duration": 3, "name": "panda"}
    operator = KlingGenerateOperator(task_id="video", request=request, destination=str(tmp_path))
    with pytest.raises(BaseException) as deferred:
        operator.execute(Instance().context)
    assert type(deferred.value).__name__ == "TaskDeferred"
    sandbox.advance(20)
    (saved,) = reconcile(tmp_path)["saved"]
    assert saved["type"] == "text_to_video"


def test_the_memory_tells_the_type(mixed: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create(mixed, "/v1/videos/text2video", 3, prompt="a boat", model_name="kling-v3", duration="3")
    record = {"identity": ours(3), "type": "text_to_video"}
    monkeypatch.setenv(f"AIRFLOW_VAR_KLING_RECORD_{ours(3).upper()}", json.dumps(record))
    mixed.advance(20)
    (saved,) = reconcile(tmp_path)["saved"]
    assert saved["type"] == "text_to_video"


def test_voices_and_elements_are_reported_and_never_saved(mixed: Sandbox, tmp_path: Path) -> None:
    kept = [{"type": "voice", "id": "v-1", "url": "real"}, {"type": "element", "id": "e-1"}]
    mixed.set_faults([{"kind": "outputs", "outputs": kept, "times": 100}])
    task = create(mixed, "/v1/videos/text2video", 3, prompt="a boat", model_name="kling-v3", duration="3")
    mixed.advance(20)
    report = reconcile(tmp_path)
    assert report["saved"] == []
    (told,) = report["kept"]
    assert (told["kling_task_id"], told["made"]) == (task, "1 voice and 1 element")
    assert [(one["type"], one["id"]) for one in told["outputs"]] == [("voice", "v-1"), ("element", "e-1")]
    assert not list(tmp_path.rglob("*"))


def test_a_list_that_cannot_be_read_is_an_error_after_all_others(mixed: Sandbox, tmp_path: Path) -> None:
    lost = create(mixed, "/v1/audio/text-to-audio", 2, prompt="rain", duration=3.0)
    mixed.advance(60)
    elsewhere = replace(POSTCARD, type="made_up_solution", tasks_path="/nowhere", external_ids=True)
    with add_spec_for_now(elsewhere), pytest.raises(KlingError):
        reconcile(tmp_path)
    assert (tmp_path / "orphans" / f"{lost}.mp3").exists()
