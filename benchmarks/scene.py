# SPDX-License-Identifier: Apache-2.0
"""A whole Airflow on PostgreSQL, and a Kling that is as slow as Kling: where all shapes run, one after the other."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import history
from benchmarks.cpu import read_cpu, subtract
from benchmarks.shapes import DAG_IDS, Shape
from tests.support.sandbox_process import SandboxProcess
from tests.support.stack import AirflowStack
from tests.support.stack.postgres import postgres, why_not

#: Seconds that Kling takes to answer.
READ_LATENCY = 0.15
CREATE_LATENCY = 0.6
#: Airflow's own default. Fewer would hold up the shapes that keep a worker while they wait.
PARALLELISM = 32
#: Where the machine is busy, 32 workers that start at once read a Dag file for longer than Airflow's 30 s.
_ENVIRONMENT = {"AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300"}
#: Of the connection with callbacks; for nothing else.
_WEBHOOK_SECRET = "whsec_dGhlIHNlY3JldCBvZiB0aGlzIGJlbmNobWFyaw=="
_BLOCKED = "async thread was blocked"
#: A run that takes longer than this many times what its videos take is stuck.
_STUCK = 30


@dataclass(frozen=True)
class Fleet:
    """Videos that are wanted at once, and how long Kling takes for each.

    :param label: is in the prompts, so that no two runs ask for the same.
    """

    label: str
    seconds: Sequence[float]

    @property
    def prompts(self) -> list[str]:
        """Return the prompts; the number of a video is its map index."""
        return [f"Video {number:04d} of {self.label}" for number in range(len(self.seconds))]


@dataclass(frozen=True)
class Outcome:
    """A run that is over, as everybody saw it.

    :param tasks: the sandbox's tasks, with their end and when it was first told.
    :param stats: the sandbox's counts since the run began.
    :param instances: the task instances, with the moments of their states.
    :param cpu: CPU seconds by component.
    :param load: the load average of a minute before the run, and at its end.
    :param blocked: how often the triggerer said that its loop stood still.
    :param limit: the account's limit, where it holds something up.
    """

    shape: Shape
    fleet: Fleet
    state: str
    wall: float
    tasks: list[dict[str, Any]]
    stats: dict[str, Any]
    instances: list[history.Instance]
    cpu: dict[str, float]
    load: tuple[float, float]
    blocked: int
    limit: int | None = None


class Scene:
    """Airflow and Kling, ready for runs; :func:`open_scene` makes it."""

    def __init__(self, stack: AirflowStack, sandbox: SandboxProcess, limit: int | None) -> None:
        self.stack = stack
        self.sandbox = sandbox
        self.limit = limit

    def restart_triggerer(self) -> None:
        """Begin with a triggerer that has learned and opened nothing."""
        self.stack.stop("triggerer")
        self.stack.start("triggerer")

    def read_idle_cpu(self, seconds: float = 20) -> dict[str, float]:
        """Return the CPU seconds per second that each component takes with nothing to do."""
        before = read_cpu(self.stack)
        time.sleep(seconds)
        used = subtract(read_cpu(self.stack), before)
        return {name: round(one / seconds, 4) for name, one in used.items()}

    def run(self, shape: Shape, fleet: Fleet) -> Outcome:
        """Let a shape make a fleet of videos, and return what was seen of it."""
        self.sandbox.call("POST", "/_sandbox/reset")
        self.sandbox.call("POST", "/_sandbox/faults", json=_build_rules(fleet))
        api, load = self.stack.api, os.getloadavg()[0]
        before, blocked, began = read_cpu(self.stack), self._count_blocked(), time.monotonic()
        run_id = api.trigger(shape.dag_id, {"prompts": fleet.prompts, "seconds": list(fleet.seconds)})
        # Rare looks: they would be counted as the API server's.
        state = _wait_run(self.stack, shape.dag_id, run_id, timeout=600 + _STUCK * max(fleet.seconds))
        wall = time.monotonic() - began
        return Outcome(
            shape=shape,
            fleet=fleet,
            state=state,
            wall=wall,
            tasks=self.sandbox.call("GET", "/_sandbox/tasks"),
            stats=self.sandbox.call("GET", "/_sandbox/stats"),
            instances=history.read(self.stack.database.url, run_id),
            cpu=subtract(read_cpu(self.stack), before),
            load=(round(load, 2), round(os.getloadavg()[0], 2)),
            blocked=self._count_blocked() - blocked,
            limit=self.limit,
        )

    def _count_blocked(self) -> int:
        """Count in the triggerer's log since its start what Airflow says where the event loop stood still."""
        return self.stack.components["triggerer"].log.read_text(errors="replace").count(_BLOCKED)


