# SPDX-License-Identifier: Apache-2.0
"""Signed links are secrets: what urllib3 logs of them."""

from __future__ import annotations

import logging

from kling_provider.api.redaction import strip_query


def hide_queries_in_debug_logs() -> None:
    """Hide the queries in the paths that urllib3 logs at DEBUG, from here on. Calling it again does nothing."""
    logging.getLogger("urllib3.connectionpool").addFilter(_HIDE)


class _HideQueries(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(strip_query(arg) if isinstance(arg, str) else arg for arg in record.args)
        return True


_HIDE = _HideQueries()
