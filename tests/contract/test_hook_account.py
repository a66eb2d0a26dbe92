# SPDX-License-Identifier: Apache-2.0
"""What the account keeps: voices, elements and deductions as Kling's pages write them, and calls that change the account."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from kling_provider.exceptions import KlingError, KlingRequestError, KlingServerError
from kling_provider.hooks.kling import KlingAsyncHook, KlingHook
from tests.contract.connecting import connect, pauses, say, server

SIGNED = "https://example.org/trial.mp3?Signature=c2VjcmV0"
MADE_AT = 1_722_769_557_708
#: As the vendor's page of voices has it, with values.
VOICE_TASK = {
    "task_id": "867283741759111201",
    "task_status": "succeed",
    "task_status_msg": "",
    "task_info": {"external_task_id": "af-1"},
    "task_result": {
        "voices": [
            {
                "voice_id": "930801338081615883",
                "voice_name": "Keeper",
                "trial_url": SIGNED,
                "owned_by": "10001",
            }
        ]
    },
    "final_unit_deduction": "0.05",
    "created_at": MADE_AT,
    "updated_at": MADE_AT,
}
ELEMENT_TASK = {
    "task_id": "867283741759111202",
    "task_status": "succeed",
    "task_status_msg": "",
    "task_info": {},
    "task_result": {
        "elements": [
            {
                "element_id": 321922438904313,
                "element_name": "Keeper",
                "element_description": "An old man",
                "reference_type": "image_refer",
                "element_image_list": {"frontal_image": SIGNED},
                "element_voice_info": {
                    "voice_id": "930801338081615883",
                    "voice_name": "Keeper",
                    "trial_url": SIGNED,
                    "owned_by": "10001",
                },
                "tag_list": [{"id": "o_102", "name": "Character"}],
                "owned_by": "10001",
                "status": "succeed",
            }
        ]
    },
    "created_at": MADE_AT,
    "updated_at": MADE_AT,
}
OLD_ELEMENT = {
    "element_id": 7,
    "element_name": "Lamp",
    "element_description": "A brass lamp",
    "element_frontal_image": SIGNED,
    "element_refer_list": [{"image_url": SIGNED}],
    "tag_list": [{"id": "o_103", "name": "Object", "description": ""}],
    "owned_by": "kling",
}


class Account:
    """A host that answers with what it is told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.reply: Callable[[int], tuple[int, Any]] = lambda number: (200, {"code": 0, "data": []})

    def answer(self, request: Any) -> None:
        self.asked.append((request.command, request.path, request.json))
        status, body = self.reply(len(self.asked))
        say(request, status, body)

    def say(self, data: Any) -> None:
        self.reply = lambda number: (200, {"code": 0, "message": "SUCCEED", "request_id": "r", "data": data})


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def hook(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[KlingHook]:
    pauses(monkeypatch)
    with connected(account, monkeypatch) as found:
        yield found


@contextmanager
def connected(account: Account, monkeypatch: pytest.MonkeyPatch, **extra: Any) -> Iterator[KlingHook]:
    with server(account.answer) as port:
        yield connect(
            monkeypatch, f"http://127.0.0.1:{port}", "sk-test-0123", extra={"profile": "kling", **extra}
        )


@pytest.mark.parametrize(
    ("presets", "path"), [(False, "/v1/general/custom-voices"), (True, "/v1/general/presets-voices")]
)
def test_voices(presets: bool, path: str, account: Account, hook: KlingHook) -> None:
    account.say([VOICE_TASK, {**VOICE_TASK, "task_status": "failed", "task_result": {}}])
    (voice,) = hook.list_voices(presets=presets)
    assert (voice.id, voice.name, voice.owned_by, voice.trial_url, voice.status) == (
        "930801338081615883",
        "Keeper",
        "10001",
        SIGNED,
        None,
    )
    assert voice.kling_task_id == "867283741759111201"
    assert voice.created_at == datetime.fromtimestamp(MADE_AT / 1000, UTC)
    assert "Signature" not in repr(voice)
    assert account.asked == [("GET", f"{path}?pageNum=1&pageSize=500", None)]


@pytest.mark.parametrize(
    ("presets", "path"),
    [(False, "/v1/general/advanced-custom-elements"), (True, "/v1/general/advanced-presets-elements")],
)
def test_elements(presets: bool, path: str, account: Account, hook: KlingHook) -> None:
    account.say([ELEMENT_TASK])
    (element,) = hook.list_elements(presets=presets)
    assert (element.id, element.name, element.description) == ("321922438904313", "Keeper", "An old man")
    assert (element.reference_type, element.tags, element.status) == ("image_refer", ("o_102",), "succeed")
    assert element.voice is not None
    assert (element.voice.id, element.voice.trial_url) == ("930801338081615883", SIGNED)
    assert element.kling_task_id == "867283741759111202"
    assert "Signature" not in repr(element)
    assert account.asked == [("GET", f"{path}?pageNum=1&pageSize=500", None)]


@pytest.mark.parametrize(
    ("presets", "path"), [(False, "/v1/general/custom-elements"), (True, "/v1/general/presets-elements")]
)
def test_elements_of_the_older_library(presets: bool, path: str, account: Account, hook: KlingHook) -> None:
    account.say([OLD_ELEMENT])
    (element,) = hook.list_elements(presets=presets, old=True)
    assert (element.id, element.name, element.description) == ("7", "Lamp", "A brass lamp")
    assert (element.tags, element.owned_by, element.kling_task_id) == (("o_103",), "kling", None)
    assert account.asked == [("GET", f"{path}?pageNum=1&pageSize=500", None)]


def test_tasks_of_a_type(account: Account, hook: KlingHook) -> None:
    account.say([VOICE_TASK, ELEMENT_TASK])
    first, second = hook.list_tasks_of_type("custom_voice")
    assert [first.kling_task_id, second.kling_task_id] == ["867283741759111201", "867283741759111202"]
    (voice,) = first.outputs
    assert (voice.type, voice.id, voice.details) == (
        "voice",
        "930801338081615883",
        {"name": "Keeper", "owned_by": "10001"},
    )
    assert account.asked == [("GET", "/v1/general/custom-voices?pageNum=1&pageSize=500", None)]


def test_types_without_such_a_list(account: Account, hook: KlingHook) -> None:
    with pytest.raises(KlingRequestError, match="type must be one"):
        hook.list_tasks_of_type("tts")
    with pytest.raises(KlingRequestError, match="Did you mean 'custom_voice'"):
        hook.list_tasks_of_type("custom_voise")
    assert account.asked == []


def test_a_list_is_read_until_a_page_is_not_full(account: Account, hook: KlingHook) -> None:
    def reply(number: int) -> tuple[int, Any]:
        """Two full pages that overlap by one, because somebody made a voice meanwhile, and a last one."""
        start, count = {1: (0, 500), 2: (499, 500), 3: (999, 3)}[number]
        data = [{"task_id": str(n), "task_status": "succeed"} for n in range(start, start + count)]
        return 200, {"code": 0, "data": data}

    account.reply = reply
    tasks = hook.list_tasks_of_type("text_to_audio")
    assert [task.kling_task_id for task in tasks] == [str(n) for n in range(1002)]
    pages = [parse_qs(urlsplit(path).query)["pageNum"] for _, path, _ in account.asked]
    assert pages == [["1"], ["2"], ["3"]]


def test_a_list_that_repeats_a_page_has_no_end(account: Account, hook: KlingHook) -> None:
    account.say([{"task_id": str(n), "task_status": "succeed"} for n in range(500)])
    with pytest.raises(
        KlingServerError, match=r"Could not list tasks of type text_to_audio at .* does not end"
    ):
        hook.list_tasks_of_type("text_to_audio")
    assert len(account.asked) == 2
    assert len(hook.list_tasks_of_type("text_to_audio", max_pages=9)) == 500


@pytest.mark.parametrize("data", [{}, "none", None, {"voices": []}])
def test_what_is_no_list_is_an_error(data: Any, account: Account, hook: KlingHook) -> None:
    account.say(data)
    with pytest.raises(KlingServerError, match="Could not list voices at"):
        hook.list_voices()


# -- deletions -----------------------------------------------------------------------------------------------

GONE = (400, {"code": 1201, "message": "Element may already be deleted", "request_id": "r"})


@pytest.mark.parametrize(
    ("delete", "path", "body"),
    [
        (lambda hook: hook.delete_voice("9308"), "/v1/general/delete-voices", {"voice_id": "9308"}),
        (
            lambda hook: hook.delete_element(321922438904313),
            "/v1/general/delete-advanced-elements",
            {"element_id": "321922438904313"},
        ),
    ],
)
def test_deletions(
    delete: Callable[[KlingHook], bool], path: str, body: dict[str, str], account: Account, hook: KlingHook
) -> None:
    account.say({"task_id": "1", "task_status": "succeed"})
    assert delete(hook) is True
    account.reply = lambda number: (200, {"code": 0, "message": "SUCCEED", "request_id": "r"})
    assert delete(hook) is True, "an answer may have no data (observed)"
    account.reply = lambda number: GONE
    assert delete(hook) is False, "it was deleted before"
    assert account.asked == [("POST", path, body)] * 3


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, {"code": 5000, "message": "internal"}, "It may be deleted all the same"),
        (502, b"<html>bad gateway</html>", "It may be deleted all the same"),
        (200, b"{", "It may be deleted all the same"),
        (429, {"code": 1302, "message": "too fast"}, "Nothing was deleted."),
        (400, {"code": 1201, "message": "Voice id not found: 9308"}, "Nothing was deleted."),
        (401, {"code": 1000, "message": "no"}, "Nothing was deleted."),
    ],
)
def test_a_deletion_is_sent_once(
    status: int, body: Any, said: str, account: Account, hook: KlingHook
) -> None:
    account.reply = lambda number: (status, body)
    with pytest.raises(KlingError, match="Could not delete voice 9308 at") as wrong:
        hook.delete_voice("9308")
    assert str(wrong.value).count(said) == 1
    assert len(account.asked) == 1


