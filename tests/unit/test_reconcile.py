# SPDX-License-Identifier: Apache-2.0
"""Reconciling, against the sandbox: what was paid and never saved is saved once, and nothing else is touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kling_provider.exceptions import KlingRequestError
from kling_provider.hooks.kling import KlingHook
from kling_provider.operators.kling import (
    KlingDownloadOperator,
    KlingReconcileOperator,
    KlingSubmitOperator,
)
from kling_provider.sandbox import Sandbox
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
