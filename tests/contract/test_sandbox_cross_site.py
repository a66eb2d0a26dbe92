# SPDX-License-Identifier: Apache-2.0
"""A web page of another site can neither change anything in a sandbox nor become one of its pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from kling_provider.sandbox import Sandbox
from kling_provider.sandbox.http.guard import refuse_stranger
from kling_provider.sandbox.http.messages import Request
from kling_provider.sandbox.options import Options


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=1, render_seconds=10, concurrency=100) as running:
        yield running


CREATE = {"prompt": "A red panda", "settings": {"duration": 3}}


def post(sandbox: Sandbox, path: str, **headers: str) -> requests.Response:
    given = {"Authorization": f"Bearer {sandbox.api_key}", **headers}
    return requests.post(f"{sandbox.url}{path}", json=CREATE, headers=given, timeout=20)


@pytest.mark.parametrize(
    "path", ["/text-to-video/kling-3.0", "/_sandbox/reset", "/_sandbox/faults", "/_sandbox/advance"]
)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.com"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "rebound.example.com"},
        {"Host": "127.0.0.1.example.com"},
        {"Host": "localhost.example.com:80"},
    ],
)
def test_a_page_of_another_site_changes_nothing(sandbox: Sandbox, path: str, headers: dict[str, str]) -> None:
    made = sandbox.stats()["creates"]
    answer = post(sandbox, path, **headers)
    assert answer.status_code == 403
    assert sandbox.stats()["creates"] == made


def test_a_page_that_was_given_our_address_reads_nothing(sandbox: Sandbox) -> None:
    answer = requests.get(
        f"{sandbox.url}/_sandbox/requests", headers={"Host": "rebound.example.com"}, timeout=20
    )
    assert answer.status_code == 403
    assert "--allow-hosts rebound.example.com" in answer.text


def test_programs_and_its_own_page_are_served(sandbox: Sandbox) -> None:
    port = sandbox.url.rpartition(":")[2]
    for headers in (
        {},
        {"Host": f"localhost:{port}"},
        {"Host": "sandbox:8765"},  # its name in a network of containers
        {"Host": "[::1]:8765"},
        {"Host": f"kling.localhost:{port}"},
        {"Origin": sandbox.url},
        {"Origin": sandbox.url, "Sec-Fetch-Site": "same-origin"},
    ):
        assert post(sandbox, "/text-to-video/kling-3.0", **headers).status_code == 200, headers


def test_a_name_that_was_allowed() -> None:
    with Sandbox(
        time_scale=1, render_seconds=10, allow_hosts="kling.example.com, other.example.com"
    ) as sandbox:
        assert post(sandbox, "/text-to-video/kling-3.0", Host="Kling.example.com:80").status_code == 200
        assert post(sandbox, "/text-to-video/kling-3.0", Host="third.example.com").status_code == 403


@given(st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z][a-z0-9-]{0,20}){1,3}", fullmatch=True))
def test_no_name_of_the_internet_is_ours(name: str) -> None:
    known = name.endswith(".localhost")
    request = Request(method="GET", path="/", headers=[("Host", f"{name}:8765")])
    assert (refuse_stranger(Options(), request) is None) is known
