# SPDX-License-Identifier: Apache-2.0
"""What Kling answers at once, made by operators against the sandbox: paid once, kept, delivered again, and told truly."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, Variable

from kling_provider.api.catalog import find_spec
from kling_provider.api.codes import TaskState, parse_response
from kling_provider.api.tasks import TaskStatus
from kling_provider.exceptions import (
    KlingBudgetError,
    KlingError,
    KlingRequestError,
    KlingServerError,
    KlingSubmitUnknown,
    KlingTaskFailed,
    KlingTaskNotFound,
)
from kling_provider.hooks.kling import KlingHook
from kling_provider.hooks.responses import parse_answered
from kling_provider.operators.kling import (
    KlingBudgetOperator,
    KlingDownloadOperator,
    KlingGenerateOperator,
    KlingSubmitOperator,
)
from kling_provider.sandbox import Sandbox
from kling_provider.sensors.kling import KlingTaskSensor
from kling_provider.submission import state_machine
from tests.unit.instance import Instance, Store

MASKS = {"type": "image_recognize", "image": "https://pictures.example/a.png", "name": "masks"}
FACES = {"type": "identify_face", "video": "https://films.example/a.mp4?faces=2", "name": "faces"}
#: Nobody states what it costs.
OPENED = {"type": "multi_elements_init", "video": "https://films.example/a.mp4", "name": "opened"}
Start = Callable[..., Sandbox]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a sandbox with a connection to it, and makes waits short."""
    monkeypatch.setattr(state_machine, "BACKOFF", (0.0, 0.0, 0.0))
    with ExitStack() as stack:

        def started(profile: str = "kling", **options: Any) -> Sandbox:
            sandbox = stack.enter_context(Sandbox(time_scale=1, profile=profile, short_side=96, **options))
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


def sent(sandbox: Sandbox) -> int:
    """The paid calls that reached the host."""
    return sum(
        one["method"] == "POST" and one["path"].startswith("/v1/videos/") for one in sandbox.requests()
    )


def spent(sandbox: Sandbox) -> str:
    return str(sandbox.stats()["units"]["default"]["spent"])


def context(instance: Instance, events: Any = None) -> Any:
    extras = defaultdict(lambda: SimpleNamespace(extra={})) if events is None else events
    return {**instance.context, "outlet_events": extras}


def generate(request: Any, instance: Instance, **how: Any) -> Any:
    return KlingGenerateOperator(task_id="video", request=request, **how).execute(context(instance))


def next_try(instance: Instance, *, cleared: bool = False) -> Instance:
    instance.ti.try_number += 1
    instance.ti.max_tries += cleared
    return instance


# -- one call, and its answer is the result ------------------------------------------------------------------------------


def test_the_answer_is_the_result_and_is_saved(start: Start, tmp_path: Path) -> None:
    sandbox, instance = start(), Instance()
    events: Any = defaultdict(lambda: SimpleNamespace(extra={}))
    with DAG("films", schedule=None):
        operator = KlingGenerateOperator(task_id="video", request=MASKS, destination=str(tmp_path))
    result = operator.execute(context(instance, events))
    assert (result["status"], result["adopted"], result["times_sent"]) == ("succeeded", False, 1)
    assert result["billing"] == [
        {"charge_type": "unit", "amount": "0.1", "currency": None, "package_type": "video"},
        *result["billing"][1:],
    ]
    assert [one["details"]["segment"] for one in result["outputs"]] == [
        "object_seg",
        "head_seg",
        "face_seg",
        "cloth_seg",
    ]
    for one in result["outputs"]:
        assert Path(one["file"].removeprefix("file://")).read_bytes().startswith(b"\x89PNG")
    manifest = json.loads((tmp_path / "masks.kling.json").read_text())
    assert (manifest["times_sent"], manifest["kling_task_id"]) == (1, result["kling_task_id"])
    assert manifest["outputs"][0]["details"] == {"segment": "object_seg", "is_contain": True}
    (event,) = (one.extra for one in events.values())
    assert (event["times_sent"], len(event["files"])) == (1, 4)
    assert instance.xcoms["kling"]["state"] == "succeeded"
    assert (sent(sandbox), spent(sandbox)) == (1, "0.1")


