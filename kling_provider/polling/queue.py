# SPDX-License-Identifier: Apache-2.0
"""The queue below an account's concurrency limit: which task may try to create next. No I/O, no clock.

A task that was refused with 1303 waits here. When :mod:`.capacity` estimates that one more fits, it gets a *grant*: it is
woken, and its worker sends. One queue per model (where a type has none, per type): first come first served, round-robin between Dags. A refusal puts a
task back at its old position.

One process knows its own queue only. With several triggerers each has one; refusals keep them correct, only less
smooth.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from kling_provider.api.catalog import DEFAULT_TYPE
from kling_provider.polling.capacity import CapacityEstimate

#: Seconds after which a grant of which nothing was seen no longer counts: its task was paused, killed, cleared.
GRANT_LIFE = 60.0
#: Seconds of the same where the host has no list: success is not seen there, and a refusal is back by then.
_BLIND_GRANT_LIFE = 20.0
#: Seconds without a grant after the queue opened: a triggerer that restarts brings its triggers back one by one,
#: and the first to arrive is not the first in line.
SETTLE = 3.0
#: Seconds after which what was learned of a model is forgotten once no task waits for it.
MEMORY = 3600.0
#: Dags whose last grant is remembered, per model.
_MOST_DAGS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One task in the queue.

    :param ticket: the same when the task comes back after a refusal.
    :param queued_at: epoch in seconds; decides its position for good.
    :param not_before: it is not woken before this time, of the clock that :meth:`ConcurrencyQueue.grant_capacity` is given.
    :param type: the type of the request.
    :param takes: how much of the limit it takes: a request for several images as many.
    :param full: it was refused because the account is at its limit, which tells where the limit is; a host that was
        asked too often tells nothing about it.
    """

    ticket: str
    external_task_id: str | None
    model: str
    dag_id: str
    queued_at: float
    not_before: float
    full: bool = True
    type: str = DEFAULT_TYPE
    takes: int = 1

    @property
    def sort_key(self) -> tuple[float, str]:
        """Return what orders the entries of one Dag: the longest queued first."""
        return self.queued_at, self.ticket


@dataclass(frozen=True, slots=True)
class Running:
    """A task in flight. ``model`` and ``type`` are known where this process waits for the task, and how much it takes too."""

    kling_task_id: str
    external_task_id: str | None = None
    model: str | None = None
    type: str | None = None
    takes: int = 1


@dataclass(frozen=True, slots=True)
class _Grant:
    entry: Entry
    at: float
    probe: bool
    #: The number of the Dag's grant before this one; a refusal restores it.
    previous_grant: int


@dataclass(slots=True)
class _ModelQueue:
    """The queue of one model."""

    capacity: CapacityEstimate = field(default_factory=CapacityEstimate)
    waiting: dict[Entry, None] = field(default_factory=dict)
    grants: dict[str, _Grant] = field(default_factory=dict)
    last_grants: dict[str, int] = field(default_factory=dict)
    opened_at: float = 0.0
    used_at: float = 0.0

    @property
    def is_idle(self) -> bool:
        """Return whether no task waits and no grant is outstanding."""
        return not self.waiting and not self.grants

    def confirm_grant(self, ticket: str) -> None:
        """End a grant whose task was accepted."""
        self.capacity.record_acceptance(probe=self.grants.pop(ticket).probe)


