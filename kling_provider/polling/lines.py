# SPDX-License-Identifier: Apache-2.0
"""The order in which the tasks of one queue get their turn. No I/O, no clock.

Higher ``priority_weight`` first. At equal weight the Dags take turns: next is the Dag whose last turn is longest ago, so
that nobody is passed twice by another Dag. Within a Dag the longest queued is first. Who has waited for :data:`LONG_WAIT`
counts as highest.

Each change costs O(log n), and nothing is done for those that only wait: heaps by weight and Dag, in which what left is passed
over when it comes to the top.
"""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass, field

from kling_provider.api.catalog import DEFAULT_TYPE
from kling_provider.polling.render_times import RenderKind

#: Seconds in the queue after which a task counts as highest, whatever its weight.
LONG_WAIT = 3600.0
#: Dags whose last turn is remembered, per weight.
_MOST_DAGS = 1000
#: Weights without anybody in line of which whose turn it was is remembered.
_MOST_LINES = 100
#: How many turn old in one step: thousands that queued in the same second do so one after another.
_MOST_PROMOTED = 1000
#: Entries that have left and are still in the heaps, above the number of those that wait, before the heaps are built anew.
_MOST_GARBAGE = 1000
_OLDEST = math.inf
#: Backs off: not in any line yet.
_ASLEEP = -math.inf


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One task in the queue.

    :param ticket: the same when the task comes back after a refusal.
    :param queued_at: epoch in seconds; decides its position for good.
    :param not_before: it is not woken before this time, of the clock that :meth:`WaitingLines.advance` is given.
    :param type: the type of the request.
    :param takes: how much of the limit it takes: a request for several images as many.
    :param full: it was refused because the account is at its limit, which tells where the limit is; a host that was
        asked too often tells nothing about it, and neither does a worker that came too early.
    :param priority_weight: the weight of its Airflow task: higher ones are first.
    :param kind: what decides how long Kling takes for it, where that is known.
    :param worker_start: seconds from the wake before this entry to the worker that it woke, where there was one.
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
    priority_weight: int = 1
    worker_start: float | None = None
    kind: RenderKind | None = None

    @property
    def sort_key(self) -> tuple[float, str]:
        """Return what orders the entries of one Dag: the longest queued first."""
        return self.queued_at, self.ticket


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn that was taken, so that it can be given back.

    :param weight: of the line in which it was taken.
    :param before: the number of the Dag's turn before this one.
    """

    weight: float
    dag_id: str
    before: int


@dataclass(slots=True)
class _Line:
    """All of one weight."""

    dags: dict[str, list[tuple[tuple[float, str], int, Entry]]] = field(default_factory=dict)
    #: The Dags by whose turn it is; an item that no longer holds is corrected when it comes to the top.
    heads: list[tuple[int, tuple[float, str], str]] = field(default_factory=list)
    last_turns: dict[str, int] = field(default_factory=dict)
    #: Somebody may stand in it.
    is_open: bool = False

    def push(self, entry: Entry, number: int) -> None:
        dag = self.dags.setdefault(entry.dag_id, [])
        heapq.heappush(dag, (entry.sort_key, number, entry))
        if dag[0][1] == number:
            self.push_head(entry.dag_id)

    def push_head(self, dag_id: str) -> None:
        if dag := self.dags.get(dag_id):
            heapq.heappush(self.heads, (self.last_turns.get(dag_id, 0), dag[0][0], dag_id))

    def note_turn(self, dag_id: str, number: int) -> None:
        self.last_turns[dag_id] = number
        if len(self.last_turns) > _MOST_DAGS:
            latest = sorted(self.last_turns.items(), key=lambda item: item[1])[-_MOST_DAGS // 2 :]
            self.last_turns = dict(latest)


class WaitingLines:
    """Those that wait, in their order."""

    def __init__(self) -> None:
        #: The weight of the line in which each stands; who is in a heap and not here has left.
        self._places: dict[Entry, float] = {}
        self._lines: dict[float, _Line] = {}
        #: The weights, highest first.
        self._weights: list[float] = []
        self._asleep: list[tuple[float, int, Entry]] = []
        self._by_age: list[tuple[float, int, Entry]] = []
        self._count = itertools.count(1)
        self._turns = itertools.count(1)
        self._garbage = 0

    def __len__(self) -> int:
        return len(self._places)

    def add_entry(self, entry: Entry, now: float) -> None:
        """Add one. It stands in line from its ``not_before`` on."""
        number = next(self._count)
        if entry.queued_at + LONG_WAIT > now:
            heapq.heappush(self._by_age, (entry.queued_at, number, entry))
        if entry.not_before <= now:
            self._stand_up(entry, now)
        else:
            self._places[entry] = _ASLEEP
            heapq.heappush(self._asleep, (entry.not_before, number, entry))

    def remove_entry(self, entry: Entry) -> None:
        """Remove one that waits no longer; one that is not here is none."""
        if self._places.pop(entry, None) is not None:
            self._note_garbage()

    def advance(self, now: float) -> None:
        """Let those whose ``not_before`` has come stand in line, and those that have waited for long count as highest."""
        while self._asleep and self._asleep[0][0] <= now:
            _, _, entry = heapq.heappop(self._asleep)
            if self._places.get(entry) == _ASLEEP:
                self._stand_up(entry, now)
        for _ in range(_MOST_PROMOTED):
            if not self._by_age or self._by_age[0][0] + LONG_WAIT > now:
                return
            _, _, entry = heapq.heappop(self._by_age)
            if self._places.get(entry, _ASLEEP) not in (_ASLEEP, _OLDEST):
                self._enter_line(entry, _OLDEST)
                self._note_garbage()

    def find_next(self) -> Entry | None:
        """Find the one whose turn is next; ``None`` where nobody stands in line."""
        found = self._find_line()
        return None if found is None else found[1]

    def take_turn(self) -> tuple[Entry, Turn]:
        """Take the next one out, and note that its Dag had a turn. To be called after :meth:`find_next` found one."""
        found = self._find_line()
        if found is None:
            raise LookupError("take_turn must be called where somebody stands in line; nobody does")
        weight, entry = found
        line = self._lines[weight]
        turn = Turn(weight, entry.dag_id, line.last_turns.get(entry.dag_id, 0))
        del self._places[entry]
        heapq.heappop(line.dags[entry.dag_id])
        line.note_turn(entry.dag_id, next(self._turns))
        self._note_garbage()
        return entry, turn

    def give_back(self, turn: Turn) -> None:
        """Give a turn back that came to nothing: the Dag is as far in its line as before."""
        line = self._lines.get(turn.weight)
        if line is not None:
            line.last_turns[turn.dag_id] = turn.before
            line.push_head(turn.dag_id)

    def _stand_up(self, entry: Entry, now: float) -> None:
        is_old = entry.queued_at + LONG_WAIT <= now
        self._enter_line(entry, _OLDEST if is_old else entry.priority_weight)

    def _enter_line(self, entry: Entry, weight: float) -> None:
        self._places[entry] = weight
        line = self._lines.get(weight)
        if line is None:
            line = self._lines[weight] = _Line()
        if not line.is_open:
            line.is_open = True
            heapq.heappush(self._weights, -weight)
        line.push(entry, next(self._count))

    def _find_line(self) -> tuple[float, Entry] | None:
        while self._weights:
            weight = -self._weights[0]
            entry = self._find_head(weight, self._lines[weight])
            if entry is not None:
                return weight, entry
            # Kept while it is empty: whose turn it was still counts when somebody comes.
            self._lines[weight].is_open = False
            heapq.heappop(self._weights)
            if len(self._lines) > _MOST_LINES:
                self._lines = {weight: line for weight, line in self._lines.items() if line.is_open}
        return None

    def _find_head(self, weight: float, line: _Line) -> Entry | None:
        while line.heads:
            _, _, dag_id = line.heads[0]
            dag = line.dags.get(dag_id, [])
            while dag and self._places.get(dag[0][2]) != weight:
                heapq.heappop(dag)
            if not dag:
                line.dags.pop(dag_id, None)
                heapq.heappop(line.heads)
                continue
            head = (line.last_turns.get(dag_id, 0), dag[0][0], dag_id)
            if line.heads[0] == head:
                return dag[0][2]
            heapq.heapreplace(line.heads, head)
        return None

    def _note_garbage(self) -> None:
        self._garbage += 1
        if self._garbage <= _MOST_GARBAGE + len(self._places):
            return
        self._garbage = 0
        self._by_age = [item for item in self._by_age if item[2] in self._places]
        heapq.heapify(self._by_age)
        self._asleep = [item for item in self._asleep if self._places.get(item[2]) == _ASLEEP]
        heapq.heapify(self._asleep)
        for weight, line in self._lines.items():
            line.heads = []
            for dag_id, dag in list(line.dags.items()):
                line.dags[dag_id] = [item for item in dag if self._places.get(item[2]) == weight]
                heapq.heapify(line.dags[dag_id])
                line.push_head(dag_id)
