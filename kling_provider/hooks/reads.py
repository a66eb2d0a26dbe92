# SPDX-License-Identifier: Apache-2.0
"""Which call reads what, and what its answer means, for both hooks. No I/O.

All of it is free: a read never makes, changes or bills a task.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from kling_provider.api.account import parse_account
from kling_provider.api.catalog import request_types, suggest_type
from kling_provider.api.dialects.reading import UnreadableTask, parse_page, parse_task, parse_tasks
from kling_provider.api.dialects.standard import find_tasks, read_tasks
from kling_provider.api.ids import explain_unknown
from kling_provider.api.problems import suggest
from kling_provider.exceptions import KlingRequestError, KlingServerError, KlingTaskNotFound, error_for

if TYPE_CHECKING:
    from kling_provider.api.account import Pack
    from kling_provider.api.calls import HttpCall
    from kling_provider.api.codes import Answer
    from kling_provider.api.tasks import KlingTask
    from kling_provider.hooks.connection import KlingConnection

#: Kling's own words for where a task stands, as its list takes them.
STATUS_WORDS = ("submitted", "processing", "succeeded", "failed")
#: Those of them that count against the account's limit.
IN_FLIGHT = STATUS_WORDS[:2]
#: Kling's own words for what a task makes, as its list takes them.
PRODUCT_TYPES = ("video", "image", "try_on")


def known_type(type: Any) -> str:
    """The kind of request, checked: legacy reads are bound to it.

    :raises KlingRequestError: for a word that is none.
    """
    if isinstance(type, str) and type in request_types():
        return type
    raise KlingRequestError(
        f"type must be one of {', '.join(request_types())}; found {type!r}.{suggest_type(type)} Nothing was sent."
    )


def word_list(values: Any, what: str, allowed: Collection[str] = ()) -> list[str]:
    """Several ids or words, each once. One text alone would be asked for letter by letter.

    :param what: for the message: ``"kling_task_ids"``.
    :param allowed: the words that there are, if not any.
    :raises KlingRequestError: where it is no list of texts, or a word is none of those.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise KlingRequestError(f"{what} must be a list of texts, such as [{values!r}]; found {values!r}.")
    words = list(dict.fromkeys(values))
    for word in words:
        if not isinstance(word, str) or not word:
            raise KlingRequestError(f"{what} must be a list of texts; {word!r} is none.")
        if allowed and word not in allowed:
            raise KlingRequestError(
                f"{what} must be among {', '.join(allowed)}; found {word!r}.{suggest(word, allowed)}"
            )
    return words


#: Pages of a list, 500 tasks each, after which it is taken to have no end.
_MOST_PAGES = 200


def call_to_read(connection: KlingConnection, type: str, kling_task_id: str) -> HttpCall:
    """The call that reads one task: ``/tasks`` where the host has it (it knows tasks of both API designs and
    needs no ``type``), else the dialect's own."""
    kind = known_type(type)
    if connection.profile.task_reads:
        return read_tasks([kling_task_id])
    return connection.dialect.read(kind, kling_task_id)


def call_to_find(connection: KlingConnection, type: str, external_task_id: str) -> HttpCall:
    """The call that looks one external id up. Legacy reads take either id in the same place."""
    kind = known_type(type)
    if connection.profile.task_reads:
        return find_tasks([external_task_id])
    return connection.dialect.read(kind, external_task_id)


def read_one(connection: KlingConnection, answer: Answer, kling_task_id: str) -> KlingTask:
    """The task in the answer to :func:`call_to_read`.

    :raises KlingTaskNotFound: where the host does not know the id.
    :raises KlingError: for any other answer that is no success.
    """
    doing = f"read task {kling_task_id} at {connection.host}"
    if not answer.ok:
        if answer.not_found:
            raise _not_found(connection, answer, kling_task_id)
        raise error_for(answer, doing)
    if isinstance(answer.data, list) and len(answer.data) != 1:
        found, complete = read_batch(connection, answer, [kling_task_id], doing)
        if kling_task_id in found:
            return found[kling_task_id]
        if complete:
            raise _not_found(connection, answer, kling_task_id)
        raise _unreadable(answer, doing, "the answer is not about the task that was asked for")
    try:
        return parse_task(answer.data, lax_words=connection.profile.lax_words, kling_task_id=kling_task_id)
    except UnreadableTask as why:
        raise _unreadable(answer, doing, why) from None


