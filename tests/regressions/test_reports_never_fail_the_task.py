# SPDX-License-Identifier: Apache-2.0
"""After the payment nothing that is only told (XCom, asset event, lineage, metrics, progress) may end the wait, fail a
task whose video is saved, or take the place of the failure that it tells of."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, task
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_provider import metrics
from kling_provider.operators.kling import (
    KlingDownloadOperator,
    KlingGenerateOperator,
    KlingSubmitOperator,
)
from kling_provider.sandbox import Sandbox
from kling_provider.sensors.kling import KlingTaskSensor
from tests.regressions.outcomes import RED_PANDA, connected, outcome_of
from tests.regressions.renamed import AFTER_VIDEO, with_lineage_collector
from tests.unit.instance import Instance

#: What a task tells by.
TELLERS = ("xcom", "asset event", "lineage", "metrics", "progress")
_numbers = itertools.count()


class Broken(Exception):
    """Whatever the API server, a plugin or a metrics client raises."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch, connected(patch) as running:
        yield running


def boom(*args: Any, **kwargs: Any) -> Any:
    raise Broken("the API server is restarting")


def context_of(instance: Instance, broken: frozenset[str], patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The context of a task instance whose tellers are broken."""
    events: Any = defaultdict(lambda: SimpleNamespace(extra={}))
    if "xcom" in broken:
        instance.ti.xcom_push = boom
    if "asset event" in broken:
        events = SimpleNamespace()  # not even subscriptable
    if "lineage" in broken:
        with_lineage_collector(patch, boom)
    if "metrics" in broken:
        patch.setattr(metrics, "get_stats" if hasattr(metrics, "get_stats") else "stats", boom)
    if "progress" in broken:
        honest = instance.store.set
        instance.store.set = lambda key, value, **how: (  # type: ignore[method-assign]
            boom() if key == "kling_progress" else honest(key, value, **how)
        )
    return {**instance.context, "outlet_events": events}


def request() -> dict[str, Any]:
    """Another one each time, so that none is found by the next."""
    number = next(_numbers)
    return {**RED_PANDA, "name": f"panda-{number}", "prompt": f"Panda {number}"}


def made(sandbox: Sandbox, *, fails: bool = False) -> str:
    """A task that has ended at Kling."""
    if fails:
        sandbox.set_faults([{"kind": "task_fails", "message": "Internal render error", "times": 1}])
    kling_task_id: str = KlingSubmitOperator(task_id="submit", request=request()).execute(
        Instance("submit").context
    )
    sandbox.advance(20)
    return kling_task_id


def in_a_dag(operator: Any, **how: Any) -> Any:
    with DAG("films", schedule=None):
        return operator(task_id="video", **how)


def what_happens(situation: str, broken: frozenset[str], sandbox: Sandbox, folder: Path) -> Any:
    instance = Instance("video")
    with pytest.MonkeyPatch.context() as patch:
        context = context_of(instance, broken, patch)
        match situation:
            case "submitted":
                operator = in_a_dag(KlingSubmitOperator, request=request())
                return outcome_of(lambda: operator.execute(context))
            case "waits":
                operator = in_a_dag(KlingGenerateOperator, request=request())
                return outcome_of(lambda: operator.execute(context))
            case "saved":
                operator = in_a_dag(KlingGenerateOperator, request=request(), destination=str(folder))
                deferred = outcome_of(lambda: operator.execute(context))
                assert type(deferred).__name__ == "TaskDeferred", deferred
                sandbox.advance(20)
                event = {"kling_task_id": deferred.trigger.kling_task_id, "status": "succeeded"}
                return outcome_of(lambda: getattr(operator, AFTER_VIDEO)(context, event, **deferred.kwargs))
            case "downloaded":
                operator = in_a_dag(
                    KlingDownloadOperator,
                    kling_task_id=made(sandbox),
                    destination=str(folder),
                    filename=f"video-{next(_numbers)}",
                )
                return outcome_of(lambda: operator.execute(context))
            case "sensed":
                operator = in_a_dag(KlingTaskSensor, kling_task_id=made(sandbox), request=RED_PANDA)
                return outcome_of(lambda: operator.execute(context))
            case "failed at Kling":
                operator = in_a_dag(KlingTaskSensor, kling_task_id=made(sandbox, fails=True))
                return outcome_of(lambda: operator.execute(context))
            case "refused":
                sandbox.set_faults([{"kind": "moderation", "times": 1}])
                operator = in_a_dag(KlingSubmitOperator, request=request())
                return outcome_of(lambda: operator.execute(context))
    raise AssertionError(situation)


WANTED = {
    "submitted": "str",
    "waits": "TaskDeferred",
    "saved": "dict",
    "downloaded": "dict",
    "sensed": "dict",
    "failed at Kling": "KlingTaskFailedFinally",
    "refused": "KlingModerationError",
}


@pytest.mark.parametrize(
    ("situation", "teller"),
    [
        ("submitted", "xcom"),
        ("waits", "xcom"),
        ("saved", "xcom"),
        *itertools.product(("saved", "downloaded", "sensed"), ("asset event", "lineage")),
        ("failed at Kling", "xcom"),
        ("refused", "xcom"),
    ],
)
def test_a_task_ends_as_it_would_where_one_thing_cannot_be_told(
    situation: str, teller: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    outcome = what_happens(situation, frozenset({teller}), sandbox, tmp_path)
    assert type(outcome).__name__ == WANTED[situation], repr(outcome)


@settings(max_examples=25, deadline=None)
@given(situation=st.sampled_from(sorted(WANTED)), broken=st.frozensets(st.sampled_from(TELLERS), min_size=2))
def test_nor_where_nothing_can_be_told(
    situation: str, broken: frozenset[str], sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outcome = what_happens(situation, broken, sandbox, tmp_path_factory.mktemp("videos"))
    assert type(outcome).__name__ == WANTED[situation], repr(outcome)


def test_a_function_s_video_needs_no_xcom_to_be_delivered(sandbox: Sandbox, tmp_path: Path) -> None:
    with DAG("films", schedule=None) as dag:

        @task.kling(destination=str(tmp_path))
        def video() -> str:
            return f"Panda {next(_numbers)}"

        video()
    operator: Any = dag.get_task("video")
    instance = Instance("video")
    instance.ti.xcom_pull = boom
    with pytest.MonkeyPatch.context() as patch:
        context = context_of(instance, frozenset({"xcom"}), patch)
        deferred = outcome_of(lambda: operator.execute(context))
        assert type(deferred).__name__ == "TaskDeferred", repr(deferred)
        sandbox.advance(20)
        event = {"kling_task_id": deferred.trigger.kling_task_id, "status": "succeeded"}
        kwargs = {**deferred.kwargs, "event": event}
        outcome = outcome_of(lambda: operator.resume_execution(AFTER_VIDEO, kwargs, context))
    assert isinstance(outcome, dict), repr(outcome)


def test_what_could_not_be_told_is_a_warning(
    sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = what_happens("downloaded", frozenset({"lineage", "asset event"}), sandbox, tmp_path)
    assert isinstance(outcome, dict), repr(outcome)
    said = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert any("kling://films/video" in text for text in said)
    assert any("lineage" in text and "the API server is restarting" in text for text in said)


@pytest.mark.parametrize("deferred", [False, True], ids=["at once", "after a defer"])
@pytest.mark.parametrize("wrong", [{"promt": "x"}, {"prompt": "x", "duration": 99}, {"name": ["x"]}])
def test_a_wrong_request_of_the_sensor_only_adds_nothing(
    wrong: Any, deferred: bool, sandbox: Sandbox
) -> None:
    kling_task_id = made(sandbox)
    sensor = in_a_dag(KlingTaskSensor, kling_task_id=kling_task_id, request=wrong)
    context = {**Instance("video").context, "outlet_events": defaultdict(lambda: SimpleNamespace(extra={}))}
    event = {"kling_task_id": kling_task_id, "status": "succeeded"}
    outcome = outcome_of(
        lambda: sensor.execute_complete(context, event) if deferred else sensor.execute(context)
    )
    assert isinstance(outcome, dict), repr(outcome)
    assert outcome["status"] == "succeeded"


@pytest.mark.parametrize("wrong", [{"promt": "x"}, {"name": ["x"]}])
def test_nor_does_it_hide_a_failure(wrong: Any, sandbox: Sandbox) -> None:
    sensor = in_a_dag(KlingTaskSensor, kling_task_id=made(sandbox, fails=True), request=wrong)
    outcome = outcome_of(lambda: sensor.execute(Instance("video").context))
    assert type(outcome).__name__ == "KlingTaskFailedFinally", repr(outcome)
