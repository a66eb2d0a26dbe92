# SPDX-License-Identifier: Apache-2.0
"""Build the exception for a response that is no success, with advice on what to do."""

from __future__ import annotations

from kling_provider.api.codes import KLING_CODES, ApiResponse, ErrorKind, TaskState
from kling_provider.exceptions import (
    KlingAuthError,
    KlingBalanceError,
    KlingConcurrencyError,
    KlingError,
    KlingModelUnavailable,
    KlingModerationError,
    KlingRateLimitError,
    KlingRequestError,
    KlingServerError,
)

_ADVICE = {
    1000: "Check the key in the connection's password.",
    1001: "The connection's password must be the API key; it is empty.",
    1002: (
        "The connection's password must be the whole key, and a key of this region (extra region: global or china). "
        "An access key with its secret key works on the legacy API only."
    ),
    1003: "The clock of this machine must be right; it differs by more than Kling allows. Set it, then clear the task.",
    1004: "The clock of this machine must be right; it differs by more than Kling allows. Set it, then clear the task.",
    1103: "This account must have the right to use this model and API: ask for it in Kling's console, or write another model.",
    1202: "Check the connection's host and api: this URL does not accept such a call.",
    1203: "Check model and type, and the connection's host (and its path prefix) and api.",
    1304: "This machine's IP address must be on the key's IP list: add it in Kling's console.",
    1100: "The account is suspended: see Kling's console.",
    1101: "The account is in arrears: top up in Kling's console.",
    1102: "No units left of this kind: top up or buy a pack in Kling's console.",
}

#: What to do at a gateway, which has neither regions nor Kling's console.
_ADVICE_ELSEWHERE = {
    **_ADVICE,
    1002: "The connection's password must be the whole key, and a key of this host.",
    1103: "The key must have the right to use this model and API there: ask the host, or write another model.",
    1304: "This machine's IP address must be on the key's IP list there: add it where the key was made.",
    1100: "The account behind the key is suspended there: ask the host.",
    1101: "The account behind the key is in arrears there: top up where the key was made.",
    1102: "No balance is left there for this: top up where the key was made.",
}

_ADVICE_BY_KIND = {
    ErrorKind.AUTH: "Check the key in the connection's password.",
    ErrorKind.BALANCE: "No balance or quota is left there: top up where the key was made. The key itself is valid.",
    ErrorKind.INVALID: "Change the request.",
    ErrorKind.REFUSED: "Change the request.",
    ErrorKind.MODERATION: "Change the prompt or the images; a clear then makes the next attempt.",
    ErrorKind.RATE_LIMIT: "Too many calls at once: try again after a pause.",
    ErrorKind.CONCURRENCY_LIMIT: "The account is at its concurrency limit: try again when one of its tasks has ended.",
}

#: With these an HTML page is the word of a server before the API, whose URL is right.
_PAGES_OF_SERVERS = frozenset({408, 425, 429, 499})

_CLASSES: dict[ErrorKind, type[KlingError]] = {
    ErrorKind.AUTH: KlingAuthError,
    ErrorKind.TOKEN_TIME: KlingAuthError,
    ErrorKind.BALANCE: KlingBalanceError,
    ErrorKind.INVALID: KlingRequestError,
    ErrorKind.REFUSED: KlingRequestError,
    ErrorKind.MODERATION: KlingModerationError,
    ErrorKind.RATE_LIMIT: KlingRateLimitError,
    ErrorKind.CONCURRENCY_LIMIT: KlingConcurrencyError,
    ErrorKind.SERVER: KlingServerError,
    ErrorKind.UNREADABLE: KlingServerError,
    #: A success that names no task.
    ErrorKind.OK: KlingServerError,
}


def build_response_error(
    answer: ApiResponse, doing: str, *, creating: bool = False, lacks: str = "names no task"
) -> KlingError:
    """Build the exception for a response that is no success, or that lacks the task which it should name.

    :param doing: what was tried, for the first line: ``"create a video at api-singapore.klingai.com"``.
    :param creating: the call was a create, so the text says whether anything was made.
    :param lacks: what a success lacks that it should have.
    """
    said = f"the response {lacks}" if answer.ok else answer.message or "the response cannot be read"
    where = f"code {answer.code}" if answer.code else f"HTTP {answer.http_status}"
    if answer.http_status is None:
        where = "no response"
    text = f"Could not {doing}: {said} ({where})."
    advice = _choose_advice(answer)
    if advice:
        text += f" {advice}"
    state = TaskState.NONE
    if creating:
        state = answer.task_state
        text += (
            " Nothing was made, nothing is billed."
            if state is TaskState.NONE
            else " A task may exist at Kling and may be billed."
        )
    # A status alone says nothing lasting about a read: the next one may be answered.
    kind = KlingServerError if answer.kind is ErrorKind.REFUSED and not creating else _CLASSES[answer.kind]
    if creating and state is TaskState.NONE and answer.is_about_model and kind is KlingRequestError:
        kind = KlingModelUnavailable
    return kind(
        text,
        code=answer.code,
        request_id=answer.request_id,
        http_status=answer.http_status,
        task_state=state,
        retry_after=answer.retry_after,
    )


def _choose_advice(answer: ApiResponse) -> str | None:
    """Choose what the user can do about a response; ``None`` where there is nothing to say."""
    status = answer.http_status
    if status is None:
        if answer.kind is not ErrorKind.UNREADABLE or answer.task_state is not TaskState.NONE:
            return None
        return "Check the connection's host and port, and that this machine may reach them. Nothing was sent."
    if isinstance(answer.code, int) and answer.code in KLING_CODES:
        known = _ADVICE if answer.at_kling else _ADVICE_ELSEWHERE
        return known.get(answer.code) or _ADVICE_BY_KIND.get(answer.kind)
    if status == 413:
        return "The request is too large for this host: make its images smaller, or give them as URLs."
    if status in (404, 405) and answer.code is None:
        return "This URL has no such path: check the connection's host (and its path prefix) and api."
    if 300 <= status < 400:
        return "The URL must be that of the API itself: check the connection's host (and its scheme and path prefix)."
    if answer.page and status < 500 and status not in _PAGES_OF_SERVERS:
        return (
            "The response is an HTML page, and the URL must be that of an API: check the connection's host (and its path "
            "prefix) and api."
        )
    return _ADVICE_BY_KIND.get(answer.kind)
