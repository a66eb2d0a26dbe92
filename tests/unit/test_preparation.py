# SPDX-License-Identifier: Apache-2.0
"""Calls that a request needs first, made by a worker against the sandbox: sessions are opened once, and used while they live."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Variable

from kling_provider.api.catalog import add_spec_for_now, find_spec
from kling_provider.api.codes import TaskState
from kling_provider.api.price_rules import PerCall
from kling_provider.api.pricing import Price, UnitPrice, add_prices
from kling_provider.exceptions import (
    KlingBudgetError,
    KlingConcurrencyError,
    KlingRequestError,
    KlingSubmitUnknown,
)
from kling_provider.hooks.kling import KlingHook
from kling_provider.operators.kling import KlingGenerateOperator, KlingSubmitOperator
from kling_provider.sandbox import Sandbox
from kling_provider.submission import state_machine
from tests.unit.instance import Instance, Store

LIPS = {
    "type": "advanced_lip_sync",
    "video": "https://films.example/a.mp4",
    "sound": "https://sounds.example/a.mp3",
    "sound_start_time": 0,
    "sound_end_time": 2000,
    "sound_insert_time": 2000,
    "name": "lips",
}
SEVERAL = {**LIPS, "video": "https://films.example/a.mp4?faces=3"}
SWAP = {
    "type": "multi_elements",
    "video": "https://films.example/a.mp4",
    "edit_mode": "removal",
    "prompt": "Without <<<video_1>>>",
    "selections": [
        {"frame_index": 0, "points": [{"x": 0.5, "y": 0.5}]},
        {"frame_index": 24, "points": [{"x": 0.25, "y": 0.5}, {"x": 0.75, "y": 0.5}]},
    ],
    "name": "swap",
}
IDENTIFY, SPEAK = "identify-face", "advanced-lip-sync"
INIT, ADD, EDIT = "multi-elements/init-selection", "multi-elements/add-selection", "multi-elements"


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    monkeypatch.setattr(state_machine, "BACKOFF", (0.0, 0.0, 0.0))
    monkeypatch.setattr(state_machine, "LOOKS", (0.0,))
    with Sandbox(time_scale=1, render_seconds=10, short_side=96) as running:
        connection = {"conn_type": "kling", "host": running.base_url, "password": running.api_key}
        monkeypatch.setenv(
            "AIRFLOW_CONN_KLING_DEFAULT", json.dumps({**connection, "extra": {"profile": "kling"}})
        )
        yield running


def calls(sandbox: Sandbox) -> list[str]:
    """The calls of this API that reached the host, in their order."""
    paths = [one["path"] for one in sandbox.requests() if one["method"] == "POST"]
    return [path.removeprefix("/v1/videos/") for path in paths if path.startswith("/v1/videos/")]


def context(instance: Instance, **more: Any) -> Any:
    extras: Any = defaultdict(lambda: SimpleNamespace(extra={}))
    return {**instance.context, "outlet_events": extras, **more}


def submit(request: Any, instance: Instance, **how: Any) -> Any:
    return KlingSubmitOperator(task_id="video", request=request, **how).execute(context(instance))


def next_try(instance: Instance, *, cleared: bool = False) -> Instance:
    instance.ti.try_number += 1
    instance.ti.max_tries += cleared
    return instance


def let_session_end(instance: Instance) -> None:
    """Date back what was prepared by more than its 24 hours."""
    for record in instance.store["kling_preparation"]["calls"].values():
        record["answer"]["updated_at"] = "2026-01-02T03:04:05+00:00"


# -- faces -------------------------------------------------------------------------------------------------------------------


def test_the_only_face_is_recognised_and_taken(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    instance = Instance()
    assert submit(LIPS, instance)
    assert calls(sandbox) == [IDENTIFY, SPEAK]
    assert "identify_face, for 0.05 units" in caplog.text
    assert "session" not in json.dumps(instance.store["kling"]["sent"])


def test_from_the_video_to_the_saved_one(sandbox: Sandbox, tmp_path: Path) -> None:
    instance = Instance()
    operator = KlingGenerateOperator(task_id="video", request=LIPS, destination=str(tmp_path))
    with pytest.raises(BaseException) as deferred:
        operator.execute(context(instance))
    assert type(deferred.value).__name__ == "TaskDeferred", deferred.value
    sandbox.advance(120)
    event = {"kling_task_id": instance.xcoms["kling"]["kling_task_id"], "status": "succeeded"}
    sent = json.loads(json.dumps(deferred.value.kwargs))  # type: ignore[attr-defined]
    result = operator.execute_complete(context(instance), event, **sent)
    assert result["outputs"][0]["file"].endswith("/lips.mp4")
    assert calls(sandbox) == [IDENTIFY, SPEAK]


def test_several_faces_need_a_choice_and_are_recognised_once(sandbox: Sandbox) -> None:
    instance = Instance()
    with pytest.raises(KlingRequestError) as several:
        submit(SEVERAL, instance)
    text = str(several.value)
    assert (
        "the video has 3 faces: 1 (face_id 0, seen from 0 to 5041 ms); 2 (face_id 1, seen from 1260 to"
        in text
    )
    assert "Write face: with one of these numbers, and clear the task" in text
    assert several.value.task_state is TaskState.NONE
    assert submit({**SEVERAL, "face": 2}, next_try(instance, cleared=True))
    assert calls(sandbox) == [IDENTIFY, SPEAK]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"video": "https://films.example/a.mp4?faces=0"}, "must show a face: Kling recognises none in it"),
        ({"face": 4}, "face 4: must be the number of a face: the video has 3 faces"),
        ({"face": 2, "sound_insert_time": 0}, "which is seen from 1260 to 5041 ms"),
    ],
)
def test_a_face_that_cannot_be_taken(changes: dict[str, Any], text: str, sandbox: Sandbox) -> None:
    with pytest.raises(KlingRequestError) as wrong:
        submit({**SEVERAL, **changes}, Instance())
    assert text in str(wrong.value)
    assert calls(sandbox) == [IDENTIFY]


def test_a_session_of_the_user_is_taken_as_it_is(sandbox: Sandbox) -> None:
    found = KlingGenerateOperator(
        task_id="faces", request={"type": "identify_face", "video": LIPS["video"]}
    ).execute(context(Instance("faces")))
    request = {**LIPS, "session_id": found["outputs"][0]["id"], "face_id": "0"}
    del request["video"]
    assert submit(request, Instance())
    assert calls(sandbox) == [IDENTIFY, SPEAK]


def test_a_later_try_uses_the_session_while_it_lives(sandbox: Sandbox) -> None:
    instance = Instance()
    sandbox.set_faults([{"kind": "refused", "match": {"product": SPEAK}, "times": 1}])
    with pytest.raises(KlingRequestError):
        submit(LIPS, instance)
    assert submit(LIPS, next_try(instance, cleared=True))
    assert calls(sandbox) == [IDENTIFY, SPEAK, SPEAK]


def test_another_video_has_other_faces(sandbox: Sandbox) -> None:
    instance = Instance()
    submit(LIPS, instance)
    submit({**LIPS, "video": "https://films.example/b.mp4"}, next_try(instance, cleared=True))
    assert calls(sandbox) == [IDENTIFY, SPEAK, IDENTIFY, SPEAK]


def test_a_session_is_of_one_connection(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the sandbox of yesterday opened is unknown to the account of today."""
    instance = Instance()
    sandbox.set_faults([{"kind": "refused", "match": {"product": SPEAK}, "times": 1}])
    with pytest.raises(KlingRequestError):
        submit(LIPS, instance)
    monkeypatch.setenv("AIRFLOW_CONN_KLING_OTHER", os.environ["AIRFLOW_CONN_KLING_DEFAULT"])
    assert submit(LIPS, next_try(instance, cleared=True), kling_conn_id="kling_other")
    assert calls(sandbox) == [IDENTIFY, SPEAK, IDENTIFY, SPEAK]


