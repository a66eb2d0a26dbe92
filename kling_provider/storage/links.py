# SPDX-License-Identifier: Apache-2.0
"""Links to results in messages and logs. Signed links are secrets: no log, text or sidecar carries one."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit


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
