# SPDX-License-Identifier: Apache-2.0
"""An HTTP response -> what happened: the vendor's whole table, gateways, and whatever else may come."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from hypothesis import example, given
from hypothesis import strategies as st

from kling_provider.api.codes import ApiResponse, ErrorKind, TaskState, parse_response
from kling_provider.exceptions import (
    KlingAuthError,
    KlingBalanceError,
    KlingConcurrencyError,
    KlingError,
    KlingModerationError,
    KlingRateLimitError,
    KlingRequestError,
    KlingServerError,
)
from kling_provider.hooks.response_errors import build_response_error

#: The vendor's error page, written down once more: HTTP status, code, kind, exception, what its text advises.
TABLE: list[tuple[int, int, ErrorKind, type[KlingError], str]] = [
    (401, 1000, ErrorKind.AUTH, KlingAuthError, "Check the key"),
    (401, 1001, ErrorKind.AUTH, KlingAuthError, "password must be the API key"),
    (401, 1002, ErrorKind.AUTH, KlingAuthError, "a key of this region"),
    (401, 1003, ErrorKind.TOKEN_TIME, KlingAuthError, "clock of this machine"),
    (401, 1004, ErrorKind.TOKEN_TIME, KlingAuthError, "clock of this machine"),
    (429, 1100, ErrorKind.BALANCE, KlingBalanceError, "suspended"),
    (429, 1101, ErrorKind.BALANCE, KlingBalanceError, "top up"),
    (429, 1102, ErrorKind.BALANCE, KlingBalanceError, "top up"),
    (403, 1103, ErrorKind.AUTH, KlingAuthError, "ask for it in Kling's console"),
    (400, 1200, ErrorKind.INVALID, KlingRequestError, "Change the request"),
    (400, 1201, ErrorKind.INVALID, KlingRequestError, "Change the request"),
    (404, 1202, ErrorKind.INVALID, KlingRequestError, "host and api"),
    (404, 1203, ErrorKind.INVALID, KlingRequestError, "Check model and type"),
    (400, 1300, ErrorKind.MODERATION, KlingModerationError, "Change the prompt"),
    (400, 1301, ErrorKind.MODERATION, KlingModerationError, "Change the prompt"),
    (429, 1302, ErrorKind.RATE_LIMIT, KlingRateLimitError, "after a pause"),
    (429, 1303, ErrorKind.CONCURRENCY_LIMIT, KlingConcurrencyError, "when one of its tasks has ended"),
    (429, 1304, ErrorKind.AUTH, KlingAuthError, "IP list"),
    (500, 5000, ErrorKind.SERVER, KlingServerError, "may exist"),
    (503, 5001, ErrorKind.SERVER, KlingServerError, "may exist"),
    (504, 5002, ErrorKind.SERVER, KlingServerError, "may exist"),
]
PASSING = (KlingRateLimitError, KlingConcurrencyError, KlingServerError)
NOTHING_MADE = "Nothing was made, nothing is billed."
MAY_EXIST = "A task may exist at Kling and may be billed."


def answer(status: int, body: Any, headers: dict[str, str] | None = None) -> ApiResponse:
    return parse_response(
        status, headers or {}, body if isinstance(body, bytes) else json.dumps(body).encode()
    )


def kling(code: Any, message: str = "said") -> dict[str, Any]:
    return {"code": code, "message": message, "request_id": "r-1"}


def wrapped(code: Any, message: str = "said") -> dict[str, Any]:
    """Kling's answer as gateways of the new-api family pass it on."""
    return {"code": "fail_to_fetch_task", "message": json.dumps(kling(code, message)), "data": None}


@pytest.mark.parametrize("spelt", [int, str, lambda code: f" {code} "])
@pytest.mark.parametrize(("status", "code", "kind", "raised", "advice"), TABLE)
def test_the_vendors_table(
    status: int, code: int, kind: ErrorKind, raised: type[KlingError], advice: str, spelt: Any
) -> None:
    found = answer(status, kling(spelt(code)))
    state = TaskState.MAY_EXIST if kind is ErrorKind.SERVER else TaskState.NONE
    assert (found.kind, found.code, found.message, found.request_id) == (kind, code, "said", "r-1")
    assert (found.ok, found.task_state) == (False, state)

    error = build_response_error(found, "create a video at host", creating=True)
    assert type(error) is raised
    assert (error.code, error.request_id, error.http_status, error.task_state) == (code, "r-1", status, state)
    assert isinstance(error, AirflowFailException) is (raised not in PASSING)
    text = str(error)
    assert text.startswith(f"Could not create a video at host: said (code {code}). ")
    assert text.endswith(MAY_EXIST if kind is ErrorKind.SERVER else NOTHING_MADE)
    assert advice in text
    assert "\n" not in text