@pytest.mark.parametrize("wrong", ["", " ", None, True, 1.5, ["9308"]])
def test_what_is_no_id_is_not_sent(wrong: Any, account: Account, hook: KlingHook) -> None:
    with pytest.raises(KlingRequestError, match="voice_id must be an id as text"):
        hook.delete_voice(wrong)
    assert account.asked == []


# -- ledgers -------------------------------------------------------------------------------------------------

SINCE, UNTIL = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
TASK = {
    "task_id": "867283741759111201",
    "api_key_name": "studio",
    "product_function": "text-to-video",
    "model_name": "kling-3.0",
    "resolution": "720p",
    "duration": "5",
    "refer_video_input": "false",
    "video_sound": False,
    "voice_control": "",
    "deduction_time": 1_793_500_000_000,
}
UNITS = {
    **TASK,
    "package_id": 42,
    "product_type": "try-on",
    "unit_before_deduction": "100",
    "deduction_amount": "3.05",
    "unit_after_deduction": "96.95",
}
MONEY = {
    **TASK,
    "duration": 5.0,
    "cash_type": "balance",
    "balance_before_deduction": "10.00",
    "deduction_amount": "0.42",
    "balance_after_deduction": "9.58",
    "list_price": "0.42",
    "currency": "USD",
}


