# SPDX-License-Identifier: Apache-2.0
"""An HTTP answer -> what happened: the vendor's whole table, gateways, and whatever else may come."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from hypothesis import example, given
from hypothesis import strategies as st

from kling_provider.api.codes import Answer, Kind, TaskState, read_answer
from kling_provider.exceptions import (
    KlingAuthError,
    KlingBalanceError,
    KlingConcurrencyError,
    KlingError,
    KlingModerationError,
    KlingRateLimitError,
    KlingRequestError,
    KlingServerError,
    error_for,
)

#: The vendor's error page, written down once more: HTTP status, code, kind, exception, what its text advises.
TABLE: list[tuple[int, int, Kind, type[KlingError], str]] = [
    (401, 1000, Kind.AUTH, KlingAuthError, "Check the key"),
    (401, 1001, Kind.AUTH, KlingAuthError, "put the API key there"),
    (401, 1002, Kind.AUTH, KlingAuthError, "belongs to this region"),
    (401, 1003, Kind.TOKEN_TIME, KlingAuthError, "clock of this machine"),
    (401, 1004, Kind.TOKEN_TIME, KlingAuthError, "clock of this machine"),
    (429, 1100, Kind.BALANCE, KlingBalanceError, "suspended"),
    (429, 1101, Kind.BALANCE, KlingBalanceError, "top up"),
    (429, 1102, Kind.BALANCE, KlingBalanceError, "top up"),
    (403, 1103, Kind.AUTH, KlingAuthError, "open it in Kling's console"),
    (400, 1200, Kind.INVALID, KlingRequestError, "Change the request"),
    (400, 1201, Kind.INVALID, KlingRequestError, "Change the request"),
    (404, 1202, Kind.INVALID, KlingRequestError, "host and api"),
    (404, 1203, Kind.INVALID, KlingRequestError, "Check model and type"),
    (400, 1300, Kind.MODERATION, KlingModerationError, "Change the prompt"),
    (400, 1301, Kind.MODERATION, KlingModerationError, "Change the prompt"),
    (429, 1302, Kind.RATE_LIMIT, KlingRateLimitError, "after a pause"),
    (429, 1303, Kind.NO_SLOT, KlingConcurrencyError, "when one of its tasks has ended"),
    (429, 1304, Kind.AUTH, KlingAuthError, "IP list"),
    (500, 5000, Kind.SERVER, KlingServerError, "may exist"),
    (503, 5001, Kind.SERVER, KlingServerError, "may exist"),
    (504, 5002, Kind.SERVER, KlingServerError, "may exist"),
]
PASSING = (KlingRateLimitError, KlingConcurrencyError, KlingServerError)
NOTHING_MADE = "Nothing was made, nothing is billed."
MAY_EXIST = "A task may exist at Kling and may be billed."


def answer(status: int, body: Any, headers: dict[str, str] | None = None) -> Answer:
    return read_answer(status, headers or {}, body if isinstance(body, bytes) else json.dumps(body).encode())


def kling(code: Any, message: str = "said") -> dict[str, Any]:
    return {"code": code, "message": message, "request_id": "r-1"}


@pytest.mark.parametrize("spelt", [int, str, lambda code: f" {code} "])
@pytest.mark.parametrize(("status", "code", "kind", "raised", "advice"), TABLE)
def test_the_vendors_table(
    status: int, code: int, kind: Kind, raised: type[KlingError], advice: str, spelt: Any
) -> None:
    found = answer(status, kling(spelt(code)))
    state = TaskState.MAY_EXIST if kind is Kind.SERVER else TaskState.NONE
    assert (found.kind, found.code, found.message, found.request_id) == (kind, code, "said", "r-1")
    assert (found.ok, found.task_state) == (False, state)

    error = error_for(found, "create a video at host", creating=True)
    assert type(error) is raised
    assert (error.code, error.request_id, error.http_status, error.task_state) == (code, "r-1", status, state)
    assert isinstance(error, AirflowFailException) is (raised not in PASSING)
    text = str(error)
    assert text.startswith(f"Could not create a video at host: said (code {code}). ")
    assert text.endswith(MAY_EXIST if kind is Kind.SERVER else NOTHING_MADE)
    assert advice in text
    assert "\n" not in text


@pytest.mark.parametrize(("status", "code", "kind", "raised", "advice"), TABLE)
def test_a_failed_read_says_nothing_about_tasks_and_money(
    status: int, code: int, kind: Kind, raised: type[KlingError], advice: str
) -> None:
    error = error_for(answer(status, kling(code)), "read task 1 at host")
    assert type(error) is raised
    assert error.task_state is TaskState.NONE
    assert "billed" not in str(error)


@pytest.mark.parametrize(("_", "code", "kind", "raised", "advice"), TABLE)
@pytest.mark.parametrize("status", [200, 201, 400, 408, 500, 502, 307])
def test_the_code_says_what_it_is_and_the_status_what_it_proves(
    status: int, _: int, code: int, kind: Kind, raised: type[KlingError], advice: str
) -> None:
    """A wrapper's 200 around a refusal is a refusal. A 408, a 5xx or a redirect around anything proves nothing."""
    found = answer(status, kling(code))
    assert found.kind is kind
    proven = status in (200, 201, 400) and kind is not Kind.SERVER
    assert found.task_state is (TaskState.NONE if proven else TaskState.MAY_EXIST)