def test_a_refusal_for_now_counts_what_was_sent_before(sandbox: Sandbox) -> None:
    instance = Instance()
    lost = {"kind": "answer_lost_after", "match": {"product": IDENTIFY}, "times": 1}
    sandbox.set_faults([lost, {"kind": "concurrency", "match": {"product": IDENTIFY, "nth": 2}}])
    with pytest.raises(KlingConcurrencyError, match="whose outcome is unknown, may be billed: 1") as full:
        submit(LIPS, instance)
    assert full.value.task_state is TaskState.MAY_EXIST


def test_what_is_kept_of_sessions_does_not_grow(sandbox: Sandbox) -> None:
    instance = Instance()
    for letter in "abc":
        submit({**LIPS, "video": f"https://films.example/{letter}.mp4"}, next_try(instance, cleared=True))
        assert len(instance.store["kling_preparation"]["calls"]) == 1


@pytest.mark.parametrize("request_", [LIPS, SWAP], ids=lambda one: one["type"])
def test_the_hook_makes_no_call_first(request_: dict[str, Any], sandbox: Sandbox) -> None:
    request = {key: value for key, value in request_.items() if key != "name"}
    with pytest.raises(KlingRequestError, match="session_id must be given"):
        KlingHook().submit(request)
    assert calls(sandbox) == []


