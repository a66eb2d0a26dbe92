# SPDX-License-Identifier: Apache-2.0
"""Rows of Airflow's metadata database as runs of Kling tasks leave them, for tests of what reads them."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

#: Whether the package under test has them.
HAS_MANIFESTS = find_spec("kling_provider.storage.manifest") is not None
BEGIN = datetime(2026, 7, 1, 6, 0, tzinfo=UTC)


def beside(path: Path) -> Path:
    """Where the file is that says whose a saved file is: its manifest, in earlier releases its sidecar."""
    return path.with_suffix(".kling.json") if HAS_MANIFESTS else path.with_name(f"{path.name}.json")


def says_whose(path: Path, kling_task_id: str, sha256: str, **more: Any) -> None:
    """Write that file."""
    output = {"type": "video", "file": path.name, "sha256": sha256}
    told = {"outputs": [output]} if HAS_MANIFESTS else output
    beside(path).write_text(json.dumps({"kling_task_id": kling_task_id, **told, **more}), encoding="utf-8")


def keep_place(path: Path) -> None:
    """Write the claim of a result that is on its way."""
    claim = {"version": 1, "identity": "af-1", "dag_id": "ann_clips", "kling_task_id": None}
    claim |= {"outputs": []} if HAS_MANIFESTS else {"claim": True}
    beside(path).write_text(json.dumps(claim), encoding="utf-8")


class Seeds:
    """Writes DAGs, runs, task instances, XComs and asset events. Every row is later than the one before.

    :param session: of the metadata database; the caller commits.
    :param folder: where saved videos are.
    :param begin: when the first row was made.
    """

    def __init__(self, session: Session, folder: Path, *, begin: datetime = BEGIN) -> None:
        from airflow.models.asset import AssetEvent, AssetModel
        from airflow.models.dag import DagModel
        from airflow.models.dagbundle import DagBundleModel
        from airflow.models.dagrun import DagRun
        from airflow.models.task_state_store import TaskStateStoreModel
        from airflow.models.taskinstance import TaskInstance
        from airflow.models.xcom import XComModel

        self.session = session
        self.folder = folder
        self.clock = begin
        self._tables: dict[str, Any] = {
            model.__tablename__: model.__table__
            for model in (
                AssetEvent,
                AssetModel,
                DagModel,
                DagBundleModel,
                DagRun,
                TaskInstance,
                TaskStateStoreModel,
                XComModel,
            )
        }
        self._later: dict[str, list[dict[str, Any]]] | None = None  # rows by table, while they are collected
        if not session.scalar(select(DagBundleModel.name).where(DagBundleModel.name == "dags-folder")):
            self._insert("dag_bundle", name="dags-folder", active=True)
        self._runs: dict[tuple[str, str], int] = {}
        self._assets: dict[str, int] = {}

    def tick(self, seconds: float = 60) -> datetime:
        self.clock += timedelta(seconds=seconds)
        return self.clock

    def dag(self, dag_id: str) -> None:
        self._insert(
            "dag",
            dag_id=dag_id,
            bundle_name="dags-folder",
            relative_fileloc=f"{dag_id}.py",
            fileloc=f"/dags/{dag_id}.py",
            max_active_tasks=16,
            max_active_runs=16,
            max_consecutive_failed_dag_runs=0,
            has_task_concurrency_limits=False,
            is_paused=False,
            is_stale=False,
            owners="airflow",
            timetable_summary="None",
            timetable_type="airflow.timetables.simple.NullTimetable",
        )

    def run(self, dag_id: str, run_id: str, state: str = "success") -> None:
        at = self.tick()
        self._runs[dag_id, run_id] = self._insert(
            "dag_run",
            dag_id=dag_id,
            run_id=run_id,
            state=state,
            _state=state,
            run_type="manual",
            run_after=at,
            queued_at=at,
            start_date=at,
            end_date=at + timedelta(minutes=5) if state in ("success", "failed") else None,
            clear_number=0,
        )

    def instance(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        map_index: int = -1,
        state: str | None = "success",
        **more: Any,
    ) -> None:
        self._insert(
            "task_instance",
            dag_id=dag_id,
            run_id=run_id,
            task_id=task_id,
            map_index=map_index,
            state=state,
            pool="default_pool",
            pool_slots=1,
            priority_weight=1,
            try_number=1,
            max_tries=3,
            start_date=self.clock,
            operator="KlingGenerateOperator",
            **{"updated_at": self.clock, **more},
        )

    def xcom(
        self, dag_id: str, run_id: str, task_id: str, map_index: int, key: str, value: Any, at: Any = None
    ) -> None:
        self._insert(
            "xcom",
            dag_run_id=self._runs[dag_id, run_id],
            dag_id=dag_id,
            run_id=run_id,
            task_id=task_id,
            map_index=map_index,
            key=key,
            value=value,
            timestamp=at or self.clock,
        )

    def progress(self, dag_id: str, run_id: str, task_id: str, map_index: int, value: dict[str, Any]) -> None:
        """What an operator keeps in the task state store."""
        self._insert(
            "task_state_store",
            dag_run_id=self._runs[dag_id, run_id],
            dag_id=dag_id,
            run_id=run_id,
            task_id=task_id,
            map_index=map_index,
            key="kling_progress",
            value=json.dumps(value),
            updated_at=self.clock,
        )

    def job(
        self,
        dag_id: str,
        run_id: str,
        task_id: str = "video",
        map_index: int = -1,
        *,
        says: str = "processing",
        state: str | None = "deferred",
        kling_task_id: str | None = None,
        reason: str | None = None,
        request: dict[str, Any] | None = None,
        known: dict[str, Any] | None = None,
        at: datetime | None = None,
        elsewhere: str | None = None,
        **instance: Any,
    ) -> None:
        """A task instance with what an operator pushes before it waits or fails.

        :param elsewhere: where Airflow's own backend keeps the XCom: the database has that address alone.
        :param instance: more of the task instance, ``next_method`` for example.
        """
        at = at or self.tick()
        self.instance(dag_id, run_id, task_id, map_index, state, **instance)
        pushed = {
            "state": says,
            "request": {
                "prompt": "A red panda brews tea",
                "model": "kling-3.0",
                "duration": 5,
                **(request or {}),
            },
            "conn_id": "kling_default",
            "kling_task_id": kling_task_id,
            "reason": reason,
            "created_at": at.isoformat() if kling_task_id else None,
            **(known or {}),
        }
        self.xcom(dag_id, run_id, task_id, map_index, "kling", elsewhere or pushed, at)
        if elsewhere:
            self.progress(dag_id, run_id, task_id, map_index, pushed)

    def video(
        self,
        dag_id: str,
        run_id: str,
        task_id: str = "video",
        map_index: int = -1,
        *,
        kling_task_id: str,
        files: list[dict[str, Any]] | None = None,
        at: datetime | None = None,
        link: str | None = None,
        claims: dict[str, Any] | None = None,
        **extra: Any,
    ) -> None:
        """The asset event of a finished video, and (``link``) the result with Kling's link.

        :param claims: what the task says that is not so.
        """
        at = at or self.tick()
        facts = {
            "kling_task_id": kling_task_id,
            "external_task_id": "af-00000000",
            "name": None,
            "type": "text_to_video",
            "prompt": "A red panda brews tea on a wooden porch, rain behind it",
            "model": "kling-3.0",
            "take": 0,
            "adopted": False,
            "delivered": False,
            "duration": 5.041,
            "billing": [{"charge_type": "unit", "amount": "3", "currency": None}],
            "created_at": (at - timedelta(seconds=90)).isoformat(),
            "finished_at": at.isoformat(),
            "expires_at": (at + timedelta(days=30)).isoformat(),
            "files": files or [],
            "dag_id": dag_id,
            "run_id": run_id,
            "task_id": task_id,
            "map_index": map_index,
            **extra,
            **(claims or {}),
        }
        self._insert(
            "asset_event",
            asset_id=self.asset(f"kling://{quote(dag_id, safe='')}/{quote(task_id, safe='')}"),
            extra=facts,
            source_dag_id=dag_id,
            source_run_id=run_id,
            source_task_id=task_id,
            source_map_index=map_index,
            timestamp=at,
        )
        if link is not None:
            result = {"kling_task_id": kling_task_id, "outputs": [{"type": "video", "url": link}]}
            self.xcom(dag_id, run_id, task_id, map_index, "return_value", result, at)

    def event_from_the_api(self, name: str, extra: dict[str, Any]) -> None:
        """An event that somebody made by hand: no task produced it."""
        self._insert("asset_event", asset_id=self.asset(name), extra=extra, timestamp=self.tick())

    def remove_all(self) -> None:
        """Empty the tables, for the next test."""
        self.session.rollback()
        for name in (
            "xcom",
            "task_state_store",
            "task_instance",
            "dag_run",
            "asset_event",
            "asset",
            "dag",
            "dag_bundle",
        ):
            self.session.execute(delete(self._tables[name]))
        self.session.commit()

    def thousands(
        self, dag_id: str, run_id: str, number: int, *, prefix: str = "t", three_tasks: bool = False
    ) -> None:
        """Finished videos ``t0``, ``t1`` … of a mapped task, a second apart, each with what its operator told.

        :param prefix: what their Kling ids begin with.
        :param three_tasks: one task sends, one waits, and one saves.
        """
        tasks = ("submit", "wait", "save") if three_tasks else ("video",)
        for task_id in tasks:
            self.asset(f"kling://{dag_id}/{task_id}")
        with self._many():
            for n in range(number):
                at = self.tick(1)
                known: dict[str, Any] = {
                    "request": {"prompt": "A tram in Lisbon", "model": "kling-3.0"},
                    "kling_task_id": f"{prefix}{n}",
                }
                for task_id in tasks:
                    pushed = {"state": "submitted" if task_id == "submit" else "succeeded", **known}
                    self.instance(dag_id, run_id, task_id, n)
                    self.xcom(dag_id, run_id, task_id, n, "kling", pushed, at)
                    self.progress(dag_id, run_id, task_id, n, pushed)
                    if task_id != "submit":
                        self.video(dag_id, run_id, task_id, n, kling_task_id=f"{prefix}{n}", at=at)

    @contextmanager
    def _many(self) -> Iterator[None]:
        """Insert what comes within the block at its end, a table at a time."""
        self._later = defaultdict(list)
        try:
            yield
            for table, rows in self._later.items():
                self.session.execute(insert(self._tables[table]), rows)
        finally:
            self._later = None

    def asset(self, name: str) -> int:
        if name not in self._assets:
            self._assets[name] = self._insert("asset", name=name, uri=name, group="asset", extra={})
        return self._assets[name]

    def saved(self, name: str, kling_task_id: str, content: bytes = b"no film at all") -> dict[str, Any]:
        """A file with its manifest, as an entry of an event's ``files``."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        says_whose(path, kling_task_id, sha256)
        return {
            "file": f"file://{path}",
            "type": "video",
            "sha256": sha256,
            "bytes": len(content),
        }

    def _insert(self, table: str, **values: Any) -> int:
        known = self._tables[table]
        names = {column.name for column in known.columns}
        row = {name: value for name, value in values.items() if name in names}
        if self._later is not None:
            self._later[table].append(row)
            return 0
        done = self.session.execute(insert(known).values(row))
        assert isinstance(done, sqlalchemy.CursorResult)
        key = done.inserted_primary_key
        return key[0] if key is not None and isinstance(key[0], int) else 0
