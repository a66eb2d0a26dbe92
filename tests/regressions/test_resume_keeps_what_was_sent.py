# SPDX-License-Identifier: Apache-2.0
"""A task that goes on after its wait delivers what was sent, whatever its request says by then.

Airflow renders the fields of a task anew when it resumes and when it is retried: a Variable in the prompt, an edited Dag
file or a mapped list that shifted then shows another request, while Kling renders the first one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_provider.exceptions import KlingError
from kling_provider.operators.kling import KlingGenerateOperator, KlingSubmitOperator
from kling_provider.sandbox import Sandbox
from kling_provider.sensors.kling import KlingTaskSensor
from tests.regressions.playing import cleared, context, defer, made, resume, retried, sidecars
from tests.unit.instance import Instance

Start = Callable[..., Sandbox]

PANDA = {"prompt": "A red panda brews tea", "name": "panda", "duration": 3}
BOAT = {"prompt": "A paper boat in the rain", "name": "boat", "duration": 3}

#: What may be another one when the task resumes: the request's author did not touch a running task.
CHANGES: dict[str, dict[str, Any]] = {
    "prompt and name": BOAT,
    "prompt": {**PANDA, "prompt": "A red panda brews coffee"},
    "name": {**PANDA, "name": "bear"},
    "duration": {**PANDA, "duration": 5},
    "take": {**PANDA, "take": 1},
    "model": {**PANDA, "model": "kling-2.6", "duration": 5},
    "type": {"type": "image_to_video", "prompt": "x", "first_frame": "/nowhere/frame.png"},
    "no request at all": {},
    "a wrong one": {"prompt": "x", "duration": "long"},
}


def generate(request: dict[str, Any], folder: Path, **how: Any) -> KlingGenerateOperator:
    return KlingGenerateOperator(
        task_id="video", **{"request": request, "destination": str(folder), "pay_once_per": "dag", **how}
    )


def goes_on(operator: Any, instance: Instance, waited: dict[str, Any]) -> Any:
    """The resume; where it fails, that is the finding."""
    try:
        return resume(operator, instance, waited)
    except KlingError as error:
        return {"failed": str(error)}


@pytest.mark.parametrize("change", CHANGES)
def test_a_resumed_task_delivers_what_it_sent(
    change: str, start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    sandbox, instance = start(), Instance()
    waited = defer(generate(PANDA, tmp_path), instance, sandbox)
    result = goes_on(generate(CHANGES[change], tmp_path), instance, waited)
    assert (result.get("prompt"), result.get("name")) == (PANDA["prompt"], "panda"), result
    (name, sidecar) = next(iter(sidecars(tmp_path).items()))
    assert name == "panda.mp4"
    assert (sidecar["prompt"], sidecar["kling_task_id"]) == (PANDA["prompt"], waited["kling_task_id"])
    assert sidecar["external_task_id"].startswith("af-")
    assert sidecar["identity"] == sidecar["external_task_id"]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompt=st.text("abcdef 可灵", min_size=1, max_size=30), name=st.text("xyz", min_size=1, max_size=9))
def test_whatever_the_request_says_at_the_resume(
    prompt: str, name: str, start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    sandbox, instance = start(), Instance()
    folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
    waited = defer(generate(PANDA, folder, pay_once_per="run"), instance, sandbox)
    changed = generate({"prompt": prompt, "name": name, "duration": 3}, folder, pay_once_per="run")
    result = goes_on(changed, instance, waited)
    assert (result.get("prompt"), result.get("name")) == (PANDA["prompt"], "panda"), result
    assert list(sidecars(folder)) == ["panda.mp4"]


def test_the_next_run_makes_the_new_request_and_keeps_the_old_video(
    start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    """With the old video under the new name, the new one would never be made."""
    sandbox, monday = start(), Instance(run_id="monday")
    waited = defer(generate(PANDA, tmp_path), monday, sandbox)
    goes_on(generate(BOAT, tmp_path), monday, waited)
    tuesday = Instance(run_id="tuesday")
    boat = generate(BOAT, tmp_path)
    with pytest.raises(BaseException) as ended:
        pytest.fail(f"delivered {boat.execute(context(tuesday))['kling_task_id']} for the new prompt")
    assert type(ended.value).__name__ == "TaskDeferred", ended.value
    assert made(sandbox) == 2


def test_the_place_of_the_submission_counts(start: Start, tmp_path: Path, variables: dict[str, Any]) -> None:
    """A destination with a Variable in it may be another one at the resume."""
    sandbox, instance = start(), Instance()
    waited = defer(generate(PANDA, tmp_path / "then"), instance, sandbox)
    goes_on(generate(PANDA, tmp_path / "now", filename="other"), instance, waited)
    assert [path.name for path in (tmp_path / "then").glob("*.mp4")] == ["panda.mp4"]
    assert not (tmp_path / "now").exists()


def test_the_connection_of_the_submission_counts(
    start: Start, tmp_path: Path, variables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox, instance = start(), Instance()
    waited = defer(generate(PANDA, tmp_path), instance, sandbox)
    monkeypatch.setenv(
        "AIRFLOW_CONN_OTHER", '{"conn_type": "kling", "host": "http://127.0.0.1:9", "password": "k"}'
    )
    result = goes_on(generate(PANDA, tmp_path, kling_conn_id="other"), instance, waited)
    assert result.get("kling_task_id") == waited["kling_task_id"], result


@pytest.mark.parametrize("profile", ["kling", "gateway"])
@pytest.mark.parametrize("change", ["prompt and name", "take", "a wrong one", "no request at all"])
def test_an_automatic_retry_finishes_what_was_paid(
    profile: str, change: str, start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    """The disk was full at the resume, and the Variable changed: Airflow's retry runs the task from its start."""
    sandbox, instance = start(profile), Instance()
    waited = defer(generate(PANDA, tmp_path), instance, sandbox)
    again = generate(CHANGES[change], tmp_path)
    try:
        result = again.execute(context(retried(instance)))
    except BaseException as ended:
        result = {"kling_task_id": None, "prompt": f"{type(ended).__name__}: {ended}"}
    assert (result["kling_task_id"], result["prompt"]) == (waited["kling_task_id"], PANDA["prompt"])
    assert made(sandbox) == 1
    assert list(sidecars(tmp_path)) == ["panda.mp4"]


