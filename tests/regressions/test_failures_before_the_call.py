# SPDX-License-Identifier: Apache-2.0
"""What is wrong before the first byte of a paid call says so, and the mended task goes on without ``adopt``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_provider.api.codes import TaskState
from kling_provider.exceptions import KlingError
from kling_provider.hooks.kling import KlingHook
from kling_provider.sandbox import Sandbox
from tests.contract.connecting import closed_port, say, self_signed, server
from tests.regressions.attempts import PANDA, attempt, made, use_connection
from tests.unit.instance import Instance


@pytest.fixture(scope="module")
def gateway() -> Iterator[Sandbox]:
    """A host without a lock, where an intent is stored before each call."""
    with Sandbox(profile="gateway", time_scale=1000) as sandbox:
        yield sandbox


def encrypted_key(folder: Path) -> list[str]:
    certificate, _ = self_signed(folder)
    key = serialization.load_pem_private_key((folder / "both.pem").read_bytes(), None)
    kind, locked = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    sealed = folder / "sealed.pem"
    sealed.write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, locked))
    return [str(certificate), str(sealed)]


BROKEN: dict[str, Any] = {
    "a proxy that is not there": lambda folder: {"proxies": {"http": f"http://127.0.0.1:{closed_port()}"}},
    "a proxy as text that is not there": lambda folder: {"proxies": f"http://127.0.0.1:{closed_port()}"},
    "a proxy without a host": lambda folder: {"proxies": {"http": "http://"}},
    "a proxy of an unknown kind": lambda folder: {"proxies": {"http": "gopher://127.0.0.1:70"}},
    "a proxy with a wrong port": lambda folder: {"proxies": "http://127.0.0.1:99999999"},
    "a socks proxy without its package": lambda folder: {"proxies": "socks5://127.0.0.1:1080"},
    "a time-out that no clock holds": lambda folder: {"timeout": 1e300},
    "a header that is no Latin-1": lambda folder: {"X-Team": "电影"},
    "a header name that is no token": lambda folder: {"X(Team)": "films"},
    "a bundle that holds no certificate": lambda folder: {"verify": str(write(folder / "empty.pem", "no\n"))},
    "a client certificate that is none": lambda folder: {"cert": str(write(folder / "cert.pem", "no\n"))},
    "a key that is encrypted": lambda folder: {"cert": encrypted_key(folder)},
}


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_way_says_that_nothing_was_sent_and_the_mended_one_goes_on(
    what: str, gateway: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before, instance = made(gateway), Instance(run_id=what)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    use_connection(monkeypatch, gateway.base_url, extra={"profile": "gateway", **BROKEN[what](tmp_path)})
    error = attempt(instance)
    assert isinstance(error, KlingError), repr(error)
    assert error.task_state is TaskState.NONE
    assert "nothing was sent" in str(error).lower()
    assert made(gateway) == before

    use_connection(monkeypatch, gateway.base_url, extra={"profile": "gateway"})
    assert isinstance(attempt(instance), str), "no adopt is needed"
    assert made(gateway) == before + 1


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
#: Long enough for an answer, or no time at all.
TIMES = st.floats(min_value=10) | st.floats(max_value=0) | st.just(float("nan"))
EXTRAS = st.fixed_dictionaries(
    {},
    optional={
        "proxies": TEXTS | st.dictionaries(st.sampled_from(["http", "https", "all"]), TEXTS, max_size=2),
        "timeout": TIMES | st.lists(TIMES, max_size=3),
        "X-Note": TEXTS,
    },
)


@given(EXTRAS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_extras_hold_nothing_is_left_ambiguous(
    gateway: Sandbox, monkeypatch: pytest.MonkeyPatch, extras: dict[str, Any]
) -> None:
    """Either the call arrives, or the error proves that it did not: then the mended task sends it."""
    before, instance = made(gateway), Instance()
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    use_connection(monkeypatch, gateway.base_url, extra={"profile": "gateway", **extras})
    first = attempt(instance)
    if not isinstance(first, str):
        assert isinstance(first, KlingError), repr(first)
        assert first.task_state is TaskState.NONE, str(first)
        use_connection(monkeypatch, gateway.base_url, extra={"profile": "gateway"})
        assert isinstance(attempt(instance), str)
    assert made(gateway) == before + 1


@pytest.mark.parametrize("form", ["text", "mapping", "a mapping as text", "under its other name"])
def test_a_proxy_works_however_it_is_written(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def forward(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        say(request, 200, {"code": 0, "data": {"task_id": "7", "task_status": "submitted"}})

    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    with server(forward) as port:
        address = f"http://127.0.0.1:{port}"
        extra = {
            "text": {"proxies": address},
            "mapping": {"proxies": {"http": address}},
            "a mapping as text": {"proxies": json.dumps({"http": address})},
            "under its other name": {"proxy": address},
        }[form]
        use_connection(monkeypatch, "http://gateway.invalid/kling", extra=extra)
        made = attempt(Instance())
    assert made == "7", repr(made)
    assert asked == ["http://gateway.invalid/kling/v1/videos/text2video"]


def test_a_proxy_that_wants_a_password_has_passed_nothing_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    with server(lambda request: say(request, 407, b"<html>Proxy Authentication Required</html>")) as port:
        extra = {"proxies": f"http://127.0.0.1:{port}"}
        use_connection(monkeypatch, "http://gateway.invalid", extra=extra)
        error = attempt(Instance())
    assert isinstance(error, KlingError)
    assert error.task_state is TaskState.NONE, str(error)
    assert "proxy" in str(error)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n", b"\xff\xfe\r\n\r\n"])
def test_a_fault_after_the_first_byte_proves_nothing(
    answer: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The other side of it: the call arrived, so it is not sent again."""
    arrived: list[str] = []

    def cut(request: BaseHTTPRequestHandler) -> None:
        arrived.append(request.path)
        request.wfile.write(answer)
        request.close_connection = True

    with server(cut) as port:
        use_connection(monkeypatch, f"http://127.0.0.1:{port}", extra={"profile": "gateway"})
        instance = Instance()
        first, second = attempt(instance), attempt(instance)
    assert isinstance(first, KlingError)
    assert isinstance(second, KlingError)
    assert first.task_state is second.task_state is TaskState.MAY_EXIST
    assert len(arrived) == 1


def test_the_hook_says_the_same(monkeypatch: pytest.MonkeyPatch, gateway: Sandbox) -> None:
    use_connection(monkeypatch, gateway.base_url, extra={"X-Team": "电影"})
    try:
        KlingHook().submit(PANDA, external_task_id=None)
    except Exception as error:
        caught: Exception | None = error
    else:
        caught = None
    assert isinstance(caught, KlingError), repr(caught)
    assert caught.task_state is TaskState.NONE
    assert "X-Team" in str(caught)