@pytest.mark.parametrize(("status", "code", "kind", "raised", "advice"), TABLE)
def test_a_failed_read_says_nothing_about_tasks_and_money(
    status: int, code: int, kind: ErrorKind, raised: type[KlingError], advice: str
) -> None:
    error = build_response_error(answer(status, kling(code)), "read task 1 at host")
    assert type(error) is raised
    assert error.task_state is TaskState.NONE
    assert "billed" not in str(error)


@pytest.mark.parametrize(("_", "code", "kind", "raised", "advice"), TABLE)
@pytest.mark.parametrize("status", [200, 201, 307, 400, 408, 429, 500, 502])
def test_klings_code_decides_whatever_the_status_around_it(
    status: int, _: int, code: int, kind: ErrorKind, raised: type[KlingError], advice: str
) -> None:
    """5000 to 5002 prove nothing under any status; every other code of the table is Kling's refusal."""
    for body in (
        kling(code),
        wrapped(code),
        {"error": kling(code)},
        {"error": {"message": json.dumps(kling(code))}},
    ):
        found = answer(status, body)
        assert (found.kind, found.code, found.message, found.request_id) == (kind, code, "said", "r-1")
        assert found.task_state is (TaskState.MAY_EXIST if kind is ErrorKind.SERVER else TaskState.NONE)


SUCCESS = {"code": 0, "message": "SUCCEED", "request_id": "r", "data": {"task_id": "1"}}


@pytest.mark.parametrize("status", [400, 422, 500, 503])
def test_an_accepted_create_within_an_error(status: int) -> None:
    """A code of success and the id of a task, whatever the status: it was made."""
    within = json.dumps(SUCCESS)
    for body in (
        SUCCESS,
        {"error": {"code": "dmxapi_kling_error_0", "message": within}},
        {**SUCCESS, "error": {"code": "dmxapi_kling_error_0", "message": "SUCCEED"}},
    ):
        found = answer(status, body)
        assert (found.ok, found.task_state) == (True, TaskState.MAY_EXIST)
        assert found.data["task_id"] == "1"
    for body in (
        {"error": {"code": "dmxapi_kling_error_0", "message": "SUCCEED"}},  # names no task
        {**SUCCESS, "code": 1303},  # a refusal of Kling's
        {"code": "fail", "message": "no", "data": {"task_id": "1"}},  # says no success
    ):
        assert not answer(status, body).ok


@pytest.mark.parametrize(
    "body",
    [
        SUCCESS,
        {**SUCCESS, "code": "0"},
        {**SUCCESS, "code": "success"},
        {**SUCCESS, "code": "SUCCEED"},
        {"code": "ok", "data": {"task_id": "1"}},
        {"data": {"task_id": "1"}},
        {"task_id": "1", "status": "queued"},
        {"id": "1", "status": "queued"},
    ],
)
@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_success_in_every_form(status: int, body: dict[str, Any]) -> None:
    found = answer(status, body)
    assert found.ok
    assert found.data == body.get("data", body)