class ConcurrencyQueue:
    """The queues of one account, one per model. Call :meth:`grant_capacity` about every two seconds while tasks wait."""

    def __init__(self) -> None:
        self._queues: dict[str, _ModelQueue] = {}
        #: Model and share of the limit of tasks that our grants have made, while they are in flight.
        self._made: dict[str, tuple[str, int]] = {}
        self._last: set[str] | None = None
        self._grants_given = 0

    def add_entry(self, entry: Entry, now: float) -> None:
        """Add a task that was refused: for the first time, or after a grant, which puts it back at its old position."""
        queue = self._queues.setdefault(entry.model, _ModelQueue())
        if queue.is_idle:
            queue.opened_at = now
        queue.used_at = now
        grant = queue.grants.pop(entry.ticket, None)
        if grant is not None:
            queue.last_grants[entry.dag_id] = grant.previous_grant
        if entry.full:
            queue.capacity.record_refusal(now, in_spite=grant is not None and not grant.probe)
        queue.waiting[entry] = None

    def remove_entry(self, entry: Entry) -> None:
        """Remove a task that waits no longer. One with a grant has left already."""
        queue = self._queues.get(entry.model)
        if queue is not None:
            queue.waiting.pop(entry, None)

    def list_unseen(self, now: float, *, age: float) -> list[str]:
        """List the external ids of grants older than ``age`` seconds.

        Their tasks may have begun and ended between two lists.
        """
        return [
            grant.entry.external_task_id
            for queue in self._queues.values()
            for grant in queue.grants.values()
            if grant.entry.external_task_id is not None and now - grant.at >= age
        ]

    def grant_capacity(
        self,
        now: float,
        running: Iterable[Running],
        *,
        limit: int | None,
        exist: Collection[str] = (),
        complete: bool = True,
    ) -> list[Entry]:
        """Give the free capacity to the next tasks, and return their entries.

        :param running: tasks in flight: the account's whole list, or (not ``complete``) what this process waits
            for.
        :param limit: tasks in flight that the account allows per model, where it is given.
        :param exist: external ids of which a read has shown a task, in flight or not.
        """
        running = list(running)
        self._forget_unused(now)
        self._attribute_tasks(running)
        counts: dict[str, int] = {}
        unknown = 0
        for task in running:
            model, takes = self._made.get(task.kling_task_id, (task.model, task.takes))
            if model is None:
                unknown += takes
            else:
                counts[model] = counts.get(model, 0) + takes
        granted: list[Entry] = []
        for model, queue in self._queues.items():
            self._settle_grants(queue, now, exist, complete)
            free = queue.capacity.estimate_free(
                now,
                ours=counts.get(model, 0),
                unknown=unknown,
                grants=sum(grant.entry.takes for grant in queue.grants.values()),
                limit=limit,
            )
            granted += self._grant_next(queue, now, free, limit)
        return granted

    def _attribute_tasks(self, running: list[Running]) -> None:
        """Recognise the tasks that our grants have made."""
        ids = {task.kling_task_id for task in running}
        self._made = {task: known for task, known in self._made.items() if task in ids}
        for task in running:
            if task.kling_task_id in self._made:
                continue
            new = self._last is not None and task.kling_task_id not in self._last
            for model, queue in self._queues.items():
                ticket = _find_grant_of(queue, task, new)
                if ticket is not None:
                    self._made[task.kling_task_id] = model, queue.grants[ticket].entry.takes
                    queue.confirm_grant(ticket)
                    break
        self._last = ids

    def _settle_grants(self, queue: _ModelQueue, now: float, exist: Collection[str], complete: bool) -> None:
        """End the grants whose tasks a read has shown, and those that are too old."""
        for ticket, grant in list(queue.grants.items()):
            if grant.entry.external_task_id in exist:
                queue.confirm_grant(ticket)
            elif now - grant.at >= (GRANT_LIFE if complete else _BLIND_GRANT_LIFE):
                del queue.grants[ticket]
                if not complete:
                    queue.capacity.record_acceptance(probe=False)

    def _grant_next(self, queue: _ModelQueue, now: float, free: int, limit: int | None) -> list[Entry]:
        """Give grants to the first entry of the Dag that has had no grant for longest. An entry that backs off lets others pass.

        :param limit: what an entry needs at most: one that takes more than the account allows tries alone, and holds up
            nobody for ever.
        """

        def need(entry: Entry) -> int:
            return entry.takes if limit is None else min(entry.takes, limit)

        if now < queue.opened_at + SETTLE or (free <= 0 and queue.grants):
            return []
        lines: dict[str, list[Entry]] = {}
        for entry in queue.waiting:
            if entry.not_before <= now:
                lines.setdefault(entry.dag_id, []).append(entry)
        if not lines:
            return []
        for line in lines.values():
            line.sort(key=lambda entry: entry.sort_key, reverse=True)
        heads = [
            (queue.last_grants.get(dag_id, 0), line[-1].sort_key, dag_id) for dag_id, line in lines.items()
        ]
        heapq.heapify(heads)
        # A large one that comes next is not passed by small ones, which would keep it waiting for ever.
        probe = need(lines[heads[0][2]][-1]) > free
        if probe and (queue.grants or not queue.capacity.take_probe(now)):
            return []
        granted: list[Entry] = []
        left = free
        while heads and (not granted or need(lines[heads[0][2]][-1]) <= left):
            before, _, dag_id = heapq.heappop(heads)
            head = lines[dag_id].pop()
            left -= head.takes
            del queue.waiting[head]
            queue.grants[head.ticket] = _Grant(head, now, probe, before)
            self._grants_given += 1
            queue.last_grants[dag_id] = self._grants_given
            granted.append(head)
            if lines[dag_id]:
                heapq.heappush(heads, (self._grants_given, lines[dag_id][-1].sort_key, dag_id))
        return granted

    def _forget_unused(self, now: float) -> None:
        """Forget what was learned of models and Dags that had no task for a long time."""
        for model, queue in list(self._queues.items()):
            if queue.is_idle and now - queue.used_at >= MEMORY:
                del self._queues[model]
            elif len(queue.last_grants) > _MOST_DAGS:
                latest = sorted(queue.last_grants.items(), key=lambda item: item[1])[-_MOST_DAGS // 2 :]
                queue.last_grants = dict(latest)


def _find_grant_of(queue: _ModelQueue, task: Running, new: bool) -> str | None:
    """Find the ticket of the grant that made ``task``; ``None`` where there is none.

    Without external ids (Kling 4.0), a new task without one is taken for the oldest such grant's.
    """
    for ticket, grant in queue.grants.items():
        wanted = grant.entry.external_task_id
        if wanted == task.external_task_id and (wanted is not None or new):
            return ticket
    return None
