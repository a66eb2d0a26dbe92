# SPDX-License-Identifier: Apache-2.0
"""Addresses inside texts that come from elsewhere."""

from __future__ import annotations

import re

_QUERY = re.compile(r"\?[^\s'\"<>)]*=[^\s'\"<>)]*")


def without_queries(text: object) -> str:
    """``text`` in which every query string is left out: a signature in it grants access to what it signs."""
    return _QUERY.sub("?…", str(text))