@pytest.mark.parametrize(
    ("status", "body", "kind", "state", "message"),
    [
        # Nobody's code: 401, 403, 404, 405 prove that nothing was made, whoever says so.
        (401, {"error": {"message": "Invalid token", "type": "x"}}, ErrorKind.AUTH, "none", "Invalid token"),
        (401, b"<html><title>401 Unauthorized</title></html>", ErrorKind.AUTH, "none", "401 Unauthorized"),
        (403, {"error": "quota"}, ErrorKind.AUTH, "none", "quota"),
        (
            404,
            {"error": {"message": "Invalid URL (POST /x)", "code": ""}},
            ErrorKind.INVALID,
            "none",
            "Invalid URL (POST /x)",
        ),
        (
            404,
            b"<html>\n<head><title>404 Not Found</title></head></html>",
            ErrorKind.INVALID,
            "none",
            "404 Not Found",
        ),
        (405, b"", ErrorKind.INVALID, "none", ""),
        # So do a wrong request, a limit, and a quota.
        (400, {"code": "fail_to_fetch_task", "message": "m"}, ErrorKind.REFUSED, "none", "m"),
        (400, {"code": 1999, "message": "m"}, ErrorKind.REFUSED, "none", "m"),
        (400, b"Bad Request", ErrorKind.REFUSED, "none", "Bad Request"),
        (402, {"error": {"message": "pay"}}, ErrorKind.BALANCE, "none", "pay"),
        (413, b"<html><title>413 Request Entity Too Large</title>", ErrorKind.REFUSED, "none", None),
        (415, b"", ErrorKind.REFUSED, "none", ""),
        (422, {"detail": "no"}, ErrorKind.REFUSED, "none", ""),
        (301, b"", ErrorKind.REFUSED, "none", "the host answered with a redirect, which is not followed"),
        # Everything else without a code of the table proves nothing.
        (400, json.dumps(SUCCESS).encode()[:-9], ErrorKind.UNREADABLE, "may_exist", None),
        (408, b"<html>Request Timeout</html>", ErrorKind.UNREADABLE, "may_exist", "Request Timeout"),
        (408, {"code": "timeout"}, ErrorKind.UNREADABLE, "may_exist", ""),
        (409, {"code": "conflict"}, ErrorKind.UNREADABLE, "may_exist", ""),
        (
            502,
            b"<html><head><title>502 Bad Gateway</title></head></html>",
            ErrorKind.UNREADABLE,
            "may_exist",
            "502 Bad Gateway",
        ),
        (503, {"msg": "busy"}, ErrorKind.SERVER, "may_exist", "busy"),
        (303, b"", ErrorKind.UNREADABLE, "may_exist", None),
        (307, SUCCESS, ErrorKind.UNREADABLE, "may_exist", None),
        (200, b"", ErrorKind.UNREADABLE, "may_exist", ""),
        (200, b"<html>Welcome</html>", ErrorKind.UNREADABLE, "may_exist", "Welcome"),
        (200, json.dumps(SUCCESS).encode()[:-9], ErrorKind.UNREADABLE, "may_exist", None),
        (200, b"\xff\xfe\x00", ErrorKind.UNREADABLE, "may_exist", None),
        (200, b"[" * 100_000, ErrorKind.UNREADABLE, "may_exist", None),
        (200, b"null", ErrorKind.UNREADABLE, "may_exist", "null"),
        (200, [SUCCESS], ErrorKind.UNREADABLE, "may_exist", None),
        (200, {"code": "fail", "message": "m"}, ErrorKind.UNREADABLE, "may_exist", "m"),
        (200, {"error": {"message": "no channel"}}, ErrorKind.UNREADABLE, "may_exist", "no channel"),
        (200, {"code": True, "message": "m"}, ErrorKind.UNREADABLE, "may_exist", "m"),
        (200, {}, ErrorKind.UNREADABLE, "may_exist", ""),
    ],
)
def test_what_is_not_klings_envelope(
    status: int, body: Any, kind: ErrorKind, state: str, message: str | None
) -> None:
    found = answer(status, body)
    assert (found.kind, found.task_state) == (kind, TaskState(state))
    if message is not None:
        assert found.message == message
    error = build_response_error(found, "create a video at host", creating=True)
    assert error.task_state is found.task_state
    assert isinstance(error, AirflowFailException) is (state == "none" and status != 429)
    assert (message or "(") in str(error)
    assert str(error).endswith(NOTHING_MADE if state == "none" else MAY_EXIST)


# -- what an answer to the paid call proves: statuses and forms of the body ---------------------------------

