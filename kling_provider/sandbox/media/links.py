# SPDX-License-Identifier: Apache-2.0
"""Signed links to films, as of a content network: ``?Expires=<epoch>&Signature=<hmac>``."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qs

from kling_provider.sandbox.state.tasks import Task


class Signer:
    """Signs with the sandbox's own secret, so the links of another sandbox are wrong here."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def link(self, base: str, task: Task, *, watermark: bool = False, expires: int | None = None) -> str:
        """The address of a task's film; without ``expires`` it dies when Kling's would."""
        path = f"/files/{task.id}/{task.output_id}{'-watermark' if watermark else ''}.mp4"
        until = task.expires if expires is None else expires
        return f"{base}{path}?Expires={until}&Signature={self._signature(path, until)}"

    def check(self, path: str, query: str, now: float) -> str | None:
        """None for a good link, else what is wrong with it."""
        values = parse_qs(query)
        try:
            until = int(values["Expires"][0])
            given = values["Signature"][0]
        except (KeyError, ValueError):
            return "MissingKey"
        if not hmac.compare_digest(self._signature(path, until), given):
            return "AccessDenied"
        return "RequestExpired" if now >= until else None

    def _signature(self, path: str, until: int) -> str:
        return hmac.new(self._secret, f"{path}?{until}".encode(), hashlib.sha256).hexdigest()
