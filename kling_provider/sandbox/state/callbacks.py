# SPDX-License-Identifier: Apache-2.0
"""Callbacks: a POST at every change of state, to URLs on this machine only.

Shapes: the new standard's bare task, the legacy bare task. Signed by Standard Webhooks where the sandbox has a
secret (Kling docs, callbacks page). Sent once: whether Kling repeats a failed one is not documented. What goes wrong on
demand (late, twice, in the wrong order, forged, unsigned, stale, lost) is a fault of the task.
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
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from kling_provider.sandbox.state.tasks import Task

_FORGER = "whsec_YW5vdGhlciBzZWNyZXQgb2Ygc29tZWJvZHkgZWxzZQ=="
"""Another secret than that of the sandbox."""
_LOOK = 0.25
"""Seconds between looks at the clock, which a test may push forward."""


def is_on_this_machine(url: str) -> bool:
    """Tell whether a callback may go there: plain HTTP to a loopback address."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        return parts.scheme == "http" and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False


def sign_message(secret: str, message_id: str, timestamp: str, body: str) -> str:
    """Return the ``webhook-signature`` header of Standard Webhooks."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


class CallbackSender:
    """Sends callbacks from one background thread, which starts with the first of them."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        describe: Callable[[Task, float], dict[str, Any]],
        count: Callable[[str], None],
        secret: str | None,
    ) -> None:
        """Prepare to send.

        :param clock: seconds since the epoch, which may be pushed forward.
        :param describe: the body for a task's state at a moment.
        :param count: is told how each callback went, in one word.
        :param secret: ``whsec_…``; None: callbacks are not signed.
        """
        self._clock = clock
        self._describe = describe
        self._count = count
        self._secret = secret
        self._due: list[tuple[float, int, float, Task]] = []
        """When to send, a number, the moment that is told of, and the task."""
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def watch_task(self, task: Task, *, at_end_only: bool = False) -> None:
        """Send a callback at every change of the task's state from now on, where it asked for them.

        :param at_end_only: none when it begins to be processed.
        """
        url = task.request.callback_url
        if url is None:
            return
        if not is_on_this_machine(url):
            self._count("not sent: not a loopback address")
            return
        faults = task.callback_faults
        if "callback_lost" in faults:
            self._count("not sent: lost")
            return
        moments = sorted({task.ends if at_end_only else task.starts, task.ends} - {math.inf})
        times = [moment + faults.get("callback_late", 0.0) for moment in moments]
        if "callback_out_of_order" in faults:
            times = [times[-1] for _ in times]
            moments.reverse()
        with self._changed:
            for at, moment in zip(times, moments, strict=True):
                heapq.heappush(self._due, (at, next(self._numbers), moment, task))
            if self._thread is None:
                self._thread = threading.Thread(target=self._send_due, name="sandbox-callbacks", daemon=True)
                self._thread.start()
            self._changed.notify()

    def stop_sending(self) -> None:
        """End the thread; what is due later is never sent."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _send_due(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (not self._due or self._due[0][0] > self._clock()):
                    wait = self._due[0][0] - self._clock() if self._due else None
                    self._changed.wait(None if wait is None else min(_LOOK, max(0.0, wait)))
                if self._closed:
                    return
                _, _, moment, task = heapq.heappop(self._due)
            self._send_callback(task, moment)

    def _send_callback(self, task: Task, moment: float) -> None:
        assert task.request.callback_url is not None
        body = json.dumps(self._describe(task, moment), ensure_ascii=False, separators=(",", ":"))
        faults = task.callback_faults
        headers = {"Content-Type": "application/json; charset=utf-8"}
        if self._secret and "callback_unsigned" not in faults:
            secret = _FORGER if "callback_forged" in faults else self._secret
            timestamp = str(math.floor(self._clock() - faults.get("callback_stale", 0.0)))
            message_id = str(secrets.randbits(63))  # its own for each message: receivers drop repeated ones
            headers |= {
                "webhook-id": message_id,
                "webhook-timestamp": timestamp,
                "webhook-signature": sign_message(secret, message_id, timestamp, body),
            }
        for _ in range(2 if "callback_twice" in faults else 1):
            self._count(_post(task.request.callback_url, body, headers))


def _post(url: str, body: str, headers: dict[str, str]) -> str:
    """Post a body and return in one word how that went."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=5)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", path, body.encode(), headers)
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()
