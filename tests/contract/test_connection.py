# SPDX-License-Identifier: Apache-2.0
"""A connection that cannot work says so before anything is sent, and says what to change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from kling_provider.exceptions import (
    KlingAuthError,
    KlingError,
    KlingRequestError,
)
from kling_provider.hooks.kling import KlingHook
from kling_provider.sandbox import Sandbox
from tests.contract.connecting import (
    RED_PANDA,
    connect,
    connect_to,
)

KEY = "api-key-kling-sandbox"
SECRET = "sandbox-secret-key-that-guards-nothing"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, concurrency=100) as running:
        yield running


@pytest.mark.parametrize(
    ("fields", "raised", "said"),
    [
        ({"password": ""}, KlingAuthError, "password must be the API key"),
        ({"password": "  "}, KlingAuthError, "it is empty"),
        ({"password": "sk-one\nsk-two"}, KlingAuthError, "password must be a key without spaces"),
        ({"password": "sk-ключ-0123"}, KlingAuthError, "paste the key once more"),
        ({"host": "ftp://host"}, KlingRequestError, "host must be a URL such as https://api-singapore"),
        ({"host": "http://host:port"}, KlingRequestError, "host must be a URL such as https://api-singapore"),
        ({"host": "http://[::1"}, KlingRequestError, "host must be a URL such as https://api-singapore"),
        ({"host": "https://me:sk-hidden@host"}, KlingRequestError, "write the key into the field password"),
        (
            {"host": "https://host/x?key=sk-hidden"},
            KlingRequestError,
            "write the key into the field password",
        ),
        (
            {"extra": {"region": "europe"}},
            KlingRequestError,
            "extra region must be one of global, china; found 'europe'",
        ),
        (
            {"extra": {"api": "v2"}},
            KlingRequestError,
            "extra api must be one of standard, legacy, responses, standard-body, tokenhub; found 'v2'",
        ),
        (
            {"extra": {"profile": "kong"}},
            KlingRequestError,
            "extra profile must be one of kling, gateway, new-api",
        ),
        (
            {"extra": {"max_concurrency": 0}},
            KlingRequestError,
            "extra max_concurrency must be a whole number from 1",
        ),
        ({"extra": {"timeout": "soon"}}, KlingRequestError, "'timeout' must be a number of seconds above 0"),
    ],
)
def test_a_wrong_connection(
    fields: dict[str, Any], raised: type[KlingError], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = connect(monkeypatch, **{"host": "http://127.0.0.1:1", "password": KEY, **fields})
    with pytest.raises(raised) as caught:
        hook.submit(RED_PANDA, external_task_id=None)
    assert isinstance(caught.value, AirflowFailException)
    assert said in str(caught.value)
    assert "'kling_test'" in str(caught.value) or "Connection extra" in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert hook.test_connection() == (False, str(caught.value))


def test_a_missing_account_read_fails_the_connection_test(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.set_faults([{"kind": "auth", "code": 1103, "on": "account"}])
    good, text = connect_to(monkeypatch, sandbox).test_connection()
    assert not good
    assert "read the account" in text


@pytest.mark.parametrize("password", [KEY, SECRET])
def test_kling_s_former_domain_has_the_legacy_api_alone(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``GET /tasks`` is a 404 page there, while ``/v1`` and the account answer (observed in 2026)."""
    login = "ak" if password == SECRET else None
    for host, api, reads in (
        ("https://api.klingai.com", "legacy", False),
        ("API.klingai.com", "legacy", False),
        ("https://api-singapore.klingai.com", "legacy" if login else "standard", not login),
    ):
        connection = connect(monkeypatch, host, password, login=login).connection
        profile = connection.profile
        assert (profile.name, connection.api, profile.task_reads) == ("kling", api, reads), host
        assert (profile.locks, profile.can_find_by_external_id, profile.account) == (True, True, True)


@pytest.mark.parametrize(
    ("uri", "wanted"),
    [
        # Airflow's own habit: the scheme in the place of the path.
        ("kling://:key@gateway.example/https", "https://gateway.example"),
        ("kling://:key@127.0.0.1:8080/http", "http://127.0.0.1:8080"),
        ("kling://:key@gateway.example", "https://gateway.example"),
        ("kling://:key@/?region=china", "https://api-beijing.klingai.com"),
        ("kling://:key@/https", "https://api-singapore.klingai.com"),
    ],
)
def test_an_address_without_a_path(uri: str, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_KLING_TEST", uri)
    assert KlingHook("kling_test").connection.base_url == wanted


@pytest.mark.parametrize(
    "header", ["X-Region", "X-Profile", "User-Agent", "Accept-Language", "New-Api-User", "api-key", "Via"]
)
def test_headers_that_resemble_nothing_of_ours_stay_headers(
    header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = connect(monkeypatch, "https://gateway.example", KEY, extra={header: "x"})
    assert hook.connection.http_extras == {header: "x"}