def test_a_session_has_no_file_and_stands_in_the_manifest(start: Start, tmp_path: Path) -> None:
    sandbox, instance = start(), Instance()
    result = generate(FACES, instance, destination=str(tmp_path))
    (output,) = result["outputs"]
    assert (output["type"], output["id"], output["file"]) == ("session", result["kling_task_id"], None)
    assert [face["face_id"] for face in output["details"]["faces"]] == ["0", "1"]
    link = output["details"]["faces"][0]["face_image"]
    manifest = (tmp_path / "faces.kling.json").read_text()
    assert json.loads(manifest)["outputs"][0]["details"]["faces"][1]["face_id"] == "1"
    assert "?" in link, "it is signed"
    assert link.partition("?")[2] not in manifest
    assert spent(sandbox) == "0.05"


@pytest.mark.parametrize("request_", [MASKS, FACES, OPENED], ids=lambda one: one["type"])
@pytest.mark.parametrize("saves", [True, False])
@pytest.mark.parametrize("cleared", [True, False])
def test_a_retry_or_a_clear_delivers_the_same_and_pays_nothing(
    cleared: bool, saves: bool, request_: dict[str, Any], start: Start, tmp_path: Path
) -> None:
    sandbox, instance = start(), Instance()
    how = {"destination": str(tmp_path)} if saves else {}
    first = generate(request_, instance, **how)
    again = generate(request_, next_try(instance, cleared=cleared), **how)
    assert again["adopted"]
    facts = ("kling_task_id", "billing", "times_sent", "created_at", "finished_at", "expires_at", "manifest")
    assert {name: again[name] for name in facts} == {name: first[name] for name in facts}
    for before, after in zip(first["outputs"], again["outputs"], strict=True):
        assert (before["type"], before["id"], before["file"]) == (after["type"], after["id"], after["file"])
        assert saves or before == after
    assert sent(sandbox) == 1


@pytest.mark.usefixtures("no_pauses")
def test_the_answer_is_kept_before_the_files_are_fetched(start: Start, tmp_path: Path) -> None:
    sandbox, instance = start(), Instance()
    sandbox.set_faults([{"kind": "answer", "on": "download", "status": 500, "times": 5}])
    with pytest.raises(KlingError) as failed:
        generate(MASKS, instance, destination=str(tmp_path))
    assert failed.value.task_state is TaskState.EXISTS
    sandbox.set_faults([])
    result = generate(MASKS, next_try(instance), destination=str(tmp_path))
    assert result["adopted"]
    assert len(list(tmp_path.glob("masks-*.png"))) == 4
    assert sent(sandbox) == 1


def test_other_runs_find_it_by_its_identity(start: Start, tmp_path: Path, variables: dict[str, Any]) -> None:
    sandbox = start()
    first = generate(MASKS, Instance(run_id="monday"), pay_once_per="dag")
    again = generate(MASKS, Instance(run_id="tuesday"), pay_once_per="dag", destination=str(tmp_path))
    assert (again["adopted"], again["kling_task_id"]) == (True, first["kling_task_id"])
    assert all(one["file"] for one in again["outputs"])
    assert sent(sandbox) == 1


@pytest.mark.parametrize("saves", [True, False])
def test_after_the_end_of_a_session_a_clear_says_what_to_do(
    saves: bool, start: Start, tmp_path: Path
) -> None:
    sandbox, instance = start(), Instance()
    how = {"destination": str(tmp_path)} if saves else {}
    generate(FACES, instance, **how)
    _let_time_pass(instance.store, tmp_path)
    with pytest.raises(KlingTaskNotFound, match=r"ended at .*Nothing was sent.*raise take") as ended:
        generate(FACES, next_try(instance, cleared=True), **how)
    assert sent(sandbox) == 1
    assert ended.value.kling_task_id
    taken = generate({**FACES, "take": 1}, next_try(instance, cleared=True), **how)
    assert (taken["adopted"], sent(sandbox)) == (False, 2)


def _let_time_pass(store: Store, folder: Path) -> None:
    """Date back what is stored by 25 hours."""
    answer = store["kling"]["answer"]
    for name in ("created_at", "updated_at"):
        answer[name] = "2026-01-02T03:04:05+00:00"
    for path in folder.glob("*.kling.json"):
        manifest = json.loads(path.read_text())
        path.write_text(json.dumps({**manifest, "expires_at": "2026-01-03T03:04:05.000+00:00"}))


def test_a_request_that_changed_is_made_after_a_clear(start: Start) -> None:
    sandbox, instance = start(), Instance()
    generate(FACES, instance)
    # A retry of Airflow's finishes what was sent; a person means the request of now.
    other = {**FACES, "video": "https://films.example/b.mp4"}
    assert generate(other, next_try(instance))["adopted"]
    assert not generate(other, next_try(instance, cleared=True))["adopted"]
    assert sent(sandbox) == 2


# -- when it is unknown whether it was made --------------------------------------------------------------------------------


