# SPDX-License-Identifier: Apache-2.0
"""Addresses without what grants access. Signed links are secrets: no log, text or sidecar carries one."""

from __future__ import annotations

import logging
from urllib.parse import unquote_plus, urlsplit, urlunsplit

#: Query parameters that grant access or end it, and never choose what is served. They enter no identity, so
#: this list is pinned for ever: a name more or less would pay again for requests with such a link.
_GRANTS = frozenset(
    {
        *("signature", "sign", "sig", "expires", "expire", "expiry", "exp", "policy", "key-pair-id", "jwt"),
        *("awsaccesskeyid", "googleaccessid", "ossaccesskeyid", "accesskeyid", "access_key_id"),
        *("access_key", "accesskey", "api_key", "apikey", "auth", "auth_key", "authkey"),
        # Kling's own result links, which may be the next request's first frame.
        *("kstime", "kssecret", "cachekey", "x-kcdn-pid"),
        # Akamai, Wangsu, Tencent Cloud, ByteDance.
        *("hdnts", "hdnea", "hdntl", "wssecret", "wstime", "wsabstime", "txsecret", "txtime", "x-expires"),
        *("q-sign-algorithm", "q-ak", "q-sign-time", "q-key-time", "q-header-list", "q-url-param-list"),
    }
)
_GRANT_WORDS = ("token", "signature", "secret", "credential", "password")
_GRANT_PREFIXES = ("x-amz-", "x-goog-", "x-oss-", "x-tos-", "x-cos-", "x-obs-")
#: These change the picture, whatever they begin with.
_CONTENT = frozenset({"x-oss-process", "x-tos-process", "x-cos-process", "x-obs-process"})
#: Azure's names are short words that mean other things elsewhere: they count beside their ``sig`` only.
_AZURE = frozenset(
    [
        "sv",
        "sr",
        "st",
        "se",
        "sp",
        "spr",
        "sip",
        "ss",
        "srt",
        "sdd",
        "si",
        "ses",
        "skoid",
        "sktid",
        "skt",
        "ske",
        "sks",
        "skv",
        "saoid",
        "suoid",
        "scid",
    ]
)


def unsigned(url: str) -> str:
    """``url`` without user part, fragment, and the parameters that only grant access.

    The other parameters keep their order and spelling: they may choose what is served.

    :raises ValueError: where it is no address.
    """
    parts = urlsplit(url)
    pairs = [pair for pair in parts.query.split("&") if pair]
    names = [unquote_plus(pair.partition("=")[0]).strip().lower() for pair in pairs]
    azure = "sig" in names
    kept = [
        pair
        for pair, name in zip(pairs, names, strict=True)
        if not (_grants(name) or (azure and name in _AZURE))
    ]
    host = parts.netloc.rpartition("@")[2].lower()
    return urlunsplit((parts.scheme.lower(), host, parts.path, "&".join(kept), ""))


def host_of(url: str) -> str:
    """Host and port, for messages."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2]


def hide_queries_in_debug_logs() -> None:
    """urllib3 logs every path with its query at DEBUG; from here on without. Calling it again does nothing."""
    logging.getLogger("urllib3.connectionpool").addFilter(_HIDE)


class _HideQueries(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(arg.partition("?")[0] if isinstance(arg, str) else arg for arg in record.args)
        return True


_HIDE = _HideQueries()


def _grants(name: str) -> bool:
    if name in _CONTENT:
        return False
    return name in _GRANTS or name.startswith(_GRANT_PREFIXES) or any(word in name for word in _GRANT_WORDS)
