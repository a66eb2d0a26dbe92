# SPDX-License-Identifier: Apache-2.0
"""The result's exact shape, and that it is plain JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from kling_provider.api.tasks import Billing, KlingTask, Output, TaskStatus
from kling_provider.storage import find_saved_result, result, saved_result
from tests.unit.storage_stand_ins import film, finished, origin, place, running_host, save, whole

ENDED = datetime(2026, 11, 24, 6, 1, 30, 436000, UTC)


def test_the_whole_shape() -> None:
    task = KlingTask(
        kling_task_id="912",
        status=TaskStatus.SUCCEEDED,
        external_task_id="af-1",
        outputs=(Output("video", "out", "https://x.example/a.mp4?Signature=s", None, 5.041),),
        billing=(
            Billing("unit", Decimal("3"), package_type="video"),
            Billing("cash", Decimal("0.00000010"), "USD", list_price=Decimal(1)),
        ),
        created_at=datetime(2026, 11, 24, 14, 0, tzinfo=timezone(timedelta(hours=8))),
        updated_at=ENDED,
    )
    facts = result(
        task,
        name="red-panda",
        type="text_to_video",
        prompt="A red panda",
        model="kling-3.0",
        take=1,
        adopted=False,
        external_task_id="af-other",
    )
    assert facts == {
        "name": "red-panda",
        "type": "text_to_video",
        "prompt": "A red panda",
        "model": "kling-3.0",
        "take": 1,
        "adopted": False,
        "kling_task_id": "912",
        "external_task_id": "af-1",
        "status": "succeeded",
        "outputs": [
            {
                "type": "video",
                "id": "out",
                "url": "https://x.example/a.mp4?Signature=s",
                "duration": 5.041,
                "watermark_url": None,
                "file": None,
                "poster": None,
            }
        ],
        "manifest": None,
        "billing": [
            {"charge_type": "unit", "amount": "3", "currency": None},
            {"charge_type": "cash", "amount": "0.00000010", "currency": "USD"},
        ],
        "created_at": "2026-11-24T06:00:00.000+00:00",
        "finished_at": "2026-11-24T06:01:30.436+00:00",
        "expires_at": "2026-12-24T06:01:30.000+00:00",
    }
    assert list(facts) == [
        *("name", "type", "prompt", "model", "take", "adopted", "kling_task_id", "external_task_id"),
        *("status", "outputs", "manifest", "billing", "created_at", "finished_at", "expires_at"),
    ]
    assert json.loads(json.dumps(facts)) == facts


def test_what_is_not_known_is_null() -> None:
    task = KlingTask("1", TaskStatus.PROCESSING)
    facts = result(
        task,
        name=None,
        type="text_to_video",
        prompt=None,
        model=None,
        take=0,
        adopted=True,
        external_task_id="af-2",
    )
    assert facts["external_task_id"] == "af-2"
    assert facts["status"] == "processing"
    assert facts["outputs"] == facts["billing"] == []
    for key in ("name", "prompt", "model", "created_at", "finished_at", "expires_at"):
        assert facts[key] is None


def test_a_saved_video_tells_the_same_without_a_call(tmp_path: Path) -> None:
    with running_host() as host:
        task = finished(host.serve("/a.mp4", whole(film())))
        saved = save(task, tmp_path, "a")
    about = {
        "name": "red-panda",
        "type": "text_to_video",
        "prompt": "A red panda brews tea",
        "model": "kling-3.0",
        "take": 0,
        "adopted": True,
        "external_task_id": None,
    }
    live = result(task, saved=saved, **about)  # type: ignore[arg-type]
    assert live["outputs"][0]["file"] == f"file://{tmp_path}/a.mp4"
    assert live["manifest"] == f"file://{tmp_path}/a.kling.json"
    found = find_saved_result(place(tmp_path), "a", origin())
    assert found is not None
    live["outputs"][0]["url"] = None  # the one thing that no file keeps
    assert saved_result(found) == live


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_amounts_are_plain_text_and_exact(amount: Decimal) -> None:
    task = KlingTask("1", TaskStatus.SUCCEEDED, billing=(Billing("unit", amount),))
    text = result(
        task,
        name=None,
        type="text_to_video",
        prompt=None,
        model=None,
        take=0,
        adopted=False,
        external_task_id=None,
    )["billing"][0]["amount"]
    assert "E" not in text.upper()
    assert Decimal(text) == amount
