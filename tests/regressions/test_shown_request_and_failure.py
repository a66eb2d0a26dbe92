# SPDX-License-Identifier: Apache-2.0
"""What a task shows of its request and its failure: the body of a plan, the first line of an error, no secret on the page
of rendered fields."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from airflow.sdk import DAG
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kling_provider.operators.kling import KlingBudgetOperator, KlingGenerateOperator, KlingSubmitOperator
from kling_provider.sandbox import Sandbox
from kling_provider.sensors.kling import KlingTaskSensor
from tests.regressions.outcomes import RED_PANDA, connected, outcome_of
from tests.unit.instance import Instance


def image() -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (400, 300), "red").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


SECRETS = {
    "type": "image_to_video",
    "prompt": "It moves",
    "duration": 3,
    "first_frame": image(),
    "last_frame": "https://bucket.example/last.png?X-Amz-Signature=s3cr3t&X-Amz-Expires=60&X-Amz-Credential=me",
    "callback_url": "https://hooks.example/services/T0/B0/s3cr3t?token=s3cr3t",
}


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with connected(monkeypatch) as running:
        yield running


def stored(task: Any, **values: Any) -> str:
    """What Airflow stores of a task's rendered fields, by its own functions."""
    from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

    context: Any = {"params": {"word": "moves"}, **values}
    if task.is_mapped:
        context["ti"] = Instance(map_index=0).ti
        context["expanded_ti_count"] = 1
        task = task.unmap(values["mapped"])
        task._do_render_template_fields(task, task.template_fields, context, task.get_template_env(), set())
    else:
        task.render_template_fields(context)
    return json.dumps(_serialize_rendered_fields(task))


@pytest.mark.airflow_version
@pytest.mark.parametrize("kind", ["plain", "mapped", "sensor", "budget"])
def test_rendered_fields_show_what_may_be_shown(kind: str) -> None:
    with DAG("films", start_date=datetime(2026, 1, 1), schedule=None):
        if kind == "plain":
            task: Any = KlingGenerateOperator(
                task_id="video", request={**SECRETS, "prompt": "It {{ params.word }}"}
            )
            text = stored(task)
        elif kind == "mapped":
            task = KlingGenerateOperator.partial(task_id="video").expand(request=[SECRETS])
            text = stored(task, mapped={"request": SECRETS})
        elif kind == "sensor":
            text = stored(KlingTaskSensor(task_id="video", kling_task_id="1", request=SECRETS))
        else:
            text = stored(KlingBudgetOperator(task_id="video", requests=[SECRETS, SECRETS]))
    assert "It moves" in text
    assert "s3cr3t" not in text
    assert SECRETS["first_frame"][:40] not in text
    assert "base64 (sha256" in text
    assert "https://hooks.example" in text
    assert "https://bucket.example/last.png" in text


@settings(max_examples=30, deadline=None)
@given(path=st.text("abcXYZ019/_-", max_size=30), port=st.sampled_from(["", ":8443"]), user=st.booleans())
def test_of_a_callback_s_url_scheme_and_host_are_shown(path: str, port: str, user: bool) -> None:
    url = f"https://{'me:pass@' if user else ''}hooks.example{port}/{path}?token=s3cr3t"
    with DAG("films", start_date=datetime(2026, 1, 1), schedule=None):
        task = KlingSubmitOperator(task_id="video", request={"prompt": "x", "callback_url": url})
        text = stored(task)
    assert json.loads(text)["request"]["callback_url"] == f"https://hooks.example{port}"


def test_a_plan_shows_the_body_as_it_would_be_sent(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    request = {**RED_PANDA, "callback_url": SECRETS["callback_url"]}
    KlingSubmitOperator(task_id="video", request=request, plan_only=True).execute(Instance().context)
    planned = capsys.readouterr().out + caplog.text
    assert "::group::Request, not sent" in planned
    assert f"POST {sandbox.url}/text-to-video/kling-3.0" in planned
    assert '"prompt": "A red panda brews tea"' in planned
    assert '"callback_url": "https://hooks.example"' in planned
    assert "s3cr3t" not in planned


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


FAILURES: list[tuple[str, dict[str, Any], str, int]] = [
    ("a wrong request", {"request": {"promt": "x", "duration": 99}}, "nothing was sent", 3),
    ("a price above the limit", {"max_units": 0.1}, "max_units must be 1.8 or more", 3),
    ("a key that is none", {}, "Could not create", 3),
]


@pytest.mark.parametrize(("what", "settings", "said", "lines"), FAILURES, ids=[one[0] for one in FAILURES])
def test_a_failure_has_lines_of_its_own_before_the_trace(
    what: str,
    settings: dict[str, Any],
    said: str,
    lines: int,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if "key" in what:
        sandbox.set_faults([{"kind": "auth", "code": 1002}])
    operator = KlingSubmitOperator(task_id="video", **{"request": RED_PANDA, **settings})
    with caplog.at_level(logging.ERROR):
        outcome = outcome_of(lambda: operator.execute(Instance().context))
    assert isinstance(outcome, Exception), outcome
    shown = errors(caplog)
    assert len(shown) >= lines, shown
    assert said in shown[0]
    assert len(shown[0]) <= 100
    assert all("\n" not in line for line in shown)


def test_so_has_that_of_a_sensor(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    sandbox.set_faults([{"kind": "task_fails", "message": "Internal render error", "times": 1}])
    made = KlingSubmitOperator(task_id="submit", request=RED_PANDA).execute(Instance().context)
    sandbox.advance(20)
    sensor = KlingTaskSensor(task_id="wait", kling_task_id=made)
    with caplog.at_level(logging.ERROR):
        outcome_of(lambda: sensor.execute(Instance("wait").context))
    shown = errors(caplog)
    assert len(shown) >= 2, shown
    assert "Internal render error" in "".join(shown[:2])
    assert len(shown[0]) <= 120
