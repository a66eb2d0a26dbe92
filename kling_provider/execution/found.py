# SPDX-License-Identifier: Apache-2.0
"""Find the requests of a list that need no payment: their result is saved, remembered, or exists at Kling.

It looks in the same places as the task that will pay, with the same functions. No call here is paid.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kling_provider.api.problems import Problem
from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.exceptions import KlingRequestError
from kling_provider.execution.at_once import is_answered_at_once
from kling_provider.execution.earlier import run_free_step
from kling_provider.execution.plan import RequestPlan
from kling_provider.execution.result_place import ResultPlace, find_remembered_result
from kling_provider.hooks.kling import KlingHook
from kling_provider.storage import SavedResult
from kling_provider.submission import ReadTask
from kling_provider.submission.lookups import choose_best
from kling_provider.submission.memory import PaidMemory
from kling_provider.submission.sent import SentRequest
from kling_provider.submission.steps import SubmissionRecord

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One request of a list, as the task instance that will pay for it will see it.

    :param label: what the table calls it: its name, or ``#`` and its place in the list.
    :param plan: what that task instance would send, and where it would save the result.
    :param context: the context of that task instance.
    """

    label: str
    plan: RequestPlan
    context: Mapping[str, Any] = field(repr=False)

    @property
    def sent(self) -> SentRequest:
        """Return the facts of the request that would be sent."""
        return self.plan.sent

    @property
    def is_paid_once(self) -> bool:
        """Return whether a second, equal request would find the first one's task instead of paying."""
        return self.sent.locked or self.sent.is_shared


@dataclass(frozen=True, slots=True)
class PaidResult:
    """A result that exists already. ``words`` say in the table where it is."""

    words: str
    kling_task_id: str | None = None


def read_list(
    requests: Sequence[Any],
    prepare: Callable[[Mapping[str, Any], int], tuple[RequestPlan, Mapping[str, Any]]],
) -> list[Wanted]:
    """Check all requests of a list.

    :param prepare: gets a request and its place in the list, and returns the plan and the context of the task instance that
        will pay for it.
    :raises KlingRequestError: with all problems of all requests; nothing was sent.
    """
    wanted: list[Wanted] = []
    problems: list[Problem] = []
    whole: dict[str, list[str]] = {}
    for index, data in enumerate(requests):
        name = data.get("name") if isinstance(data, Mapping) else None
        label = f"#{index}" if name in (None, "") else str(name)
        try:
            plan, context = prepare(data, index)
        except KlingRequestError as wrong:
            problems += [
                Problem(f"{label}: {p.field}".rstrip(": "), p.found, p.message) for p in wrong.problems
            ]
            if not wrong.problems:
                whole.setdefault(str(wrong), []).append(label)
            continue
        wanted.append(Wanted(label=label, plan=plan, context=context))
    # What is wrong with the connection or the scope is wrong in every request: said once.
    problems += [Problem(_join_labels(labels), None, text) for text, labels in whole.items()]
    if problems:
        text = "\n".join(f"  {problem}" for problem in problems)
        one = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise KlingRequestError(f"{one} in the list, nothing was sent:\n{text}", problems=problems)
    return wanted


def find_paid(hook: KlingHook, wanted: Sequence[Wanted]) -> dict[int, PaidResult]:
    """Find the requests whose result exists, or which equal an earlier request of the list; keys are places in the list.

    :raises KlingError: if a place cannot be read. The task that will pay could not read it either.
    """
    found: dict[int, PaidResult] = {}
    first: dict[str, Wanted] = {}
    for index, one in enumerate(wanted):
        earlier = first.setdefault(one.plan.identity.key, one)
        if earlier is not one and one.is_paid_once:
            found[index] = PaidResult(f"the same as {earlier.label}, paid once")
        elif (saved := _find_saved(hook, one)) is not None:
            found[index] = saved
    found |= _find_remembered(hook, wanted, found)
    return found | _find_at_host(hook, wanted, found)


def _find_saved(hook: KlingHook, one: Wanted) -> PaidResult | None:
    if one.sent.place is None:
        return None
    saved = ResultPlace.of_sent(hook, one.sent, one.context).find_saved(only_look=True)
    return None if saved is None else _describe_saved(saved)