@contextmanager
def open_scene(
    *, limit: int | None = None, environment: Mapping[str, str] | None = None, keep: Path | None = None
) -> Iterator[Scene]:
    """Start everything, and end all of it after the block.

    :param limit: how many tasks the account may have in flight; so many has a pool named ``kling``, deferred tasks included.
    :param environment: settings of Airflow beside those of the stack.
    :param keep: a folder for Airflow's home, which stays, for a look at its logs.
    :raises SystemExit: there is no PostgreSQL server here.
    """
    if why := why_not():
        raise SystemExit(why)
    with ExitStack() as running:
        sandbox = running.enter_context(
            # A second of render time is one of the clock; each video has its own factor.
            SandboxProcess(
                render_seconds=1,
                time_scale=1,
                units=10_000_000,
                concurrency=limit or 100_000,
                short_side=144,
                webhook_secret=_WEBHOOK_SECRET,
            )
        )
        http = {
            "conn_type": "http",
            "host": sandbox.address,
            "extra": {"Authorization": f"Bearer {sandbox.key}", "Content-Type": "application/json"},
        }
        stack = AirflowStack(
            dags_folder=Path(__file__).parent / "dags",
            connections={"kling_default": sandbox.connection, "kling_http": http},
            database_url=running.enter_context(postgres()),
            parallelism=PARALLELISM,
            preload=(),  # as users have it
            home=keep,
            keep=keep is not None,
            environment={**_ENVIRONMENT, **(environment or {})},
        )
        with_callbacks = {
            **sandbox.connection["extra"],
            "webhook_secret": _WEBHOOK_SECRET,
            "callback_base_url": stack.address,
        }
        stack.environment["AIRFLOW_CONN_KLING_CALLBACKS"] = json.dumps(
            {**sandbox.connection, "extra": with_callbacks}
        )
        running.enter_context(stack)
        history.install(stack.database.url)
        for dag_id in DAG_IDS:
            stack.api.wait_for_dag(dag_id, timeout=180)
        stack.api.pool("kling", limit or 1000, include_deferred=True)
        yield Scene(stack, sandbox, limit)


def _build_rules(fleet: Fleet) -> list[dict[str, Any]]:
    """Build the sandbox's rules: slow answers, and for each video its time."""
    slow = [
        {"kind": "slow", "on": ["read", "list", "account"], "seconds": READ_LATENCY},
        {"kind": "slow", "on": "create", "seconds": CREATE_LATENCY},
    ]
    times = [
        {"kind": "slow_render", "factor": seconds, "match": {"prompt_contains": prompt}}
        for prompt, seconds in zip(fleet.prompts, fleet.seconds, strict=True)
    ]
    return [*slow, *times]


def _wait_run(stack: AirflowStack, dag_id: str, run_id: str, *, timeout: float) -> str:
    deadline = time.monotonic() + timeout
    sql = "SELECT state FROM dag_run WHERE dag_id = :dag AND run_id = :run"
    while True:
        (row,) = stack.database.rows(sql, dag=dag_id, run=run_id)
        if row["state"] in ("success", "failed"):
            return str(row["state"])
        if time.monotonic() > deadline:
            return "stuck"
        stack.check()
        time.sleep(0.5)
