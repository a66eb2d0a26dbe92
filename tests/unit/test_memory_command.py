# SPDX-License-Identifier: Apache-2.0
"""The command that removes old memories, on a real metadata database."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kling_provider.cli.memory import PREFIX, list_memory, prune_memory


@pytest.fixture
def remembered(metadata_db: Path) -> None:
    """Variables of 100 and 10 days ago, one that says nothing, and one that is not ours."""
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    now = datetime.now(UTC)
    with create_session() as session:
        session.execute(delete(Variable))
        for days in (100, 10):
            record = {"at": (now - timedelta(days=days)).isoformat(), "kling_task_id": "7", "prompt": "x"}
            session.add(Variable(key=f"{PREFIX}af-{days}", val=json.dumps(record)))
        session.add(Variable(key=f"{PREFIX}broken", val="[1"))
        session.add(Variable(key="kling-record-of-others", val="{}"))


@pytest.mark.usefixtures("remembered")
def test_only_old_memories_are_removed() -> None:
    assert [one.key for one in prune_memory(timedelta(days=90))] == [f"{PREFIX}af-100"]
    assert {one.key for one in list_memory()} == {f"{PREFIX}af-10", f"{PREFIX}broken"}
    assert prune_memory(timedelta(days=90)) == []


@pytest.mark.usefixtures("remembered")
def test_a_memory_is_listed_with_what_it_names() -> None:
    by_key = {one.key: one for one in list_memory()}
    assert by_key[f"{PREFIX}af-10"].kling_task_id == "7"
    assert by_key[f"{PREFIX}broken"].at is None
