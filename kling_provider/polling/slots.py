# SPDX-License-Identifier: Apache-2.0
"""The queue for an account's slots: who may try to create next. No I/O, no clock.

A task that was refused with 1303 waits here. When :mod:`.room` sees room its turn comes as a *grant*: it is woken,
and its worker sends. One queue per model: first come first served, turn about between DAGs. A refusal puts a task
back at its old place.

One process knows its own queue only. With several triggerers each has one; refusals keep them correct, only less
smooth.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from kling_provider.polling.room import Room

#: Seconds after which a grant that nothing was heard of no longer counts: its task was paused, killed, cleared.
GRANT_LIFE = 60.0
#: The same where the host has no list: there nobody hears of what went well, and a refusal is back by then.
BLIND_GRANT_LIFE = 20.0
#: Seconds without a grant after the queue opened: a triggerer that restarts brings its triggers back one by one,
#: and the first to arrive is not the first in line.
SETTLE = 3.0
#: Seconds after which what was learned of a model that nobody waits for is forgotten.
MEMORY = 3600.0
#: Dags whose turns are remembered, per model.
_MOST_DAGS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One task that waits for a slot.

    ``ticket`` is the same when it comes back after a refusal, ``queued_at`` (an epoch) is its place for ever, and before
    ``not_before`` (of the clock that :meth:`Slots.tick` is given) it is not woken. ``full``: it was refused because the account is full, which tells where the limit
    is; a host that was asked too often tells nothing about it.
    """

    ticket: str
    external_task_id: str | None
    model: str
    dag_id: str
    queued_at: float
    not_before: float
    full: bool = True

    @property
    def place(self) -> tuple[float, str]:
        return self.queued_at, self.ticket


@dataclass(frozen=True, slots=True)
class Running:
    """A task in flight. ``model`` is known where somebody in this process waits for the task."""

    kling_task_id: str
    external_task_id: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class _Grant:
    entry: Entry
    at: float
    probe: bool
    #: When the DAG had its turn before this one; a refusal gives that back.
    turn_before: int


@dataclass(slots=True)
class _Queue:
    """One model's."""

    room: Room = field(default_factory=Room)
    waiting: dict[Entry, None] = field(default_factory=dict)
    grants: dict[str, _Grant] = field(default_factory=dict)
    turns: dict[str, int] = field(default_factory=dict)
    opened_at: float = 0.0
    used_at: float = 0.0

    @property
    def idle(self) -> bool:
        return not self.waiting and not self.grants

    def came_true(self, ticket: str) -> None:
        self.room.accepted(probe=self.grants.pop(ticket).probe)


