# SPDX-License-Identifier: Apache-2.0
"""What the state machine says when it cannot go on: whether a task exists, is billed, and what a retry will do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from kling_provider.api.codes import Answer, TaskState
from kling_provider.api.tasks import KlingTask
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
    error_for,
)
from kling_provider.identity import Identity
from kling_provider.submission.steps import Record


@dataclass(frozen=True, kw_only=True)
class Words:
    """What messages name.

    :param finds: the host finds tasks by external id.
    :param at_kling: the host is Kling's own, and no gateway.
    :param what: the request in a few words.
    """

    identity: Identity
    finds: bool
    at_kling: bool = True
    what: str = "the video"
    host: str = "Kling"
    prompt: str = ""

    @property
    def _doing(self) -> str:
        return f"create {self.what} at {self.host}"

    @property
    def _another(self) -> str:
        """What makes this another result: ``take`` does nothing beside an external id of the user's own."""
        if self.identity.own is not None:
            return "choose another external_task_id, or leave it out"
        return f"raise take (now {self.identity.take})"

    def _own_id_is_taken(self, record: Record) -> KlingRequestError:
        task = f"Kling task {record['kling_task_id']}" if record.get("kling_task_id") else "a paid call"
        return KlingRequestError(
            f"external_task_id {self.identity.own} must name one request, and it was used for another one: {task} of "
            f"{record.get('at', 'an unknown time')} was sent with the prompt {record.get('prompt') or 'unknown'!r}; now the "
            f"request says {self.prompt[:200]!r} (or differs in another field). Nothing was sent by this try: "
            f"{self._another}.",
            kling_task_id=record.get("kling_task_id"),
        )

    def _could_not(self, answer: Answer) -> str:
        return f"Could not {self._doing} ({said(answer)})"

    def _failed(self, answer: Answer, doubt: bool, locked: bool) -> KlingError:
        if doubt and answer.task_state is TaskState.NONE:
            answer = replace(answer, task_state=TaskState.MAY_EXIST)
        error = error_for(answer, self._doing, creating=True)
        if error.task_state is TaskState.MAY_EXIST:
            goes_on = "looks first and adopts it, or sends again with the same id"
            if not locked:
                goes_on = 'sends it again, as on_ambiguous="resubmit" says'
            return error.with_context(suffix=f" {error.next_try} {goes_on}.")
        if isinstance(error, KlingServerError | KlingRateLimitError):
            return error.with_context(suffix=" The retry sends it again.")
        return error

    def _stop(self, why: str) -> KlingSubmitUnknown:
        return KlingSubmitUnknown(
            f"Stopped, so that nothing is paid twice: {self.host} has no lock against that for this model, and {why}. "
            f"A task may exist there and may be billed. Look for it ({self.what}): if it exists, put its id into the "
            'request as adopt and clear this task; if not, set on_ambiguous="resubmit" and clear it.',
            task_state=TaskState.MAY_EXIST,
        )

    def _unknown_duplicate(self, answer: Answer, external: str, doubt: bool) -> KlingDuplicateUnknown:
        shows = "shows no task under it" if self.finds else "cannot be asked which task that is"
        said = f"{self.host} says that {external} already exists, and {shows}: "
        another = f"For a new, paid video of {self.what} {self._another}."
        if doubt:
            said += (
                "this task probably made it, and the answer to its call was lost. A task may exist there and may be "
                "billed. Look for it in Kling's console: put its id into the request as adopt and clear this task. "
            )
        elif not self.finds:
            said += "it was paid earlier. Put its id into the request as adopt and clear this task. Nothing was made now. "
        else:
            said += "it was paid earlier and is forgotten (30 days), or belongs to another product. Nothing was made now. "
        return KlingDuplicateUnknown(
            said + another,
            code=answer.code,
            request_id=answer.request_id,
            http_status=answer.http_status,
            task_state=TaskState.MAY_EXIST,
        )


def failure_of(task: KlingTask, *, final: bool, advice: str) -> KlingError:
    """The exception for a task that Kling failed.

    :param final: a retry cannot help here (sensor, download, the user's own id).
    :param advice: what the person, or the retry, does next.
    """
    reason = task.message or "no reason given"
    billed = "; ".join(f"{item.amount} {item.charge_type or 'unit'}" for item in task.billing) or "not said"
    text = f"Kling failed task {task.kling_task_id}: {reason} (billed: {billed}). "
    if task.moderated:
        text += "That is moderation: change the prompt or the pictures. "
        text += advice if final else "A clear makes the next attempt."
        return KlingModerationError(text, task_state=TaskState.EXISTS, kling_task_id=task.kling_task_id)
    kind = KlingTaskFailedFinally if final else KlingTaskFailed
    return kind(text + advice, task_state=TaskState.EXISTS, kling_task_id=task.kling_task_id)


def said(answer: Answer) -> str:
    if answer.code is not None and answer.code != 0:
        return f"code {answer.code}: {answer.message}"
    return answer.message or f"HTTP {answer.http_status}"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
