# SPDX-License-Identifier: Apache-2.0
"""Who is calling: API keys bound to a region, and signed tokens (AK/SK) on the legacy and account paths.

Texts were observed live in 2026 unless a comment says otherwise.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

from kling_provider.sandbox.http.errors import AK_SK_NOT_SUPPORTED, ApiError
from kling_provider.sandbox.state.accounts import SandboxAccount


class Authenticator:
    """Finds the account of an Authorization header, or refuses it as Kling does."""

    def __init__(
        self,
        accounts: list[SandboxAccount],
        *,
        region: str,
        open_gateway: bool = False,
        takes_bare_keys: bool = False,
    ) -> None:
        self.accounts = accounts
        self.region = region
        self.open_gateway = open_gateway
        """A gateway to which nobody gave a key takes every ``sk-…``: they sell their own keys."""
        self.takes_bare_keys = takes_bare_keys
        """A key without the word Bearer is good, too."""
        self.revoked: set[str] = set()

    def rotate_key(self, name: str, api_key: str) -> None:
        """Give an account another API key; the old one is unknown from now on."""
        account = next(account for account in self.accounts if account.name == name)
        self.revoked.add(account.api_key)
        self.revoked.discard(api_key)
        account.api_key = api_key
        self.open_gateway = False

    def find_account(self, header: str | None, *, accepts_tokens: bool, now: float) -> SandboxAccount:
        """Return the account that ``header`` belongs to; ``accepts_tokens``: signed tokens are good as well."""
        if not header or not header.strip():
            raise ApiError(1001)
        scheme, _, token = header.strip().partition(" ")
        token = token.strip()
        if self.takes_bare_keys and not token and scheme.lower() != "bearer":
            scheme, token = "bearer", scheme
        if scheme.lower() != "bearer" or not token:
            raise ApiError(1000)  # not observed; the table's general code
        for account in self.accounts:
            if hmac.compare_digest(account.api_key.encode(), token.encode()):
                if account.region != self.region:
                    raise ApiError(1002)
                return account
        if self.open_gateway and token.startswith("sk-"):
            return self.accounts[0]
        if token in self.revoked:
            raise ApiError(1002)  # not observed for a revoked key; that of an unknown key is the nearest
        if not accepts_tokens:
            raise ApiError(1002, AK_SK_NOT_SUPPORTED)
        if token.startswith("api-key-"):
            raise ApiError(1002)
        return self._find_by_token(token, now)

    def _find_by_token(self, token: str, now: float) -> SandboxAccount:
        dots = token.count(".")
        if dots != 2:
            found = {0: "0", 1: "2"}.get(dots, "> 3")  # the wording of the Java library that Kling uses
            raise ApiError(1002, f"The token was expected to have 3 parts, but got {found}")
        head, payload, signature = token.split(".")
        try:
            header, claims = _decode_part(head), _decode_part(payload)
            given = _decode_base64(signature)
        except (ValueError, binascii.Error):
            raise ApiError(1002, "The token is not valid JSON") from None
        account = next((one for one in self.accounts if one.access_key == claims.get("iss")), None)
        if header.get("alg") != "HS256" or account is None or account.region != self.region:
            raise ApiError(1002, "access key not found")
        right = hmac.new(account.secret_key.encode(), f"{head}.{payload}".encode(), hashlib.sha256).digest()
        if not hmac.compare_digest(right, given):
            raise ApiError(1002, "The token signature is invalid")
        expires, not_before = claims.get("exp"), claims.get("nbf", 0)
        if not isinstance(expires, int | float) or not isinstance(not_before, int | float):
            raise ApiError(1002, "The token has no valid exp and nbf")
        if not_before > now:
            raise ApiError(1003)
        if expires <= now:
            raise ApiError(1004)
        return account


def _decode_base64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _decode_part(part: str) -> dict[str, Any]:
    value = json.loads(_decode_base64(part))
    if not isinstance(value, dict):
        raise ValueError("a token's part must be an object")
    return value
