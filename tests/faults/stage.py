# SPDX-License-Identifier: Apache-2.0
"""Where one scenario is played: a sandbox, a connection and a folder of its own, on an Airflow that others share."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self, TypeVar

from kling_provider.sandbox import Sandbox
from kling_provider.sandbox.endpoints.gateways.ids import TSK, UUID
from kling_provider.sandbox.state.tasks import Task
from tests.faults.processes import running_tasks
from tests.faults.scenario import HELD, Scenario
from tests.support.stack import AirflowStack, StackError, wait_for
from tests.support.stack.api import ApiError
from tests.support.stack.processes import tail

T = TypeVar("T")

#: The task of every DAG here.
TASK = "video"
RENDER = 2.0
#: Set when somebody pressed Ctrl-C: all waits end.
STOPPING = threading.Event()
FINISHED = ("success", "failed", "upstream_failed", "skipped", "removed")


@dataclass(frozen=True)
class Instance:
    """One mapped instance of the video task, as the database has it."""

    id: str
    map_index: int
    state: str | None
    try_number: int
    next_method: str | None

    @property
    def waits_in_queue(self) -> bool:
        return self.state == "deferred" and self.next_method == "execute_after_queue"

    @property
    def waits_for_video(self) -> bool:
        return self.state == "deferred" and self.next_method == "execute_complete"


class Stage:
    """Plays one scenario. What is found wrong by :meth:`check` is collected; the rest of the scenario goes on."""

    def __init__(self, scenario: Scenario, stack: AirflowStack, suffix: str = "") -> None:
        self.scenario = scenario
        self.stack = stack
        self.problems: list[str] = []
        self.notes: dict[str, Any] = {}
        self.runs: list[Run] = []
        #: Kling task ids that results named before a clear took the results away.
        self.remembered: set[str] = set()
        #: Components that this scenario has killed.
        self.killed: set[str] = set()
        self.frozen: set[str] | None = None
        self.conn_id = f"kling_{scenario.name.replace('-', '_')}{suffix}"
        self.sandbox = Sandbox(
            **{
                "render_seconds": RENDER,
                "time_scale": 1,
                "concurrency": 200,
                "units": 100_000,
                **scenario.sandbox,
            }
        )
        self._folder = tempfile.TemporaryDirectory(prefix=f"kling-fault-{scenario.name}-")
        self.folder = Path(self._folder.name)
        self.place = self.folder / "videos"
        self.rows_file = self.folder / "rows.json"

    def __enter__(self) -> Self:
        self.sandbox.start()
        self.sandbox.set_faults([dict(rule) for rule in self.scenario.faults])
        self.place.mkdir()
        self.write_rows(self.rows())
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.sandbox.stop()
        self._folder.cleanup()

    # -- before ---------------------------------------------------------------------------------------------

    def rows(self, videos: int | None = None, **more: Any) -> list[dict[str, Any]]:
        """Requests, each with a name and a prompt of its own."""
        return [
            {
                "name": f"film-{number:02d}",
                self.scenario.text_field: f"{self.scenario.name} film {number:02d}",
                **({} if "type" in self.scenario.request else {"duration": 3}),
                **self.scenario.request,
                **more,
            }
            for number in range(videos or self.scenario.videos)
        ]

    def id_at_host(self, task: Task) -> str:
        """The id by which the host answers for a task: some gateways have ids of their own."""
        if self.sandbox.options.shape != "dmxapi-responses":
            return task.id
        model = str(self.scenario.request.get("model", "kling-3.0"))
        if model == "kling-2.6":
            return task.id
        return (UUID if model.startswith("kling-v3-") else TSK).encode(task.id)

    def write_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.rows_file.write_text(json.dumps(list(rows)), encoding="utf-8")

    def connect(self, **changes: Any) -> None:
        """Make the Airflow connection, or change it."""
        gateway = self.sandbox.options.profile == "gateway"
        extra = {"profile": "gateway" if gateway else "kling", **self.scenario.extra}
        body = {
            "connection_id": self.conn_id,
            "conn_type": "kling",
            "host": self.sandbox.base_url,
            "password": self.sandbox.api_key,
            "extra": json.dumps(extra),
            **changes,
        }
        try:
            self.stack.api.call("POST", "/connections", json=body)
        except ApiError as error:
            if error.status != 409:
                raise
            self.stack.api.call("PATCH", f"/connections/{self.conn_id}", json=body)

    # -- during ---------------------------------------------------------------------------------------------

    def play(self) -> None:
        if self.scenario.play is not None:
            self.scenario.play(self)
        else:
            self.start().finish()

    def start(self, dag_id: str | None = None, run_id: str | None = None, rows: Path | None = None) -> Run:
        dag_id = dag_id or self.scenario.dag
        self.stack.api.wait_for_dag(dag_id)
        conf = {"conn": self.conn_id, "rows": str(rows or self.rows_file), "place": str(self.place)}
        run = Run(self, dag_id, self.stack.api.trigger(dag_id, conf, run_id=run_id))
        self.runs.append(run)
        return run

    def until(self, probe: Callable[[], T], what: str, timeout: float | None = None) -> T:
        """Wait for something true."""
        limit = timeout or self.scenario.timeout

        def look() -> T:
            if STOPPING.is_set():
                raise InterruptedError("the suite is being stopped")
            self.check_components()
            return probe()

        return wait_for(
            look,
            timeout=limit,
            interval=0.2,
            what=lambda: f"{what}: {[run.summary() for run in self.runs]}, {self.made} tasks at Kling",
        )

    def check_components(self) -> None:
        """Raise where a component died that nobody killed: nothing would come of waiting."""
        for name, component in self.stack.components.items():
            code = component.process.poll()
            if code is not None and name not in self.killed:
                raise StackError(f"{name} ended with {code}: {tail(component.log, 12)}")

    def kill(self, *names: str) -> None:
        """Kill components with all that they have forked."""
        self.killed |= set(names)
        for name in names:
            self.stack.kill(name, whole=True)

    def revive(self, *names: str) -> None:
        """Start them again."""
        for name in names:
            self.stack.start(name, timeout=180)
            self.killed.discard(name)

    def check(self, right: object, problem: str) -> None:
        if not right:
            self.problems.append(problem)

    @property
    def made(self) -> int:
        """Tasks at Kling."""
        return len(self.sandbox.backend.all())

    @property
    def creates(self) -> int:
        """Creates that reached Kling."""
        received: int = self.sandbox.stats()["creates"]["received"]
        return received

    def freeze(self) -> None:
        """Look at the saved files now: their file system goes."""
        self.frozen = saved_ids(self.place)

    def remember(self) -> None:
        """Results that stand now count as delivered, whatever a clear does to them."""
        self.remembered |= self.named()

    def named(self) -> set[str]:
        """The Kling task ids that results in Airflow name now."""
        return {
            str(value.get("kling_task_id")) if isinstance(value, dict) else str(value)
            for run in self.runs
            for value in run.xcoms().values()
        }

    def numbers_of_outputs(self) -> set[int]:
        """How many outputs the results in Airflow have."""
        values = [value for run in self.runs for value in run.xcoms().values()]
        return {len(value["outputs"]) for value in values if isinstance(value, dict)}

    def saved(self) -> set[str]:
        """The Kling task ids of saved files."""
        return saved_ids(self.place) if self.frozen is None else self.frozen

    def end_renders(self, seconds: float) -> None:
        """Let what is held end in so many seconds; what is made from now on takes as long."""
        backend, options = self.sandbox.backend, self.sandbox.options
        if options.render_seconds < HELD:
            return
        options.render_seconds = seconds
        with backend.lock:
            now = backend.clock()
            for task in backend.all():
                if task.is_live(now) and task.ends != float("inf"):
                    task.ends = now + seconds

    def end_of_all_tasks(self) -> None:
        """Wait until nothing renders any more, apart from what never ends."""

        def over() -> bool:
            world = self.sandbox.backend
            now = world.clock()
            return all(not task.is_live(now) or task.ends == float("inf") for task in world.all())

        self.until(over, "the end of all tasks at Kling", 120)


class Run:
    """One DAG run."""

    def __init__(self, stage: Stage, dag_id: str, run_id: str) -> None:
        self.stage = stage
        self.dag_id = dag_id
        self.run_id = run_id

    # -- looks (the database; the API would slow down what is looked at) ------------------------------------

    def instances(self) -> list[Instance]:
        rows = self.stage.stack.database.rows(
            "SELECT id, map_index, state, try_number, next_method FROM task_instance WHERE dag_id = :dag"
            " AND run_id = :run AND task_id = :task AND map_index >= 0 ORDER BY map_index",
            dag=self.dag_id,
            run=self.run_id,
            task=TASK,
        )
        return [Instance(**{**row, "id": _uuid(row["id"])}) for row in rows]

    def state(self) -> str:
        rows = self.stage.stack.database.rows(
            "SELECT state FROM dag_run WHERE dag_id = :dag AND run_id = :run",
            dag=self.dag_id,
            run=self.run_id,
        )
        return str(rows[0]["state"]) if rows else "deleted"

    def counts(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for one in self.instances():
            state = one.state or "none"
            if state == "deferred":
                state = "waits in the queue" if one.waits_in_queue else "waits for video"
            found[state] = found.get(state, 0) + 1
        return found

    def summary(self) -> str:
        return f"{self.dag_id} {self.state()} {self.counts()}"

    def xcoms(self, key: str = "return_value") -> dict[int, Any]:
        """By map index."""
        rows = self.stage.stack.database.rows(
            "SELECT map_index, value FROM xcom WHERE dag_id = :dag AND run_id = :run AND task_id = :task"
            " AND key = :key",
            dag=self.dag_id,
            run=self.run_id,
            task=TASK,
            key=key,
        )
        return {row["map_index"]: _plain(row["value"]) for row in rows}

    def reasons(self) -> dict[int, str]:
        """What the failed instances pushed as their reason."""
        failed = {one.map_index for one in self.instances() if one.state == "failed"}
        return {
            index: str(value.get("reason"))
            for index, value in self.xcoms("kling").items()
            if index in failed and isinstance(value, dict)
        }

    # -- waits ----------------------------------------------------------------------------------------------

    def finish(self, timeout: float | None = None) -> str:
        """The final state of the run."""
        self.until(lambda: self.state() in ("success", "failed"), "the end of the run", timeout)
        return self.state()

    def until(self, probe: Callable[[], T], what: str, timeout: float | None = None) -> T:
        return self.stage.until(probe, what, timeout)

    def wait_for_videos(self, count: int | None = None, *, then: float = 25.0) -> list[Instance]:
        """Wait until so many (all) wait for their videos.

        :param then: seconds in which the videos end, if they are held.
        """
        count = self.stage.scenario.videos if count is None else count
        return self._wait(lambda one: one.waits_for_video, count, "for their videos", then)

    def wait_in_queue(self, count: int, *, then: float = 25.0) -> list[Instance]:
        """Wait until so many wait in the queue."""
        return self._wait(lambda one: one.waits_in_queue, count, "in the queue", then)

    def _wait(self, waits: Callable[[Instance], bool], count: int, what: str, then: float) -> list[Instance]:
        def look() -> list[Instance]:
            found = [one for one in self.instances() if waits(one)]
            return found if len(found) >= count else []

        found = self.until(look, f"{count} instances to wait {what}")
        self.stage.end_renders(then)
        return found

    # -- what people do -------------------------------------------------------------------------------------

    def clear(self, indexes: Iterable[int] | None = None) -> None:
        tasks = None if indexes is None else [(TASK, index) for index in indexes]
        self.stage.stack.api.clear(self.dag_id, self.run_id, tasks)

    def clear_videos(self) -> None:
        self.stage.stack.api.clear(self.dag_id, self.run_id, [TASK])

    def mark(self, state: str, indexes: Iterable[int]) -> None:
        for index in indexes:
            self.stage.stack.api.set_state(self.dag_id, self.run_id, TASK, state, index)

    def delete(self) -> None:
        self.stage.stack.api.delete_run(self.dag_id, self.run_id)

    # -- what kills -----------------------------------------------------------------------------------------

    def processes(self) -> dict[int, tuple[Instance, int, int | None]]:
        """Map index -> instance, pid of its supervisor, pid of its task process, of those that run."""
        found = running_tasks()
        return {
            one.map_index: (one, *found[one.id])
            for one in self.instances()
            if one.state == "running" and one.id in found
        }


def saved_ids(folder: Path) -> set[str]:
    """The Kling task ids of manifests whose files are there and have the bytes that the manifest tells."""
    found = set()
    for path in folder.rglob("*.kling.json"):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        files = {path.with_name(output["file"]): output["sha256"] for output in manifest["outputs"]}
        if files and all(
            file.exists() and sha256(file.read_bytes()).hexdigest() == digest
            for file, digest in files.items()
        ):
            found.add(str(manifest["kling_task_id"]))
    return found


def _uuid(text: Any) -> str:
    plain = str(text).replace("-", "")
    return f"{plain[:8]}-{plain[8:12]}-{plain[12:16]}-{plain[16:20]}-{plain[20:]}"


def _plain(value: Any) -> Any:
    """An XCom as it is stored: JSON, sometimes within JSON."""
    for _ in range(2):
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                break
    return value
