# SPDX-License-Identifier: Apache-2.0
"""What is on the wire: for both hooks, every kind of connection, every call, headers included."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest

from kling_provider.hooks.kling import KlingAsyncHook, KlingHook

#: What ``requests`` and ``aiohttp`` send by themselves.
STANDARD = {"host", "user-agent", "accept-encoding", "accept", "connection", "content-length", "content-type"}
KEY = "sk-wire-test-key"


class Recorder:
    """Answers anything with success and keeps what came, byte for byte."""

    def __init__(self) -> None:
        recorder = self
        self.calls: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                recorder.calls.append(
                    {
                        "line": f"{self.command} {self.path}",
                        "headers": {key.lower(): value for key, value in self.headers.items()},
                        "body": json.loads(body) if body else None,
                    }
                )
                task = {"id": "1", "task_id": "1", "status": "submitted", "external_id": "e"}
                data: Any = task
                if self.path.startswith("/tasks") and self.command == "GET":
                    data = [task]
                elif self.path == "/tasks":
                    data = {"count": 0, "has_more": False}
                answer = json.dumps(
                    {"code": 0, "message": "SUCCEED", "request_id": "r", "data": data}
                ).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_GET

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.server.shutdown()
    recorder.server.server_close()


def connect(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> str:
    monkeypatch.setenv("AIRFLOW_CONN_WIRE", json.dumps({"conn_type": "kling", "password": KEY, **fields}))
    return "wire"


KINDS: dict[str, dict[str, Any]] = {
    "api key, standard": {"extra": {"profile": "kling"}},
    "api key, legacy": {"extra": {"profile": "kling", "api": "legacy"}},
    "access key": {"login": "ak-wire", "extra": {"profile": "kling"}},
    "gateway": {},
    "new-api": {"extra": {"profile": "new-api"}},
    "all of our extras": {
        "extra": {
            "profile": "kling",
            "region": "china",
            "namespace": "prod",
            "max_concurrency": 5,
            "api": "standard",
        }
    },
    "their extras": {
        "extra": {
            "profile": "kling",
            "timeout": 7,
            "verify": False,
            "X-Team": "films",
            "X-Number": 5,
            "allow_redirects": True,
            "check_response": False,
            "max_redirects": 3,
            "trust_env": False,
        }
    },
}


async def every_read(conn_id: str, finds: bool, lists: bool) -> None:
    hook = KlingAsyncHook(conn_id)
    try:
        await hook.get_task("1")
        if finds:
            await hook.find(["e"])
        if lists:
            await hook.get_tasks(["1"])
            await hook.list_tasks()
            await hook.account()
    finally:
        await hook.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_only_what_kling_names_and_the_users_own(
    kind: str, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login thief password thief\n")
    monkeypatch.setenv("NETRC", str(netrc))
    conn_id = connect(monkeypatch, host=recorder.url, **KINDS[kind])
    hook = KlingHook(conn_id)
    profile = hook.connection.profile
    hook.submit({"prompt": "x"}, external_task_id="e")
    hook.get_task("1")
    if profile.can_find_by_external_id:
        hook.find(["e"])
    if profile.task_reads:
        hook.get_tasks(["1"])
        hook.list_tasks()
        hook.account()
    await every_read(conn_id, profile.can_find_by_external_id, profile.task_reads)

    own = {"x-team": "films", "x-number": "5"} if kind == "their extras" else {}
    assert len(recorder.calls) >= 3
    for call in recorder.calls:
        headers = call["headers"]
        assert set(headers) - STANDARD == {"authorization", *own}, call["line"]
        assert {name: headers[name] for name in own} == own
        scheme, _, token = headers["authorization"].partition(" ")
        assert scheme == "Bearer"
        if kind == "access key":
            claims = jwt.decode(token, KEY, algorithms=["HS256"])
            assert set(claims) == {"iss", "exp", "nbf"}
            assert claims["iss"] == "ak-wire"
            assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
            assert claims["exp"] - claims["nbf"] == 1805
        else:
            assert token == KEY
        assert KEY not in json.dumps(call["body"])
        assert base64.b64encode(KEY.encode()).decode() not in str(call)


@pytest.mark.parametrize(
    ("kind", "line", "body"),
    [
        (
            "api key, standard",
            "POST /text-to-video/kling-3.0",
            {
                "prompt": "x",
                "settings": {
                    "resolution": "720p",
                    "duration": 5,
                    "aspect_ratio": "16:9",
                    "audio": "off",
                    "multi_shot": False,
                },
                "options": {"external_task_id": "e"},
            },
        ),
        (
            "gateway",
            "POST /v1/videos/text2video",
            {
                "model_name": "kling-v3",
                "prompt": "x",
                "mode": "std",
                "duration": "5",
                "aspect_ratio": "16:9",
                "sound": "off",
                "multi_shot": False,
                "external_task_id": "e",
            },
        ),
    ],
)
def test_the_body_of_the_paid_call(
    kind: str, line: str, body: dict[str, Any], recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = KlingHook(connect(monkeypatch, host=recorder.url, **KINDS[kind]))
    hook.submit({"prompt": "x", "name": "n", "take": 3, "adopt": None}, external_task_id="e")
    assert (recorder.calls[0]["line"], recorder.calls[0]["body"]) == (line, body)


@pytest.mark.parametrize(
    ("fields", "base"),
    [
        ({"host": "https://www.dmxapi.cn/kling"}, "https://www.dmxapi.cn/kling"),
        ({"host": "www.dmxapi.cn/kling/"}, "https://www.dmxapi.cn/kling"),
        ({"host": "gateway.example", "port": 8443}, "https://gateway.example:8443"),
        ({"host": "gateway.example/kling", "port": 8443}, "https://gateway.example:8443/kling"),
        ({"host": "127.0.0.1", "port": 80, "schema": "http"}, "http://127.0.0.1:80"),
        ({}, "https://api-singapore.klingai.com"),
        ({"extra": {"region": "china"}}, "https://api-beijing.klingai.com"),
    ],
)
def test_the_base_url_of_each_connection(
    fields: dict[str, Any], base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = KlingHook(connect(monkeypatch, **fields))
    assert hook.connection.base_url == base


def test_dmxapi_needs_no_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = KlingHook(connect(monkeypatch, host="https://www.dmxapi.cn/kling")).connection
    assert (connection.profile.name, connection.api) == ("dmxapi", "legacy")
