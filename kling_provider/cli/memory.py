# SPDX-License-Identifier: Apache-2.0
"""The memory of what was paid, as far as it is kept in Airflow Variables: list it, and remove what is old.

Runs where Airflow's command line runs, with access to its metadata database.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

#: How Variables of :class:`~kling_provider.submission.records.VariableRecord` begin.
PREFIX = "kling_record_"


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """One Variable. ``at``: when the paid call was sent; ``None`` where it does not say."""

    key: str
    kling_task_id: str | None
    prompt: str
    at: datetime | None


def list_memory() -> list[Remembered]:
    """Read all Variables that remember paid work, the oldest first."""
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        rows = session.scalars(select(Variable).where(Variable.key.startswith(PREFIX, autoescape=True))).all()
        found = [_remembered(row.key, row.val) for row in rows]
    return sorted(found, key=lambda one: (one.at is not None, one.at or datetime.now(UTC), one.key))


def prune_memory(older_than: timedelta) -> list[Remembered]:
    """Remove the Variables whose paid call is older; returns them. What they remember may be paid again.

    Those that do not say when it was stay.
    """
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    limit = datetime.now(UTC) - older_than
    old = [one for one in list_memory() if one.at is not None and one.at < limit]
    with create_session() as session:
        for one in old:
            session.execute(delete(Variable).where(Variable.key == one.key))
    return old


def _remembered(key: str, text: str | None) -> Remembered:
    try:
        record = json.loads(text or "")
        at = datetime.fromisoformat(str(record["at"])).astimezone(UTC)
    except (ValueError, TypeError, KeyError):
        return Remembered(key=key, kling_task_id=None, prompt="", at=None)
    task = record.get("kling_task_id")
    return Remembered(
        key=key,
        kling_task_id=str(task) if task else None,
        prompt=str(record.get("prompt") or ""),
        at=at,
    )
