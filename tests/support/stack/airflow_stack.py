# SPDX-License-Identifier: Apache-2.0
"""A whole Airflow: scheduler (with LocalExecutor's workers), triggerer, DAG processor and API servers."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import requests

from tests.support.stack.api import AirflowApi
from tests.support.stack.database import MetadataDb, migrate, migrated_sqlite
from tests.support.stack.environment import (
    airflow_environment,
    clean_environment,
    write_local_settings,
)
from tests.support.stack.processes import ProcessFamily, StackError, TaskProcesses, free_port, tail, wait_for

#: The log servers of scheduler and triggerer listen on every interface and have no setting for that; all components
#: share a disk here, so nobody needs them.
_COMMANDS = {
    "api-server": ("api-server", "--apps", "core"),
    # The workers have one of their own. The public API writes its audit log on the event loop, where on SQLite it
    # waits for a lock that a worker's request gives back by that same loop: 30 s of standstill for a clear in a busy
    # moment, measured on 3.3.2.
    "execution-api": ("api-server", "--apps", "execution"),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "triggerer": ("triggerer", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
}
_JOBS = {"scheduler": "SchedulerJob", "triggerer": "TriggererJob", "dag-processor": "DagProcessorJob"}
COMPONENTS = tuple(_COMMANDS)
#: What every task imports of Airflow; of ours the plugin sees to it.
PRELOADED = ("airflow.sdk.execution_time.task_runner",)


@dataclass(frozen=True)
class Component:
    """One started component. ``process`` leads its session; what it forks stays in that session."""

    kind: str
    process: subprocess.Popen[bytes]
    log: Path


class AirflowStack:
    """Airflow in a home of its own, from ``with`` to the end of the block; then no process and no file of it is left.

    :param dags_folder: the DAGs.
    :param connections: connection id -> its JSON form (``{"conn_type": …, "host": …}``).
    :param environment: further environment variables; they win over everything that is set here.
    :param python: the interpreter of the installation to run, another one than this test's if wanted.
    :param home: AIRFLOW_HOME; a temporary folder by default.
    :param keep: keep the home, for a look at its logs.
    :param parallelism: how many tasks run at once; LocalExecutor starts that many workers.
    :param database_url: SQLAlchemy address of an empty database; SQLite in the home by default.
    :param components: which of ``COMPONENTS`` start with the stack.
    :param preload: modules that the scheduler imports before it forks its workers; each task imports them itself otherwise.
        Airflow has none by default.
    :param paused: whether new Dags are paused; a Dag that says so itself is paused anyway.
    :param tell: is called with a few words whenever there is something new to say about the start.
    """

    def __init__(
        self,
        *,
        dags_folder: Path,
        connections: Mapping[str, Mapping[str, Any]] | None = None,
        environment: Mapping[str, str] | None = None,
        python: Path = Path(sys.executable),
        home: Path | None = None,
        keep: bool = False,
        parallelism: int = 8,
        database_url: str | None = None,
        components: Sequence[str] = COMPONENTS,
        preload: Sequence[str] = PRELOADED,
        paused: bool = False,
        tell: Callable[[str], None] = lambda words: None,
    ) -> None:
        python = python.absolute()  # components start in the home; resolved, it would leave its environment
        self.home = home or Path(tempfile.mkdtemp(prefix="kling-airflow-"))
        self.home.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.execution_port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.database = MetadataDb(database_url or f"sqlite:///{self.home / 'airflow.db'}")
        self.environment = {
            **clean_environment(python),
            **airflow_environment(
                home=self.home,
                dags_folder=dags_folder,
                port=self.port,
                execution_port=self.execution_port,
                database_url=self.database.url,
                parallelism=parallelism,
                paused=paused,
                connections=connections or {},
            ),
            **(environment or {}),
        }
        self.api = AirflowApi(self.address, explain=self._describe_dead)
        self.components: dict[str, Component] = {}
        self._python = python
        self._keep = keep
        self._tell = tell
        self._first = tuple(components)
        self._preload = tuple(preload)
        self._family: ProcessFamily | None = None

    def __enter__(self) -> Self:
        self._family = ProcessFamily(None if self._keep else self.home)
        try:
            self._tell("making the database of Airflow")
            self._prepare()
            for kind in self._first:
                self._launch(kind, kind)
            self.wait_healthy()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def start(
        self, kind: str, *, name: str | None = None, timeout: float = 60, port: int | None = None
    ) -> None:
        """Start a component (again), or one more of its kind under another ``name``; returns when it works.

        :param port: of one more API server.
        """
        name = name or kind
        if name in self.components and self.components[name].process.poll() is None:
            raise StackError(f"{name} is running already")
        job = _JOBS.get(kind)
        before = self.database.newest_job(job) if job else 0
        self._launch(kind, name, port)
        if job:
            wait_for(
                lambda: self._living(name) and self.database.newest_job(job) > before,
                timeout=timeout,
                what=f"the job of {name}",
            )
        else:
            # Itself alone: others may be down as well, and be started next.
            wait_for(
                lambda: self._living(name) and self._answers(kind),
                timeout=timeout,
                what=f"an answer of {name}",
            )

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL, *, whole: bool = False) -> None:
        """Send a signal to a component: to its main process, or (``whole``) to all it has forked as well.

        A scheduler killed alone leaves its workers and their tasks running for a while, as in real life.
        """
        component = self.components[name]
        if whole:
            for process in self._processes(name):
                with contextlib.suppress(psutil.Error):
                    process.send_signal(how)
        else:
            component.process.send_signal(how)
        if how == signal.SIGKILL:
            component.process.wait(timeout=10)

    def stop(self, name: str, *, timeout: float = 30) -> None:
        """Stop a component as an administrator would: SIGTERM, and time to end its work; then what is left of it."""
        self.kill(name, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.components[name].process.wait(timeout=timeout)
        self.kill(name, whole=True)

    def task_processes(self, task_instance_id: str) -> TaskProcesses | None:
        """The processes that run a task instance (its ``id`` in the API), or None while none does."""
        titled = {}
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                if task_instance_id in " ".join(process.cmdline()):
                    titled[process.pid] = process.ppid()
        supervisor = next((pid for pid, parent in titled.items() if parent not in titled), None)
        if supervisor is None:
            return None
        return TaskProcesses(supervisor, next((pid for pid, up in titled.items() if up == supervisor), None))

    def wait_healthy(self, timeout: float = 300) -> None:
        """Return when every component says that it is well; raise at once when one has died."""
        parts = ["metadatabase", *(kind.replace("-", "_") for kind in self._first if kind in _JOBS)]

        def healthy() -> bool:
            for name in self._first:
                self._living(name)
            if "api-server" not in self._first:
                return all(self.database.newest_job(_JOBS[kind]) for kind in self._first)
            try:
                health = self.api.health()
                if "execution-api" in self._first:
                    self._execution_api_answers()
            except requests.RequestException:
                self._tell("starting Airflow: its API server does not answer yet")
                return False
            missing = [part for part in parts if (health.get(part) or {}).get("status") != "healthy"]
            if missing:
                self._tell(f"starting Airflow: still to come: {', '.join(missing).replace('_', ' ')}")
            return not missing

        wait_for(healthy, timeout=timeout, what=lambda: f"a healthy Airflow\n{self.logs()}")

    def check(self) -> None:
        """Raise if a component has died."""
        for name in self.components:
            self._living(name)

    def logs(self, lines: int = 15) -> str:
        """The ends of all component logs, for an error text."""
        return "\n".join(f"--- {name}\n{tail(part.log, lines)}" for name, part in self.components.items())

    def _prepare(self) -> None:
        # Components that start at once would each write Airflow's default configuration; an empty one is enough.
        (self.home / "airflow.cfg").touch()
        if self._preload:
            write_local_settings(self.home, self._preload)
        if self.database.url.startswith("sqlite:///"):
            file = Path(self.database.url.removeprefix("sqlite:///"))
            if not file.exists():
                migrated_sqlite(file, python=self._python, environment=self.environment)
        else:
            migrate(self.database.url, python=self._python, environment=self.environment)

    def _launch(self, kind: str, name: str, own_port: int | None = None) -> None:
        if not self._family:
            raise StackError("a component starts inside the with block")
        log = self.home / f"{name}.log"
        # -X takes what it does not know: it names the process, and makes room for the titles of task processes,
        # which are cut to the length of the first command line.
        argument = f"kling-airflow={name}".ljust(80, "-")
        own_port = self.execution_port if kind == "execution-api" else own_port
        port = ("--port", str(own_port)) if own_port else ()
        process = self._family.start(
            [str(self._python), "-X", argument, "-m", "airflow", *_COMMANDS[kind], *port],
            environment=self.environment,
            cwd=self.home,
            log=log,
        )
        self.components[name] = Component(kind, process, log)

    def _answers(self, kind: str) -> bool:
        try:
            if kind == "execution-api":
                self._execution_api_answers()
                return True
            return bool(self.api.health())
        except requests.RequestException:
            return False

    def _execution_api_answers(self) -> None:
        address = f"http://127.0.0.1:{self.execution_port}/execution/health"
        requests.get(address, proxies={"http": ""}, timeout=5).raise_for_status()

    def _living(self, name: str) -> bool:
        component = self.components[name]
        if (code := component.process.poll()) is not None:
            raise StackError(f"{name} ended with {code}:\n{tail(component.log)}")
        return True

    def _describe_dead(self) -> str:
        try:
            self.check()
        except StackError as error:
            return f"\n{error}"
        return ""

    def _processes(self, name: str | None = None) -> list[psutil.Process]:
        if not self._family:
            return []
        return self._family.members(self.components[name].process.pid if name else None)

    def _leave(self) -> None:
        try:
            if self._family:
                self._family.end()
                self._family = None
        finally:
            self.api.close()
