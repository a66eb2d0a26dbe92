# SPDX-License-Identifier: Apache-2.0
"""Build the errors of the state machine. They say whether a task exists, whether it is billed, and what a retry will do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from kling_provider.api.billing import units_text
from kling_provider.api.codes import ApiResponse, TaskState
from kling_provider.api.tasks import Billing, KlingTask
from kling_provider.exceptions import (
    KlingDuplicateUnknown,
    KlingError,
    KlingModerationError,
    KlingRateLimitError,
    KlingRequestError,
    KlingServerError,
    KlingSubmitUnknown,
    KlingTaskFailed,
    KlingTaskFailedFinally,
    KlingTaskNotFound,
)
from kling_provider.hooks.response_errors import build_response_error
from kling_provider.identity import Identity
from kling_provider.submission.steps import SubmissionRecord


@dataclass(frozen=True, kw_only=True)
class SubmissionMessages:
    """Builds the texts and errors of one submission.

    :param what: the request in a few words.
    :param host: the name of the host.
    :param prompt: the prompt, for people.
    :param can_find_by_external_id: the host finds tasks by external id.
    """

    identity: Identity
    what: str
    host: str
    prompt: str
    can_find_by_external_id: bool

    @property
    def another_result(self) -> str:
        """Return what makes another result: ``take`` does nothing beside an external id of the user's own."""
        if self.identity.own is not None:
            return "choose another external_task_id, or leave it out"
        return f"raise take in the request (now {self.identity.take})"

    @property
    def create_action(self) -> str:
        """Return what the paid call does, to follow "Could not"."""
        return f"create {self.what} at {self.host}"

    def describe_failed_create(self, answer: ApiResponse) -> str:
        """Describe a create that failed, without a full stop."""
        return f"Could not {self.create_action} ({describe_answer(answer)})"

    def build_own_id_taken(self, record: SubmissionRecord) -> KlingRequestError:
        """Build the error for a user's external id that was used for another request."""
        task = f"Kling task {record['kling_task_id']}" if record.get("kling_task_id") else "a paid call"
        return KlingRequestError(
            f"external_task_id {self.identity.own} must name one request, and it was used for another one: {task} of "
            f"{record.get('at', 'an unknown time')} was sent with the prompt {record.get('prompt') or 'unknown'!r}; now the "
            f"request says {self.prompt[:200]!r} (or differs in another field). Nothing was sent by this try: "
            f"{self.another_result}.",
            kling_task_id=record.get("kling_task_id"),
        )

    def build_create_failure(
        self, answer: ApiResponse, *, earlier_ambiguous: bool, locked: bool
    ) -> KlingError:
        """Build the error for a create that is not repeated by this try.

        :param earlier_ambiguous: an earlier call for the same attempt may have made a task.
        """
        if earlier_ambiguous and answer.task_state is TaskState.NONE:
            answer = replace(answer, task_state=TaskState.MAY_EXIST)
        error = build_response_error(answer, self.create_action, creating=True)
        if error.task_state is TaskState.MAY_EXIST:
            goes_on = "looks for it first, and adopts it or sends the request again with the same id"
            if not locked:
                goes_on = 'sends it again, as on_ambiguous="resubmit" says'
            return error.with_context(suffix=f" {error.next_try} {goes_on}.")
        if isinstance(error, KlingServerError | KlingRateLimitError):
            return error.with_context(suffix=" The retry sends it again.")
        return error

    def build_stop(self, why: str) -> KlingSubmitUnknown:
        """Build the error that stops a submission which could pay twice.

        :param why: what is unknown, as a clause.
        """
        return KlingSubmitUnknown(
            f"Stopped, so that nothing is paid twice: {self.host} does not refuse a second task for the same request and "
            f"model, and {why}. A task may exist there and may be billed. Look for {self.what} at the host: if it exists, "
            'write its id into the request as adopt and clear this task; if not, set on_ambiguous="resubmit" and clear it.',
            task_state=TaskState.MAY_EXIST,
        )

    def build_unknown_duplicate(
        self, answer: ApiResponse, external: str, *, earlier_ambiguous: bool
    ) -> KlingDuplicateUnknown:
        """Build the error for an id that the host says exists and for which it shows no task.

        :param earlier_ambiguous: an earlier call for the same attempt may have made a task.
        """
        shows = "finds no task with this id"
        if not self.can_find_by_external_id:
            shows = "cannot say which task has it"
        text = f"{self.host} says that {external} already exists, and {shows}: "
        another = f"For another, paid result of {self.what}, {self.another_result}."
        if earlier_ambiguous:
            text += (
                "this Airflow task probably made it, and the response to its call was lost. A task may exist there and may be "
                "billed. Look for it in Kling's console: write its id into the request as adopt and clear this task. "
            )
        elif not self.can_find_by_external_id:
            text += "it was paid earlier. Write its id into the request as adopt and clear this task. Nothing was made now. "
        else:
            text += "it was paid earlier, and Kling has forgotten it after 30 days, or it belongs to another product. Nothing was made now. "
        return KlingDuplicateUnknown(
            text + another,
            code=answer.code,
            request_id=answer.request_id,
            http_status=answer.http_status,
            task_state=TaskState.MAY_EXIST,
        )