#: Written down once more, and not read off the code: with these a host refuses before it makes anything.
REFUSING = {301, 302, 307, 308, 400, 401, 402, 403, 404, 405, 413, 415, 422, 429}
STATUSES = (
    200,
    201,
    204,
    301,
    302,
    303,
    304,
    307,
    308,
    *range(400, 418),
    421,
    422,
    423,
    424,
    425,
    426,
    428,
    429,
    431,
)
STATUSES = (*STATUSES, 451, 499, *range(500, 506), 507, 520, 522, 524, 529)
PAGE = b"<!DOCTYPE html>\n<html><head><title>nginx</title></head><body><h1>No</h1></body></html>"
FORMS: dict[str, Any] = {
    "none": b"",
    "HTML": PAGE,
    "gateway JSON": {"error": {"message": "no", "type": "invalid_request_error", "code": "invalid_request"}},
    "gateway words": {"code": "fail_to_fetch_task", "message": "upstream said no", "data": None},
    "text": b"upstream connect error",
}
REFUSALS_NESTED = [row for row in TABLE if row[2] is not ErrorKind.SERVER]
NAMES_TASK: list[Any] = [
    {"code": "fail_to_fetch_task", "message": json.dumps(SUCCESS), "data": None},
    {"error": {"message": "too slow"}, "task_id": "task_1"},
    {"code": 1303, "message": "full", "data": {"task_id": "1"}},
    {"code": 1201, "message": "no", "data": [{"id": "1", "status": "submitted"}]},
    {"id": "task_1", "object": "video", "status": "queued"},
    [{"code": 0, "data": {"task_id": "1"}}],
]
SAYS_SUCCESS: list[Any] = [
    {"code": 0},
    {"code": "0", "message": "no channel"},
    {"code": "success", "data": None},
    {"code": 400, "message": "SUCCEED"},
    {"error": {"code": "dmxapi_kling_error_0", "message": "SUCCEED", "type": "dmxapi_error"}},
    {"success": True, "message": ""},
    {"code": "fail_to_fetch_task", "message": json.dumps({"code": 0, "message": "SUCCEED"})},
]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("form", FORMS)
def test_a_status_without_klings_code_is_a_refusal_or_proves_nothing(form: str, status: int) -> None:
    found = answer(status, FORMS[form])
    assert found.task_state is (TaskState.NONE if status in REFUSING else TaskState.MAY_EXIST)
    error = build_response_error(found, "create a video at host", creating=True)
    assert str(error).endswith(NOTHING_MADE if status in REFUSING else MAY_EXIST)
    if status in REFUSING - {302, 307, 429}:
        assert isinstance(error, AirflowFailException), "sent again it would be refused again"


@pytest.mark.parametrize("status", STATUSES)
def test_a_body_that_was_cut_proves_nothing_under_any_status(status: int) -> None:
    for whole in (SUCCESS, kling(1301), FORMS["gateway JSON"]):
        text = json.dumps(whole).encode()
        for end in (1, len(text) // 2, len(text) - 1):
            assert answer(status, text[:end]).task_state is TaskState.MAY_EXIST


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(("_", "code", "kind", "raised", "advice"), REFUSALS_NESTED)
def test_klings_refusal_in_a_wrapper_is_klings_refusal(
    _: int, code: int, kind: ErrorKind, raised: type[KlingError], advice: str, status: int
) -> None:
    found = answer(status, wrapped(code, "its reason"))
    assert (found.kind, found.task_state) == (kind, TaskState.NONE)
    error = build_response_error(found, "create a video at host", creating=True)
    assert type(error) is raised
    assert "its reason" in str(error)
    assert advice in str(error)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", [*NAMES_TASK, *SAYS_SUCCESS])
def test_what_names_a_task_or_says_success_is_never_a_refusal(body: Any, status: int) -> None:
    assert answer(status, body).task_state is TaskState.MAY_EXIST


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 999) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from(sorted(REFUSING | {200, 303, 408, 409, 500, 502})), JUNK, st.integers(0, 4), st.booleans()
)
def test_a_success_is_found_however_it_is_wrapped(status: int, junk: Any, depth: int, as_text: bool) -> None:
    """Generated wrappers: an object in an object, or JSON within a text."""
    body: Any = {"task_id": "833446756000000001"}
    for _ in range(depth):
        body = {"message": json.dumps(body)} if as_text else {"error": body, "detail": junk}
    assert answer(status, body).task_state is TaskState.MAY_EXIST


