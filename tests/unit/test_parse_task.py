# SPDX-License-Identifier: Apache-2.0
"""A task's JSON -> :class:`KlingTask`: strict where Kling is strict, tolerant where gateways differ."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kling_provider.api.dialects.reading import UnreadableTask, parse_page, parse_task, parse_tasks
from kling_provider.api.tasks import Billing, KlingTask, Output, TaskStatus

KLINGS_WORDS = {
    "submitted": TaskStatus.SUBMITTED,
    "processing": TaskStatus.PROCESSING,
    "succeed": TaskStatus.SUCCEEDED,
    "succeeded": TaskStatus.SUCCEEDED,
    "failed": TaskStatus.FAILED,
}
GATEWAY_WORDS = {
    "SUBMITTED": TaskStatus.SUBMITTED,
    "queued": TaskStatus.SUBMITTED,
    "PENDING": TaskStatus.SUBMITTED,
    "NOT_START": TaskStatus.SUBMITTED,
    "running": TaskStatus.PROCESSING,
    "IN_PROGRESS": TaskStatus.PROCESSING,
    "SUCCESS": TaskStatus.SUCCEEDED,
    "Succeed": TaskStatus.SUCCEEDED,
    "completed": TaskStatus.SUCCEEDED,
    "FAILURE": TaskStatus.FAILED,
    "Failed": TaskStatus.FAILED,
}


@pytest.mark.parametrize("name", ["status", "task_status"])
@pytest.mark.parametrize("lax", [False, True])
@pytest.mark.parametrize("word", KLINGS_WORDS)
def test_klings_words_count_on_both_surfaces(name: str, lax: bool, word: str) -> None:
    read = parse_task({"id": "1", name: word}, accepts_gateway_statuses=lax)
    assert (read.status, read.status_word) == (KLINGS_WORDS[word], word)


@pytest.mark.parametrize("word", GATEWAY_WORDS)
def test_other_words_and_cases_count_at_gateways_only(word: str) -> None:
    assert (
        parse_task({"task_id": "1", "status": word}, accepts_gateway_statuses=True).status
        is GATEWAY_WORDS[word]
    )
    assert parse_task({"task_id": "1", "status": word}).status is TaskStatus.UNKNOWN


@given(st.text(max_size=20) | st.none() | st.integers(), st.booleans())
@example("succeeded ", False)
@example("sUcCeEd", False)
@example("", True)
def test_a_word_that_nobody_documents_is_never_success_and_never_running(word: Any, lax: bool) -> None:
    read = parse_task({"id": "1", "status": word}, accepts_gateway_statuses=lax)
    known = KLINGS_WORDS | ({word.lower(): status for word, status in GATEWAY_WORDS.items()} if lax else {})
    asked = str(word).strip().lower() if lax else str(word)
    assert read.status is known.get(asked, TaskStatus.UNKNOWN)
    if read.status is TaskStatus.UNKNOWN:
        assert not read.status.running
        assert not read.status.ended


def test_seconds_and_milliseconds() -> None:
    moment = datetime(2026, 9, 20, 12, 0, 0, tzinfo=UTC)
    for value in (
        moment.timestamp(),
        str(int(moment.timestamp())),
        moment.timestamp() * 1000,
        "1789905600000",
    ):
        assert parse_task({"id": "1", "created_at": value}).created_at == moment
    for nothing in (None, "", 0, -1, "…", "NaN", "1e9999999", 1e30, True, {}):
        assert parse_task({"id": "1", "created_at": nothing, "update_time": nothing}).created_at is None


def test_a_link_lives_for_thirty_days_from_the_second_of_the_end() -> None:
    read = parse_task({"id": "1", "status": "succeeded", "update_time": 1764236054436})
    assert read.expires_at is not None
    assert read.expires_at.timestamp() == 1764236054 + 2592000
    for word in ("failed", "processing", "paused"):
        assert parse_task({"id": "1", "status": word, "update_time": 1764236054436}).expires_at is None


@pytest.mark.parametrize(
    ("text", "moderated"),
    [
        ("Failure to pass the risk control system", True),
        ("Trigger the content safety policy", True),
        ("Image pixel is invalid", False),
        ("Something went wrong when we tried to get the contents of the file.", False),
        ("", False),
    ],
)
def test_moderation_is_known_by_its_text_alone(text: str, moderated: bool) -> None:
    assert parse_task({"id": "1", "status": "failed", "message": text}).moderated is moderated
    assert not parse_task({"id": "1", "status": "succeeded", "message": text}).moderated


def test_a_reason_is_shown_without_what_signs_its_link() -> None:
    read = parse_task({"id": "1", "task_status_msg": "cannot get https://b/a.png?sig=abc&x=1 now"})
    assert read.message == "cannot get https://b/a.png?… now"


# -- shapes -----------------------------------------------------------------------------------------------


def test_a_gateway_with_seconds_nulls_and_empty_ids() -> None:
    """xmsmartlink, from the vendor contract's table of gateways."""
    read = parse_task(
        {
            "task_id": "task_01",
            "task_status": "succeed",
            "task_info": None,
            "task_result": {"images": None, "videos": [{"id": "", "url": "https://x/v.mp4", "duration": 5}]},
            "created_at": 1764235825,
            "updated_at": 1764236054,
        },
        accepts_gateway_statuses=True,
    )
    assert read.outputs == (Output("video", None, "https://x/v.mp4", None, 5.0),)
    assert read.outputs[0].url == "https://x/v.mp4"
    assert read.updated_at == datetime.fromtimestamp(1764236054, UTC)


