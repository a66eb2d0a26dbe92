# SPDX-License-Identifier: Apache-2.0
"""Every recording is read by our code. One without a check in :data:`CHECKS` fails, unless it waits by name."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from kling_provider.api.account import concurrency_of, parse_account, units_left
from kling_provider.api.billing import billing_text
from kling_provider.api.catalog import estimate_price
from kling_provider.api.codes import ErrorKind, TaskState, parse_response
from kling_provider.api.dialects import DIALECTS
from kling_provider.api.dialects.reading import UnreadableTask, parse_page, parse_task, parse_tasks
from kling_provider.api.parsing import parse_request
from kling_provider.api.price_list import look_up_price
from kling_provider.api.result_facts import ResultFacts
from kling_provider.api.tasks import Billing, TaskStatus
from tests.contract import capture_checks_of_faces as capture_checks_of_faces
from tests.contract import capture_checks_of_gateways as capture_checks_of_gateways
from tests.contract.capture_checks import CHECKS, Record, at, check, each, submitted, success, task

#: Of kinds of requests, and of routes, that are not spoken here yet.
WAITING: set[str] = set()


def test_every_recording_has_a_check(captures: Path) -> None:
    assert {path.name for path in captures.glob("*.json")} == CHECKS.keys() | WAITING
    assert not CHECKS.keys() & WAITING


@pytest.mark.parametrize("name", CHECKS)
def test_each_recording_is_read(name: str, captures: Path) -> None:
    CHECKS[name](json.loads((captures / name).read_bytes()))


@check("01_legacy_text2video_submit_v3.json")
def _(record: Record) -> None:
    payload = record["capture"]["payload"]
    request = parse_request(payload)
    call = DIALECTS["legacy"].create(request, request.external_task_id)
    assert (call.method, call.path) == (record["http"]["method"], record["http"]["path"])
    # What Kling would assume is said: it decides what is paid.
    assert call.json == {**payload, "sound": "off", "multi_shot": False}
    submitted(record["capture"]["response"], payload["external_task_id"])


@check("02_legacy_text2video_submit_v1.json")
def _(record: Record) -> None:
    payload = record["capture"]["payload"]
    request = parse_request(payload)
    assert DIALECTS["legacy"].create(request, request.external_task_id).json == payload
    submitted(record["capture"]["response"], "text_probe_1")


@check("03_legacy_image2video_submit.json")
def _(record: Record) -> None:
    submitted(record["response"])


@check("04_legacy_image2video_query_processing.json")
def _(record: Record) -> None:
    assert DIALECTS["legacy"].read("image_to_video", "822953089408827433").path == record["http"]["path"]
    read = task(record["response"])
    assert (read.status, read.message, read.outputs) == (TaskStatus.PROCESSING, "", ())
    assert (read.created_at, read.updated_at) == (at(1764235825029), at(1764235834382))
    assert (read.finished_at, read.expires_at) == (None, None)


@check("05_legacy_image2video_query_succeed.json")
def _(record: Record) -> None:
    read = task(record["response"])
    video = record["response"]["data"]["task_result"]["videos"][0]
    assert (read.status, read.status_word) == (TaskStatus.SUCCEEDED, "succeed")
    (output,) = read.outputs
    assert (output.type, output.id, output.url, output.duration) == ("video", video["id"], video["url"], 5.1)
    assert read.finished_at == at(1764236054436)
    assert read.expires_at == datetime.fromtimestamp(0x694FA816, UTC), "the link's own ksTime"
    assert video["url"] not in repr(read)


@check("06_legacy_callback_succeed.json")
def _(record: Record) -> None:
    read = parse_task(record["body"])
    (output,) = read.outputs
    assert (read.status, output.type, output.id) == (TaskStatus.SUCCEEDED, "video", "828338674655576157")
    assert read.expires_at is not None
    assert read.expires_at.timestamp() == int(parse_qs(urlsplit(str(output.url)).query)["Expires"][0])


@check("07_legacy_query_failed.json")
def _(record: Record) -> None:
    read = task(record["response"])
    assert (read.status, read.message, read.outputs) == (TaskStatus.FAILED, "Image pixel is invalid", ())
    assert not read.moderated
    assert read.finished_at == at(1766737711775)


@check("08_legacy_errors_live.json")
def _(record: Record) -> None:
    kinds = {
        1001: ErrorKind.AUTH,
        1002: ErrorKind.AUTH,
        1102: ErrorKind.BALANCE,
        1303: ErrorKind.CONCURRENCY_LIMIT,
        1201: ErrorKind.INVALID,
    }
    duplicates, unknown = 0, 0
    for error in record["errors"]:
        body = error["body"]
        answer = parse_response(error["http"], {}, json.dumps(body).encode())
        assert (answer.kind, answer.code) == (kinds[body["code"]], body["code"])
        assert (answer.message, answer.request_id) == (body["message"], body["request_id"])
        assert answer.task_state is TaskState.NONE
        assert answer.is_duplicate == ("duplicate" in error["when"])
        assert answer.is_not_found == ("unknown id" in error["when"])
        duplicates, unknown = duplicates + answer.is_duplicate, unknown + answer.is_not_found
    assert (duplicates, unknown, len(record["errors"])) == (1, 1, 13)


@check("09_account_costs_no_pack.json")
def _(record: Record) -> None:
    packs = parse_account(success(record["response"]).data)
    assert (packs, concurrency_of(packs)) == ((), None)
    assert units_left(packs) == {"video": Decimal(0), "image": Decimal(0)}


@check("10_account_costs_doc_example.json")
def _(record: Record) -> None:
    (pack,) = parse_account(success(record["response"]).data)
    assert (pack.name, pack.status) == ("Video Generation - 10,000 entries", "expired")
    assert (pack.total, pack.remaining, pack.concurrency) == (Decimal(200), Decimal(118), None)
    assert units_left([pack])["video"] == 0, "an expired pack pays nothing"
    assert record["_meta"]["note"].endswith("Trial-Video-100Units-5Con-1Months: 100 units, 5 concurrent.")
    live = {"resource_pack_name": "Trial-Video-100Units-5Con-1Months", "status": "online"}
    assert concurrency_of(parse_account({"resource_pack_subscribe_infos": [live]})) == 5


@check("11_legacy_list_empty.json")
def _(record: Record) -> None:
    assert parse_tasks(success(record["response"]).data) == ([], 0)


# -- the standard API -------------------------------------------------------------------------------------


@check("20_new_create_live.json")
def _(record: Record) -> None:
    submitted(record["response"])


@check("21_new_tasks_get_succeeded_live.json")
def _(record: Record) -> None:
    (read,), unreadable = parse_tasks(success(record["response"]).data)
    assert unreadable == 0
    assert (read.kling_task_id, read.status, read.message) == ("933557962801545273", TaskStatus.SUCCEEDED, "")
    assert (read.created_at, read.updated_at) == (None, None), "elided by the source: no time is invented"
    assert (read.finished_at, read.expires_at) == (None, None)
    assert [(output.type, output.duration) for output in read.outputs] == [("video", 5.041)]
    assert read.billing == (Billing("unit", Decimal(3), package_type="video"),)
    assert estimate_price(parse_request({"prompt": "x"})).units == read.billing[0].amount


@check("22_new_tasks_get_unknown_live.json")
def _(record: Record) -> None:
    assert parse_tasks(success(record["response"]).data) == ([], 0)


@check("23_new_tasks_cursor_empty_live.json")
def _(record: Record) -> None:
    assert parse_page(success(record["response"]).data) == ([], None)


@check("24_new_failed_before_generation_live.json")
def _(record: Record) -> None:
    read = parse_task(record["task"], kling_task_id="933557962801545274")
    assert read.status is TaskStatus.FAILED
    assert read.message == "Something went wrong when we tried to get the contents of the file."
    assert read.billing == (Billing(None, Decimal(0)),)
    with pytest.raises(UnreadableTask, match="names no task id"):
        parse_task(record["task"])


@check("25_new_tasks_cursor_doc_fixture.json")
def _(record: Record) -> None:
    (read,), cursor = parse_page(success(record["response"]).data)
    assert cursor == "string"
    assert (read.kling_task_id, read.external_task_id, read.message) == ("string", "string", "string")
    assert read.status is TaskStatus.SUCCEEDED
    assert (read.created_at, read.updated_at) == (at(1781080778802), at(1781080794151))
    assert [(output.type, output.url, output.duration) for output in read.outputs] == [
        ("video", "string", 5.0),
        ("image", "string", None),
        ("audio", "string", 5.0),
        ("voice", "string", None),
        ("element", None, None),
    ]
    assert read.billing == (), "an amount that is no number is no amount"


@check("26_new_callback_test_request.json")
def _(record: Record) -> None:
    read = parse_task(json.loads(record["raw_body"]))
    assert (read.kling_task_id, read.status) == ("913827032734642185", TaskStatus.SUBMITTED)
    assert read.created_at == at(1785901861504)


@check("27_webhook_signature_vector.json")
def _(record: Record) -> None:
    read = parse_task(json.loads(record["raw_body"]))
    assert (read.kling_task_id, read.status, read.outputs) == ("1234567890", TaskStatus.SUCCEEDED, ())
    assert read.finished_at == at(1781080794151)


@check("64_doc_solutions_virtual_try_on.json")
def _(record: Record) -> None:
    """The odd one of the solutions: another name of the id at the create, another word for success."""
    theirs = record["create_request"]
    urls = {one["type"]: one["url"] for one in theirs["contents"]}
    options = {name: theirs["options"][name] for name in ("callback_url", "external_task_id")}
    request = parse_request({"type": "virtual_try_on", **urls, **theirs["settings"], **options})
    call = DIALECTS["standard"].create(request, request.external_task_id)
    # A watermark that is off is Kling's default and is left out.
    assert (call.path, call.json) == ("/solutions/virtual_try_on", {**theirs, "options": options})
    submitted(record["create_response"], "order-0001")
    (read,), unreadable = parse_tasks(success(record["query_response"]).data)
    assert (unreadable, read.kling_task_id) == (0, record["create_response"]["data"]["task_id"])
    assert (read.status, read.status_word) == (TaskStatus.SUCCEEDED, "succeed")
    assert [(output.type, output.url) for output in read.outputs] == [
        ("image", "https://media.example.com/out.png")
    ]
    assert read.billing == (Billing("unit", Decimal(8), package_type="image"),)
    facts = ResultFacts.of_request(request).with_task(read)
    assert billing_text(facts.billing) == "8 image units"


# -- money ------------------------------------------------------------------------------------------------

#: Endpoints of the cost log that make no video of ours: read, but not priced.
NOT_OURS = {
    "POST /v1/videos/avatar/image2video",
    "POST /v1/general/custom-voices",
    "POST /v1/general/advanced-custom-elements",
    "POST /v1/audio/tts",
}


@check("40_live_cost_log.json")
def _(record: Record) -> None:
    priced = 0
    for made in record["tasks"]:
        read = parse_task({**made, "status": "succeeded"}, kling_task_id=made.get("id") or made["audio_id"])
        paid = sum((item.amount for item in read.billing), Decimal(0))
        recorded = made.get(
            "units", made.get("final_unit_deduction") or (made.get("billing") or [{}])[0].get("amount")
        )
        assert paid == (0 if "units" in made else Decimal(recorded))
        assert all(item.charge_type == "unit" for item in read.billing)
        method, path = made["endpoint"].split(" ")
        if made["endpoint"] in NOT_OURS:
            continue
        if "body" in made:
            request = parse_request({"type": "image_generation", "prompt": "x", **made["body"]})
            assert DIALECTS["legacy"].create(request, None).path == path
            assert (estimate_price(request).units, estimate_price(request).package) == (paid, "image")
            priced += 1
            continue
        settings = made["settings"]
        product, model = path.strip("/").split("/")
        found = look_up_price(model, settings["resolution"], settings["duration"], audio_rate="off")
        if product == "text-to-video":
            found = estimate_price(parse_request({"prompt": "x", "model": model, **settings}))
        assert (method, found.units) == ("POST", paid)
        priced += 1
    assert priced == 3


# -- other forms of the same ------------------------------------------------------------------------------


@check("55_legacy_native_2025_submit_query.json")
def _(record: Record) -> None:
    for what, response in each(record):
        if what.startswith("create"):
            submitted(response)
            continue
        read = parse_task(success(response).data, kling_task_id=response["data"]["task_id"])
        assert (read.status, read.message, len(read.outputs)) == (TaskStatus.SUCCEEDED, "", 1)


@check("65_new_validation_messages_live.json")
def _(record: Record) -> None:
    for error in record["errors"]:
        found = parse_response(error["http"] or 400, {}, json.dumps(error["body"]).encode())
        assert (found.kind, found.task_state) == (ErrorKind.INVALID, TaskState.NONE)
        assert (found.message, found.is_duplicate) == (error["body"]["message"], False)
    texts = {
        one["text"]: parse_task({"id": "1", "status": "failed", "message": one["text"]})
        for one in record["task_messages"]
    }
    assert {text for text, read in texts.items() if read.moderated} == {
        "Failure to pass the risk control system"
    }
    assert all(read.message == text for text, read in texts.items())


def test_a_create_of_the_responses_route_is_never_a_refusal(captures: Path) -> None:
    """Whatever the status, and whatever the connection's API: what was paid there is not sent again."""
    for name in ("50_dmxapi_responses_v3_submit", "53_dmxapi_responses_bailian_submit"):
        for _, response in each(json.loads((captures / f"{name}.json").read_bytes())):
            for status in (200, 400, 403, 500):
                found = parse_response(status, {}, json.dumps(response).encode())
                assert (found.ok, found.task_state) == (True, TaskState.MAY_EXIST)
