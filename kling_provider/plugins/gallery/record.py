# SPDX-License-Identifier: Apache-2.0
"""Airflow's own records of results: their files, and their links at Kling."""

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
    ResultLinks,
    Unreadable,
    VideoFacts,
    read_facts,
    read_json,
    read_request,
)
from kling_provider.plugins.gallery.filters import cast_bounded_text, has_id, key_of, list_asset_ids
from kling_provider.plugins.gallery.reading import read_job, read_video

log = logging.getLogger(__name__)

#: A task instance: Dag, run, task, map index.
Instance = tuple[str, str, str, int]


@dataclass(frozen=True)
class VideoRecord:
    """The result that a task instance has delivered last."""

    instance: Instance
    kling_task_id: str
    facts: VideoFacts

    def get_file(self, n: int) -> FileFacts:
        """Return the file of output ``n``, from 0; its fields are empty if nothing was saved."""
        outputs = self.facts.list_outputs()
        return outputs[n].file if 0 <= n < len(outputs) else FileFacts()

    def has_expired(self, now: datetime) -> bool:
        """Say whether Kling has deleted the result."""
        return self.facts.expires_at is not None and self.facts.expires_at <= now


def find_record(session: Session, instance: Instance) -> VideoRecord | None:
    """Return the latest result of a task instance; the source of an event is Airflow's own record."""
    dag_id, run_id, task_id, map_index = instance
    row = session.execute(
        select(cast_bounded_text(AssetEvent.extra).label("text"))
        .where(
            AssetEvent.asset_id.in_(list_asset_ids(session, dag_id)),
            AssetEvent.source_dag_id == dag_id,
            AssetEvent.source_run_id == run_id,
            AssetEvent.source_task_id == task_id,
            AssetEvent.source_map_index == map_index,
            has_id(key_of(AssetEvent.extra, "kling_task_id")),
        )
        .order_by(AssetEvent.id.desc())
        .limit(1)
    ).first()
    facts = None if row is None else read_video(row.text).facts
    if facts is None or facts.kling_task_id is None:
        return None
    return VideoRecord(instance, facts.kling_task_id, facts)


def find_links(session: Session, instances: Collection[Instance]) -> dict[Instance, ResultLinks | None]:
    """Return the results with Kling's signed links that task instances pushed.

    ``None`` where there is none; an instance whose result is in an object store is left out.
    """
    rows = _read_xcoms(session, instances, "return_value")
    stored = {instance for instance, text in rows.items() if text is not None and text.startswith('"')}
    return {instance: _parse_result(rows.get(instance)) for instance in instances if instance not in stored}


def find_link(
    session: Session, record: VideoRecord, n: int, *, now: datetime, image: int | None = None
) -> str | None:
    """Return Kling's signed link of output ``n`` until it expires; it is meant for this user's browser alone.

    :param image: of an element, the number of one of its images, from 0.
    """
    if record.has_expired(now):
        return None
    text = _read_xcoms(session, [record.instance], "return_value").get(record.instance)
    result = _parse_result(text) or _read_stored_result(text)
    return get_result_link(result, record.kling_task_id, n, image)


def get_result_link(
    result: ResultLinks | None, kling_task_id: str | None, n: int, image: int | None = None
) -> str | None:
    """Return the link of output ``n``, or of one of its images, in a result of that Kling task, if it leads to the web."""
    if result is None or result.kling_task_id != kling_task_id or not 0 <= n < len(result.outputs):
        return None
    link = result.outputs[n].get_link(image)
    return link if link and link.lower().startswith(("https://", "http://")) else None


def find_requests(session: Session, instances: Collection[Instance]) -> dict[Instance, RequestFacts]:
    """Return the requests that task instances recorded, for what their events leave out."""
    found = {}
    for instance, text in _read_xcoms(session, instances, "kling").items():
        facts = read_job(text).facts
        if facts is not None and facts.request:
            found[instance] = read_request(facts.request)[0]
    return found


def find_labels(session: Session, instances: Collection[Instance]) -> dict[Instance, str]:
    """Return the names that Dags give their mapped task instances, by task instance."""
    mapped = [instance for instance in instances if instance[3] >= 0]
    if not mapped:
        return {}
    where = (TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.map_index)
    rows = session.execute(select(*where, TaskInstance._rendered_map_index).where(tuple_(*where).in_(mapped)))
    return {(row[0], row[1], row[2], row[3]): row[4] for row in rows if row[4]}


def _read_xcoms(session: Session, instances: Collection[Instance], key: str) -> dict[Instance, str | None]:
    if not instances:
        return {}
    where = (XComModel.dag_id, XComModel.run_id, XComModel.task_id, XComModel.map_index)
    rows = session.execute(
        select(*where, cast_bounded_text(XComModel.value)).where(
            tuple_(*where).in_(set(instances)), XComModel.key == key
        )
    )
    return {(row[0], row[1], row[2], row[3]): row[4] for row in rows}


def _parse_result(text: str | None) -> ResultLinks | None:
    try:
        return read_facts(ResultLinks, read_json(text))[0]
    except Unreadable:
        return None


def _read_stored_result(text: str | None) -> ResultLinks | None:
    """Read a result that Airflow's XCom backend keeps in an object store; ``None`` if it cannot be read.

    Only objects below the folder of the backend are read, and only as plain data.

    :param text: the XCom in the database, which should be the URL of the object.
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
        return _parse_result(document.decode() if len(document) <= LARGEST else None)
    except Exception as error:  # noqa: BLE001 - a store may raise anything; there is no link then
        log.info(
            "The result of a task could not be read from the XComs' object store: %s", type(error).__name__
        )
        return None