NATIVE = {
    "task_id": "native-7",
    "task_status": "succeed",
    "task_result": {"videos": [{"id": "v", "url": "https://x/v.mp4"}]},
}


def test_new_api_nests_the_native_answer() -> None:
    read = parse_task(
        {
            "task_id": "task_9",
            "status": "SUCCESS",
            "fail_reason": "",
            "submit_time": 1764235825,
            "finish_time": 1764236054,
            "progress": "100%",
            "data": {"code": 0, "message": "SUCCEED", "data": NATIVE},
        },
        accepts_gateway_statuses=True,
    )
    assert (read.kling_task_id, read.status) == ("task_9", TaskStatus.SUCCEEDED), (
        "the id that the gateway knows"
    )
    assert [output.id for output in read.outputs] == ["v"]


def test_new_api_with_one_address_and_an_error() -> None:
    done = parse_task(
        {"task_id": "1", "status": "succeeded", "url": "https://x/v.mp4"}, accepts_gateway_statuses=True
    )
    assert [(output.type, output.url) for output in done.outputs] == [("video", "https://x/v.mp4")]
    failed = parse_task(
        {"task_id": "1", "status": "FAILURE", "error": {"message": "no"}}, accepts_gateway_statuses=True
    )
    assert (failed.status, failed.message) == (TaskStatus.FAILED, "no")


def test_the_answer_that_does_not_repeat_the_id() -> None:
    assert parse_task({"status": "submitted"}, kling_task_id="7").kling_task_id == "7"
    assert parse_task([{"id": 7}]).kling_task_id == "7"


@pytest.mark.parametrize(
    "data", [None, [], "x", 5, {}, {"id": ""}, {"id": {}}, {"task_id": [1]}, [{"id": "1"}, {"id": "2"}]]
)
def test_what_names_no_task(data: Any) -> None:
    with pytest.raises(UnreadableTask):
        parse_task(data)


def test_billing_keeps_units_and_money_apart() -> None:
    billing = [
        {"charge_type": "unit", "amount": "2.4", "package_type": "video"},
        {
            "charge_type": "cash",
            "amount": 0.336,
            "currency": "USD",
            "cash_type": "balance",
            "list_price": "0.42",
        },
        {"charge_type": "unit", "amount": "…"},
        {"charge_type": "unit"},
        None,
    ]
    assert parse_task({"id": "1", "billing": billing}).billing == (
        Billing("unit", Decimal("2.4"), package_type="video"),
        Billing("cash", Decimal("0.336"), "USD", cash_type="balance", list_price=Decimal("0.42")),
    )
    legacy = {"final_unit_deduction": "3", "final_balance_deduction": {"quota": "1.5", "list_price": "2"}}
    assert parse_task({"task_id": "1", **legacy}).billing == (
        Billing("unit", Decimal(3)),
        Billing("cash", Decimal("1.5"), list_price=Decimal(2)),
    )


def test_a_page_of_a_list_names_the_next_one() -> None:
    tasks, cursor = parse_page({"result": [{"id": "1"}], "count": 1, "has_more": True, "next_cursor": "c"})
    assert ([task.kling_task_id for task in tasks], cursor) == (["1"], "c")
    assert parse_page({"result": [{"id": "1"}], "has_more": False, "next_cursor": "c"})[1] is None
    with pytest.raises(UnreadableTask, match="more tasks, and has no cursor"):
        parse_page({"result": [{"id": "1"}], "has_more": True})
    for wrong in (None, [], {}, {"code": 0, "message": "SUCCEED"}, {"result": "x"}):
        with pytest.raises(UnreadableTask):
            parse_page(wrong)
    with pytest.raises(UnreadableTask):
        parse_tasks({"id": "1"})


# -- properties -------------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    [
        *("id", "task_id", "status", "task_status", "task_info", "external_id", "external_task_id", "data"),
        *("outputs", "task_result", "videos", "images", "audios", "url", "video_url", "duration", "type"),
        *("billing", "amount", "charge_type", "final_unit_deduction", "final_balance_deduction", "quota"),
        *("created_at", "updated_at", "create_time", "message", "error", "task_status_msg", "list_price"),
    ]
)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("1e999999999")
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=20,
)


@given(ANYTHING, st.booleans(), st.none() | st.just("7"))
@example({"id": "1", "billing": 5, "task_result": {"videos": 3}}, False, None)
@example({"id": "1", "outputs": [None, {"type": None, "url": {}, "id": []}]}, True, None)
def test_whatever_comes_is_a_task_or_unreadable(data: Any, lax: bool, asked: str | None) -> None:
    try:
        read = parse_task(data, accepts_gateway_statuses=lax, kling_task_id=asked)
    except UnreadableTask:
        return
    assert read.kling_task_id
    _well_typed(read)


def _well_typed(read: KlingTask) -> None:
    texts = (read.kling_task_id, read.status_word, read.message, read.external_task_id)
    assert all(isinstance(text, str) for text in texts if text is not None)
    for output in read.outputs:
        assert all(
            isinstance(text, str | None)
            for text in (output.type, output.id, output.url, output.watermark_url)
        )
    for item in read.billing:
        assert item.amount.is_finite()
        json.dumps([item.charge_type, item.currency, item.package_type, item.cash_type, str(item.amount)])


@given(ANYTHING)
def test_whatever_comes_is_a_page_or_unreadable(data: Any) -> None:
    for parse in (parse_page, parse_tasks):
        try:
            parse(data)
        except UnreadableTask:
            continue
