# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, by who can repair it.

Permanent ones also subclass Airflow's ``AirflowFailException``, so that no retry is spent on them. Every
one says whether a task exists at Kling (``task_state``), because that decides what a retry may do. An error is built
whole and stays as it is: who knows more raises what :meth:`KlingError.with_context` returns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from kling_provider.api.codes import KLING_CODES, ApiResponse, ErrorKind, TaskState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_provider.api.problems import Problem


class KlingError(AirflowException):
    """Base of all. ``code`` and ``request_id`` are Kling's, for its support.

    :param message: what is wrong, what exists and is billed, and what to do.
    :param task_state: ``none`` (no task, nothing billed), ``exists``, or ``may_exist``.
    :param kling_task_id: the task that it is about.
    :param retry_after: seconds that the host asked to wait.
    :param problems: what is wrong with the request, one by one; the message names them too.
    """

    def __init__(
        self,
        message: str,
        *,
        code: int | str | None = None,
        request_id: str | None = None,
        http_status: int | None = None,
        task_state: TaskState = TaskState.NONE,
        kling_task_id: str | None = None,
        retry_after: float | None = None,
        problems: Sequence[Problem] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.request_id = request_id
        self.http_status = http_status
        self.task_state = task_state
        self.kling_task_id = kling_task_id
        self.retry_after = retry_after
        self.problems = tuple(problems)

    def with_context(
        self,
        *,
        prefix: str = "",
        suffix: str = "",
        task_state: TaskState | None = None,
        kling_task_id: str | None = None,
    ) -> Self:
        """Return a new error of the same class that says more; this one stays as it is.

        It keeps the traceback, so that ``raise error.with_context(…) from error.__cause__`` leads to where the first one
        was raised, and says things once.

        :param prefix: text before the message.
        :param suffix: text after the message.
        :param task_state: what is known by now of the task; default: what this error says.
        :param kling_task_id: the task; default: that of this error.
        """
        return type(self)(
            f"{prefix}{self}{suffix}",
            code=self.code,
            request_id=self.request_id,
            http_status=self.http_status,
            task_state=self.task_state if task_state is None else task_state,
            kling_task_id=kling_task_id or self.kling_task_id,
            retry_after=self.retry_after,
            problems=self.problems,
        ).with_traceback(self.__traceback__)

    @property
    def next_try(self) -> str:
        """Return who makes the next try, for messages: Airflow does not retry permanent errors."""
        return "A clear" if isinstance(self, AirflowFailException) else "The retry"


class KlingAuthError(KlingError, AirflowFailException):
    """The credential, the region, the kind of key, the permission or the IP list (1000-1004, 1103, 1304)."""


class KlingBalanceError(KlingError, AirflowFailException):
    """Arrears, or no units left (1100-1102)."""


class KlingBudgetError(KlingError, AirflowFailException):
    """The price is above the user's own limit. Nothing was sent."""


class KlingRequestError(KlingError, AirflowFailException):
    """The request is wrong, by our check before the call or by Kling's (1200-1203)."""


class KlingConnectionMissing(KlingRequestError):
    """There is no Airflow connection of this name."""


class KlingModerationError(KlingError, AirflowFailException):
    """Refused for what it shows, at the call (1300, 1301) or while rendering."""


class KlingRateLimitError(KlingError):
    """Too many requests (1302)."""


class KlingConcurrencyError(KlingError):
    """The account is at its concurrency limit (1303). Operators wait in the queue; only users of the hook see this."""


class KlingServerError(KlingError):
    """Kling or the way to it failed (5000-5002, 5xx, network, unreadable answers)."""


class KlingStorageError(KlingError):
    """A file could not be read or written: no space, no permission, no such store. Nothing paid is lost."""


class KlingSubmitUnknown(KlingError, AirflowFailException):
    """A paid call may have made a task that cannot be looked up; sending it again could pay twice."""


class KlingDuplicateUnknown(KlingSubmitUnknown):
    """Kling says that our external id exists, and finds no task under it."""


class KlingTaskNotFound(KlingError, AirflowFailException):
    """Kling does not know the task: another account or region, or older than 30 days."""


class KlingTaskFailed(KlingError):
    """Kling made the task and could not finish it. The retry of a submit is the next attempt."""


class KlingTaskFailedFinally(KlingTaskFailed, AirflowFailException):
    """Kling failed the task and a retry cannot help: in a sensor or download, or under the user's own id."""


class KlingTimeout(KlingError):
    """The deadline passed. The task goes on at Kling and bills; a clear adopts it."""


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


def error_for(answer: ApiResponse, doing: str, *, creating: bool = False) -> KlingError:
    """Return the exception for a response that is no success, or that lacks the task which it should name.

    :param doing: what was tried, for the first line: ``"create a video at api-singapore.klingai.com"``.
    :param creating: the call was a create, so the text says whether anything was made.
    """
    said = "the response names no task" if answer.ok else answer.message or "the response cannot be read"
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
        return "Check the connection's host and port, and that this machine may reach them."
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
