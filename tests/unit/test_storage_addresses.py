# SPDX-License-Identifier: Apache-2.0
"""Which addresses are the internet's, what a connection allows, and that a proxy may be anywhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from kling_provider.exceptions import KlingRequestError
from kling_provider.hooks.kling import KlingHook
from kling_provider.storage.addresses import Reach, Refused, guard_session, is_downgrade, is_public


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("64:ff9b::808:808", True),  # 8.8.8.8 through NAT64
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),  # carrier-grade NAT
        ("169.254.169.254", False),  # a cloud's metadata service
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:7f00:1::", False),  # 6to4 of 127.0.0.1
    ],
)
def test_which_addresses_are_the_internets(address: str, public: bool) -> None:
    assert is_public(address) is public


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="192.168.0.0/16"))
def test_no_form_of_a_private_address_is_public(address: Any) -> None:
    for form in (
        f"{address}",
        f"::ffff:{address}",
        f"64:ff9b::{int(address) >> 16:x}:{int(address) & 0xFFFF:x}",
    ):
        assert not is_public(form)


def test_what_a_connection_allows() -> None:
    Reach("gateway.local").check_address("GATEWAY.local", "10.0.0.1")
    Reach("gateway.local").check_address("cdn.example", "8.8.8.8")
    Reach("gateway.local", everywhere=True).check_address("cdn.local", "10.0.0.1")
    with pytest.raises(Refused, match="allow_private_downloads"):
        Reach("gateway.local").check_address("cdn.local", "10.0.0.1")
    with pytest.raises(Refused, match="allow_private_downloads"):
        Reach("gateway.local").check_address("cdn.gateway.local", "10.0.0.1")


@pytest.mark.parametrize(
    ("extra", "everywhere"), [({}, False), ({"allow_private_downloads": True}, True), ({"allow_private_downloads": "false"}, False)]
)  # fmt: skip
def test_the_connections_extra(
    monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any], everywhere: bool
) -> None:
    connection = {
        "conn_type": "kling",
        "host": "https://Gateway.example:8443/kling",
        "password": "sk",
        "extra": extra,
    }
    monkeypatch.setenv("AIRFLOW_CONN_GATE", json.dumps(connection))
    assert Reach.of_connection(KlingHook("gate").connection) == Reach(
        "gateway.example", everywhere=everywhere
    )


def test_a_flag_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {"conn_type": "kling", "password": "sk", "extra": {"allow_private_downloads": "sometimes"}}
    monkeypatch.setenv("AIRFLOW_CONN_GATE", json.dumps(connection))
    with pytest.raises(KlingRequestError, match="must be true or false"):
        _ = KlingHook("gate").connection


@pytest.mark.parametrize(
    ("url", "target", "downgrade"),
    [
        ("https://a.example/v", "http://a.example/v", True),
        ("HTTPS://a.example/v", "HTTP://b.example/v", True),
        ("https://a.example/v", "https://b.example/v", False),
        ("https://a.example/v", "/w", False),
        ("https://a.example/v", "//b.example/w", False),
        ("http://a.example/v", "http://b.example/v", False),
        ("http://a.example/v", "https://b.example/v", False),
        ("https://a.example/v", None, False),
    ],
)
def test_a_redirect_gives_up_encryption(url: str, target: str | None, downgrade: bool) -> None:
    assert is_downgrade(url, target) is downgrade


@pytest.fixture
def proxy() -> Iterator[str]:
    """Answers for every host."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"proxy")

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_proxy_may_be_private_and_is_not_asked_for_private_addresses(proxy: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.proxies = {"http": proxy}
        guard_session(session, Reach("api.example"), answer_time=30)
        assert session.get("http://videos.example/v.mp4", timeout=20).text == "proxy"
        with pytest.raises(Refused, match=r"169\.254\.169\.254"):
            session.get("http://169.254.169.254/latest", timeout=20)
