# SPDX-License-Identifier: Apache-2.0
"""A failure to tell what happened (an XCom, an asset event, lineage) goes to the log and no further.

It never ends a wait, never fails a task whose result is saved, and never replaces the failure that was to be told of.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from kling_provider.api.redaction import redact_urls

log = logging.getLogger(__name__)


@contextmanager
def log_failures_of(what: str) -> Iterator[None]:
    """Turn what fails within the block into a warning in the log.

    :param what: what the block does, to follow "Could not": ``"send the asset event"``.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is: see the module's docstring
        said = redact_urls(" ".join(str(error).split()))[:300]
        log.warning("Could not %s (%s: %s). The video is not affected.", what, type(error).__name__, said)
