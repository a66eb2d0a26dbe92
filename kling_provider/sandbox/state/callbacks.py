# SPDX-License-Identifier: Apache-2.0
"""
Callbacks: a POST at every change of state, to addresses on this machine only.

Shapes: the new standard's bare task, the legacy bare task. Signed by Standard Webhooks where the sandbox has a
secret (Kling docs, callbacks page). Sent once: whether Kling repeats a failed one is not documented.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
import hmac
import http.client
import ipaddress
import itertools
import json
import math
import secrets
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kling_provider.sandbox.products import legacy, standard
from kling_provider.sandbox.state.tasks import Task

if TYPE_CHECKING:
    from kling_provider.sandbox.app import App

LOOK = 0.25
"""Seconds between looks at the clock, which a test may push forward."""


def on_this_machine(address: str) -> bool:
    """Whether a callback may go there: plain HTTP to a loopback address."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    try:
        return parts.scheme == "http" and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False


def signature(secret: str, message_id: str, timestamp: str, body: str) -> str:
    """The ``webhook-signature`` header of Standard Webhooks."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


class CallbackSender:
    """Sends callbacks from one background thread, which starts with the first of them."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._due: list[tuple[float, int, Task]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def watch(self, task: Task) -> None:
        address = task.request.callback_url
        if address is None:
            return
        if not on_this_machine(address):
            self._app.request_log.callback("not sent: not a loopback address")
            return
        with self._changed:
            for moment in {task.starts, task.ends} - {math.inf}:
                heapq.heappush(self._due, (moment, next(self._numbers), task))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sandbox-callbacks", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (not self._due or self._due[0][0] > self._app.backend.clock()):
                    wait = self._due[0][0] - self._app.backend.clock() if self._due else None
                    self._changed.wait(None if wait is None else min(LOOK, max(0.0, wait)))
                if self._closed:
                    return
                moment, _, task = heapq.heappop(self._due)
            self._send(task, moment)

    def _send(self, task: Task, moment: float) -> None:
        assert task.request.callback_url is not None
        parts = urlsplit(task.request.callback_url)
        body = json.dumps(self._body(task, moment), ensure_ascii=False, separators=(",", ":"))
        headers = {"Content-Type": "application/json; charset=utf-8"}
        if self._app.options.webhook_secret:
            timestamp = str(math.floor(self._app.backend.clock()))
            message_id = str(secrets.randbits(63))  # its own for each message: receivers drop repeated ones
            headers |= {
                "webhook-id": message_id,
                "webhook-timestamp": timestamp,
                "webhook-signature": signature(self._app.options.webhook_secret, message_id, timestamp, body),
            }
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=5)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("POST", path, body.encode(), headers)
            word = str(connection.getresponse().status)
        except (OSError, http.client.HTTPException) as error:
            word = type(error).__name__
        finally:
            connection.close()
        self._app.request_log.callback(word)

    def _body(self, task: Task, moment: float) -> dict[str, Any]:
        def sign(task: Task, watermark: bool) -> str:
            return self._app.signer.link(self._app.address, task, watermark=watermark)

        if task.request.dialect == "legacy":
            return legacy.callback_body(task, moment, sign)
        return standard.task_answer(task, moment, sign, echo=True)
