# SPDX-License-Identifier: Apache-2.0
"""Rows of Airflow's metadata database as runs of Kling tasks leave them, for tests of what reads them."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

BEGIN = datetime(2026, 7, 1, 6, 0, tzinfo=UTC)


class Seeds:
    """Writes DAGs, runs, task instances, XComs and asset events. Every row is later than the one before.

    :param session: of the metadata database; the caller commits.
    :param folder: where saved videos are.
    :param now: when the last rows shall be; by default a fixed day.
    """

    def __init__(self, session: Session, folder: Path, *, begin: datetime = BEGIN) -> None:
        from airflow.models.asset import AssetEvent, AssetModel
        from airflow.models.dag import DagModel
        from airflow.models.dagbundle import DagBundleModel
        from airflow.models.dagrun import DagRun
        from airflow.models.taskinstance import TaskInstance
        from airflow.models.xcom import XComModel

        self.session = session
        self.folder = folder
        self.clock = begin
        self._tables: dict[str, Any] = {
            model.__tablename__: model.__table__
            for model in (AssetEvent, AssetModel, DagModel, DagBundleModel, DagRun, TaskInstance, XComModel)
        }
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
        self, dag_id: str, run_id: str, task_id: str, map_index: int = -1, state: str | None = "success"
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
            updated_at=self.clock,
            operator="KlingGenerateOperator",
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
        at: datetime | None = None,
    ) -> None:
        """A task instance with what an operator pushes before it waits or fails."""
        at = at or self.tick()
        self.instance(dag_id, run_id, task_id, map_index, state)
        known = {
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
        }
        self.xcom(dag_id, run_id, task_id, map_index, "kling", known, at)

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
        **extra: Any,
    ) -> None:
        """The asset event of a finished video, and (``link``) the result with Kling's link."""
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
        }
        self._insert(
            "asset_event",
            asset_id=self.asset(f"kling://{dag_id}/{task_id}"),
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

    def asset(self, name: str) -> int:
        if name not in self._assets:
            self._assets[name] = self._insert("asset", name=name, uri=name, group="asset", extra={})
        return self._assets[name]

    def saved(self, name: str, kling_task_id: str, content: bytes = b"no film at all") -> dict[str, Any]:
        """A file with its sidecar, as an entry of an event's ``files``."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        sidecar = path.with_name(path.name + ".json")
        sidecar.write_text(json.dumps({"kling_task_id": kling_task_id, "sha256": sha256}), encoding="utf-8")
        return {
            "file": f"file://{path}",
            "sidecar": f"file://{sidecar}",
            "type": "video",
            "sha256": sha256,
            "bytes": len(content),
        }

    def _insert(self, table: str, **values: Any) -> int:
        known = self._tables[table]
        names = {column.name for column in known.columns}
        done = self.session.execute(
            insert(known).values({name: value for name, value in values.items() if name in names})
        )
        assert isinstance(done, sqlalchemy.CursorResult)
        key = done.inserted_primary_key
        return key[0] if key is not None and isinstance(key[0], int) else 0
