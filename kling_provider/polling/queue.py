# SPDX-License-Identifier: Apache-2.0
"""The queue below an account's concurrency limit: which task may try to create next. No I/O, no clock.

A task that was refused with 1303 waits here. When :mod:`.capacity` estimates that one more fits, it gets a *grant*: it is
woken, and its worker sends. There is one queue per model (where a type has none, per type), in the order of :mod:`.lines`. A refusal
puts a task back at its old position.

An *early* grant wakes a task before its place is free, when :mod:`.forecast` expects that enough of the tasks in flight have
ended by the time its worker arrives. The worker watches these tasks, which is free, and sends when they have ended.

One process knows its own queue only. With several triggerers each has one; refusals keep them correct, only less
smooth.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from kling_provider.polling.capacity import CapacityEstimate
from kling_provider.polling.forecast import Forecast, WorkerStarts
from kling_provider.polling.lines import Entry, Turn, WaitingLines
from kling_provider.polling.render_times import RenderKind, RenderTimes

#: Seconds after which a grant of which nothing was seen no longer counts: its task was paused, killed, cleared.
GRANT_LIFE = 60.0
#: The same, as a multiple of what workers take to start: those that take longer are waited for.
_GRANT_STARTS = 3.0
#: Seconds of the same where the host has no list: success is not seen there, and a refusal is back by then.
_BLIND_GRANT_LIFE = 20.0
#: Seconds without a grant after the queue opened: a triggerer that restarts brings its triggers back one by one,
#: and the first to arrive is not the first in line.
SETTLE = 3.0
#: Seconds after which what was learned of a model is forgotten once no task waits for it.
MEMORY = 3600.0
#: Seconds that an early worker is to arrive before its place is likely to be free; it waits there.
_MARGIN = 4.0
#: The part of their start by which workers are slower now and then.
_START_SPREAD = 0.1
#: Seconds without early workers after one has waited in vain.
_VAIN = 20.0
#: Tasks that an early worker watches: as many as one read shows.
_MOST_WATCHED = 20


@dataclass(frozen=True, slots=True)
class Running:
    """A task in flight. ``model`` and ``type`` are known where this process waits for the task, and how much it takes too.

    :param made_at: when Kling says that it was made, in the time of the queue's clock.
    """

    kling_task_id: str
    external_task_id: str | None = None
    model: str | None = None
    type: str | None = None
    takes: int = 1
    made_at: float | None = None
    kind: RenderKind | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """One task may try.

    :param watch: tasks in flight, with how much of the limit each takes: an early worker sends when ``needed`` of it is
        free again. Empty where one more fits now.
    """

    entry: Entry
    at: float
    turn: Turn
    probe: bool = False
    watch: Mapping[str, int] = field(default_factory=dict)
    needed: int = 0

    @property
    def is_early(self) -> bool:
        """Return whether its place was not free yet."""
        return bool(self.watch)


@dataclass(slots=True)
class _ModelQueue:
    """The queue of one model."""

    capacity: CapacityEstimate = field(default_factory=CapacityEstimate)
    waiting: WaitingLines = field(default_factory=WaitingLines)
    grants: dict[str, Grant] = field(default_factory=dict)
    #: Tasks that an early worker watched until its patience ended. Until one of them ends, or this time, nobody comes early.
    waited_in_vain: Collection[str] = ()
    early_again_at: float = 0.0
    opened_at: float = 0.0
    used_at: float = 0.0

    @property
    def is_idle(self) -> bool:
        """Return whether no task waits and no grant is outstanding."""
        return not len(self.waiting) and not self.grants

    @property
    def granted_units(self) -> int:
        """Return how much of the limit the grants will take of which nothing was seen yet."""
        return sum(grant.entry.takes for grant in self.grants.values())

    def confirm_grant(self, ticket: str) -> Grant:
        """End a grant whose task was accepted, and return it."""
        grant = self.grants.pop(ticket)
        self.capacity.record_acceptance(probe=grant.probe)
        return grant


class ConcurrencyQueue:
    """The queues of one account, one per model. Call :meth:`grant_capacity` about every two seconds while tasks wait.

    :param starts: how long workers take, which all queues of a connection share.
    :param times: how long kinds of requests take at the connection.
    """

    def __init__(self, *, starts: WorkerStarts | None = None, times: RenderTimes | None = None) -> None:
        self._starts = starts or WorkerStarts()
        self._forecast = Forecast(times or RenderTimes())
        self._queues: dict[str, _ModelQueue] = {}
        #: What asked for the tasks that our grants have made, while they are in flight.
        self._made: dict[str, Entry] = {}
        self._last: set[str] | None = None

    def add_entry(self, entry: Entry, now: float) -> None:
        """Add a task that was refused: for the first time, or after a grant, which puts it back at its old position."""
        queue = self._queues.setdefault(entry.model, _ModelQueue())
        if queue.is_idle:
            queue.opened_at = now
        queue.used_at = now
        grant = queue.grants.pop(entry.ticket, None)
        if grant is not None:
            queue.waiting.give_back(grant.turn)
            if entry.worker_start is not None:
                self._starts.record(entry.worker_start)
            if grant.is_early and not entry.full:
                queue.waited_in_vain = tuple(grant.watch)
                queue.early_again_at = now + _VAIN
        if entry.full:
            # An early worker that is refused came second to somebody else: that says nothing about the limit.
            in_spite = grant is not None and not grant.probe and not grant.is_early
            queue.capacity.record_refusal(now, in_spite=in_spite)
        queue.waiting.add_entry(entry, now)

    def remove_entry(self, entry: Entry) -> None:
        """Remove a task that waits no longer. One with a grant has left already."""
        queue = self._queues.get(entry.model)
        if queue is not None:
            queue.waiting.remove_entry(entry)

    def list_unseen(self, now: float, *, age: float) -> list[str]:
        """List the external ids of grants older than ``age`` seconds, early ones by so much more as their workers need.

        Their tasks may have begun and ended between two lists.
        """
        arrival = self._arrival
        return [
            grant.entry.external_task_id
            for queue in self._queues.values()
            for grant in queue.grants.values()
            if grant.entry.external_task_id is not None
            and now - grant.at >= (age + arrival if grant.is_early else age)
        ]

    def grant_capacity(
        self,
        now: float,
        running: Iterable[Running],
        *,
        limit: int | None,
        exist: Collection[str] = (),
        complete: bool = True,
    ) -> list[Grant]:
        """Give the free capacity to the next tasks, and what is likely to be free when their workers come.

        :param running: tasks in flight: the account's whole list, or (not ``complete``) what this process waits
            for.
        :param limit: tasks in flight that the account allows per model, where it is given.
        :param exist: external ids of which a read has shown a task, in flight or not.
        """
        running = list(running)
        self._forget_unused(now)
        self._attribute_tasks(running, now)
        known = [self._complete_facts(task) for task in running]
        counts: dict[str | None, int] = {}
        for task in known:
            counts[task.model] = counts.get(task.model, 0) + task.takes
        unknown = counts.pop(None, 0)
        if complete:
            self._forecast.observe(
                now, ((task.kling_task_id, task.made_at, task.model, task.kind) for task in known)
            )
        granted: list[Grant] = []
        for model, queue in self._queues.items():
            self._settle_grants(queue, now, exist, complete)
            free = queue.capacity.estimate_free(
                now, ours=counts.get(model, 0), unknown=unknown, grants=queue.granted_units, limit=limit
            )
            if now < queue.opened_at + SETTLE:
                continue
            queue.waiting.advance(now)
            at_once = self._grant_next(queue, now, free, limit)
            granted += at_once
            if complete and not (queue.capacity.is_doubted and queue.grants):
                # Which of the unknown tasks are other models' nobody can tell.
                of_model = {model} if queue.capacity.others else {model, None}
                soon = {task.kling_task_id: task.takes for task in known if task.model in of_model}
                free -= sum(grant.entry.takes for grant in at_once)
                granted += self._grant_early(queue, now, free, limit, soon)
        return granted

    @property
    def _arrival(self) -> float:
        """Return the seconds from now for which an early worker is to be woken."""
        return self._starts.likely * (1.0 + _START_SPREAD) + _MARGIN

    def _complete_facts(self, task: Running) -> Running:
        """Add what the entry says that asked for the task."""
        entry = self._made.get(task.kling_task_id)
        if entry is None:
            return task
        return replace(task, model=entry.model, takes=entry.takes, kind=task.kind or entry.kind)

    def _attribute_tasks(self, running: list[Running], now: float) -> None:
        """Recognise the tasks that our grants have made."""
        ids = {task.kling_task_id for task in running}
        self._made = {task: known for task, known in self._made.items() if task in ids}
        for task in running:
            if task.kling_task_id in self._made:
                continue
            new = self._last is not None and task.kling_task_id not in self._last
            for queue in self._queues.values():
                ticket = _find_grant_of(queue, task, new)
                if ticket is not None:
                    grant = queue.confirm_grant(ticket)
                    self._made[task.kling_task_id] = grant.entry
                    self._learn_start(grant, task, now)
                    break
        self._last = ids

    def _learn_start(self, grant: Grant, task: Running, now: float) -> None:
        began = now if task.made_at is None else min(task.made_at, now)
        if not grant.is_early:
            self._starts.record(began - grant.at)
        else:
            self._starts.record_at_most(began - grant.at)

    def _settle_grants(self, queue: _ModelQueue, now: float, exist: Collection[str], complete: bool) -> None:
        """End the grants whose tasks a read has shown, and those that are too old."""
        life = max(GRANT_LIFE, _GRANT_STARTS * (self._starts.likely)) if complete else _BLIND_GRANT_LIFE
        for ticket, grant in list(queue.grants.items()):
            if grant.entry.external_task_id in exist:
                queue.confirm_grant(ticket)
            elif now - grant.at >= life:
                del queue.grants[ticket]
                if not complete:
                    queue.capacity.record_acceptance(probe=False)

    def _grant_next(self, queue: _ModelQueue, now: float, free: int, limit: int | None) -> list[Grant]:
        """Give grants to those whose turn it is and for whom there is room. One that backs off lets others pass."""
        entry = queue.waiting.find_next()
        # Early ones have no place yet, so a probe beside them still tells whether more is allowed.
        sure = any(not grant.is_early for grant in queue.grants.values())
        if entry is None or (free <= 0 and sure):
            return []
        # A large one that comes next is not passed by small ones, which would keep it waiting for ever.
        probe = _find_need(entry, limit) > free
        if probe and (sure or not queue.capacity.take_probe(now)):
            return []
        granted: list[Grant] = []
        while entry is not None and (not granted or _find_need(entry, limit) <= free):
            free -= entry.takes
            granted.append(_take_turn(queue, now, probe=probe))
            entry = queue.waiting.find_next()
        return granted

    def _grant_early(
        self, queue: _ModelQueue, now: float, free: int, limit: int | None, soon: Mapping[str, int]
    ) -> list[Grant]:
        """Wake those whose workers are likely to find a place when they arrive.

        :param free: what is free, less what grants will take; negative where early workers wait for more.
        :param soon: the tasks in flight of this model, with how much each takes.
        """
        if queue.waiting.find_next() is None:
            return []
        if now < queue.early_again_at and all(task in soon for task in queue.waited_in_vain):
            return []
        at = now + self._arrival
        chances = {task: self._forecast.compute_chance(task, at) for task in soon}
        expected = sum(chance * soon[task] for task, chance in chances.items())
        likeliest = sorted(chances, key=lambda task: chances[task], reverse=True)[:_MOST_WATCHED]
        watch = {task: soon[task] for task in likeliest if chances[task] > 0.0}
        granted: list[Grant] = []
        while (entry := queue.waiting.find_next()) is not None:
            needed = _find_need(entry, limit) - free
            if expected < needed - 0.5 or sum(watch.values()) < needed or needed <= 0:
                break
            free -= entry.takes
            granted.append(_take_turn(queue, now, watch=watch, needed=needed))
            if queue.capacity.is_doubted:
                break  # one after the other, until one is accepted
        return granted

    def _forget_unused(self, now: float) -> None:
        """Forget what was learned of models that had no task for a long time."""
        for model, queue in list(self._queues.items()):
            if queue.is_idle and now - queue.used_at >= MEMORY:
                del self._queues[model]


def _take_turn(
    queue: _ModelQueue,
    now: float,
    *,
    probe: bool = False,
    watch: Mapping[str, int] | None = None,
    needed: int = 0,
) -> Grant:
    entry, turn = queue.waiting.take_turn()
    grant = queue.grants[entry.ticket] = Grant(entry, now, turn, probe, watch or {}, needed)
    return grant


def _find_need(entry: Entry, limit: int | None) -> int:
    """Find how much must be free for an entry: one that takes more than the account allows tries alone, and holds up nobody for ever."""
    return entry.takes if limit is None else min(entry.takes, limit)


def _find_grant_of(queue: _ModelQueue, task: Running, new: bool) -> str | None:
    """Find the ticket of the grant that made ``task``; ``None`` where there is none.

    Without external ids (Kling 4.0), a new task without one is taken for the oldest such grant's.
    """
    for ticket, grant in queue.grants.items():
        wanted = grant.entry.external_task_id
        if wanted == task.external_task_id and (wanted is not None or new):
            return ticket
    return None