def page(*detail: Any, cursor: str | None = None) -> dict[str, Any]:
    more = {"next_cursor": cursor, "has_more": True} if cursor else {"has_more": False}
    return {"result": {"detail": list(detail), "count": len(detail)}, **more}


def test_units_are_listed_to_the_last_cursor(account: Account, hook: KlingHook) -> None:
    pages = [page(UNITS, cursor="c1"), page({**UNITS, "deduction_amount": None}, UNITS)]
    account.reply = lambda number: (200, {"code": 0, "data": pages[number - 1]})
    first, second = hook.list_unit_deductions(
        SINCE,
        UNTIL,
        api_key_names=["studio"],
        product_types=["video", "try_on"],
        package_names=["Trial-Video-100Units-5Con-1Months"],
    )
    assert first == second
    assert (first.amount, first.before, first.after) == (Decimal("3.05"), Decimal(100), Decimal("96.95"))
    assert (first.kling_task_id, first.package_id, first.product_type) == (
        "867283741759111201",
        "42",
        "try_on",
    )
    assert (first.model, first.resolution, first.duration) == ("kling-3.0", "720p", Decimal(5))
    assert (first.refer_video_input, first.video_sound, first.voice_control) == ("false", "false", None)
    assert first.deducted_at == datetime.fromtimestamp(1_793_500_000, UTC)
    assert (first.api_key_name, first.product_function) == ("studio", "text-to-video")
    filters = [
        {"key": "api_key_name", "values": ["studio"]},
        {"key": "product_type", "values": ["video", "try-on"]},
        {"key": "package_name", "values": ["Trial-Video-100Units-5Con-1Months"]},
    ]
    times = {"start_time": 1_793_491_200_000, "end_time": 1_793_577_600_000}
    assert account.asked == [
        ("POST", "/account/billing/package", {"limit": 500, **times, "filters": filters}),
        ("POST", "/account/billing/package", {"limit": 500, "cursor": "c1", "filters": filters}),
    ]


