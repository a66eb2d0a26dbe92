# SPDX-License-Identifier: Apache-2.0
"""The server's own record of one video: which file it is, and where Kling keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.models.asset import AssetEvent
from airflow.models.xcom import XComModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from kling_provider.plugins.gallery.cards import moment
from kling_provider.plugins.gallery.index import kling_assets


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a task instance has delivered last."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    kling_task_id: str
    files: Sequence[Mapping[str, Any]]
    expires_at: str | None


def record_of(session: Session, dag_id: str, run_id: str, task_id: str, map_index: int) -> Record | None:
    """The latest asset event of that task instance, by who Airflow says that made it."""
    event = session.scalar(
        select(AssetEvent)
        .where(
            AssetEvent.asset_id.in_(kling_assets(dag_id)),
            AssetEvent.source_dag_id == dag_id,
            AssetEvent.source_run_id == run_id,
            AssetEvent.source_task_id == task_id,
            AssetEvent.source_map_index == map_index,
            AssetEvent.extra["kling_task_id"].as_string().is_not(None),
        )
        .order_by(AssetEvent.id.desc())
        .limit(1)
    )
    if event is None:
        return None
    return Record(
        dag_id=dag_id,
        run_id=run_id,
        task_id=task_id,
        map_index=map_index,
        kling_task_id=str(event.extra["kling_task_id"]),
        files=event.extra.get("files") or [],
        expires_at=event.extra.get("expires_at"),
    )


def link_of(session: Session, record: Record, n: int, *, now: datetime) -> str | None:
    """Kling's signed link from the result that the task pushed, while it lives. For this user's browser alone."""
    expires = moment(record.expires_at)
    if expires is not None and expires <= now:
        return None
    result = session.scalar(
        select(XComModel.value).where(
            XComModel.dag_id == record.dag_id,
            XComModel.run_id == record.run_id,
            XComModel.task_id == record.task_id,
            XComModel.map_index == record.map_index,
            XComModel.key == "return_value",
        )
    )
    if not isinstance(result, dict) or str(result.get("kling_task_id")) != record.kling_task_id:
        return None
    outputs = result.get("outputs") or []
    link = outputs[n].get("url") if 0 <= n < len(outputs) else None
    return link if isinstance(link, str) and link.startswith(("https://", "http://")) else None
