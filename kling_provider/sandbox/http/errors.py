# SPDX-License-Identifier: Apache-2.0
"""Refusals in Kling's own words: an HTTP status, a business code and a sentence.

The texts marked *observed* were recorded from the live service in 2026; the others follow its error table and
its tone, because no recording of them exists.
"""

from __future__ import annotations

#: Kling docs, error code page: the HTTP status that goes with each business code.
_HTTP_STATUS = {
    **dict.fromkeys((1000, 1001, 1002, 1003, 1004), 401),
    **dict.fromkeys((1100, 1101, 1102), 429),
    1103: 403,
    **dict.fromkeys((1200, 1201), 400),
    **dict.fromkeys((1202, 1203), 404),
    **dict.fromkeys((1300, 1301), 400),
    **dict.fromkeys((1302, 1303, 1304), 429),
    5000: 500,
    5001: 503,
    5002: 504,
}

#: The sentence of each code where nothing more precise is known.
_TEXTS = {
    1000: "Authentication failed",
    1001: "Authorization is empty",  # observed
    1002: "api key not found",  # observed
    1003: "Authorization is not yet valid",
    1004: "Authorization has expired",
    1100: "Account exception",
    1101: "Account in arrears",
    1102: "Account balance not enough",  # observed
    1103: "The requested resource has no permission",
    1200: "Invalid request parameters",
    1201: "Invalid parameters",
    1202: "The requested method is invalid",
    1203: "The requested resource does not exist",
    1300: "Trigger strategy of the platform",
    1301: "Trigger the content security policy of the platform",
    1302: "The API request is too fast",
    1303: "parallel task over resource pack limit",  # observed
    1304: "Trigger the IP whitelisting policy",
    5000: "Server internal error",
    5001: "Server temporarily unavailable",
    5002: "Server internal timeout",
}

AK_SK_NOT_SUPPORTED = (  # observed, for a JWT as well as for a garbage API key
    "Authentication error. The current API does not support AK/SK; please go to the console "
    "(https://kling.ai/dev/api-key) to create API key."
)


class ApiError(Exception):
    """Kling's answer is an error; nothing was made."""

    def __init__(self, code: int, message: str | None = None) -> None:
        self.code = code
        self.message = _TEXTS[code] if message is None else message
        super().__init__(f"{code} {self.message}")

    @property
    def http_status(self) -> int:
        """Return the HTTP status that goes with the code (Kling docs, error code page)."""
        return _HTTP_STATUS[self.code]


class InvalidParameter(ApiError):
    """Kling refuses a parameter (1201)."""

    def __init__(self, message: str) -> None:
        super().__init__(1201, message)