@pytest.mark.parametrize("profile", ["kling", "gateway"])
def test_an_automatic_retry_of_a_submit_pushes_what_was_paid(
    profile: str, start: Start, variables: dict[str, Any]
) -> None:
    sandbox, instance = start(profile), Instance("submit")
    first = KlingSubmitOperator(task_id="submit", request=PANDA).execute(context(instance))
    try:
        second = KlingSubmitOperator(task_id="submit", request=BOAT).execute(context(retried(instance)))
    except KlingError as error:
        second = str(error)
    assert second == first
    assert made(sandbox) == 1


@pytest.mark.parametrize(
    "fault", [{"kind": "answer_lost_after"}, {"kind": "error_after"}, {"kind": "missing_id"}]
)
def test_an_automatic_retry_after_a_lost_answer_looks_for_what_was_sent(
    fault: dict[str, Any], start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    """The worker died in the paid call. What it sent is looked for, not what the request says now."""
    sandbox, instance = start(), Instance()
    sandbox.set_faults([{**fault, "times": 1}, {"kind": "outage", "on": "read"}])
    with pytest.raises(KlingError):
        generate(PANDA, tmp_path, pay_once_per="run").execute(context(instance))
    assert made(sandbox) == 1
    sandbox.set_faults([])
    sandbox.advance(60)
    try:
        result = generate(BOAT, tmp_path).execute(context(retried(instance)))
    except BaseException as ended:
        result = {"prompt": f"{type(ended).__name__}: {ended}"}
    assert result["prompt"] == PANDA["prompt"]
    assert made(sandbox) == 1


@pytest.mark.parametrize("profile", ["kling", "gateway"])
def test_after_a_clear_the_new_request_is_made_and_the_old_one_is_named(
    profile: str, start: Start, tmp_path: Path, variables: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    sandbox, instance = start(profile), Instance()
    waited = defer(generate(PANDA, tmp_path, pay_once_per="run"), instance, sandbox)
    caplog.clear()
    new = cleared(instance)
    with pytest.raises(BaseException) as ended:
        generate(BOAT, tmp_path, pay_once_per="run").execute(context(new))
    assert type(ended.value).__name__ == "TaskDeferred", ended.value
    assert new.xcoms["kling"]["kling_task_id"] != waited["kling_task_id"]
    assert waited["kling_task_id"] in caplog.text
    assert made(sandbox) == 2


def test_a_failed_resume_after_a_clear_is_finished_by_its_retry(
    start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    """The clear adopted the task; from then on its own automatic retries finish it."""
    sandbox, instance = start(), Instance()
    waited = defer(generate(PANDA, tmp_path), instance, sandbox)
    sandbox.set_faults([{"kind": "outage"}])
    again = cleared(instance)
    sandbox.set_faults([])
    result = generate(PANDA, tmp_path / "elsewhere").execute(context(again))
    assert result["kling_task_id"] == waited["kling_task_id"]
    for path in (tmp_path / "elsewhere").iterdir():
        path.unlink()
    try:
        result = generate(BOAT, tmp_path / "elsewhere").execute(context(retried(again)))
    except BaseException as ended:
        result = {"prompt": f"{type(ended).__name__}: {ended}"}
    assert result["prompt"] == PANDA["prompt"]
    assert made(sandbox) == 1


def test_what_travels_with_the_wait_holds_no_secret_and_stays_small(
    start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    """It is stored in Airflow's database and shown: no bytes, no signed link, no callback URL."""
    sandbox, instance = start(), Instance()
    request = {
        "type": "image_to_video",
        "prompt": "It moves. " * 200,
        "first_frame": f"{sandbox.url}/frame.png?X-Amz-Signature=SeCrEt&X-Amz-Expires=60&X-Amz-Credential=k",
        "callback_url": "https://hooks.example/SeCrEt?token=SeCrEt",
        "duration": 3,
    }
    waited = defer(generate(request, tmp_path), instance, sandbox)
    text = str(waited["kwargs"]) + str(instance.store["kling"])
    assert "It moves." in text
    assert "SeCrEt" not in text
    assert len(text.encode()) < 2 * 17_000


def test_a_sensor_tells_of_the_request_that_it_waited_for(
    start: Start, tmp_path: Path, variables: dict[str, Any]
) -> None:
    """Its request only adds name and prompt to the result, and names another video's when it is rendered anew."""
    sandbox, instance = start(), Instance("submit")
    kling_task_id = KlingSubmitOperator(task_id="submit", request=PANDA).execute(context(instance))
    waits = Instance("wait")
    with pytest.raises(BaseException) as deferred:
        KlingTaskSensor(task_id="wait", kling_task_id=kling_task_id, request=PANDA).execute(context(waits))
    kwargs = json.loads(json.dumps(deferred.value.kwargs or {}))  # type: ignore[attr-defined]
    sandbox.advance(60)
    event = {"kling_task_id": kling_task_id, "status": "succeeded"}
    again = KlingTaskSensor(task_id="wait", kling_task_id="another", request=BOAT, type="image_to_video")
    result = again.execute_complete(context(waits), event, **kwargs)
    assert (result["kling_task_id"], result["prompt"], result["name"]) == (
        kling_task_id,
        PANDA["prompt"],
        "panda",
    )
