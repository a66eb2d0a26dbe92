# SPDX-License-Identifier: Apache-2.0
"""One Airflow, the stand-ins that it is connected to, and short ways to what a scene looks at."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from kling_provider.sandbox import Sandbox
from tests.stack.promises.sampling import Sampler
from tests.support.sandbox_process import SandboxProcess
from tests.support.stack import AirflowApi, AirflowStack, wait_for
from tests.support.stack.processes import free_port

Json = dict[str, Any]

#: Every secret that a connection of these tests holds. None may be seen in a log.
SECRETS = {
    "two_at_once": "api-key-two-promises-83aa",
    "dmxapi": "sk-dmxapi-promises-91b2",
    "new_api": "sk-newapi-promises-c3d5",
    "wrong_key": "api-key-unknown-promises-6ef0",
}
#: The sandbox's own, see its options.
ACCESS_KEY = "ak-kling-sandbox"
SECRET_KEY = "sandbox-secret-key-that-guards-nothing"
#: Which prompt meets which fault. Rules stand from the beginning, so that scenes need not wait for each other.
FAULTS = [
    # The task is made and its answer held back: the moment for a SIGKILL, for as long as a test needs it.
    {"kind": "slow", "on": "create", "seconds": 120, "match": {"prompt_contains": "killed"}},
    {"kind": "slow_render", "factor": 20, "match": {"prompt_contains": "a minute"}},
    {"kind": "exhausted", "match": {"prompt_contains": "no credit"}},
]


class StandIn:
    """A sandbox, by what it tells about itself."""

    def __init__(self, address: str) -> None:
        self.address = address

    def get(self, page: str) -> Any:
        return self._call("GET", page)

    def post(self, page: str, body: Any) -> Any:
        return self._call("POST", page, json=body)

    def tasks(self, prompt: str) -> list[Json]:
        """The tasks whose prompt contains that text, oldest first."""
        return [task for task in self.get("tasks") if prompt in task["prompt"]]

    def creates(self, prompt: str) -> list[Json]:
        """The paid calls that were received for such prompts, refused ones too."""
        return [create for create in self.get("stats")["create_log"] if prompt in create["prompt"]]

    def made(self, prompt: str) -> Json:
        """Wait until there is a task for that prompt."""
        found = wait_for(lambda: self.tasks(prompt), timeout=300, interval=0.05, what=f"a task: {prompt}")
        return found[0]

    def _call(self, method: str, page: str, **arguments: Any) -> Any:
        with requests.Session() as session:
            session.trust_env = False  # no netrc, no proxy: this is loopback
            response = session.request(method, f"{self.address}/_sandbox/{page}", timeout=60, **arguments)
        response.raise_for_status()
        return response.json()


class OneAtATime(AirflowApi):
    """Scenes play side by side, but call one at a time.

    The API server hangs when many call it at once: its event loop waits for a database connection (15 there are), or
    on SQLite for a lock, which a request gives back by that same loop.
    """

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self._calling = threading.Lock()

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        with self._calling:
            return super().call(method, path, **arguments)


@dataclass
class Run:
    """One DAG run, by what tests ask of it."""

    api: AirflowApi
    sampler: Sampler
    logs: Path
    dag_id: str
    run_id: str

    def end(self, timeout: float = 540) -> str:
        """Wait for it: "success" or "failed"."""
        try:
            return self.sampler.wait_end(self.run_id, timeout)
        except TimeoutError as error:
            raise TimeoutError(f"{self.dag_id}: {error}: {self.states()}") from None

    def instances(self, task_id: str | None = None) -> list[Json]:
        return self.api.task_instances(self.dag_id, self.run_id, task_id)

    def states(self) -> dict[str, str | None]:
        return self.api.states(self.dag_id, self.run_id)

    def entries(self, task_id: str, try_number: int = 1) -> list[Json]:
        """What a try of an unmapped task logged, each with its ``logger``; the triggerer's part is not in it."""
        folder = self.logs / f"dag_id={self.dag_id}" / f"run_id={self.run_id}" / f"task_id={task_id}"
        lines = (folder / f"attempt={try_number}.log").read_text().splitlines()
        return [entry for line in lines if isinstance(entry := json.loads(line), dict)]

    def ours(self, task_id: str, try_number: int = 1) -> list[str]:
        """What our code said in a try, without what the UI shows folded."""
        said, folded = [], False
        for entry in self.entries(task_id, try_number):
            text = str(entry["event"])
            if text.startswith(("::group::", "::endgroup::")):
                folded = text.startswith("::group::")
            elif not folded and "kling_provider" in entry.get("logger", ""):
                said.append(text)
        return said

    def xcom(self, task_id: str, map_index: int = -1, key: str = "return_value") -> Any:
        return self.api.xcom(self.dag_id, self.run_id, task_id, map_index, key)

    def clear(self, *tasks: str, only_failed: bool = False) -> int:
        return self.api.clear(self.dag_id, self.run_id, list(tasks) or None, only_failed=only_failed)


