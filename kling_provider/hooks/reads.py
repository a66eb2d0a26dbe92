# SPDX-License-Identifier: Apache-2.0
"""Which call reads what, and what its answer means, for both hooks. No I/O.

All of it is free: a read never makes, changes or bills a task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_provider.api.account import parse_account
from kling_provider.api.dialects.reading import UnreadableTask, parse_page, parse_task, parse_tasks
from kling_provider.api.dialects.standard import find_tasks, read_tasks
from kling_provider.api.ids import explain_unknown
from kling_provider.exceptions import KlingServerError, KlingTaskNotFound, error_for

if TYPE_CHECKING:
    from kling_provider.api.account import Pack
    from kling_provider.api.calls import HttpCall
    from kling_provider.api.codes import Answer
    from kling_provider.api.tasks import KlingTask
    from kling_provider.hooks.connection import KlingConnection


def call_to_read(connection: KlingConnection, type: str, kling_task_id: str) -> HttpCall:
    """The call that reads one task: ``/tasks`` where the host has it (it knows tasks of both API designs and
    needs no ``type``), else the dialect's own."""
    if connection.profile.task_reads:
        return read_tasks([kling_task_id])
    return connection.dialect.read(type, kling_task_id)


def call_to_find(connection: KlingConnection, type: str, external_task_id: str) -> HttpCall:
    """The call that looks one external id up. Legacy reads take either id in the same place."""
    if connection.profile.task_reads:
        return find_tasks([external_task_id])
    return connection.dialect.read(type, external_task_id)


def read_one(connection: KlingConnection, answer: Answer, kling_task_id: str) -> KlingTask:
    """The task in the answer to :func:`call_to_read`.

    :raises KlingTaskNotFound: where the host does not know the id.
    :raises KlingError: for any other answer that is no success.
    """
    doing = f"read task {kling_task_id} at {connection.host}"
    if answer.ok and isinstance(answer.data, list):
        for task in read_many(connection, answer, doing):
            if task.kling_task_id == kling_task_id:
                return task
        raise _not_found(connection, answer, kling_task_id)
    if not answer.ok:
        if answer.not_found:
            raise _not_found(connection, answer, kling_task_id)
        raise error_for(answer, doing)
    try:
        return parse_task(answer.data, lax_words=connection.profile.lax_words, kling_task_id=kling_task_id)
    except UnreadableTask as why:
        raise _unreadable(answer, doing, why) from None


def read_found(connection: KlingConnection, answer: Answer, external_task_id: str) -> list[KlingTask]:
    """The tasks in the answer to :func:`call_to_find`; an id that nobody knows is an empty list.

    :raises KlingError: for an answer that is no success and does not say "not found".
    """
    doing = f"look up {external_task_id} at {connection.host}"
    if answer.ok and isinstance(answer.data, list):
        return [t for t in read_many(connection, answer, doing) if t.external_task_id == external_task_id]
    if answer.not_found:
        return []
    if not answer.ok:
        raise error_for(answer, doing)
    try:
        return [parse_task(answer.data, lax_words=connection.profile.lax_words)]
    except UnreadableTask as why:
        raise _unreadable(answer, doing, why) from None


def read_many(connection: KlingConnection, answer: Answer, doing: str) -> list[KlingTask]:
    """The tasks in the answer to ``GET /tasks``; ids that Kling does not know are left out by Kling.

    :param doing: for the first line of an error: ``"read 20 tasks at api-singapore.klingai.com"``.
    """
    if not answer.ok:
        raise error_for(answer, doing)
    try:
        return parse_tasks(answer.data, lax_words=connection.profile.lax_words)
    except UnreadableTask as why:
        raise _unreadable(answer, doing, why) from None


def read_page(answer: Answer, doing: str) -> tuple[list[KlingTask], str | None]:
    """One page of ``POST /tasks`` and the cursor of the next."""
    if not answer.ok:
        raise error_for(answer, doing)
    try:
        return parse_page(answer.data)
    except UnreadableTask as why:
        raise _unreadable(answer, doing, why) from None


def read_account(answer: Answer, doing: str) -> tuple[Pack, ...]:
    """The account's packs."""
    if not answer.ok:
        raise error_for(answer, doing)
    return parse_account(answer.data)


def _not_found(connection: KlingConnection, answer: Answer, kling_task_id: str) -> KlingTaskNotFound:
    return KlingTaskNotFound(
        f"{connection.host} does not know task {kling_task_id}: it {explain_unknown(kling_task_id)}.",
        code=answer.code,
        request_id=answer.request_id,
        http_status=answer.http_status,
        kling_task_id=kling_task_id,
    )


def _unreadable(answer: Answer, doing: str, why: UnreadableTask) -> KlingServerError:
    return KlingServerError(
        f"Could not {doing}: {why}.", request_id=answer.request_id, http_status=answer.http_status
    )