def test_a_session_that_ended_in_the_queue_is_made_anew_for_the_same_result(sandbox: Sandbox) -> None:
    instance = Instance()
    sandbox.set_faults([{"kind": "concurrency", "match": {"product": SPEAK}, "times": 2}])
    operator = KlingSubmitOperator(task_id="video", request=LIPS)
    with pytest.raises(BaseException) as queued:
        operator.execute(context(instance))
    place = queued.value.trigger.serialize()[1]  # type: ignore[attr-defined]
    first = instance.xcoms["kling"]["external_task_id"]
    with pytest.raises(BaseException) as again:
        operator.execute_after_queue(context(instance), {**place, "status": "room"})
    assert calls(sandbox) == [IDENTIFY, SPEAK, SPEAK], "it lives"
    let_session_end(instance)
    place = again.value.trigger.serialize()[1]  # type: ignore[attr-defined]
    assert operator.execute_after_queue(context(instance), {**place, "status": "room"})
    assert calls(sandbox) == [IDENTIFY, SPEAK, SPEAK, IDENTIFY, SPEAK]
    assert instance.xcoms["kling"]["external_task_id"] == first


def test_what_was_made_needs_no_session_any_more(sandbox: Sandbox) -> None:
    instance = Instance()
    first = submit(LIPS, instance)
    let_session_end(instance)
    assert submit(LIPS, next_try(instance, cleared=True)) == first
    assert calls(sandbox) == [IDENTIFY, SPEAK]


def test_the_session_is_kept_before_airflow_3_3(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, Any] = {}
    monkeypatch.setattr(Variable, "get", lambda key, default=None, **_: kept.get(key, default))
    monkeypatch.setattr(Variable, "set", lambda key, value, **_: kept.__setitem__(key, value))
    instance, operator = Instance(), KlingSubmitOperator(task_id="video", request=SEVERAL)
    for _ in range(2):
        with pytest.raises(KlingRequestError, match="3 faces"):
            operator.execute(context(instance, task_state_store=None))
    assert calls(sandbox) == [IDENTIFY]


@pytest.mark.parametrize(("how", "number"), [({}, 3), ({"on_ambiguous": "stop"}, 1)])
def test_a_recognition_with_an_unknown_end_is_sent_again_as_by_itself(
    how: dict[str, Any], number: int, sandbox: Sandbox
) -> None:
    instance = Instance()
    sandbox.set_faults([{"kind": "answer_lost_after", "match": {"product": IDENTIFY}}])
    for _ in range(2):
        with pytest.raises(
            KlingSubmitUnknown, match="was not sent, because a call that it needs first failed"
        ):
            submit(LIPS, instance, **how)
        next_try(instance)
    assert calls(sandbox) == [IDENTIFY] * number


def test_a_full_host_leaves_the_recognition_to_the_retry(sandbox: Sandbox) -> None:
    instance = Instance()
    sandbox.set_faults([{"kind": "concurrency", "times": 1}])
    with pytest.raises(KlingConcurrencyError, match=r"made nothing\. .* Nothing is billed"):
        submit(LIPS, instance)
    assert submit(LIPS, next_try(instance))
    assert calls(sandbox) == [IDENTIFY, IDENTIFY, SPEAK]


# -- what it costs, before it is sent ---------------------------------------------------------------------------------------


def test_a_plan_shows_both_calls(sandbox: Sandbox) -> None:
    plan = submit(LIPS, Instance(), plan_only=True)
    (first,) = plan["preparation"]
    assert first["url"].endswith("/v1/videos/identify-face")
    assert first["json"] == {"video_url": LIPS["video"]}
    assert first["price"]["units"] == "0.05"
    assert plan["http"]["url"].endswith("/v1/videos/advanced-lip-sync")
    assert plan["http"]["json"]["session_id"] == "(the session_id of the first call)"
    assert plan["http"]["json"]["face_choose"][0]["face_id"] == "(the face_id of the chosen face)"
    assert "after 1 other call" in plan["summary"]
    assert calls(sandbox) == []


def test_the_price_and_the_limit_include_the_recognition(sandbox: Sandbox) -> None:
    spec = find_spec("advanced_lip_sync")
    assert spec is not None
    with add_spec_for_now(replace(spec, price_rule=PerCall("0.5"))):
        assert submit(LIPS, Instance(), plan_only=True)["price"]["units"] == "0.55"
        with pytest.raises(KlingBudgetError, match=r"max_units must be 0.65 or more"):
            submit(LIPS, Instance(), max_units=0.64)
        with pytest.raises(KlingBudgetError, match=r"max_units must be 0.55 or more"):
            submit(LIPS, Instance(), max_units=0.54, on_ambiguous="stop")
        assert calls(sandbox) == []
        assert submit(LIPS, Instance(), max_units=0.65)