class Slots:
    """One account's queues. Call :meth:`tick` about every two seconds while anybody waits."""

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}
        #: The model of tasks that our grants have made, while they are in flight.
        self._models: dict[str, str] = {}
        self._last: set[str] | None = None
        self._turn = 0

    def join(self, entry: Entry, now: float) -> None:
        """Somebody was refused: a newcomer, or one whose turn it was and who goes back to his old place."""
        queue = self._queues.setdefault(entry.model, _Queue())
        if queue.idle:
            queue.opened_at = now
        queue.used_at = now
        grant = queue.grants.pop(entry.ticket, None)
        if grant is not None:
            queue.turns[entry.dag_id] = grant.turn_before
        if entry.full:
            queue.room.refused(now, in_spite=grant is not None and not grant.probe)
        queue.waiting[entry] = None

    def leave(self, entry: Entry) -> None:
        """The entry waits no longer. One that was granted has left already."""
        queue = self._queues.get(entry.model)
        if queue is not None:
            queue.waiting.pop(entry, None)

    def unseen(self, now: float, *, age: float) -> list[str]:
        """External ids of grants older than ``age`` seconds: their tasks may have come and gone between two
        lists."""
        return [
            grant.entry.external_task_id
            for queue in self._queues.values()
            for grant in queue.grants.values()
            if grant.entry.external_task_id is not None and now - grant.at >= age
        ]

    def tick(
        self,
        now: float,
        running: Iterable[Running],
        *,
        limit: int | None,
        exist: Collection[str] = (),
        complete: bool = True,
    ) -> list[Entry]:
        """Whose turn it is now.

        :param running: tasks in flight: the account's whole list, or (not ``complete``) what this process waits
            for.
        :param limit: tasks in flight that the account allows per model, where it is given.
        :param exist: external ids of which a read has shown a task, in flight or not.
        """
        running = list(running)
        self._forget(now)
        self._attribute(running)
        counts: dict[str, int] = {}
        unknown = 0
        for task in running:
            model = task.model or self._models.get(task.kling_task_id)
            if model is None:
                unknown += 1
            else:
                counts[model] = counts.get(model, 0) + 1
        granted: list[Entry] = []
        for model, queue in self._queues.items():
            self._settle(queue, now, exist, complete)
            room = queue.room.look(
                now, ours=counts.get(model, 0), unknown=unknown, grants=len(queue.grants), limit=limit
            )
            granted += self._serve(queue, now, room)
        return granted

    def _attribute(self, running: list[Running]) -> None:
        """Recognise what our grants have made."""
        ids = {task.kling_task_id for task in running}
        self._models = {task: model for task, model in self._models.items() if task in ids}
        for task in running:
            if task.kling_task_id in self._models:
                continue
            new = self._last is not None and task.kling_task_id not in self._last
            for model, queue in self._queues.items():
                ticket = _made_by(queue, task, new)
                if ticket is not None:
                    queue.came_true(ticket)
                    self._models[task.kling_task_id] = model
                    break
        self._last = ids

    def _settle(self, queue: _Queue, now: float, exist: Collection[str], complete: bool) -> None:
        """End the grants that have come true otherwise, or are too old."""
        for ticket, grant in list(queue.grants.items()):
            if grant.entry.external_task_id in exist:
                queue.came_true(ticket)
            elif now - grant.at >= (GRANT_LIFE if complete else BLIND_GRANT_LIFE):
                del queue.grants[ticket]
                if not complete:
                    queue.room.accepted(probe=False)

    def _serve(self, queue: _Queue, now: float, room: int) -> list[Entry]:
        """Give turns to the first in line of the Dag that has had none for longest. Who backs off lets others pass."""
        if now < queue.opened_at + SETTLE or (room <= 0 and queue.grants):
            return []
        lines: dict[str, list[Entry]] = {}
        for entry in queue.waiting:
            if entry.not_before <= now:
                lines.setdefault(entry.dag_id, []).append(entry)
        if not lines:
            return []
        probe = room <= 0
        if probe and not queue.room.probe(now):
            return []
        for line in lines.values():
            line.sort(key=lambda entry: entry.place, reverse=True)
        heads = [(queue.turns.get(dag_id, 0), line[-1].place, dag_id) for dag_id, line in lines.items()]
        heapq.heapify(heads)
        granted: list[Entry] = []
        while heads and len(granted) < max(room, 1):
            before, _, dag_id = heapq.heappop(heads)
            head = lines[dag_id].pop()
            del queue.waiting[head]
            queue.grants[head.ticket] = _Grant(head, now, probe, before)
            self._turn += 1
            queue.turns[dag_id] = self._turn
            granted.append(head)
            if lines[dag_id]:
                heapq.heappush(heads, (self._turn, lines[dag_id][-1].place, dag_id))
        return granted

    def _forget(self, now: float) -> None:
        """Let go what was learned of models and Dags that nobody has asked for in a long time."""
        for model, queue in list(self._queues.items()):
            if queue.idle and now - queue.used_at >= MEMORY:
                del self._queues[model]
            elif len(queue.turns) > _MOST_DAGS:
                latest = sorted(queue.turns.items(), key=lambda turn: turn[1])[-_MOST_DAGS // 2 :]
                queue.turns = dict(latest)


def _made_by(queue: _Queue, task: Running, new: bool) -> str | None:
    """The grant that made this task. Without external ids (Kling 4.0), a new task without one is taken for the
    oldest such grant's."""
    for ticket, grant in queue.grants.items():
        wanted = grant.entry.external_task_id
        if wanted == task.external_task_id and (wanted is not None or new):
            return ticket
    return None
