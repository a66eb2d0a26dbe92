# SPDX-License-Identifier: Apache-2.0
"""Make the ``Authorization`` header of a call, and decide whether to sign and send a call again. It sends nothing itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from kling_provider.api.auth import AccessKey, Credential
from kling_provider.api.codes import ApiResponse, ErrorKind, TaskState
from kling_provider.task_log import hide_token_in_logs


def make_authorization(credential: Credential, *, skew: float | None = None) -> str:
    """Return the value of ``Authorization``, and hide a new JWT in logs.

    Signing imports PyJWT and hiding talks to Airflow's supervisor: call it in a thread where an event loop runs.

    :param skew: seconds that the host's clock is ahead, as :func:`read_skew` found; the JWT is signed by that clock, now
        and from then on.
    """
    token = credential.make_token(skew=skew)
    if isinstance(credential, AccessKey):
        hide_token_in_logs(token)
    return f"Bearer {token}"


def find_skew_for_retry(
    answer: ApiResponse, headers: Mapping[str, str], credential: Credential
) -> float | None:
    """Find the clock skew to sign a refused call with, in seconds; ``None`` if the call must not be sent again.

    A call is sent again if Kling refused its JWT as early or late, made nothing, and stated its own time. An API key has no
    times.
    """
    if not isinstance(credential, AccessKey):
        return None
    if answer.kind is not ErrorKind.TOKEN_TIME or answer.task_state is not TaskState.NONE:
        return None
    return read_skew(headers)


def read_skew(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the host's clock is ahead of ours, by its ``Date`` header; ``None`` without one."""
    try:
        theirs = parsedate_to_datetime(headers["Date"])
    except (KeyError, TypeError, ValueError):
        return None
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    return theirs.timestamp() - time.time()