def test_it_is_sent_three_times_in_all_and_says_so(start: Start, tmp_path: Path) -> None:
    sandbox, instance = start(), Instance()
    sandbox.set_faults([{"kind": "answer_lost_after", "times": 2}])
    result = generate(MASKS, instance, destination=str(tmp_path), max_units=0.3)
    assert (result["times_sent"], sent(sandbox), spent(sandbox)) == (3, 3, "0.3")
    assert json.loads((tmp_path / "masks.kling.json").read_text())["times_sent"] == 3


def test_the_fourth_call_is_left_to_a_person(start: Start) -> None:
    sandbox, instance = start(), Instance()
    sandbox.set_faults([{"kind": "error_before"}])
    with pytest.raises(KlingSubmitUnknown, match="3 calls were sent, and each may be billed"):
        generate(MASKS, instance)
    sandbox.set_faults([])
    for cleared in (False, True):
        with pytest.raises(KlingSubmitUnknown):
            generate(MASKS, next_try(instance, cleared=cleared))
    assert sent(sandbox) == 3
    assert instance.xcoms["kling"]["task_state"] == "may_exist"
    result = generate(MASKS, next_try(instance, cleared=True), on_ambiguous="resubmit")
    assert (result["times_sent"], sent(sandbox)) == (4, 4)


@pytest.mark.parametrize(
    ("request_", "how"), [(MASKS, {"on_ambiguous": "stop"}), (OPENED, {})], ids=["written", "price unknown"]
)
def test_where_it_must_not_be_paid_again_it_stops(
    request_: dict[str, Any], how: dict[str, Any], start: Start
) -> None:
    sandbox, instance = start(), Instance()
    sandbox.set_faults([{"kind": "answer_lost_after"}])
    with pytest.raises(KlingSubmitUnknown, match='on_ambiguous="resubmit"'):
        generate(request_, instance, **how)
    sandbox.set_faults([])
    with pytest.raises(KlingSubmitUnknown):
        generate(request_, next_try(instance), **how)
    assert sent(sandbox) == 1


def test_an_answer_that_cannot_be_kept_is_delivered_all_the_same(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """The call before it stays counted, so that later tries send at most the rest of the three."""

    class Broken(Store):
        def set(self, key: str, value: Any, *, retention: Any = None) -> None:
            if key == "kling" and value["state"] == "created":
                raise RuntimeError("the API server answered 500")
            super().set(key, value)

    sandbox, instance = start(), Instance()
    instance.store = Broken()
    for number in (1, 2, 3):
        assert generate(MASKS, instance)["times_sent"] == number
        next_try(instance)
    assert "if this task has to run again, it may be paid again" in caplog.text
    with pytest.raises(KlingSubmitUnknown):
        generate(MASKS, instance)
    assert sent(sandbox) == 3


def test_the_queue_is_waited_for_as_by_others(start: Start) -> None:
    sandbox, instance = start(), Instance()
    sandbox.set_faults([{"kind": "concurrency", "times": 1}])
    operator = KlingGenerateOperator(task_id="video", request=MASKS)
    with pytest.raises(BaseException) as queued:
        operator.execute(context(instance))
    place = queued.value.trigger.serialize()[1]  # type: ignore[attr-defined]
    result = operator.execute_after_queue(context(instance), {**place, "status": "room"})
    assert (result["times_sent"], sent(sandbox)) == (1, 2)


def test_a_killed_worker_counts(start: Start) -> None:
    """The record counts before the call, so that no process can forget it."""

    class Dies(BaseException):
        pass

    class Deadly(Store):
        def set(self, key: str, value: Any, *, retention: Any = None) -> None:
            if key == "kling" and value["state"] == "created":
                raise Dies
            super().set(key, value)

    sandbox, instance = start(), Instance()
    instance.store = Deadly()
    for _ in range(3):
        with pytest.raises(Dies):
            generate(MASKS, instance)
        next_try(instance)
    instance.store = Store(instance.store)
    with pytest.raises(KlingSubmitUnknown):
        generate(MASKS, instance)
    assert sent(sandbox) == 3


def test_a_refusal_is_final_and_costs_nothing(start: Start) -> None:
    sandbox, instance = start(), Instance()
    request = {**MASKS, "image": "https://pictures.invalid/a.png"}
    with pytest.raises(KlingRequestError) as refused:
        generate(request, instance)
    assert refused.value.task_state is TaskState.NONE
    assert (sent(sandbox), spent(sandbox)) == (1, "0")


def test_after_a_failed_answer_the_retry_makes_the_next_attempt(start: Start, tmp_path: Path) -> None:
    sandbox, instance = start(), Instance()
    failed = {"task_id": "7", "task_status": "failed", "task_status_msg": "no such voice"}
    body = {"code": 0, "data": failed}
    sandbox.set_faults([{"kind": "answer", "status": 200, "body": body, "times": 1}])
    with pytest.raises(KlingTaskFailed, match=r"no such voice.*The retry"):
        generate(FACES, instance, destination=str(tmp_path))
    assert not list(tmp_path.iterdir()), "the claim is released"
    result = generate(FACES, next_try(instance), destination=str(tmp_path))
    assert (result["adopted"], result["times_sent"], sent(sandbox)) == (False, 1, 2)


def test_a_step_that_kling_refuses_in_its_answer_made_nothing(start: Start) -> None:
    sandbox = start()
    request = {**OPENED, "video": f"{sandbox.url}/_sandbox/video.mp4?seconds=1.5"}
    with pytest.raises(KlingRequestError, match="status 1") as refused:
        generate(request, Instance())
    assert refused.value.task_state is TaskState.NONE


# -- before anything is sent -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "least"),
    [({"max_units": 0.29}, "0.3"), ({"max_units": 0.09, "on_ambiguous": "stop"}, "0.1")],
)
def test_the_limit_counts_what_may_be_paid(how: dict[str, Any], least: str, start: Start) -> None:
    sandbox = start()
    with pytest.raises(KlingBudgetError, match=f"max_units must be {least} or more"):
        generate(MASKS, Instance(), **how)
    assert sent(sandbox) == 0