@dataclass(frozen=True)
class World:
    """What every scene plays in. ``stand_ins`` are named as the connections to them."""

    stack: AirflowStack
    api: AirflowApi
    videos: Path
    sampler: Sampler
    stand_ins: Mapping[str, StandIn]
    secrets: Collection[str]

    @property
    def kling(self) -> StandIn:
        return self.stand_ins["kling_default"]

    def run(self, dag_id: str, **conf: Any) -> Run:
        """Start a run, also of an example, which comes paused."""
        self.api.wait_for_dag(dag_id)
        self.api.pause(dag_id, False)
        run_id = self.api.trigger(dag_id, conf)
        return Run(self.api, self.sampler, self.stack.home / "logs", dag_id, run_id)

    def set_variable(self, name: str, value: str) -> None:
        self.api.call("POST", "/variables", json={"key": name, "value": value})

    def variables(self, prefix: str) -> list[Json]:
        answer = self.api.call("GET", "/variables", params={"limit": 100})
        return [one for one in answer["variables"] if one["key"].startswith(prefix)]

    def prompt_dag(self, dag_id: str, repository: Path) -> Path:
        """The example DAG again, under another name and with a prompt folder of its own; returns that folder."""
        text = (repository / "dags" / "kling_prompt_files.py").read_text()
        for old, new in (
            ('"kling_prompt_files"', f'"{dag_id}"'),
            ("destination=VIDEOS,", f'destination=f"{{VIDEOS}}/{dag_id}",'),
        ):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        prompts = Path(self.stack.environment["AIRFLOW__CORE__DAGS_FOLDER"]) / dag_id / "prompts"
        prompts.mkdir(parents=True)
        (prompts.parent / "dag.py").write_text(text)
        return prompts


#: Options of every stand-in: what these tests look at is neither the account's size nor the picture.
_ROOMY: dict[str, Any] = {"concurrency": 50, "units": 100_000, "short_side": 144}


@contextlib.contextmanager
def world_of(stack: AirflowStack, kling: SandboxProcess, videos: Path) -> Iterator[World]:
    """The stand-ins, their connections, and an eye on the database."""
    with (
        Sandbox(time_scale=6, api_key=SECRETS["two_at_once"], **{**_ROOMY, "concurrency": 2}) as two_at_once,
        Sandbox(profile="gateway", **_ROOMY) as dmxapi,
        Sandbox(profile="gateway", shape="new-api", **_ROOMY) as new_api,
        Sandbox(profile="gateway", shape="dmxapi-responses", **_ROOMY) as dmxapi_responses,
        contextlib.closing(OneAtATime(stack.address)) as api,
        Sampler(stack.database) as sampler,
    ):
        addresses = {
            "kling_default": kling.address,
            "two_at_once": two_at_once.url,
            "dmxapi": dmxapi.url,
            "new_api": new_api.url,
            "dmxapi_responses": dmxapi_responses.url,
        }
        world = World(
            stack=stack,
            api=api,
            videos=videos,
            sampler=sampler,
            stand_ins={name: StandIn(address) for name, address in addresses.items()},
            secrets=[*SECRETS.values(), kling.key, SECRET_KEY],
        )
        as_kling = {"profile": "kling"}
        for name, host, password, login, extra in (
            ("two_at_once", two_at_once.url, SECRETS["two_at_once"], None, as_kling),
            # What a customer of a gateway has: an address with a path, a key, and nothing else.
            ("dmxapi", f"{dmxapi.url}/kling", SECRETS["dmxapi"], None, None),
            ("new_api", f"{new_api.url}/kling", SECRETS["new_api"], None, None),
            # A stand-in is not at www.dmxapi.cn, so its profile is said; the address has no path.
            (
                "dmxapi_responses",
                dmxapi_responses.url,
                SECRETS["dmxapi"],
                None,
                {"profile": "dmxapi", "unit_price": "0.79 CNY"},
            ),
            ("wrong_key", kling.address, SECRETS["wrong_key"], None, as_kling),
            ("wrong_region", kling.address, f"{kling.key}-china", None, as_kling),
            ("access_key", kling.address, SECRET_KEY, ACCESS_KEY, as_kling),
            (
                "access_key_on_standard",
                kling.address,
                SECRET_KEY,
                ACCESS_KEY,
                {**as_kling, "api": "standard"},
            ),
            ("unreachable", f"http://127.0.0.1:{free_port()}", kling.key, None, as_kling),
        ):
            connection = {
                "connection_id": name,
                "conn_type": "kling",
                "host": host,
                "login": login,
                "password": password,
                "extra": json.dumps(extra) if extra else None,
            }
            api.call("POST", "/connections", json=connection)
        for stand_in in (world.kling, world.stand_ins["dmxapi"]):
            stand_in.post("faults", FAULTS)
        yield world