def test_money_is_listed(account: Account, hook: KlingHook) -> None:
    account.say(page(MONEY))
    (row,) = hook.list_balance_deductions(SINCE, UNTIL)
    assert (row.amount, row.before, row.after) == (Decimal("0.42"), Decimal("10.00"), Decimal("9.58"))
    assert (row.cash_type, row.list_price, row.currency) == ("balance", Decimal("0.42"), "USD")
    assert row.duration == Decimal(5)
    times = {"start_time": 1_793_491_200_000, "end_time": 1_793_577_600_000}
    assert account.asked == [("POST", "/account/billing/balance", {"limit": 500, **times})]


def test_an_empty_ledger(account: Account, hook: KlingHook) -> None:
    account.say({"count": 0, "has_more": False})
    assert hook.list_unit_deductions(SINCE) == []
    assert account.asked[0][2]["end_time"] > account.asked[0][2]["start_time"]


def test_a_ledger_without_an_end(account: Account, hook: KlingHook) -> None:
    account.say(page(MONEY, cursor="again"))
    with pytest.raises(KlingServerError, match=r"Could not list deductions at .* the list does not end"):
        hook.list_balance_deductions(SINCE, UNTIL)
    assert len(account.asked) == 2
    assert len(hook.list_balance_deductions(SINCE, UNTIL, max_pages=1)) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"package_names": ["a"], "package_ids": ["1"]}, "package_ids must be left out beside package_names"),
        ({"product_types": ["try-on"]}, "product_types must be among video, image, try_on; found 'try-on'"),
        ({"api_key_names": "studio"}, "api_key_names must be a list of texts"),
        ({"until": SINCE}, "until must be later than since"),
        ({"max_pages": 0}, "max_pages must be a whole number from 1"),
    ],
)
def test_wrong_questions_are_not_asked(
    arguments: dict[str, Any], said: str, account: Account, hook: KlingHook
) -> None:
    with pytest.raises(KlingRequestError, match=said):
        hook.list_unit_deductions(SINCE, **arguments)
    assert account.asked == []


def test_a_gateway_has_neither(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Callable[[KlingHook], Any]] = [
        lambda hook: hook.list_voices(),
        lambda hook: hook.list_elements(old=True),
        lambda hook: hook.delete_voice("9308"),
        lambda hook: hook.list_unit_deductions(SINCE),
        lambda hook: hook.list_balance_deductions(SINCE),
        lambda hook: hook.list_tasks_of_type("text_to_audio"),
    ]
    with connected(account, monkeypatch, profile="gateway") as hook:
        for call in calls:
            with pytest.raises(KlingRequestError, match=r"127.0.0.1:.* (has no|lists no)"):
                call(hook)
    assert account.asked == []


async def test_the_asynchronous_hook_reads_the_same(account: Account, hook: KlingHook) -> None:
    account.reply = lambda number: (
        200,
        {"code": 0, "data": page(UNITS) if "billing" in account.asked[-1][1] else [json.loads(TEXT)]},
    )
    async with KlingAsyncHook("kling_test") as other:
        assert await other.list_voices() == hook.list_voices()
        assert await other.list_elements(presets=True) == hook.list_elements(presets=True)
        assert await other.list_tasks_of_type("custom_voice") == hook.list_tasks_of_type("custom_voice")
        assert await other.list_unit_deductions(SINCE) == hook.list_unit_deductions(SINCE)
        assert (await other.list_unit_deductions(SINCE))[0].amount == Decimal("3.05")
    assert len(account.asked) == 9


TEXT = json.dumps(VOICE_TASK | {"task_result": {**VOICE_TASK["task_result"], **ELEMENT_TASK["task_result"]}})  # type: ignore[dict-item]