def test_a_sum_of_prices_knows_what_all_of_them_know() -> None:
    known, more = (
        Price(Decimal("0.5"), Decimal("0.07"), "listed"),
        Price(Decimal("0.05"), Decimal("0.007"), "x"),
    )
    unknown = Price(None, None, "nobody states it")
    assert add_prices([known]) == known
    assert add_prices([known, more]) == Price(Decimal("0.55"), Decimal("0.077"), "listed")
    assert add_prices([known, unknown]) == add_prices([unknown, known]) == unknown
    yuan = UnitPrice(Decimal("0.8"), "CNY")
    assert add_prices([yuan.apply(known), yuan.apply(more)]).amount == Decimal("0.44")


# -- marked elements ----------------------------------------------------------------------------------------------------------


def test_a_selection_is_opened_and_marked_frame_by_frame(sandbox: Sandbox) -> None:
    instance = Instance()
    assert submit(SWAP, instance)
    assert calls(sandbox) == [INIT, ADD, ADD, EDIT]
    kept = instance.store["kling_preparation"]["calls"].values()
    assert len(json.dumps(list(kept))) < 8000, "masks are not kept"


def test_marks_that_are_made_are_not_made_again(sandbox: Sandbox) -> None:
    """Neither after a worker that died between two of them, nor after an edit that Kling refused."""

    class Dies(BaseException):
        pass

    class Deadly(Store):
        def set(self, key: str, value: Any, *, retention: Any = None) -> None:
            super().set(key, value)
            if key == "kling_preparation" and [one["state"] for one in value["calls"].values()] == [
                "created",
                "created",
            ]:
                raise Dies

    instance = Instance()
    instance.store = Deadly()
    with pytest.raises(Dies):
        submit(SWAP, instance)
    instance.store = Store(instance.store)
    sandbox.set_faults([{"kind": "refused", "match": {"product": "multi-elements"}, "times": 1}])
    with pytest.raises(KlingRequestError):
        submit(SWAP, next_try(instance))
    assert submit(SWAP, next_try(instance, cleared=True))
    assert calls(sandbox) == [INIT, ADD, ADD, EDIT, EDIT]


def test_other_marks_on_the_same_video_get_a_session_of_their_own(sandbox: Sandbox) -> None:
    """Marks stay in a session: the paid edit would change what was marked before as well."""
    instance = Instance()
    assert submit(SWAP, instance)
    fewer = {**SWAP, "selections": SWAP["selections"][:1]}  # type: ignore[index]
    assert submit(fewer, next_try(instance, cleared=True))
    assert calls(sandbox) == [INIT, ADD, ADD, EDIT, INIT, ADD, EDIT]
    # A session that holds a part of it already needs what is missing alone.
    assert submit({**SWAP, "prompt": "No <<<video_1>>>"}, next_try(instance, cleared=True))
    assert calls(sandbox)[7:] == [ADD, EDIT]


def test_a_mark_with_an_unknown_end_is_in_no_session_of_other_marks(sandbox: Sandbox) -> None:
    instance = Instance()
    sandbox.set_faults(
        [{"kind": "answer_lost_after", "match": {"product": "multi-elements-add"}, "times": 1}]
    )
    with pytest.raises(KlingSubmitUnknown):
        submit(SWAP, instance)
    fewer = {**SWAP, "selections": SWAP["selections"][1:]}  # type: ignore[index]
    assert submit(fewer, next_try(instance, cleared=True))
    assert calls(sandbox) == [INIT, ADD, INIT, ADD, EDIT]


def test_a_step_without_a_price_stops_where_its_end_is_unknown(sandbox: Sandbox) -> None:
    instance = Instance()
    sandbox.set_faults([{"kind": "answer_lost_after"}])
    with pytest.raises(KlingSubmitUnknown, match="One call was sent, which may be billed"):
        submit(SWAP, instance)
    sandbox.set_faults([])
    with pytest.raises(KlingSubmitUnknown):
        submit(SWAP, next_try(instance))
    assert submit(SWAP, next_try(instance), on_ambiguous="resubmit")
    assert calls(sandbox) == [INIT, INIT, ADD, ADD, EDIT]


def test_a_video_that_cannot_be_marked_is_refused(sandbox: Sandbox) -> None:
    request = {**SWAP, "video": f"{sandbox.url}/_sandbox/video.mp4?seconds=1.5"}
    with pytest.raises(KlingRequestError, match=r"'swap' was not sent.*status 1") as refused:
        submit(request, Instance())
    assert refused.value.task_state is TaskState.NONE


def test_a_plan_shows_every_mark(sandbox: Sandbox) -> None:
    plan = submit(SWAP, Instance(), plan_only=True)
    assert [one["url"].rpartition("/")[2] for one in plan["preparation"]] == [
        "init-selection",
        "add-selection",
        "add-selection",
    ]
    assert plan["preparation"][2]["json"]["points"] == SWAP["selections"][1]["points"]  # type: ignore[index]
    assert calls(sandbox) == []