@pytest.mark.parametrize(
    ("status", "body", "quota"),
    [
        (403, {"code": "insufficient_user_quota", "message": "user quota is not enough", "data": None}, True),
        (402, {"error": {"message": "Insufficient Balance", "type": "unknown_error"}}, True),
        (402, b"", True),
        (401, {"error": {"message": "该令牌额度已用尽", "type": "new_api_error"}}, True),
        (403, {"error": {"message": "用户额度不足, 剩余额度: ＄0.000000", "type": "new_api_error"}}, True),
        (403, {"code": "pre_consume_token_quota_failed", "message": "token quota is not enough"}, True),
        (429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}, True),
        (400, {"error": {"message": "out of credits"}}, True),
        (429, {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}, False),
        (
            429,
            {"error": {"message": "Quota exceeded for requests per minute", "code": "quota_exceeded"}},
            False,
        ),
        (401, {"error": {"message": "Invalid token", "type": "new_api_error"}}, False),
        (403, {"error": {"message": "forbidden"}}, False),
        (400, {"error": {"message": "bad ratio", "code": "invalid_request"}}, False),
    ],
)
def test_a_gateways_quota_is_a_balance_and_not_a_wrong_key(status: int, body: Any, quota: bool) -> None:
    found = answer(status, body)
    error = build_response_error(found, "create a video at host", creating=True)
    assert found.task_state is TaskState.NONE
    assert isinstance(error, KlingBalanceError) is quota
    if quota:
        assert "top up" in str(error)
        assert "Check the key" not in str(error)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 405, 415, 422])
def test_an_html_page_is_a_wrong_address_and_says_so(status: int) -> None:
    text = str(build_response_error(answer(status, PAGE), "create a video at host", creating=True))
    assert "check the connection's host (and its path prefix)" in text


def test_a_redirect_says_where_to_without_what_signs_it() -> None:
    to = {"Location": "https://user:secret@gateway.example/kling/v1/videos?token=abc"}
    error = build_response_error(answer(301, b"", to), "create a video at host", creating=True)
    assert isinstance(error, KlingRequestError)
    assert "https://gateway.example/kling/v1/videos" in str(error)
    assert "check the connection's host" in str(error)
    assert "secret" not in str(error)
    assert "abc" not in str(error)
    for odd in ({}, {"Location": "http://["}, {"Location": "/login\x1b[31m"}, {"Location": "\ud83d"}):
        assert answer(307, b"", odd).task_state is TaskState.NONE


@pytest.mark.parametrize("status", [301, 302, 400, 413, 415, 422])
def test_a_read_that_is_refused_by_its_status_alone_is_tried_again(status: int) -> None:
    """Nothing is lost by another look, and a paid video by giving up."""
    error = build_response_error(answer(status, b""), "read task 1 at host")
    assert type(error) is KlingServerError


def test_a_wrong_path_is_the_connections_fault() -> None:
    text = str(build_response_error(answer(404, b"<html>nginx</html>"), "read task 1 at host"))
    assert "no such path: check the connection's host (and its path prefix) and api." in text


@pytest.mark.parametrize(
    ("status", "body", "duplicate", "not_found"),
    [
        (400, kling(1201, "External_task_id v6-1789956049929 already exists"), True, False),
        (400, kling(1201, "Task not found by id/external id: 8"), False, True),
        (400, kling(1201, "Element id not found: 1"), False, True),
        (400, kling(1201, "prompt is required"), False, False),
        (404, kling(1203), False, True),
        (404, kling(1202), False, False),
        (400, kling("task_not_exist"), False, True),
        (404, kling("not_found"), False, True),
        (404, b"<html>nginx</html>", False, False),
        (404, {"error": {"message": "Invalid URL"}}, False, False),
        (401, kling(1002, "api key not found"), False, False),
        (500, kling(5000, "already exists"), False, False),
    ],
)
def test_1201_is_told_apart_by_its_text(status: int, body: Any, duplicate: bool, not_found: bool) -> None:
    found = answer(status, body)
    assert (found.is_duplicate, found.is_not_found) == (duplicate, not_found)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("", None),
        ("inf", None),
        ("nan", None),
        ("Mon, 23 Nov 2026", None),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    for body in (kling(1302), b"<html>"):
        found = answer(429, body, {"Retry-After": header})
        assert found.retry_after == seconds
        assert build_response_error(found, "read").retry_after == seconds
    assert answer(429, kling(1302)).retry_after is None