def test_one_call_is_enough_for_a_limit_where_stop_is_written(start: Start) -> None:
    start()
    assert generate(MASKS, Instance(), max_units=0.1, on_ambiguous="stop")["times_sent"] == 1


@pytest.mark.parametrize(
    ("request_", "how", "text"),
    [
        (MASKS, {"pay_once_per": "account"}, "'run' or 'dag' for image_recognize"),
        ({**MASKS, "adopt": "1"}, {}, "adopt must be left out for image_recognize"),
        ({**MASKS, "external_task_id": "a"}, {}, "must be left out: Kling has no such field"),
    ],
)
def test_what_needs_a_lookup_is_refused(
    request_: dict[str, Any], how: dict[str, Any], text: str, start: Start
) -> None:
    sandbox = start()
    with pytest.raises(KlingRequestError, match=text):
        generate(request_, Instance(), **how)
    assert sent(sandbox) == 0


def test_submit_says_who_makes_it(start: Start) -> None:
    sandbox = start()
    operator = KlingSubmitOperator(task_id="video", request=MASKS)
    with pytest.raises(KlingRequestError, match="Use KlingGenerateOperator"):
        operator.execute(context(Instance()))
    assert sent(sandbox) == 0


@pytest.mark.parametrize("made", ["sensor", "download", "hook"])
def test_nobody_can_read_it_later(made: str, start: Start, tmp_path: Path) -> None:
    sandbox = start()
    session = generate(FACES, Instance())["kling_task_id"]
    readers: dict[str, Callable[[], Any]] = {
        "sensor": lambda: KlingTaskSensor(task_id="w", kling_task_id=session, type="identify_face").execute(
            context(Instance())
        ),
        "download": lambda: KlingDownloadOperator(
            task_id="d", kling_task_id=session, type="identify_face", destination=str(tmp_path)
        ).execute(context(Instance())),
        "hook": lambda: KlingHook().get_tasks([session], type="identify_face"),
    }
    before = len(sandbox.requests())
    with pytest.raises(KlingRequestError, match="XCom of KlingGenerateOperator"):
        readers[made]()
    assert len(sandbox.requests()) == before


def test_a_plan_says_how_often_it_may_be_sent(start: Start) -> None:
    sandbox = start()
    plan = generate(MASKS, Instance(), plan_only=True)
    assert plan["summary"].startswith("it would be sent for 0.1 units")
    assert "up to 3 times" in plan["summary"]
    assert plan["http"]["url"].endswith("/v1/videos/image-recognize")
    assert "3 times" not in generate(MASKS, Instance(), plan_only=True, on_ambiguous="stop")["summary"]
    assert sent(sandbox) == 0


