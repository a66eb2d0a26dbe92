# SPDX-License-Identifier: Apache-2.0
"""Text and URLs -> what logs, XCom, records, manifests and terminals may hold.

The one place that takes secrets out of texts: signatures and passwords in URLs, base64, keys that an answer repeats; and
what no log can hold: half a surrogate pair, which no file and no database takes, U+0000, which PostgreSQL refuses, and
escape sequences, which change what a terminal shows. It hides too much rather than too little. What of a URL counts for
the identity is another question (:mod:`kling_provider.api.signatures`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from kling_provider.api.signatures import may_grant_access, name_of_pair, without_signature

#: The longest text that is kept of an answer, in characters. Signed links have some thousand.
LONGEST = 16_384
#: The longest id, in characters.
LONGEST_ID = 256

_QUERY = re.compile(r"\?[^\s'\"<>)]*=[^\s'\"<>)]*")
#: Behind a URL also a query that is one bare token.
_BARE_QUERY = re.compile(r"(://[^\s?'\"<>)]*)\?[^\s'\"<>)]+")
#: ``user:password@`` of any URL. In ``s3://conn@bucket`` the part names a connection, on the web it grants access.
_USER = re.compile(r"(?i)(https?://)[^\s/?#'\"<>@]+@|(://)[^\s/?#'\"<>@:]*:[^\s/?#'\"<>@]*@")
_LONG_BASE64 = re.compile(r"(?:data:[\w/;+.-]*,)?[A-Za-z0-9+/_-]{500,}={0,2}")

_IDS = frozenset({"id", "task_id", "taskId"})
#: What Kling calls the masks of a selection. A part of one would be of no use, so they are kept whole.
_MASKS = frozenset({"base64", "counts"})
_MASK = re.compile(r"[!-~]+")
#: What a terminal takes for an order: colours, cursor moves, titles, links.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
#: Control characters, and the line breaks of Unicode.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
#: Half surrogate pairs, and what turns the direction of the text that follows.
_HALVES = re.compile(r"[\ud800-\udfff]")
_TURNS = re.compile(r"[\u202a-\u202e\u2066-\u2069]")

#: From so many characters on a text is a key, and not a letter of any word.
_SHORTEST_KEY = 8


# -- URLs ------------------------------------------------------------------------------------------------------


def redact_urls(text: object) -> str:
    """Cut every query string, and the user part of every URL, out of ``text``.

    A signature, and a password, grant access to what they sign. Anything that is not text is converted first.
    """
    shown = _BARE_QUERY.sub(r"\1?…", _QUERY.sub("?…", str(text)))
    return _USER.sub(r"\1\2…@", shown)


def redact_value(value: Any) -> Any:
    """Return a value of JSON or YAML whose texts have gone through :func:`redact_urls`; keys stay."""
    if isinstance(value, str):
        return redact_urls(value)
    if isinstance(value, Mapping):
        return {key: redact_value(item) for key, item in value.items()}
    return [redact_value(item) for item in value] if isinstance(value, list) else value


def redact_url(url: str) -> str:
    """Cut out of one URL the user part, the fragment, its signature, and every parameter that may grant access.

    The other parameters stay, in their order and spelling.

    :raises ValueError: where it is no URL.
    """
    parts = urlsplit(without_signature(url))
    kept = [pair for pair in parts.query.split("&") if not may_grant_access(name_of_pair(pair))]
    return urlunsplit(parts._replace(query="&".join(kept)))


def strip_query(url: str) -> str:
    """Cut a URL, or a path with a query, before its ``?``."""
    return url.partition("?")[0]


def _strip_user(netloc: str) -> str:
    """Remove ``user:password@`` from the network location of a URL; host and port remain."""
    return netloc.rpartition("@")[2]


def show_host(url: str) -> str:
    """Return host and port of a URL, for messages."""
    return _strip_user(urlsplit(url).netloc)


def show_place(url: str) -> str:
    """Return scheme, host, port and path of a URL, for messages; empty where it is not a URL.

    A scheme that is missing is read as https.
    """
    try:
        parts = urlsplit(url)
        if parts.hostname:
            return f"{parts.scheme or 'https'}://{_strip_user(parts.netloc)}{parts.path}"
    except ValueError:  # an IPv6 address without its end, a port that is no number
        pass
    return ""


def show_origin(url: str) -> str:
    """Return scheme, host and port of a URL whose path may be its secret, as that of a callback often is."""
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    except ValueError:
        host = None
    return f"{parts.scheme}://{host}" if host else "a URL that cannot be read"


# -- keys, base64, length --------------------------------------------------------------------------------------


def redact_key(text: str, key: str) -> str:
    """Replace a key that a message repeats by ``***``."""
    return text.replace(key, "***")


def redact_key_in_body(body: bytes, key: str) -> bytes:
    """Replace a key that an HTTP body repeats by ``***``.

    A text that is shorter than any real key stays: it may be part of a word, or of JSON itself.
    """
    return body.replace(key.encode(), b"***") if len(key) >= _SHORTEST_KEY else body


def redact_base64(value: Any) -> Any:
    """Replace long base64 in the texts of a JSON value by its length."""
    if isinstance(value, str):
        return _LONG_BASE64.sub(lambda found: f"base64 ({len(found[0])} characters)", value)
    if isinstance(value, Mapping):
        return {key: redact_base64(item) for key, item in value.items()}
    return [redact_base64(item) for item in value] if isinstance(value, list | tuple) else value


def shorten(text: str, length: int = 200) -> str:
    """Cut a text for a message: damaged base64 looks like a path, and has millions of characters.

    :param length: characters that are kept whole; of a longer text half of it.
    """
    return text if len(text) <= length else f"{text[: length // 2]}… ({len(text):,} characters)"


# -- text from elsewhere ---------------------------------------------------------------------------------------


def clean_text(text: str, longest: int = LONGEST) -> str:
    """Return a foreign text as one line, without control characters, escape sequences and lone surrogates.

    :param longest: cut to so many characters, the last of which then is ``…``.
    """
    if not text.isprintable():
        text = _TURNS.sub("", _HALVES.sub("\ufffd", _CONTROLS.sub(" ", _ESCAPES.sub("", text)))).strip()
    return text if len(text) <= longest else text[: longest - 1] + "…"


def clean_json(value: Any) -> Any:
    """Apply :func:`clean_text` to every text of a JSON value, keys included.

    An id that would be changed by this becomes empty: the host would not know the changed one.

    :raises RecursionError: where it is nested too deeply.
    """
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(key): _clean_item(key, item) for key, item in value.items()}
    if isinstance(value, list):
        return [clean_json(item) for item in value]
    return value


def _clean_item(key: str, value: Any) -> Any:
    if key in _IDS and not _is_clean_id(value):
        return ""
    return value if key in _MASKS and isinstance(value, str) and _MASK.fullmatch(value) else clean_json(value)


def _is_clean_id(value: Any) -> bool:
    return not isinstance(value, str) or (value.isprintable() and len(value) <= LONGEST_ID)
