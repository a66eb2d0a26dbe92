# SPDX-License-Identifier: Apache-2.0
"""The account's ledgers: every deduction once, page by page, by window and by filter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kling_provider.sandbox import Sandbox
from tests.contract.sandbox_client import Client, refused, token
from tests.support.postcard import Postcard

PACKAGE, BALANCE = "/account/billing/package", "/account/billing/balance"
ALWAYS = {"start_time": 0, "end_time": 9_999_999_999_999}
HELLO = {"text": "Good evening.", "voice_id": "oversea_male1", "voice_language": "en"}
CARD = {"lines": ["A boat", "drifts"]}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=500, account_qps=0, products=[Postcard()]) as running:
        yield running


def page(client: Client, path: str = PACKAGE, **body: Any) -> dict[str, Any]:
    answer = client.post(path, body)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    assert data["result"]["count"] == len(data["result"]["detail"])
    return data


def rows(client: Client, **body: Any) -> list[dict[str, Any]]:
    detail: list[dict[str, Any]] = page(client, **{**ALWAYS, **body})["result"]["detail"]
    return detail


def ids(client: Client, **body: Any) -> list[str]:
    return [row["task_id"] for row in rows(client, **body)]


def only(key: str, *values: Any) -> dict[str, Any]:
    return {"key": key, "values": list(values)}


def speak(client: Client) -> str:
    return str(client.post("/v1/audio/tts", HELLO).json()["data"]["task_id"])


def pack_ids(client: Client) -> dict[str, str]:
    packs = client.get("/account/costs?start_time=0&end_time=9999999999999").json()["data"]
    return {
        pack["resource_pack_name"]: pack["resource_pack_id"]
        for pack in packs["resource_pack_subscribe_infos"]
    }


def test_a_deduction_stands_there_when_its_task_succeeds(client: Client) -> None:
    video = client.made(duration=4, resolution="1080p", audio="native")
    assert rows(client) == []
    client.sandbox.advance(120)
    speech = speak(client)
    first, second = rows(client)
    ended = client.task(video)["update_time"]
    (pack,) = (pack_id for name, pack_id in pack_ids(client).items() if "Video" in name)
    assert second == {
        "package_id": pack,
        "product_type": "video",
        "task_id": video,
        "api_key_name": "default",
        "product_function": "text-to-video",
        "model_name": "kling-3.0",
        "resolution": "1080p",
        "duration": "4",
        "refer_video_input": False,
        "video_sound": True,
        "voice_control": False,
        "deduction_time": ended,
        "unit_before_deduction": "1000",
        "deduction_amount": "4.8",
        "unit_after_deduction": "995.2",
    }
    assert (first["task_id"], first["product_function"], first["resolution"]) == (speech, "tts", "")
    assert (first["unit_before_deduction"], first["deduction_amount"], first["unit_after_deduction"]) == (
        "995.2",
        "0.05",
        "995.15",
    )


def test_what_costs_nothing_is_not_there(client: Client) -> None:
    client.finished(duration=20)  # fails at generation
    image = "https://images.example/a.png"
    element = {"element_name": "a", "element_description": "b", "reference_type": "image_refer"}
    images = {"frontal_image": image, "refer_images": [{"image_url": image}]}
    client.post("/v1/general/advanced-custom-elements", {**element, "element_image_list": images})
    client.sandbox.advance(120)
    assert rows(client) == []


def test_every_kind_of_request_says_what_it_was(client: Client) -> None:
    film = {"video_url": f"{client.sandbox.url}/_sandbox/video.mp4?seconds=6"}
    client.post("/v1/audio/video-to-audio", film)
    client.post("/v1/audio/text-to-audio", {"prompt": "rain", "duration": 3.5})
    client.post("/v1/general/custom-voices", {"voice_name": "Ann", "voice_url": "https://a.example/a.mp3"})
    client.post("/postcards/kling-p1", CARD)
    client.sandbox.advance(120)
    found = {row["product_function"]: row for row in rows(client)}
    assert {name: row["deduction_amount"] for name, row in found.items()} == {
        "video-to-audio": "0.25",
        "text-to-audio": "0.25",
        "custom-voice": "0.05",
        "postcard": "12.5",
    }
    assert found["text-to-audio"]["duration"] == "3.5"
    assert (found["video-to-audio"]["duration"], found["video-to-audio"]["refer_video_input"]) == (
        "6.041",
        True,
    )
    assert (found["custom-voice"]["duration"], found["postcard"]["product_type"]) == ("", "image")
    assert len({tuple(row) for row in found.values()}) == 1, "the same fields in every row"


def test_pages_follow_the_cursor(client: Client) -> None:
    made = [speak(client) for _ in range(5)]
    first = page(client, **ALWAYS, limit=2, filters=[only("product_type", "video")])
    assert [row["task_id"] for row in first["result"]["detail"]] == made[:2:-1]
    later = speak(client)
    client.post("/postcards/kling-p1", CARD)
    client.sandbox.advance(120)
    # the cursor has the query in it, so whatever stands beside it is ignored
    second = page(client, cursor=first["next_cursor"], start_time="x", limit=900, filters=[{}])
    assert [row["task_id"] for row in second["result"]["detail"]] == [made[2], made[1]]
    third = page(client, cursor=second["next_cursor"])
    assert [row["task_id"] for row in third["result"]["detail"]] == [made[0]]
    assert (third["has_more"], "next_cursor" in third) == (False, False)
    assert ids(client)[1] == later


def test_the_window(client: Client) -> None:
    speak(client)
    (early,) = rows(client)
    client.sandbox.advance(3600)
    late = speak(client)
    moment = early["deduction_time"]
    assert ids(client, start_time=moment, end_time=moment) == [early["task_id"]]
    assert ids(client, start_time=moment + 1) == [late]
    assert ids(client, end_time=moment - 1) == []
    assert page(client, start_time=0, end_time=1) == {
        "result": {"detail": [], "count": 0},
        "has_more": False,
    }


@pytest.mark.parametrize("path", [PACKAGE, BALANCE])
@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "start_time and end_time are required"),
        ({"start_time": 0}, "start_time and end_time are required"),
        ({"end_time": 0}, "start_time and end_time are required"),
        ({**ALWAYS, "start_time": "0"}, "start_time must be an integer"),
        ({"start_time": 2, "end_time": 1}, "start_time must be before"),
        ({**ALWAYS, "limit": 0}, "limit must be between 1 and 500"),
        ({**ALWAYS, "limit": 501}, "limit must be between 1 and 500"),
        ({**ALWAYS, "limit": "5"}, "limit must be an integer"),
        ({**ALWAYS, "filters": {}}, "filters must be an array"),
        ({**ALWAYS, "filters": [only("task_id", "1")]}, "filters[0].key must be one of"),
        ({**ALWAYS, "filters": [{"key": "api_key_name"}]}, "filters[0].values are required"),
        ({**ALWAYS, "filters": [only("api_key_name")]}, "filters[0].values are required"),
        ({**ALWAYS, "filters": [only("api_key_name", 1)]}, "filters[0].values are required"),
        ({"cursor": "x"}, "cursor is invalid"),
        ({"cursor": "e30="}, "cursor is invalid"),
        ({"cursor": "bnVsbA=="}, "cursor is invalid"),
        ({"cursor": 5}, "cursor must be a string"),
    ],
)
def test_what_is_refused(client: Client, path: str, body: dict[str, Any], text: str) -> None:
    refused(client.post(path, body), 400, 1201, text)


def test_what_one_ledger_alone_refuses(client: Client) -> None:
    filters = [only("package_name", "a"), only("package_id", "b")]
    refused(client.post(PACKAGE, {**ALWAYS, "filters": filters}), 400, 1201, "cannot be used together")
    wrong = {**ALWAYS, "filters": [only("product_type", "try_on")]}
    refused(client.post(PACKAGE, wrong), 400, 1201, "video, image, try-on")
    for key in ("product_type", "package_name", "package_id"):
        body = {**ALWAYS, "filters": [only(key, "video")]}
        refused(client.post(BALANCE, body), 400, 1201, "key must be one of api_key_name")


@pytest.mark.parametrize("limit", [1, 500])
def test_limits_just_inside(client: Client, limit: int) -> None:
    made = [speak(client) for _ in range(2)]
    assert ids(client, limit=limit) == made[::-1][:limit]


def test_values_of_a_filter_are_alternatives_and_filters_must_all_fit(client: Client) -> None:
    speech = speak(client)
    card = client.post("/postcards/kling-p1", CARD).json()["data"]["id"]
    client.sandbox.advance(120)
    packs = pack_ids(client)
    (video_name,) = (name for name in packs if "Video" in name)
    for filters, found in (
        ([only("product_type", "video")], [speech]),
        ([only("product_type", "video", "image")], [card, speech]),
        ([only("product_type", "video"), only("product_type", "image")], [card, speech]),
        ([only("product_type", "try-on")], []),
        ([only("package_name", video_name)], [speech]),
        ([only("package_id", packs[video_name])], [speech]),
        ([only("package_id", packs[video_name]), only("product_type", "image")], []),
        ([only("api_key_name", "default")], [card, speech]),
        ([only("api_key_name", "another")], []),
    ):
        assert ids(client, filters=filters) == found, filters


def test_accounts_see_their_own(client: Client) -> None:
    speak(client)
    stranger = Client(client.sandbox, client.sandbox.api_key + "-2")
    assert rows(stranger) == []
    assert client.post(PACKAGE, ALWAYS).status_code == 200
    signed = Client(client.sandbox, token(client.sandbox.access_key, client.sandbox.secret_key))
    assert signed.post(PACKAGE, ALWAYS).status_code == 401, "API keys alone (documented)"


def test_no_cash_is_ever_taken(client: Client) -> None:
    speak(client)
    assert page(client, BALANCE, **ALWAYS) == {"result": {"detail": [], "count": 0}, "has_more": False}
    filters = [only("api_key_name", "default")]
    assert page(client, BALANCE, **ALWAYS, filters=filters)["result"]["count"] == 0


def test_a_ledger_outlives_a_restart(tmp_path: Path) -> None:
    with Sandbox(time_scale=1, state_dir=tmp_path) as sandbox:
        client = Client(sandbox)
        speak(client)
        client.finished(duration=3)
        before = rows(client)
    with Sandbox(time_scale=1, state_dir=tmp_path) as sandbox:
        client = Client(sandbox)
        assert rows(client) == before
        again = speak(client)
        newest, *others = rows(client)
        assert (newest["task_id"], others) == (again, before)
        assert newest["package_id"] != before[0]["package_id"], "packs are full at every start"
        sandbox.reset()
        assert rows(client) == []
