# SPDX-License-Identifier: Apache-2.0
"""A list of requests -> what it would cost now: which are paid already, what the others cost, what is there.

Imported when a task runs, never at DAG-parse time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kling_provider.api.account import units_left
from kling_provider.api.prices import Price, estimate
from kling_provider.api.problems import Problem
from kling_provider.api.requests import Request
from kling_provider.api.tasks import KlingTask, TaskStatus
from kling_provider.exceptions import KlingError, KlingRequestError
from kling_provider.hooks.kling import KlingHook
from kling_provider.identity import Identity
from kling_provider.storage import resolve_images

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """One request of the list. ``there``: the task that it would find, so that nothing is paid."""

    label: str
    request: Request
    price: Price
    identity: Identity
    there: KlingTask | None = None


@dataclass(frozen=True, slots=True)
class Costing:
    """What a list costs, and what the account has. Unknown amounts are ``None``, and said so."""

    lines: Sequence[Line]
    #: Tasks in flight in the account, and their units as far as they can be known.
    in_flight: int | None
    in_flight_units: Decimal
    units_left: Decimal | None

    @property
    def new(self) -> list[Line]:
        return [line for line in self.lines if line.there is None]

    @property
    def units(self) -> Decimal | None:
        """Units of the new ones; ``None`` where one of them has no known price."""
        return _sum(line.price.units for line in self.new)

    @property
    def usd(self) -> Decimal | None:
        return _sum(line.price.usd for line in self.new)

    @property
    def unpriced(self) -> list[Line]:
        return [line for line in self.new if line.price.units is None]

    def table(self) -> str:
        """The list for the log, one line per request, then the sums."""
        rows = [
            (
                line.label,
                line.request.model,
                f"{line.request.duration} s",
                line.request.resolution,
                _state(line),
            )
            for line in self.lines
        ]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(5)]
        text = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        known = _sum(line.price.units for line in self.new if line.price.units is not None) or Decimal(0)
        text.append(
            f"{len(self.new)} of {len(self.lines)} to be paid: {_plain(known)} units at list price"
            + (f", and {len(self.unpriced)} without a known price" if self.unpriced else "")
        )
        if self.in_flight:
            text.append(
                f"in flight in this account: {self.in_flight} tasks, about {_plain(self.in_flight_units)} units"
            )
        left = "not known" if self.units_left is None else f"{_plain(self.units_left)} units"
        text.append(f"left in the account: {left}")
        return "\n".join(text)


def cost(
    hook: KlingHook, requests: Sequence[Mapping[str, Any]], identify: Callable[[Request, int, Any], Identity]
) -> Costing:
    """Check and price a list.

    :param identify: request, its index in the list and its images -> the identity that its task will have.
    :raises KlingRequestError: with every problem of every request; nothing was sent.
    """
    lines = _check(hook, requests, identify)
    there = _look_up(hook, lines)
    lines = [
        Line(line.label, line.request, line.price, line.identity, there.get(line.identity.key))
        for line in lines
    ]
    count, units = _in_flight(hook, lines)
    return Costing(lines, count, units, _units_left(hook))


def _check(hook: KlingHook, requests: Sequence[Mapping[str, Any]], identify: Any) -> list[Line]:
    lines, problems = [], []
    for index, data in enumerate(requests):
        label = str(data.get("name") or f"#{index}")
        try:
            request = hook.request(data)
            _, images = resolve_images(request, api=hook.connection.api)
        except KlingRequestError as wrong:
            problems += [Problem(f"{label}: {p.field}", p.found, p.message) for p in wrong.problems] or [
                Problem(label, None, str(wrong))
            ]
            continue
        lines.append(Line(label, request, estimate(request), identify(request, index, images)))
    if problems:
        text = "\n".join(f"  {problem}" for problem in problems)
        error = KlingRequestError(f"{len(problems)} problems in the list, nothing was sent:\n{text}")
        error.problems = problems
        raise error
    return lines


def _look_up(hook: KlingHook, lines: Sequence[Line]) -> dict[str, KlingTask]:
    """By identity, the task that is there and did not fail; look-ups are free."""
    if not hook.connection.profile.finds:
        log.info("%s finds no tasks by external id: everything counts as not paid yet.", hook.connection.host)
        return {}
    there: dict[str, KlingTask] = {}
    attempt, open_lines = 0, list(lines)
    while open_lines:
        ids = {line.identity.external_task_id(attempt): line for line in open_lines}
        found = hook.find(list(ids))
        failed = []
        for external, tasks in found.items():
            line = ids[external]
            good = [task for task in tasks if task.status is not TaskStatus.FAILED]
            if good:
                there[line.identity.key] = good[0]
            elif attempt + 1 < line.identity.attempts:
                failed.append(line)
        attempt, open_lines = attempt + 1, failed
    return there


def _in_flight(hook: KlingHook, lines: Sequence[Line]) -> tuple[int | None, Decimal]:
    """Tasks that run and are not deducted yet. Kling does not tell the price of a running task: ours are
    known, others count at this list's average."""
    if not hook.connection.profile.task_reads:
        return None, Decimal(0)
    try:
        running = hook.list_tasks(status=("submitted", "processing"))
    except KlingError as error:
        log.warning("What is in flight could not be read: %s", error)
        return None, Decimal(0)
    ours = {
        line.there.kling_task_id: line.price.units
        for line in lines
        if line.there is not None and line.price.units is not None
    }
    known = [line.price.units for line in lines if line.price.units is not None]
    average = sum(known, Decimal(0)) / len(known) if known else Decimal(0)
    units = sum((ours.get(task.kling_task_id) or average for task in running), Decimal(0))
    return len(running), units.quantize(Decimal("0.1"))


def _units_left(hook: KlingHook) -> Decimal | None:
    if not hook.connection.profile.account:
        return None
    try:
        packs = hook.account()
    except KlingError as error:
        log.warning("The account could not be read: %s", error)
        return None
    return units_left(packs) if packs else None


def _sum(amounts: Any) -> Decimal | None:
    total = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def _state(line: Line) -> str:
    if line.there is None:
        return line.price.as_text()
    return f"there already (Kling task {line.there.kling_task_id}, {line.there.status})"


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
