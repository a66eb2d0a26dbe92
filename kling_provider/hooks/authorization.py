# SPDX-License-Identifier: Apache-2.0
"""The ``Authorization`` header of every call, and when a call is worth signing again. Sends nothing."""

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


def skew_to_sign_again(
    answer: ApiResponse, headers: Mapping[str, str], credential: Credential
) -> float | None:
    """Return the skew to sign with where a call should be sent once more, else ``None``.

    That is where Kling found a JWT early or late, made nothing, and said its own time. An API key does not expire.
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
