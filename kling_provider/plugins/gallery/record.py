# SPDX-License-Identifier: Apache-2.0
"""The server's own record of videos: which files they are, and where Kling keeps them."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from airflow.configuration import conf
from airflow.models.asset import AssetEvent
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.sdk import ObjectStoragePath
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from kling_provider.plugins.gallery.facts import (
    LARGEST,
    FileFacts,
    RequestFacts,
    ResultFacts,
    Unreadable,
    VideoFacts,
    read_facts,
    read_json,
    read_request,
)
from kling_provider.plugins.gallery.filters import assets_of, bounded, is_there, key_of
from kling_provider.plugins.gallery.reading import read_job, read_video

log = logging.getLogger(__name__)

#: A task instance: Dag, run, task, map index.
Instance = tuple[str, str, str, int]


@dataclass(frozen=True)
class Record:
    """What a task instance has delivered last."""

    instance: Instance
    kling_task_id: str
    facts: VideoFacts

    def file(self, n: int) -> FileFacts:
        """Return the file of output ``n``; one without an address where nothing was saved."""
        return self.facts.files[n] if 0 <= n < len(self.facts.files) else FileFacts()

    def has_expired(self, now: datetime) -> bool:
        """Whether Kling has deleted the result."""
        return self.facts.expires_at is not None and self.facts.expires_at <= now


def find_record(session: Session, instance: Instance) -> Record | None:
    """Return the latest asset event of that task instance, by who Airflow says that made it."""
    dag_id, run_id, task_id, map_index = instance
    row = session.execute(
        select(bounded(AssetEvent.extra).label("text"))
        .where(
            AssetEvent.asset_id.in_(assets_of(session, dag_id)),
            AssetEvent.source_dag_id == dag_id,
            AssetEvent.source_run_id == run_id,
            AssetEvent.source_task_id == task_id,
            AssetEvent.source_map_index == map_index,
            is_there(key_of(AssetEvent.extra, "kling_task_id")),
        )
        .order_by(AssetEvent.id.desc())
        .limit(1)
    ).first()
    facts = None if row is None else read_video(row.text).facts
    if facts is None or facts.kling_task_id is None:
        return None
    return Record(instance, facts.kling_task_id, facts)


def find_links(session: Session, instances: Collection[Instance]) -> dict[Instance, ResultFacts | None]:
    """Return the results with Kling's signed links that task instances pushed.

    ``None`` where there is none; an instance whose result is in an object store is left out.
    """
    rows = _xcoms(session, instances, "return_value")
    stored = {instance for instance, text in rows.items() if text is not None and text.startswith('"')}
    return {instance: _result(rows.get(instance)) for instance in instances if instance not in stored}


def find_link(session: Session, record: Record, n: int, *, now: datetime) -> str | None:
    """Return Kling's signed link of output ``n`` while it lives. It is for this user's browser alone."""
    if record.has_expired(now):
        return None
    text = _xcoms(session, [record.instance], "return_value").get(record.instance)
    result = _result(text) or _stored_elsewhere(text)
    return link_in(result, record.kling_task_id, n)


def link_in(result: ResultFacts | None, kling_task_id: str | None, n: int) -> str | None:
    """Return the link of output ``n`` in a result of that Kling task, if it is a link to the web."""
    if result is None or result.kling_task_id != kling_task_id or not 0 <= n < len(result.outputs):
        return None
    link = result.outputs[n].url
    return link if link and link.lower().startswith(("https://", "http://")) else None


def find_requests(session: Session, instances: Collection[Instance]) -> dict[Instance, RequestFacts]:
    """Return what task instances say that was asked for: what their events leave out."""
    found = {}
    for instance, text in _xcoms(session, instances, "kling").items():
        facts = read_job(text).facts
        if facts is not None and facts.request:
            found[instance] = read_request(facts.request)[0]
    return found


def find_labels(session: Session, instances: Collection[Instance]) -> dict[Instance, str]:
    """Return the names that Dags give their mapped task instances."""
    mapped = [instance for instance in instances if instance[3] >= 0]
    if not mapped:
        return {}
    where = (TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.map_index)
    rows = session.execute(select(*where, TaskInstance._rendered_map_index).where(tuple_(*where).in_(mapped)))
    return {(row[0], row[1], row[2], row[3]): row[4] for row in rows if row[4]}


def _xcoms(session: Session, instances: Collection[Instance], key: str) -> dict[Instance, str | None]:
    if not instances:
        return {}
    where = (XComModel.dag_id, XComModel.run_id, XComModel.task_id, XComModel.map_index)
    rows = session.execute(
        select(*where, bounded(XComModel.value)).where(
            tuple_(*where).in_(set(instances)), XComModel.key == key
        )
    )
    return {(row[0], row[1], row[2], row[3]): row[4] for row in rows}


def _result(text: str | None) -> ResultFacts | None:
    try:
        return read_facts(ResultFacts, read_json(text))[0]
    except Unreadable:
        return None


def _stored_elsewhere(text: str | None) -> ResultFacts | None:
    """The result that Airflow's own backend keeps in an object store: one read, for somebody who wants to play it.

    Only below the folder that the backend is configured for, and read as plain data, whatever it says that it is.
    """
    folder = conf.get("common.io", "xcom_objectstorage_path", fallback="")
    try:
        address = read_json(text)
        if not folder or not isinstance(address, str) or ".." in address.split("/"):
            return None
        path = ObjectStoragePath(address)
        if not path.is_relative_to(ObjectStoragePath(folder)):
            return None
        with path.open("rb", compression="infer") as file:  # type: ignore[no-untyped-call]
            document = file.read(LARGEST + 1)
        return _result(document.decode() if len(document) <= LARGEST else None)
    except Exception as error:  # noqa: BLE001 - a store may raise anything; there is no link then
        log.info(
            "The result of a task could not be read from the XComs' object store: %s", type(error).__name__
        )
        return None
