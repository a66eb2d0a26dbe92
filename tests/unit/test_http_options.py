# SPDX-License-Identifier: Apache-2.0
"""How extras become options and headers, and how the environment has its say: the same for both hooks."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_provider.api.auth import AccessKey, ApiKey
from kling_provider.exceptions import KlingRequestError
from kling_provider.hooks.authorization import make_authorization, read_skew
from kling_provider.hooks.http_options import find_route, split_extras

HOST = "https://api.example"
ENVIRONMENT = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_what_http_hook_knows_is_an_option_and_the_rest_are_headers_made_text():
    options = split_extras(
        {
            "timeout": [3, 20],
            "verify": "/etc/ca.pem",
            "cert": ["/etc/client.pem", "/etc/client.key"],
            "proxies": {"https": "http://proxy:3128"},
            "trust_env": False,
            "stream": True,
            "check_response": True,
            "allow_redirects": True,
            "max_redirects": 3,
            "srv_lookup": True,
            "X-Team": "films",
            "X-Number": 7,
            "X-Nothing": None,
        }
    )
    assert options.headers == {"X-Team": "films", "X-Number": "7"}
    assert (options.connect_timeout, options.read_timeout) == (3, 20)
    assert options.verify == "/etc/ca.pem"
    assert options.cert == ("/etc/client.pem", "/etc/client.key")
    assert options.proxies == {"https": "http://proxy:3128"}
    assert options.trust_env is False


def test_without_extras_calls_end_and_certificates_are_checked():
    options = split_extras({})
    assert (options.connect_timeout, options.read_timeout) == (10, 60)
    assert (options.verify, options.proxies, options.cert, options.headers) == (True, None, None, {})


@pytest.mark.parametrize("word", ["false", "False", "0", False])
def test_verify_as_a_word_of_a_connection_uri(word):
    assert split_extras({"verify": word}).verify is False
    assert split_extras({"verify_ssl": word}).verify is False


@pytest.mark.parametrize(
    "extras",
    [
        {"timeout": "soon"},
        {"timeout": 0},
        {"timeout": [1, 2, 3]},
        {"timeout": float("nan")},
        {"proxies": ["http://secret"]},
        {"cert": ["secret"]},
        {"X-Many": {"a": "secret"}},
        {"X-Break": "secret\r\nX-Other: 1"},
        {"bad name": "secret"},
    ],
)
def test_an_extra_that_cannot_be_used_is_named_and_its_value_is_not_shown(extras):
    with pytest.raises(KlingRequestError) as refused:
        split_extras(extras)
    assert f"'{next(iter(extras))}'" in str(refused.value)
    assert "secret" not in str(refused.value)


@given(
    st.dictionaries(
        st.text(), st.none() | st.booleans() | st.integers() | st.floats() | st.text(), max_size=5
    )
)
def test_headers_are_single_lines_or_refused(extras):
    try:
        headers = split_extras(extras).headers
    except KlingRequestError:
        return
    assert all(line.isprintable() for pair in headers.items() for line in pair)


def test_the_connections_proxy_comes_before_the_environments(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://from-environment:1")
    assert find_route(HOST, split_extras({})).proxy == "http://from-environment:1"
    assert find_route(HOST, split_extras({"proxy": "own:2"})).proxy == "http://own:2"
    assert find_route(HOST, split_extras({"trust_env": False})).proxy is None
    assert find_route("http://api.example", split_extras({})).proxy is None
    monkeypatch.setenv("NO_PROXY", "api.example")
    assert find_route(HOST, split_extras({})).proxy is None


def test_the_environments_certificates_count_unless_the_connection_has_its_own(monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/company.pem")
    assert find_route(HOST, split_extras({})).verify == "/etc/company.pem"
    assert find_route(HOST, split_extras({"verify": "/etc/own.pem"})).verify == "/etc/own.pem"
    assert find_route(HOST, split_extras({"verify": False})).verify is False


def test_a_minted_token_is_masked_in_logs():
    from airflow.sdk.log import redact

    header = make_authorization(AccessKey("ak", "a-secret-key-of-thirty-two-letters"))
    assert header.startswith("Bearer ey")
    assert header.removeprefix("Bearer ") not in str(redact(f"sent {header}"))
    assert make_authorization(ApiKey("sk-1")) == "Bearer sk-1"


def test_the_skew_is_read_from_the_servers_date():
    now = time.time()
    assert read_skew({"Date": formatdate(now + 600, usegmt=True)}) == pytest.approx(600, abs=2)
    assert read_skew({}) is None
    assert read_skew({"Date": "yesterday"}) is None
