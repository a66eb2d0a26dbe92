# SPDX-License-Identifier: Apache-2.0
"""What people read carries no secret: URLs inside texts, and what of a URL may grant access.

This is about logs, XCom, records and sidecars, and hides too much rather than too little. What of a URL counts for
the identity is another question (:mod:`kling_provider.api.signatures`).
"""

from __future__ import annotations

import re

_QUERY = re.compile(r"\?[^\s'\"<>)]*=[^\s'\"<>)]*")
#: Behind an address also a query that is one bare token.
_BARE_QUERY = re.compile(r"(://[^\s?'\"<>)]*)\?[^\s'\"<>)]+")
#: ``user:password@`` of any address. In ``s3://conn@bucket`` the part names a connection, on the web it grants access.
_USER = re.compile(r"(?i)(https?://)[^\s/?#'\"<>@]+@|(://)[^\s/?#'\"<>@:]*:[^\s/?#'\"<>@]*@")


def without_queries(text: object) -> str:
    """``text`` in which every query string is left out, and who an address is asked as: a signature, a password in
    it grants access to what it signs."""
    shown = _BARE_QUERY.sub(r"\1?…", _QUERY.sub("?…", str(text)))
    return _USER.sub(r"\1\2…@", shown)


def shortened(text: str, length: int = 200) -> str:
    """``text`` for a message: a damaged base64 looks like a path, and has millions of characters."""
    return text if len(text) <= length else f"{text[: length // 2]}… ({len(text):,} characters)"


#: Parameters that may grant access or belong to what does, wherever they stand. A name more is a value less to read.
_GRANTS = frozenset(
    {
        *(
            "sign",
            "sig",
            "expires",
            "expire",
            "expiry",
            "exp",
            "policy",
            "key-pair-id",
            "jwt",
            "sid",
            "otp",
            "hmac",
        ),
        *("awsaccesskeyid", "googleaccessid", "ossaccesskeyid", "accesskeyid", "access_key_id"),
        *(
            "access_key",
            "accesskey",
            "api_key",
            "apikey",
            "api-key",
            "key",
            "auth",
            "auth_key",
            "authkey",
            "pwd",
        ),
        # Kling's own result links.
        *("kstime", "cachekey", "pkey", "x-kcdn-pid"),
        # Akamai, Wangsu, Tencent Cloud, ByteDance.
        *("hdnts", "hdnea", "hdntl", "wstime", "wsabstime", "txtime", "x-expires"),
        *("q-sign-algorithm", "q-ak", "q-sign-time", "q-key-time", "q-header-list", "q-url-param-list"),
    }
)
_GRANT_WORDS = ("token", "signature", "secret", "credential", "passw", "session", "authorization")
_GRANT_PREFIXES = ("x-amz-", "x-goog-", "x-oss-", "x-tos-", "x-cos-", "x-obs-")
#: These change the image, whatever they begin with.
_CONTENT = frozenset({"x-oss-process", "x-tos-process", "x-cos-process", "x-obs-process"})


def grants_access(name: str) -> bool:
    """Whether a query parameter of this name may grant access to what a URL serves."""
    if name in _CONTENT:
        return False
    return name in _GRANTS or name.startswith(_GRANT_PREFIXES) or any(word in name for word in _GRANT_WORDS)
