# SPDX-License-Identifier: Apache-2.0
"""Addresses inside texts that come from elsewhere."""

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
