# SPDX-License-Identifier: Apache-2.0
"""A bare HTTP client for tests of the sandbox: the words of the API, and nothing of the provider's own code."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import struct
import time
import zlib
from typing import Any

import requests

from kling_provider.sandbox import Sandbox

TIMEOUT = 20


def token(
    access_key: str, secret_key: str, *, nbf: float = -5, exp: float = 1800, now: float | None = None
) -> str:
    """A signed token as in the vendor's sample: HS256, iss, exp, nbf."""
    now = time.time() if now is None else now
    parts = (
        {"alg": "HS256", "typ": "JWT"},
        {"iss": access_key, "exp": int(now + exp), "nbf": int(now + nbf)},
    )
    text = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    )
    mark = hmac.new(secret_key.encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(mark).decode().rstrip('=')}"


def png(width: int, height: int) -> bytes:
    """A grey PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


class Client:
    """One key at one sandbox."""

    def __init__(self, sandbox: Sandbox, key: str | None = None, prefix: str = "") -> None:
        self.sandbox = sandbox
        self.base = sandbox.url + prefix
        self.key = sandbox.api_key if key is None else key

    def call(self, method: str, path: str, **arguments: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}", **arguments.pop("headers", {})}
        arguments.setdefault("timeout", TIMEOUT)
        return requests.request(method, self.base + path, headers=headers, allow_redirects=False, **arguments)

    def get(self, path: str, **arguments: Any) -> requests.Response:
        return self.call("GET", path, **arguments)

    def post(self, path: str, body: object) -> requests.Response:
        return self.call("POST", path, json=body)

    def create_video(
        self,
        prompt: str = "A red panda brews tea",
        *,
        model: str = "kling-3.0",
        external_id: str | None = None,
        options: dict[str, Any] | None = None,
        **settings: Any,
    ) -> requests.Response:
        """``POST /text-to-video/{model}``"""
        body: dict[str, Any] = {"prompt": prompt, "settings": settings, "options": dict(options or {})}
        if external_id is not None:
            body["options"]["external_task_id"] = external_id
        return self.post(f"/text-to-video/{model}", body)

    def legacy(self, prompt: str = "A red panda brews tea", **fields: Any) -> requests.Response:
        """``POST /v1/videos/text2video``"""
        return self.post("/v1/videos/text2video", {"model_name": "kling-v3", "prompt": prompt, **fields})

    def task(self, task_id: str) -> dict[str, Any]:
        data = self.get(f"/tasks?task_ids={task_id}").json()["data"]
        assert len(data) == 1
        return data[0]

    def made(self, **arguments: Any) -> str:
        """The id of a new task."""
        answer = self.create_video(**arguments)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]["id"]

    def finished(self, **arguments: Any) -> dict[str, Any]:
        """A new task, after the clock was pushed past its end."""
        task_id = self.made(**arguments)
        self.sandbox.advance(120)
        return self.task(task_id)


def refused(answer: requests.Response, status: int, code: int, text: str | None = None) -> None:
    """Check an error: status, code, text, and an envelope without data."""
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), answer.text
    assert set(body) == {"code", "message", "request_id"}
    assert text is None or text in body["message"], body["message"]
