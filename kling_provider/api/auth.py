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


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key for both API designs; also a gateway's ``sk-…``."""

    key: str = field(repr=False)

    def token(self, *, skew: float | None = None) -> str:
        return self.key


@dataclass(slots=True)
class AccessKey:
    """Access key and secret key -> a JWT (HS256), for the legacy API only."""

    access_key: str
    secret_key: str = field(repr=False)
    _token: str = field(default="", repr=False)
    _signed_at: float = field(default=0.0, repr=False)
    _skew: float = field(default=0.0, repr=False)

    def token(self, *, skew: float | None = None) -> str:
        """The current token.

        :param skew: seconds that the server's clock is ahead of ours; given after a 1003 or 1004, it makes
            a new token at once and is kept for later ones.
        """
        import jwt  # 80 ms, and only this kind of credential needs it

        now = time.time()
        if skew is not None:
            self._skew = skew
        elif self._token and 0 <= now - self._signed_at < _RENEW:
            return self._token
        theirs = int(now + self._skew)
        payload = {"iss": self.access_key, "exp": theirs + _LIFE, "nbf": theirs - _EARLY}
        self._token = jwt.encode(payload, self.secret_key, algorithm="HS256", headers={"typ": "JWT"})
        self._signed_at = now
        return self._token


Credential = ApiKey | AccessKey
