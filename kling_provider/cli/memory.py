# SPDX-License-Identifier: Apache-2.0
"""``memory list`` and ``memory prune``: what was paid, as far as it is kept in Airflow Variables.

Runs where Airflow's command line runs, with access to its metadata database.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from airflow.models.variable import Variable
from airflow.utils.session import create_session
from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError

from kling_provider.cli.terminal import ask_to_confirm, print_lines
from kling_provider.exceptions import KlingError

#: How Variables of :class:`~kling_provider.submission.records.VariableRecord` begin.
PREFIX = "kling_record_"


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """One Variable that remembers paid work.

    :param key: its key.
    :param kling_task_id: the Kling task, if one is known.
    :param prompt: the prompt of the request.
    :param at: when the paid call was sent; ``None`` if the Variable does not say.
    """

    key: str
    kling_task_id: str | None
    prompt: str
    at: datetime | None


def list_command(arguments: argparse.Namespace) -> int:
    """Print each Variable that remembers paid work; return the exit code."""
    with _report_database_errors():
        found = list_memory()
    for one in found:
        print_lines(_describe_record(one))
    print_lines(f"{len(found)} remembered in Airflow Variables.")
    return 0


def prune_command(arguments: argparse.Namespace) -> int:
    """Remove what is older than a number of days, after a question; return the exit code."""
    older_than = timedelta(days=arguments.older_than)
    with _report_database_errors():
        old = _list_old_memory(older_than)
    for one in old:
        print_lines(_describe_record(one))
    if not old:
        print_lines(f"Nothing is older than {arguments.older_than} days.")
        return 0
    if not ask_to_confirm(f"Forget {len(old)}? The same requests may then be paid again.", yes=arguments.yes):
        return 1
    with _report_database_errors():
        print_lines(f"Forgot {len(prune_memory(older_than))}.")
    return 0


@contextmanager
def _report_database_errors() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        reason = str(error).splitlines()[0]
        raise KlingError(
            f"Airflow's database cannot be read from here ({reason}): run this where Airflow's own commands run."
        ) from None


def list_memory() -> list[Remembered]:
    """Read all Variables that remember paid work, the oldest first."""
    with create_session() as session:
        rows = session.scalars(select(Variable).where(Variable.key.startswith(PREFIX, autoescape=True))).all()
        found = [_read_variable(row.key, row.val) for row in rows]
    return sorted(found, key=lambda one: (one.at is not None, one.at or datetime.now(UTC), one.key))


def _list_old_memory(older_than: timedelta) -> list[Remembered]:
    """List the Variables whose paid call is older; those without a time are left out.

    :param older_than: the age from which on they are listed.
    """
    limit = datetime.now(UTC) - older_than
    return [one for one in list_memory() if one.at is not None and one.at < limit]


def prune_memory(older_than: timedelta) -> list[Remembered]:
    """Remove the Variables whose paid call is older, and return them; what they remember may then be paid again.

    Variables without a time stay.

    :param older_than: the age from which on they are removed.
    """
    old = _list_old_memory(older_than)
    with create_session() as session:
        for one in old:
            session.execute(delete(Variable).where(Variable.key == one.key))
    return old


def _describe_record(one: Remembered) -> str:
    at = one.at.isoformat(timespec="seconds") if one.at is not None else "an unknown time"
    return f"{one.key}  {at}  Kling task {one.kling_task_id or 'unknown'}  {one.prompt[:60]}"


def _read_variable(key: str, text: str | None) -> Remembered:
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