def read_batch(
    connection: KlingConnection, answer: Answer, kling_task_ids: Collection[str], doing: str
) -> tuple[dict[str, KlingTask], bool]:
    """The tasks in the answer to a read of many ids, and whether a missing one is unknown there.

    It may be known where an entry of the answer names no task, or one that was not asked for.

    :param doing: for the first line of an error: ``"read 20 tasks at api-singapore.klingai.com"``.
    """
    tasks, unreadable = _read_many(connection, answer, doing)
    found = {task.kling_task_id: task for task in tasks if task.kling_task_id in kling_task_ids}
    return found, not unreadable and len(tasks) == len(found)


def read_found(
    connection: KlingConnection, answer: Answer, external_task_ids: Collection[str], doing: str
) -> dict[str, list[KlingTask]]:
    """The tasks in the answer to a look-up of external ids; ids that nobody knows are missing.

    :raises KlingServerError: where an id is missing and the answer holds an entry that cannot be read, or one of
        another id: then nobody knows whether it is there.
    :raises KlingError: for an answer that is no success and does not say "not found".
    """
    if answer.not_found:
        return {}
    if not answer.ok:
        raise error_for(answer, doing)
    if isinstance(answer.data, list):
        tasks, unreadable = _read_many(connection, answer, doing)
        others = any(task.external_task_id not in (None, *external_task_ids) for task in tasks)
    else:
        try:
            tasks = [parse_task(answer.data, lax_words=connection.profile.lax_words)]
        except UnreadableTask as why:
            raise _unreadable(answer, doing, why) from None
        (one,), unreadable = external_task_ids, 0
        if tasks[0].external_task_id is None:
            return {one: tasks}  # asked for by it, and some answers do not repeat it
        others = tasks[0].external_task_id != one
    found: dict[str, list[KlingTask]] = {}
    for task in tasks:
        if task.external_task_id in external_task_ids:
            found.setdefault(str(task.external_task_id), []).append(task)
    if (unreadable or others) and len(found) < len(set(external_task_ids)):
        raise _unreadable(answer, doing, "the answer is not about the task that was asked for")
    return found


def _read_many(connection: KlingConnection, answer: Answer, doing: str) -> tuple[list[KlingTask], int]:
    if not answer.ok:
        raise error_for(answer, doing)
    try:
        return parse_tasks(answer.data, lax_words=connection.profile.lax_words)
    except UnreadableTask as why:
        raise _unreadable(answer, doing, why) from None


class Pages:
    """A walk over the pages of ``POST /tasks``.

    A host that repeats a cursor, or always has another one, has no end: that is an error, or (with ``at_most``) the end.
    Give each answer to :meth:`read`, ask with :attr:`cursor` while there are :attr:`more`.

    :param at_most: so many pages are enough; ``None``: all of them.
    """

    def __init__(self, connection: KlingConnection, at_most: int | None = None) -> None:
        self._doing = f"list tasks at {connection.host}"
        self._at_most = at_most
        self._seen: set[str] = set()
        self._pages = 0
        self.cursor: str | None = None
        self.more = True

    def read(self, answer: Answer) -> list[KlingTask]:
        """The tasks of the next page."""
        if not answer.ok:
            raise error_for(answer, self._doing)
        try:
            page, cursor = parse_page(answer.data)
        except UnreadableTask as why:
            raise _unreadable(answer, self._doing, why) from None
        self._pages += 1
        endless = cursor is not None and (cursor in self._seen or self._pages >= _MOST_PAGES)
        if endless and self._at_most is None:
            raise _unreadable(answer, self._doing, "the list has no end")
        self.more = cursor is not None and not endless and self._pages != self._at_most
        if cursor is not None:
            self._seen.add(cursor)
        self.cursor = cursor
        return page


def read_account(answer: Answer, doing: str) -> tuple[Pack, ...]:
    """The account's packs."""
    if not answer.ok:
        raise error_for(answer, doing)
    return parse_account(answer.data)


def _not_found(connection: KlingConnection, answer: Answer, kling_task_id: str) -> KlingTaskNotFound:
    return KlingTaskNotFound(
        f"{connection.host} does not know task {kling_task_id}: it "
        f"{explain_unknown(kling_task_id, at_kling=connection.profile.is_kling)}.",
        code=answer.code,
        request_id=answer.request_id,
        http_status=answer.http_status,
        kling_task_id=kling_task_id,
    )


def _unreadable(answer: Answer, doing: str, why: object) -> KlingServerError:
    return KlingServerError(
        f"Could not {doing}: {why}.", request_id=answer.request_id, http_status=answer.http_status
    )
