# SPDX-License-Identifier: Apache-2.0
"""Python converts at most 4300 digits. A longer number is refused as any other wrong one, wherever it comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from kling_provider.exceptions import KlingRequestError
from kling_provider.hooks.kling import KlingHook
from kling_provider.sandbox import Sandbox
from tests.contract.sandbox_client import Client, refused

DIGITS = "9" * 5000


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1) as running:
        yield running


def test_a_limit_in_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"max_concurrency": DIGITS}
    connection = {"conn_type": "kling", "host": "http://127.0.0.1:9", "password": "k", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(connection))
    with pytest.raises(KlingRequestError, match="max_concurrency must be a whole number from 1"):
        _ = KlingHook().connection


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/videos/text2video?pageNum={DIGITS}",
        f"/account/costs?start_time={DIGITS}&end_time={DIGITS}",
    ],
    ids=["page", "times"],
)
def test_a_query_to_the_sandbox(path: str, client: Client) -> None:
    refused(client.get(path), 400, 1201, "")


def test_a_body_to_the_sandbox(client: Client) -> None:
    refused(client.post("/tasks", {"start_time": DIGITS}), 400, 1201, "start_time")


@pytest.mark.parametrize("length", [DIGITS, "\u00b2"], ids=["long", "superscript"])
def test_a_length_for_the_sandbox(length: str, client: Client) -> None:
    response = client.call("GET", "/tasks", headers={"Content-Length": length.encode("latin-1")})
    assert response.status_code == 411, response.text