@dataclass(frozen=True, kw_only=True)
class AtOnceMessages:
    """Builds the texts and errors of a request that Kling answers at once.

    :param what: the request in a few words.
    :param host: the name of the host.
    :param take: of the request.
    :param most_calls: how often the call is sent in all while its outcome is unknown.
    """

    what: str
    host: str
    take: int
    most_calls: int

    @property
    def another_result(self) -> str:
        """Return what makes another, paid result."""
        return f"raise take in the request (now {self.take})"

    def describe_calls(self, times_sent: int) -> str:
        """Say what the calls with an unknown outcome may cost."""
        calls = (
            "One call was sent, which may be billed"
            if times_sent == 1
            else f"{times_sent} calls were sent, and each may be billed"
        )
        return f"{calls}: Kling answers at once, and cannot be asked for the result later."

    def describe_unknown(self, answer: ApiResponse) -> str:
        """Describe, as a clause, a response that does not say whether anything was made."""
        said = describe_answer(answer)
        return f"the response to the call of {format_now()} does not say whether the result was made ({said})"

    def build_stop(self, why: str, times_sent: int) -> KlingSubmitUnknown:
        """Build the error that stops a submission which could pay again.

        :param why: what is unknown, as a clause.
        :param times_sent: the calls whose outcome is unknown.
        """
        calls = f" {self.describe_calls(times_sent)}" if times_sent else " It may be billed."
        return KlingSubmitUnknown(
            f"Stopped, so that {self.what} is not paid again: {why}.{calls} To send it again, at the risk of paying again, set "
            'on_ambiguous="resubmit" and clear this task.',
            task_state=TaskState.MAY_EXIST,
        )

    def build_pause(self, why: str, times_sent: int) -> KlingServerError:
        """Build the error after which the next try sends the call once more."""
        return KlingServerError(
            f"Could not make {self.what} at {self.host}: {why}. {self.describe_calls(times_sent)} The retry sends it again, up to "
            f"{self.most_calls} times in all.",
            task_state=TaskState.MAY_EXIST,
        )

    def build_refusal(self, answer: ApiResponse, times_sent: int) -> KlingError:
        """Build the error for a call that the host refused.

        :param times_sent: the earlier calls, whose outcome is unknown.
        """
        if times_sent:
            answer = replace(answer, task_state=TaskState.MAY_EXIST)
        error = build_response_error(answer, f"make {self.what} at {self.host}", creating=True)
        return error if not times_sent else error.with_context(suffix=f" {self.describe_calls(times_sent)}")

    def build_ended(self, task: KlingTask) -> KlingTaskNotFound:
        """Build the error for a result whose links, or whose session, have ended."""
        return KlingTaskNotFound(
            f"{self.what[:1].upper()}{self.what[1:]} was paid and answered as {task.kling_task_id}, and what Kling gave ended at "
            f"{task.expires_at:%Y-%m-%d %H:%M} UTC. Nothing was sent. For a new, paid one {self.another_result}.",
            task_state=TaskState.EXISTS,
            kling_task_id=task.kling_task_id,
        )


def build_task_failure(task: KlingTask, *, final: bool, advice: str) -> KlingError:
    """Build the error for a task that Kling failed.

    :param final: a retry cannot help here (sensor, download, the user's own id).
    :param advice: what the person, or the retry, does next.
    """
    reason = task.message or "no reason given"
    billed = "; ".join(map(_describe_amount, task.billing)) or "not said"
    text = f"Kling failed task {task.kling_task_id}: {reason} (billed: {billed}). "
    if task.moderated:
        text += "Kling's moderation refused it: change the prompt or the images. "
        text += advice if final else "A clear of this task makes the next attempt."
        return KlingModerationError(text, task_state=TaskState.EXISTS, kling_task_id=task.kling_task_id)
    kind = KlingTaskFailedFinally if final else KlingTaskFailed
    return kind(text + advice, task_state=TaskState.EXISTS, kling_task_id=task.kling_task_id)


def _describe_amount(item: Billing) -> str:
    if item.charge_type in (None, "", "unit"):
        return units_text(item.amount, item.package_type)
    return f"{item.amount} {item.charge_type}"


def describe_answer(answer: ApiResponse) -> str:
    """Describe what a host said, in one clause."""
    if answer.code is not None and answer.code != 0:
        return f"code {answer.code}: {answer.message}"
    return answer.message or f"HTTP {answer.http_status}"


def format_now() -> str:
    """Return the time now in UTC, in ISO 8601 with seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")
