# SPDX-License-Identifier: Apache-2.0
"""Looks at the metadata database five times a second: who runs, who has ended, what the triggers are made of."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.support.stack import MetadataDb

INTERVAL = 0.2
_RUNNING = "SELECT dag_id, run_id, task_id, map_index, try_number FROM task_instance WHERE state = 'running'"

_RUNS = "SELECT run_id, state FROM dag_run"


class Instance(NamedTuple):
    """A task instance in one of its tries."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int


@dataclass(frozen=True)
class Look:
    """What one look saw, and for how long it stands (until the next one)."""

    at: float
    seconds: float
    running: frozenset[Instance]


class Sampler:
    """Samples from ``with`` to the end of the block, in a thread of its own."""

    def __init__(self, database: MetadataDb) -> None:
        self._database = database
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._looks: list[tuple[float, frozenset[Instance]]] = []
        self._triggers: dict[int, tuple[float, dict[str, Any]]] = {}
        self._runs: dict[str, str] = {}
        self._number = 0
        self._looked = threading.Condition()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL):
            with self._looked:
                self._number += 1
            now = time.time()
            running = frozenset(Instance(**row) for row in self._database.rows(_RUNNING))
            self._looks.append((now, running))
            for row in self._database.triggers():
                self._triggers.setdefault(row["id"], (now, row))
            runs = {row["run_id"]: row["state"] for row in self._database.rows(_RUNS)}
            with self._looked:
                self._runs = runs
                self._looked.notify_all()

    def wait_end(self, run_id: str, timeout: float) -> str:
        """Wait until that run is "success" or "failed", as seen by a look that begins after this call."""
        with self._looked:
            first = self._number + 1

            def ended() -> bool:
                return self._number >= first and self._runs.get(run_id) in ("success", "failed")

            if not self._looked.wait_for(ended, timeout):
                raise TimeoutError(f"after {timeout:g} s {run_id} is {self._runs.get(run_id)}")
            return self._runs[run_id]

    def looks(self, run_id: str) -> list[Look]:
        """All looks so far, each with what of that run was running."""
        pairs = zip(self._looks, self._looks[1:], strict=False)
        return [
            Look(now, after - now, frozenset(one for one in running if one.run_id == run_id))
            for (now, running), (after, _) in pairs
        ]

    def slot_seconds(self, run_id: str) -> float:
        """How long task instances of that run held a worker slot, added up."""
        return sum(look.seconds * len(look.running) for look in self.looks(run_id))

    def deferred_at(self, run_id: str) -> float:
        """The look that saw the first trigger of that run; in all later ones its task had left the worker."""
        return min(at for at, row in self._triggers.values() if row["run_id"] == run_id)

    def triggers(self) -> list[dict[str, Any]]:
        """Every trigger row that was ever seen, as it is stored."""
        return [row for _, row in self._triggers.values()]