def test_a_link_in_a_text_is_shown_without_what_signs_it() -> None:
    text = "cannot get https://b.example/a.png?X-Amz-Signature=abc&X-Amz-Expires=1, sorry"
    for found in (answer(400, kling(1201, text)), answer(502, text.encode()), answer(401, {"error": text})):
        assert "https://b.example/a.png?…" in found.message
        assert "abc" not in str(build_response_error(found, "create a video at host", creating=True))
    assert "abc" not in repr(answer(200, {**SUCCESS, "data": {"url": "https://b.example/a?sig=abc"}}))


# -- properties -------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 6000) | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
CODES = (
    st.sampled_from(
        [0, "0", " 00", "٠", "0_0", "+0", "success", 1002, "1303", 5000, None, True, [], {}, "0.0", "fail"]
    )
    | VALUES
)
ENVELOPES = st.fixed_dictionaries(
    {},
    optional={
        "code": CODES,
        "message": VALUES,
        "request_id": VALUES,
        "data": VALUES,
        "error": VALUES,
        "id": VALUES,
    },
)
BODIES = st.binary(max_size=60) | (ENVELOPES | VALUES).map(lambda value: json.dumps(value).encode())


def succeeded(status: int, body: bytes) -> bool:
    """A second reading of what a success is."""
    try:
        value = json.loads(body)
    except ValueError:
        return False
    if not 200 <= status <= 299 or not isinstance(value, dict):
        return False
    code = value.get("code")
    if code is None or isinstance(code, bool):
        return bool({"data", "id", "task_id"} & set(value))
    return str(code).strip().lower() in ("0", "00", "000", "-0", "success", "succeed", "ok")


@given(
    st.integers(100, 599),
    BODIES,
    st.dictionaries(st.sampled_from(["Retry-After", "X-Request-Id"]), st.text(max_size=9)),
)
@example(200, b'{"code": "0"}', {})
@example(200, b'{"code": 1303, "data": {"task_id": "1"}}', {})
@example(204, b"", {})
def test_nothing_raises_and_nothing_but_a_success_is_one(
    status: int, body: bytes, headers: dict[str, str]
) -> None:
    found = parse_response(status, headers, body)
    assert found.ok == succeeded(status, body)
    assert isinstance(found.message, str)
    assert found.request_id is None or isinstance(found.request_id, str)
    assert found.retry_after is None or 0 <= found.retry_after < float("inf")
    if not found.ok:
        error = build_response_error(found, "create a video at host", creating=True)
        assert error.task_state is found.task_state
        if found.task_state is TaskState.NONE and status not in REFUSING:
            assert found.code in {row[1] for row in REFUSALS_NESTED}, "only Kling's own code is a proof there"


# -- strange bodies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [10, 300, 500, 800, 950, 3000])
@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_body_of_many_brackets_is_read_without_an_error(depth: int, status: int) -> None:
    brackets = "[" * depth + "]" * depth
    inner = json.dumps({"task_id": "x"})[:-1] + f', "a": {brackets}}}'
    for body in (json.dumps({"code": 0, "data": inner}), f'{{"code": 0, "data": {inner}}}', brackets, inner):
        found = parse_response(status, {}, body.encode())
        assert found.task_state is TaskState.MAY_EXIST or (status == 400 and body == brackets)


def test_the_task_of_an_error_is_the_one_that_the_host_answers_to() -> None:
    theirs = {"code": 0, "data": {"task_id": "of Kling", "task_status": "submitted"}}
    for body in (
        {"code": "success", "data": {"task_id": "of the gateway", "data": theirs}},
        {"data": {"x": {"task_id": "inside"}}, "task_id": "of the gateway", "message": "SUCCEED"},
        {"error": {"message": json.dumps({"code": 0, "task_id": "of the gateway", "data": theirs})}},
    ):
        found = answer(500, body)
        assert found.data["task_id"] == "of the gateway"


def test_a_code_in_the_words_of_a_user_does_not_count_beside_klings_own() -> None:
    said = 'prompt {"code": 1303}'
    assert answer(400, {"code": 1201, "message": said}).code == 1201
    assert (
        answer(400, {"code": "fail_to_fetch_task", "message": said}).code == 1303
    )  # a wrapper of a gateway's
    assert answer(400, {"code": 1000, "data": {"code": 1303}}).code == 1303  # inside, and no text
