# SPDX-License-Identifier: Apache-2.0
"""Airflow's public REST API (3.1 to 3.3), as far as the demo and the tests need it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import requests

from tests.support.stack.processes import wait_for

Json = dict[str, Any]
#: A task id, or one instance of a mapped task.
TaskOrInstance = str | tuple[str, int]
_PAGE = 100
# On SQLite two requests can wait for each other: Airflow's access log commits on the event loop, which the request
# that holds the lock needs to end. After five seconds one of them gets one of these answers, or its connection is
# reset, with nothing done.
_LOCKED = ("Internal Server Error", '"Database error"')
_ATTEMPTS = 4
_FINISHED = ("success", "failed")
# What is in every log entry, or says again what was asked for.
_KNOWN_ANYWAY = {"timestamp", "level", "event", "logger", "filename", "lineno"} | {
    "dag_id",
    "run_id",
    "task_id",
    "map_index",
    "try_number",
    "ti_id",
}


class ApiError(RuntimeError):
    """The API refused. ``status`` is the HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"Airflow's API answered {status}: {text[:2000]}")
        self.status = status


class AirflowApi:
    """A client for one API server. Without ``credentials`` it signs in as SimpleAuthManager's everybody-is-admin.

    Several threads may share it, as long as none of them is the first to call.
    """

    def __init__(
        self,
        address: str,
        credentials: tuple[str, str] | None = None,
        *,
        explain: Callable[[], str] = lambda: "",
    ) -> None:
        """Keep the address; ``explain`` tells why waiting was in vain: a component that has died."""
        self.address = address
        self._explain = explain
        self._credentials = credentials
        self._session = requests.Session()
        self._session.trust_env = False  # no netrc, no proxy: this is loopback

    def close(self) -> None:
        self._session.close()

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """One call under ``/api/v2``; the parsed answer, None if it has no body."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                response = self._send(method, path, **arguments)
            except requests.ConnectionError:
                if attempt == _ATTEMPTS:
                    raise
                time.sleep(0.5)
                continue
            if response.status_code == 401 and attempt == 1:  # restarted with other keys, or the token is old
                self._session.headers.pop("Authorization")
            elif response.status_code != 500 or not any(text in response.text for text in _LOCKED):
                break
        if not response.ok:
            raise ApiError(response.status_code, response.text)
        return response.json() if response.content else None

    def health(self) -> Json:
        """The state of each component; needs no sign-in."""
        response = self._session.get(f"{self.address}/api/v2/monitor/health", timeout=5)
        return response.json() if response.ok else {}

    # DAGs

    def dag(self, dag_id: str) -> Json | None:
        try:
            return self._dict("GET", f"/dags/{dag_id}")
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def wait_for_dag(self, dag_id: str, timeout: float = 60) -> Json:
        """Return when the DAG was read from its file; the error names the files that could not be read."""

        def what() -> str:
            errors = {
                one["filename"]: one["stack_trace"].strip().splitlines()[-1] for one in self.import_errors()
            }
            return f"DAG {dag_id}" + "".join(f"\n  {file}: {error}" for file, error in errors.items())

        dag = wait_for(lambda: self.dag(dag_id), timeout=timeout, what=what)
        assert dag
        return dag

    def import_errors(self) -> list[Json]:
        return list(self._pages("/importErrors", "import_errors"))

    def pause(self, dag_id: str, paused: bool = True) -> None:
        self.call("PATCH", f"/dags/{dag_id}", json={"is_paused": paused})

    # Runs

    def trigger(
        self,
        dag_id: str,
        conf: Json | None = None,
        *,
        logical_date: datetime | None = None,
        run_id: str | None = None,
    ) -> str:
        """Start a manual run; returns its run id."""
        body = {
            "dag_run_id": run_id or f"manual__{uuid.uuid4().hex[:12]}",
            "logical_date": logical_date.isoformat() if logical_date else None,
            "conf": conf or {},
        }
        return str(self._dict("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> Json:
        return self._dict("GET", _run(dag_id, run_id))

    def runs(self, dag_id: str) -> list[Json]:
        return list(self._pages(f"/dags/{dag_id}/dagRuns", "dag_runs"))

    def run_state(self, dag_id: str, run_id: str) -> str:
        return str(self.run(dag_id, run_id)["state"])

    def wait_run(self, dag_id: str, run_id: str, timeout: float = 120) -> str:
        """Wait for the end of a run; returns "success" or "failed"."""

        def finished() -> str | None:
            state = self.run_state(dag_id, run_id)
            return state if state in _FINISHED else None

        state = wait_for(
            finished,
            timeout=timeout,
            interval=0.5,
            what=lambda: f"{dag_id} {run_id}: {self.states(dag_id, run_id)}{self._explain()}",
        )
        assert state
        return state

    def set_run_state(self, dag_id: str, run_id: str, state: str) -> None:
        """Mark a run as "success", "failed" or "queued"."""
        self.call("PATCH", _run(dag_id, run_id), json={"state": state})

    def delete_run(self, dag_id: str, run_id: str) -> None:
        self.call("DELETE", _run(dag_id, run_id))

    # Task instances

    def task_instances(self, dag_id: str, run_id: str, task_id: str | None = None) -> list[Json]:
        """All task instances of a run, each instance of a mapped task on its own."""
        everything = self._pages(f"{_run(dag_id, run_id)}/taskInstances", "task_instances")
        return [one for one in everything if task_id in (None, one["task_id"])]

    def task_instance(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Json:
        return self._dict("GET", _instance(dag_id, run_id, task_id, map_index))

    def states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """State by instance: ``{"load": "success", "video[3]": "deferred"}``; None is: not yet scheduled."""
        return {label(one): one["state"] for one in self.task_instances(dag_id, run_id)}

    def wait_task(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        states: Sequence[str],
        *,
        map_index: int = -1,
        timeout: float = 60,
    ) -> Json:
        """Wait until an instance is in one of ``states``; returns it."""

        def reached() -> Json | None:
            try:
                one = self.task_instance(dag_id, run_id, task_id, map_index)
            except ApiError as error:
                if error.status != 404:  # a mapped instance that is not expanded yet
                    raise
                return None
            return one if one["state"] in states else None

        what = f"{task_id}[{map_index}] of {dag_id} {run_id} to be {' or '.join(states)}"
        one = wait_for(
            reached,
            timeout=timeout,
            what=lambda: f"{what}: {self.states(dag_id, run_id)}{self._explain()}",
        )
        assert one
        return one

    def set_state(self, dag_id: str, run_id: str, task_id: str, state: str, map_index: int = -1) -> None:
        """Mark an instance as "failed", "success" or "skipped", as the buttons in the UI do."""
        self.call("PATCH", _instance(dag_id, run_id, task_id, map_index), json={"new_state": state})

    def clear(
        self,
        dag_id: str,
        run_id: str,
        tasks: Sequence[TaskOrInstance] | None = None,
        *,
        only_failed: bool = False,
        downstream: bool = False,
    ) -> int:
        """Clear tasks, instances (``("video", 3)``) or the whole run; returns how many instances it met."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "only_failed": only_failed,
            "include_downstream": downstream,
            **(
                {"task_ids": [task if isinstance(task, str) else list(task) for task in tasks]}
                if tasks
                else {}
            ),
        }
        return int(self._dict("POST", f"/dags/{dag_id}/clearTaskInstances", json=body)["total_entries"])

    def xcom(
        self, dag_id: str, run_id: str, task_id: str, map_index: int = -1, key: str = "return_value"
    ) -> Any:
        """The value of an XCom; None if there is none."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{task_id}/xcomEntries/{quote(key)}"
        try:
            return self._dict("GET", path, params={"map_index": map_index, "stringify": False})["value"]
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """The log of a try as text, the triggerer's part included; every line with all that the UI may show of it."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{task_id}/logs/{try_number}"
        answer = self._dict("GET", path, params={"map_index": map_index, "full_content": True})
        return "\n".join(_log_line(entry) for entry in answer["content"])

    # The rest

    def pool(self, name: str, slots: int, *, include_deferred: bool = False) -> None:
        """Make a pool, or change the one of that name."""
        values = {"slots": slots, "include_deferred": include_deferred}
        try:
            self.call(
                "PATCH",
                f"/pools/{quote(name)}",
                json={"pool": name, **values},
                params={"update_mask": [*values]},
            )
        except ApiError as error:
            if error.status != 404:
                raise
            self.call("POST", "/pools", json={"name": name, **values})

    def set_variable(self, key: str, value: str) -> None:
        """Make an Airflow Variable, or change it."""
        body = {"key": key, "value": value}
        try:
            self.call("POST", "/variables", json=body)
        except ApiError as error:
            if error.status != 409:
                raise
            self.call("PATCH", f"/variables/{key}", json=body)

    def asset_events(self, **filters: Any) -> list[Json]:
        """Asset events, oldest first; filters are the API's (``source_dag_id``, ``asset_id``, …)."""
        return list(self._pages("/assets/events", "asset_events", **{"order_by": "timestamp", **filters}))

    def _pages(self, path: str, key: str, **parameters: Any) -> Iterator[Json]:
        offset = 0
        while True:
            page = self._dict("GET", path, params={"limit": _PAGE, "offset": offset, **parameters})[key]
            yield from page
            if len(page) < _PAGE:
                return
            offset += _PAGE

    def _send(self, method: str, path: str, **arguments: Any) -> requests.Response:
        if "Authorization" not in self._session.headers:
            self._sign_in()
        return self._session.request(method, f"{self.address}/api/v2{path}", timeout=30, **arguments)

    def _dict(self, method: str, path: str, **arguments: Any) -> Json:
        answer = self.call(method, path, **arguments)
        assert isinstance(answer, dict), answer
        return answer

    def _sign_in(self) -> None:
        self._session.headers.pop("Authorization", None)
        if self._credentials:
            body = dict(zip(("username", "password"), self._credentials, strict=True))
            response = self._session.post(f"{self.address}/auth/token", json=body, timeout=30)
        else:
            response = self._session.get(f"{self.address}/auth/token", timeout=30)
        if not response.ok:
            raise ApiError(response.status_code, response.text)
        self._session.headers["Authorization"] = f"Bearer {response.json()['access_token']}"


def connection_body(conn_id: str, fields: Mapping[str, Any]) -> Json:
    """A connection as Airflow's API takes it: the extra is text.

    The port is 0: on 3.3.2 the UI's test button sends 0 for "no port", and the API refuses what differs from the
    stored connection.
    """
    return {"connection_id": conn_id, **fields, "port": 0, "extra": json.dumps(fields.get("extra") or {})}


def label(instance: Json) -> str:
    """``video[3]`` for an instance of a mapped task, ``load`` for a plain one."""
    index = instance["map_index"]
    return str(instance["task_id"]) if index < 0 else f"{instance['task_id']}[{index}]"


def _run(dag_id: str, run_id: str) -> str:
    return f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"


def _instance(dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
    plain = f"{_run(dag_id, run_id)}/taskInstances/{task_id}"
    return plain if map_index < 0 else f"{plain}/{map_index}"


def _log_line(entry: Any) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    fixed = [entry.get("timestamp"), entry.get("level"), entry.get("event")]
    rest = [f"{name}={value}" for name, value in entry.items() if name not in _KNOWN_ANYWAY]
    return " ".join(str(part) for part in [*fixed, *rest] if part is not None)
