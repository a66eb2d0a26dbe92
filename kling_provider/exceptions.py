# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, by who can repair it.

Permanent ones also subclass Airflow's ``AirflowFailException``, so that no retry is spent on them. Every
one says whether a task exists at Kling (``task_state``), because that decides what a retry may do. An error is built
whole and stays as it is: who knows more raises what :meth:`KlingError.with_context` returns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from kling_provider.api.codes import TaskState
from kling_provider.api.problems import join_problems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_provider.api.problems import Problem

__all__ = [
    "KlingAuthError",
    "KlingBalanceError",
    "KlingBudgetError",
    "KlingConcurrencyError",
    "KlingConnectionMissing",
    "KlingDuplicateUnknown",
    "KlingError",
    "KlingModelUnavailable",
    "KlingModerationError",
    "KlingRateLimitError",
    "KlingRequestError",
    "KlingServerError",
    "KlingStorageError",
    "KlingSubmitUnknown",
    "KlingTaskFailed",
    "KlingTaskFailedFinally",
    "KlingTaskNotFound",
    "KlingTimeout",
]


class KlingError(AirflowException):
    """Base of all errors of this provider; its attributes are its parameters.

    :param message: what is wrong, what exists and is billed, and what to do.
    :param code: Kling's error code, such as 1303, or the word of a gateway; ``None`` where no response had one.
    :param request_id: Kling's id of the call, for its support.
    :param http_status: the status of the response; ``None`` where none came.
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

    @classmethod
    def of_problems(cls, problems: Sequence[Problem]) -> Self:
        """Return the error of a request that was refused before anything was sent.

        :param problems: everything that is wrong in it.
        """
        return cls(f"The request is wrong, nothing was sent: {join_problems(problems)}", problems=problems)


class KlingModelUnavailable(KlingRequestError):
    """The host has no such model, or has it no more. Nothing was made."""


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