def test_a_budget_counts_the_price_once_and_finds_what_was_answered(
    start: Start, variables: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    sandbox = start()
    generate(MASKS, Instance(run_id="monday"), pay_once_per="dag")
    with DAG("films", schedule=None):
        budget = KlingBudgetOperator(task_id="budget", requests=[MASKS, FACES], max_units=0.05)
        budget >> KlingGenerateOperator(task_id="video", request=budget.output, pay_once_per="dag")
    instance = Instance("budget", run_id="tuesday", dag=budget.dag)
    assert budget.execute(context(instance)) == [MASKS, FACES]
    assert "answered already" in caplog.text
    assert sent(sandbox) == 1


# -- the hook --------------------------------------------------------------------------------------------------------------


def test_the_hook_sends_once_and_returns_the_outputs(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    sandbox = start()
    request = {key: value for key, value in FACES.items() if key != "name"}
    task = KlingHook().submit(request)
    assert [one.type for one in task.outputs] == ["session"]
    assert task.kling_task_id == task.outputs[0].id
    assert task.expires_at is not None
    assert "KlingGenerateOperator keeps the answer and pays once" in caplog.text
    with pytest.raises(KlingRequestError, match="external_task_id must be left out"):
        KlingHook().submit(request, external_task_id="mine")
    sandbox.set_faults([{"kind": "answer_lost_after"}])
    with pytest.raises(KlingServerError) as lost:
        KlingHook().submit(request)
    assert lost.value.task_state is TaskState.MAY_EXIST
    assert sent(sandbox) == 2


@pytest.mark.parametrize(
    ("data", "kling_task_id"),
    [
        ({"task_id": "7", "session_id": "s"}, "7"),
        ({"session_id": "s"}, "s"),
        ({}, "r-1"),
    ],
)
def test_what_stands_for_the_id_of_a_task(data: dict[str, str], kling_task_id: str, start: Start) -> None:
    start()
    images = [{"type": "face_seg", "is_contain": True, "url": "https://x.example/a.png"}]
    body = {"code": 0, "request_id": "r-1", "data": {**data, "task_result": {"images": images}}}
    answer = parse_response(200, {}, json.dumps(body).encode())
    spec = find_spec("image_recognize")
    assert spec is not None
    assert parse_answered(KlingHook().connection, answer, spec).kling_task_id == kling_task_id


def test_an_answer_that_says_that_it_failed_is_a_failed_task(start: Start) -> None:
    start()
    data = {"task_id": "7", "task_status": "failed", "task_status_msg": "no such voice"}
    answer = parse_response(200, {}, json.dumps({"code": 0, "data": data}).encode())
    spec = find_spec("image_recognize")
    assert spec is not None
    task = parse_answered(KlingHook().connection, answer, spec)
    assert (task.status, task.message, task.outputs) == (TaskStatus.FAILED, "no such voice", ())


def test_large_masks_stay_whole_on_their_way_to_the_manifest(start: Start, tmp_path: Path) -> None:
    sandbox, instance = start(), Instance()
    mask = "iVBORw0KGgo" + "A" * 100_000
    found = {
        "frame_index": 0,
        "rle_mask_list": [{"object_id": 0, "png_mask": {"size": [9, 9], "base64": mask}}],
    }
    body = {"code": 0, "data": {"status": 0, "session_id": "s1", "res": found}}
    sandbox.set_faults([{"kind": "answer", "status": 200, "body": body}])
    request = {
        "type": "multi_elements_add",
        "session_id": "s1",
        "frame_index": 0,
        "points": [{"x": 0.5, "y": 0.5}],
        "name": "mark",
    }
    result = generate(request, instance, destination=str(tmp_path))
    (output,) = result["outputs"]
    assert output["details"]["masks"][0]["png_mask"]["base64"] == f"(not kept: {len(mask)} characters)"
    (saved,) = json.loads((tmp_path / "mark.kling.json").read_text())["outputs"]
    assert saved["details"]["masks"][0]["png_mask"]["base64"] == mask
    assert len(json.dumps(instance.store["kling"])) < 48_000
    again = generate(request, next_try(instance), destination=str(tmp_path))
    assert again["outputs"] == result["outputs"]


def test_without_any_other_id_the_request_id_stands_for_it(start: Start) -> None:
    start()
    first, second = (
        KlingHook().submit({"type": "image_recognize", "image": MASKS["image"]}) for _ in range(2)
    )
    assert first.kling_task_id
    assert first.kling_task_id != second.kling_task_id


def test_a_success_without_a_result_is_ambiguous(start: Start) -> None:
    sandbox = start()
    sandbox.set_faults([{"kind": "answer", "status": 200, "body": {"code": 0, "data": {"status": 0}}}])
    with pytest.raises(KlingServerError, match="holds no result") as empty:
        KlingHook().submit({"type": "identify_face", "video": FACES["video"]})
    assert empty.value.task_state is TaskState.MAY_EXIST
