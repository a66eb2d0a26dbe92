# SPDX-License-Identifier: Apache-2.0
"""What a task came to: the exact shape of its result, and that everything else says the same of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_provider.api.parsing import parse_request
from kling_provider.api.result_facts import ResultFacts
from kling_provider.api.tasks import Billing, KlingTask, Output, TaskStatus
from kling_provider.execution.outcome import TaskOutcome
from kling_provider.notifications.facts import NAMES, Facts
from kling_provider.plugins.gallery.reading import read_video
from kling_provider.storage import Manifest, find_saved_result
from kling_provider.submission.sent import SentRequest
from tests.unit.instance import Instance
from tests.unit.storage_stand_ins import finished, make_video, origin, place, running_host, save, whole

ENDED = datetime(2026, 11, 24, 6, 1, 30, 436000, UTC)
SENT = SentRequest(
    identity="af-identity",
    kling_conn_id="kling_default",
    pay_once_per="run",
    type="text_to_video",
    model="kling-3.0",
    name="red-panda",
    prompt="A red panda brews tea",
    take=1,
    resolution="720p",
    aspect_ratio="16:9",
    audio="native",
    external_task_id="af-other",
)
TASK = KlingTask(
    kling_task_id="912",
    status=TaskStatus.SUCCEEDED,
    external_task_id="af-1",
    outputs=(Output("video", "out", "https://x.example/a.mp4?Signature=s3cr3t", None, 5.041),),
    billing=(
        Billing("unit", Decimal("3"), package_type="video"),
        Billing("cash", Decimal("0.00000010"), "USD", list_price=Decimal(1)),
    ),
    created_at=datetime(2026, 11, 24, 14, 0, tzinfo=timezone(timedelta(hours=8))),
    updated_at=ENDED,
)


def test_the_whole_shape_of_a_result() -> None:
    result = TaskOutcome.of_task(TASK, SENT, type="text_to_video", adopted=False).to_xcom(
        conn_id="kling_default"
    )
    assert result == {
        "name": "red-panda",
        "type": "text_to_video",
        "prompt": "A red panda brews tea",
        "model": "kling-3.0",
        "take": 1,
        "adopted": False,
        "kling_task_id": "912",
        "external_task_id": "af-1",
        "times_sent": None,
        "status": "succeeded",
        "outputs": [
            {
                "type": "video",
                "id": "out",
                "url": "https://x.example/a.mp4?Signature=s3cr3t",
                "duration": 5.041,
                "watermark_url": None,
                "file": None,
                "poster": None,
                "details": None,
                # Of its task, so that one output alone may be the input of another request.
                "kling_task_id": "912",
                "made_by": "text_to_video",
                "number": 1,
                "finished_at": "2026-11-24T06:01:30.436+00:00",
                "expires_at": "2026-12-24T06:01:30.000+00:00",
                "conn_id": "kling_default",
            }
        ],
        "conn_id": "kling_default",
        "manifest": None,
        "billing": [
            {"charge_type": "unit", "amount": "3", "currency": None, "package_type": "video"},
            {"charge_type": "cash", "amount": "0.00000010", "currency": "USD", "package_type": None},
        ],
        "created_at": "2026-11-24T06:00:00.000+00:00",
        "finished_at": "2026-11-24T06:01:30.436+00:00",
        "expires_at": "2026-12-24T06:01:30.000+00:00",
    }
    assert json.loads(json.dumps(result)) == result


def test_what_is_not_known_is_null() -> None:
    result = TaskOutcome.of_task(
        KlingTask("1", TaskStatus.PROCESSING), None, type="text_to_video", adopted=True
    ).to_xcom()
    assert (result["status"], result["type"], result["take"]) == ("processing", "text_to_video", 0)
    assert result["outputs"] == result["billing"] == []
    for key in ("name", "prompt", "model", "external_task_id", "created_at", "finished_at", "expires_at"):
        assert result[key] is None
    sent = TaskOutcome.of_task(KlingTask("1", TaskStatus.PROCESSING), SENT, type="text_to_video")
    assert sent.facts.external_task_id == "af-other"  # a host that does not repeat it


def test_a_saved_result_tells_the_same_without_a_call(tmp_path: Path) -> None:
    with running_host() as host:
        task = finished(
            host.serve("/a.mp4", whole(make_video())), host.serve("/b.mp4", whole(make_video(0.5)))
        )
        saved = save(task, tmp_path, "a", origin=origin(take=1))
    live = TaskOutcome.of_task(task, SENT, type="text_to_video", adopted=True, saved=saved).to_xcom()
    assert [output["file"] for output in live["outputs"]] == [f"file://{tmp_path}/a-{n}.mp4" for n in (0, 1)]
    assert live["manifest"] == f"file://{tmp_path}/a.kling.json"
    found = find_saved_result(place(tmp_path), "a", origin())
    assert found is not None
    for output in live["outputs"]:
        output["url"] = None  # the one thing that no file keeps
    assert TaskOutcome.of_saved(found, SENT).to_xcom() == live


def test_everything_that_tells_of_a_result_says_the_same_facts(tmp_path: Path) -> None:
    with running_host() as host:
        task = finished(host.serve("/a.mp4", whole(make_video())))
        saved = save(task, tmp_path, "a", origin=origin(take=1))
    outcome = TaskOutcome.of_task(task, SENT, type="text_to_video", adopted=False, saved=saved)
    facts = outcome.facts.to_json()
    assert set(facts) == set(ResultFacts.model_fields)
    event = outcome.to_event(Instance().context, "kling_default")
    manifest = Manifest.model_validate_json((tmp_path / "a.kling.json").read_bytes())
    for told in (outcome.to_xcom(), event, outcome.to_lineage_facts(), manifest.to_json()):
        assert {name: told[name] for name in facts} == facts
    assert (event["resolution"], event["aspect_ratio"], event["audio"]) == ("720p", "16:9", "native")
    assert "s3cr3t" not in json.dumps(event) + "".join(outcome.to_log())
    # A message may name each of them that is a text or a number, and a card has the others too.
    assert {*NAMES} >= {*facts} - {"billing"}
    card = read_video(json.dumps({**event, "expires_at": "2026-12-24T06:01:30.000+00:00"}))
    assert card.facts is not None
    assert {*type(card.facts).model_fields, *card.others, "external_task_id"} >= {*facts}


def test_a_request_says_what_its_model_makes_of_its_audio() -> None:
    request = parse_request({"prompt": "x", "model": "kling-3.0"})
    outcome = TaskOutcome.of_task(TASK, request, type=request.type)
    assert outcome.to_event(Instance().context, None)["audio"] == request.sound


@pytest.mark.parametrize("name", ["type", "take", "external_task_id", "expires_at", "manifest"])
def test_a_message_may_name_any_fact(name: str) -> None:
    result = {
        **TaskOutcome.of_task(TASK, SENT, type="text_to_video").to_xcom(),
        "manifest": "/v/<a>.kling.json",
    }

    class Pulled:
        state, dag_id, run_id, task_id, map_index = "success", "d", "r", "t", -1

        def xcom_pull(self, *, key: str, **_: Any) -> Any:
            return result if key == "return_value" else None

    told = Facts({"ti": Pulled()})[name]
    assert told == str(result[name]).replace("<", "&lt;").replace(">", "&gt;")


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_amounts_are_plain_text_and_exact(amount: Decimal) -> None:
    task = KlingTask("1", TaskStatus.SUCCEEDED, billing=(Billing("unit", amount),))
    text = TaskOutcome.of_task(task, None, type="text_to_video").to_xcom()["billing"][0]["amount"]
    assert "E" not in text.upper()
    assert Decimal(text) == amount
