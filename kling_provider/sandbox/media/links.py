# SPDX-License-Identifier: Apache-2.0
"""Signed links to media, as of a content network: ``?Expires=<epoch>&Signature=<hmac>``."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qs


class Signer:
    """Signs with the sandbox's own secret, so the links of another sandbox are wrong here."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign_path(self, base: str, path: str, *, expires: int) -> str:
        """Return the URL of ``path``, which dies at ``expires`` (epoch seconds)."""
        return f"{base}{path}?Expires={expires}&Signature={self._compute_signature(path, expires)}"

    def check_link(self, path: str, query: str, now: float) -> str | None:
        """Return what is wrong with a link; None for a good one."""
        values = parse_qs(query)
        try:
            until = int(values["Expires"][0])
            given = values["Signature"][0]
        except (KeyError, ValueError):
            return "MissingKey"
        if not hmac.compare_digest(self._compute_signature(path, until), given):
            return "AccessDenied"
        return "RequestExpired" if now >= until else None

    def _compute_signature(self, path: str, until: int) -> str:
        return hmac.new(self._secret, f"{path}?{until}".encode(), hashlib.sha256).hexdigest()
