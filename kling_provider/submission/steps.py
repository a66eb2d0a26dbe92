# SPDX-License-Identifier: Apache-2.0
"""The steps and outcomes of the state machine, and the functions that run its steps."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypedDict, TypeVar

from kling_provider.api.codes import ApiResponse
from kling_provider.api.tasks import KlingTask
from kling_provider.exceptions import KlingError


class SubmissionRecord(TypedDict, total=False):
    """What is remembered of one task instance between its tries (JSON)."""

    identity: str
    external_task_id: str | None
    attempt: int
    #: ``open`` (sent, ambiguous), ``created``, ``not_created``, ``failed`` (Kling made it and failed it), ``newcomer``
    #: (new in a cleared run, stopped before sending).
    state: str
    kling_task_id: str | None
    #: How often a call that Kling answers at once was sent, the calls with an unknown outcome and the answered one.
    times_sent: int
    #: What Kling answered at once (:mod:`kling_provider.submission.answers`).
    answer: dict[str, Any]
    #: The session that it is a step of.
    session: str
    #: The host repeated our external id; where it did not, there is no lock.
    echoed: bool
    at: str
    #: What was submitted (:class:`~kling_provider.submission.sent.SentRequest` as JSON).
    sent: dict[str, Any]
    #: Airflow's ``ti.max_tries`` of the try that sent it: the same one at a later try means an automatic retry, another
    #: one means that a person cleared the task.
    max_tries: int
    #: The beginning of the prompt, for people.
    prompt: str
    #: The host that it was sent to.
    host: str
    #: The files that were saved.
    files: list[str]
    #: The type of the request, where ``sent`` is not kept.
    type: str


@dataclass(frozen=True, slots=True)
class Find:
    """Look these external ids up -> ``dict[str, list[KlingTask]]``; unknown ones are missing."""

    external_task_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadTask:
    """Read one task -> :class:`KlingTask`, or ``None`` where Kling does not know it."""

    kling_task_id: str


@dataclass(frozen=True, slots=True)
class Permit:
    """Allow the paid call, before anything is stored -> whether it may be made now. To refuse for good, raise."""

    external_task_id: str | None
    attempt: int


@dataclass(frozen=True, slots=True)
class Prepare:
    """Make the paid call ready to be sent -> what :class:`Send` carries.

    Whatever is wrong with it before its first byte is raised here, where nothing is stored and nothing is sent.
    """

    external_task_id: str | None


@dataclass(frozen=True, slots=True)
class Send:
    """Make the paid call -> :class:`Sent`. ``prepared`` is what came of :class:`Prepare`: only the network can fail it."""

    external_task_id: str | None
    prepared: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class StoreRecord:
    """Keep this record -> nothing. Where it cannot be kept, raise."""

    record: SubmissionRecord


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for so many seconds -> nothing."""

    seconds: float


Step = Find | ReadTask | Permit | Prepare | Send | StoreRecord | Wait


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a create: the response, and the task where it named one (made for sure if the response is ok)."""

    answer: ApiResponse
    task: KlingTask | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """There is a task. ``adopted`` means that it was found: made before, or by a call whose response was lost."""

    task: KlingTask
    external_task_id: str | None
    attempt: int
    adopted: bool
    #: How often the call was sent, of results that Kling answers at once; ``None`` for tasks.
    times_sent: int | None = None


@dataclass(frozen=True, slots=True)
class MustQueue:
    """The host takes no request now, and nothing was made. Wait, then submit with ``resume``.

    ``full``: the account is at its concurrency limit (1303); otherwise it was asked too often, or not asked at all.
    ``not_before`` is the epoch before which nothing is to be sent, where the host named one. ``refused`` is false where
    nothing was sent: as many tasks are in flight as the connection says the account allows.
    """

    external_task_id: str | None
    attempt: int
    full: bool = True
    not_before: float | None = None
    refused: bool = True


Outcome = Submitted | MustQueue
Steps = Generator[Step, Any, Outcome]
End = TypeVar("End")
Stop = TypeVar("Stop")


def drive_steps(steps: Generator[Step, Any, End], do: Callable[[Step], Any]) -> End:
    """Run ``steps`` to their end, and return it. ``do`` carries each of them out; its :class:`KlingError` is thrown into them."""
    try:
        step = next(steps)
        while True:
            step = _carry_out(steps, step, do)
    except StopIteration as end:
        outcome: End = end.value
        return outcome


def drive_steps_until(
    steps: Generator[Step, Any, End], do: Callable[[Step], Any], *, stop: type[Stop]
) -> End | Stop:
    """Run ``steps`` as :func:`drive_steps` does, up to the first step of the kind ``stop``: it is returned and not carried out."""
    try:
        step = next(steps)
        while not isinstance(step, stop):
            step = _carry_out(steps, step, do)
    except StopIteration as end:
        outcome: End = end.value
        return outcome
    steps.close()
    return step


def _carry_out(steps: Generator[Step, Any, Any], step: Step, do: Callable[[Step], Any]) -> Step:
    """Run one step, and return the next one."""
    try:
        result = do(step)
    except KlingError as error:
        return steps.throw(error)
    return steps.send(result)
