# SPDX-License-Identifier: Apache-2.0
"""Log a failure to report something (an XCom, an asset event, lineage) instead of raising it.

Reports are extras: when one fails, the wait goes on, the task whose result is saved succeeds, and an error that was to be
reported stays the one that Airflow shows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from kling_provider.api.redaction import redact_urls

log = logging.getLogger(__name__)


@contextmanager
def log_failures_of(what: str) -> Iterator[None]:
    """Log what fails within the block as a warning.

    :param what: what the block does, to follow "Could not": ``"send the asset event"``.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is: see the module's docstring
        said = redact_urls(" ".join(str(error).split()))[:300]
        log.warning("Could not %s (%s: %s). The result is not affected.", what, type(error).__name__, said)