SUCCESS = {"code": 0, "message": "SUCCEED", "request_id": "r", "data": {"task_id": "1"}}


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
def test_success(status: int, body: dict[str, Any]) -> None:
    found = answer(status, body)
    assert found.ok
    assert found.data == body.get("data", body)


@pytest.mark.parametrize(
    ("status", "body", "kind", "state", "message"),
    [
        # Nobody's code: 401, 403, 404, 405 prove that nothing was made, whoever says so.
        (401, {"error": {"message": "Invalid token", "type": "x"}}, Kind.AUTH, "none", "Invalid token"),
        (401, b"<html><title>401 Unauthorized</title></html>", Kind.AUTH, "none", "401 Unauthorized"),
        (403, {"error": "quota"}, Kind.AUTH, "none", "quota"),
        (
            404,
            {"error": {"message": "Invalid URL (POST /x)", "code": ""}},
            Kind.INVALID,
            "none",
            "Invalid URL (POST /x)",
        ),
        (
            404,
            b"<html>\n<head><title>404 Not Found</title></head></html>",
            Kind.INVALID,
            "none",
            "404 Not Found",
        ),
        (405, b"", Kind.INVALID, "none", ""),
        # Everything else without a code of the table proves nothing.
        (400, {"code": "fail_to_fetch_task", "message": "m"}, Kind.UNREADABLE, "may_exist", "m"),
        (400, {"code": 1999, "message": "m"}, Kind.UNREADABLE, "may_exist", "m"),
        (400, b"Bad Request", Kind.UNREADABLE, "may_exist", "Bad Request"),
        (400, SUCCESS, Kind.UNREADABLE, "may_exist", "SUCCEED"),
        (402, {"error": {"message": "pay"}}, Kind.UNREADABLE, "may_exist", "pay"),
        (408, b"<html>Request Timeout</html>", Kind.UNREADABLE, "may_exist", "Request Timeout"),
        (408, {"code": "timeout"}, Kind.UNREADABLE, "may_exist", ""),
        (429, {"error": {"message": "slow down"}}, Kind.UNREADABLE, "may_exist", "slow down"),
        (500, SUCCESS, Kind.SERVER, "may_exist", "SUCCEED"),
        (
            502,
            b"<html><head><title>502 Bad Gateway</title></head></html>",
            Kind.UNREADABLE,
            "may_exist",
            "502 Bad Gateway",
        ),
        (503, {"msg": "busy"}, Kind.SERVER, "may_exist", "busy"),
        (301, b"", Kind.UNREADABLE, "may_exist", ""),
        (307, SUCCESS, Kind.UNREADABLE, "may_exist", "SUCCEED"),
        (200, b"", Kind.UNREADABLE, "may_exist", ""),
        (200, b"<html>Welcome</html>", Kind.UNREADABLE, "may_exist", "Welcome"),
        (200, json.dumps(SUCCESS).encode()[:-9], Kind.UNREADABLE, "may_exist", None),
        (200, b"\xff\xfe\x00", Kind.UNREADABLE, "may_exist", None),
        (200, b"[" * 100_000, Kind.UNREADABLE, "may_exist", None),
        (200, b"null", Kind.UNREADABLE, "may_exist", "null"),
        (200, [SUCCESS], Kind.UNREADABLE, "may_exist", None),
        (200, {"code": "fail", "message": "m"}, Kind.UNREADABLE, "may_exist", "m"),
        (200, {"error": {"message": "no channel"}}, Kind.UNREADABLE, "may_exist", "no channel"),
        (200, {"code": True, "message": "m"}, Kind.UNREADABLE, "may_exist", "m"),
        (200, {}, Kind.UNREADABLE, "may_exist", ""),
    ],
)
def test_what_is_not_klings_envelope(
    status: int, body: Any, kind: Kind, state: str, message: str | None
) -> None:
    found = answer(status, body)
    assert (found.kind, found.task_state) == (kind, TaskState(state))
    if message is not None:
        assert found.message == message
    error = error_for(found, "create a video at host", creating=True)
    assert error.task_state is found.task_state
    assert isinstance(error, AirflowFailException) is (state == "none")
    assert (message or "(") in str(error)
    assert str(error).endswith(NOTHING_MADE if state == "none" else MAY_EXIST)


def test_a_wrong_path_is_the_connections_fault() -> None:
    text = str(error_for(answer(404, b"<html>nginx</html>"), "read task 1 at host"))
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
    assert (found.duplicate, found.not_found) == (duplicate, not_found)


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
        assert error_for(found, "read").retry_after == seconds
    assert answer(429, kling(1302)).retry_after is None


def test_a_link_in_a_text_is_shown_without_what_signs_it() -> None:
    text = "cannot get https://b.example/a.png?X-Amz-Signature=abc&X-Amz-Expires=1, sorry"
    for found in (answer(400, kling(1201, text)), answer(502, text.encode()), answer(401, {"error": text})):
        assert "https://b.example/a.png?…" in found.message
        assert "abc" not in str(error_for(found, "create a video at host", creating=True))
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
    found = read_answer(status, headers, body)
    assert found.ok == succeeded(status, body)
    assert isinstance(found.message, str)
    assert found.request_id is None or isinstance(found.request_id, str)
    assert found.retry_after is None or 0 <= found.retry_after < float("inf")
    if not found.ok:
        error = error_for(found, "create a video at host", creating=True)
        assert error.task_state is found.task_state
        if status >= 500 or status == 408 or 300 <= status < 400:
            assert found.task_state is TaskState.MAY_EXIST