def _describe_saved(saved: SavedResult) -> PaidResult:
    first = saved.files[0].file if saved.files else saved.manifest_file
    return PaidResult(f"saved already: {first}", saved.manifest.kling_task_id)


def _find_remembered(
    hook: KlingHook, wanted: Sequence[Wanted], found: Mapping[int, PaidResult]
) -> dict[int, PaidResult]:
    """Find what other runs remember, and what a request names itself to take over."""
    named: dict[int, str] = {}
    records: dict[int, SubmissionRecord] = {}
    for index, one in enumerate(wanted):
        if index in found:
            continue
        if one.sent.adopt:
            named[index] = one.sent.adopt
        elif (memory := PaidMemory.of_sent(one.context, one.sent)) is not None:
            record = memory.load(is_proven=bool(records))
            records[index] = record or {}
            if is_answered_at_once(one.plan.request.type):
                continue  # the host cannot be asked for it: what is kept of the answer decides
            if record and record.get("identity") == one.plan.identity.key and record.get("kling_task_id"):
                named[index] = str(record["kling_task_id"])
    tasks = _read_tasks(hook, {(wanted[index].plan.request.type, one) for index, one in named.items()})
    more = {
        index: result
        for index, record in records.items()
        if (result := _find_answer(wanted[index], record)) is not None
    }
    for index, kling_task_id in named.items():
        task = tasks.get(kling_task_id)
        if task is not None and (task.status is not TaskStatus.FAILED or wanted[index].sent.adopt):
            more[index] = _describe_task(task)
        elif task is None and index in records:
            place = wanted[index].sent.place
            files = records[index].get("files") or ()
            kept = find_remembered_result(
                files, wanted[index].plan.identity.key, place.conn_id if place else None
            )
            # Without a file the paying task stops: it sends nothing either.
            more[index] = (
                _describe_saved(kept)
                if kept is not None
                else PaidResult(
                    f"paid as Kling task {kling_task_id}, which Kling no longer knows", kling_task_id
                )
            )
    return more


def _find_answer(one: Wanted, record: SubmissionRecord) -> PaidResult | None:
    """Find what Kling answered at once for a request of the list. After its end the task that pays stops: it sends nothing."""
    is_kept = record.get("state") == "created" and record.get("identity") == one.plan.identity.key
    if not is_kept or not is_answered_at_once(one.plan.request.type):
        return None
    kling_task_id = str(record.get("kling_task_id"))
    return PaidResult(f"answered already: {kling_task_id}", kling_task_id)


def _read_tasks(hook: KlingHook, tasks: set[tuple[str, str]]) -> dict[str, KlingTask]:
    if hook.connection.profile.task_reads:
        return hook.get_tasks([kling_task_id for _, kling_task_id in tasks])
    found = {one: run_free_step(hook, kind, ReadTask(one)) for kind, one in tasks}
    return {one: task for one, task in found.items() if task is not None}


def _find_at_host(
    hook: KlingHook, wanted: Sequence[Wanted], found: Mapping[int, PaidResult]
) -> dict[int, PaidResult]:
    """Find the tasks of external ids that did not fail; look-ups are free."""
    waiting = {
        one.plan.identity.key: index
        for index, one in enumerate(wanted)
        if index not in found and not is_answered_at_once(one.plan.request.type)
    }
    if waiting and not hook.connection.profile.can_find_by_external_id:
        log.info(
            "%s finds no tasks by external id: what this run has paid counts as not paid where no file and no record shows it.",
            hook.connection.host,
        )
        return {}
    more: dict[int, PaidResult] = {}
    attempt, indices = 0, sorted(waiting.values())
    while indices:
        ids = {wanted[index].plan.identity.external_task_id(attempt): index for index in indices}
        tasks = hook.find(list(ids))
        indices = []
        for external, same in tasks.items():
            index, best = ids[external], choose_best(same)
            if best.status is not TaskStatus.FAILED:
                more[index] = _describe_task(best)
            elif attempt + 1 < wanted[index].plan.identity.attempts:
                indices.append(index)
        attempt += 1
    return more


def _describe_task(task: KlingTask) -> PaidResult:
    return PaidResult(f"there already: Kling task {task.kling_task_id}, {task.word}", task.kling_task_id)


def _join_labels(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:5])
    return shown if len(labels) <= 5 else f"{shown} and {len(labels) - 5} more"
