# SPDX-License-Identifier: Apache-2.0
"""Credentials -> the value of the ``Authorization`` header."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

#: Kling's sample: valid for 30 minutes, from 5 seconds ago.
_LIFE = 1800
_EARLY = 5
#: Signed again well before it ends, so that a slow call never carries a dead token.
_RENEW = 1500
#: Keys whose tokens are kept.
_MOST_KEYS = 32


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key for both API designs; also a gateway's ``sk-…``."""

    key: str = field(repr=False)

    def make_token(self, *, skew: float | None = None) -> str:
        """Return the key itself: it needs no signature and has no time."""
        return self.key


@dataclass(frozen=True, slots=True)
class AccessKey:
    """Access key and secret key -> a JWT (HS256), for the legacy API only.

    All hooks of a process share the token of a key: each one that is made is one more secret to hide in logs.
    """

    access_key: str
    secret_key: str = field(repr=False)

    def make_token(self, *, skew: float | None = None) -> str:
        """Return a JWT that is valid now, the same one until it is due for renewal.

        :param skew: seconds that the server's clock is ahead of ours; given after a 1003 or 1004, it makes
            a new token at once and is kept for later ones.
        """
        import jwt  # 80 ms, and only this kind of credential needs it

        now = time.time()
        key = self.access_key, self.secret_key
        known = _tokens.get(key)
        if skew is None and known is not None and 0 <= now - known.signed_at < _RENEW:
            return known.text
        if skew is None:
            skew = known.skew if known is not None else 0.0
        theirs = int(now + skew)
        payload = {"iss": self.access_key, "exp": theirs + _LIFE, "nbf": theirs - _EARLY}
        text = jwt.encode(payload, self.secret_key, algorithm="HS256", headers={"typ": "JWT"})
        _tokens.pop(key, None)
        while len(_tokens) >= _MOST_KEYS:
            _tokens.pop(next(iter(_tokens)), None)
        _tokens[key] = _Token(text, now, skew)
        return text


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    signed_at: float
    skew: float


#: By access key and secret key.
_tokens: dict[tuple[str, str], _Token] = {}

Credential = ApiKey | AccessKey
