# SPDX-License-Identifier: Apache-2.0
"""The operations of both hooks: which calls to make, in which order, and what their responses mean.

Each operation is a generator of calls, which either hook runs with its own transport (:mod:`.drivers`). All of them are
free: a read never makes, changes or bills a task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from kling_provider.api.account import units_left
from kling_provider.api.billing import format_amount
from kling_provider.api.catalog import DEFAULT_TYPE, explain_type, find_spec, request_types
from kling_provider.api.dialects import Dialect, find_dialect, legacy, standard
from kling_provider.api.dialects.reading import parse_page, parse_tasks
from kling_provider.exceptions import (
    KlingRateLimitError,
    KlingRequestError,
)
from kling_provider.hooks.argument_checks import check_able, check_pages, check_words
from kling_provider.hooks.drivers import Operation, ReadCall, ReadCalls
from kling_provider.hooks.paging import read_cursor_pages, read_numbered_pages, read_page
from kling_provider.hooks.response_errors import build_response_error
from kling_provider.hooks.responses import (
    parse_batch,
    parse_found,
    parse_known,
    parse_one,
    parse_packs,
)

if TYPE_CHECKING:
    from kling_provider.api.account import Pack
    from kling_provider.api.calls import ApiRequest
    from kling_provider.api.codes import ApiResponse
    from kling_provider.api.tasks import KlingTask
    from kling_provider.hooks.connection import KlingConnection

#: So many tasks are parsed on an event loop; more in a thread.
_FEW = 3
#: Kling's own words for where a task stands, as its list takes them.
_STATUS_WORDS = ("submitted", "processing", "succeeded", "failed")
#: Those of them that count against the account's limit.
IN_FLIGHT = _STATUS_WORDS[:2]
#: Kling's own words for what a task makes, as its list takes them.
_PRODUCT_TYPES = ("video", "image", "try_on")


# -- operations ------------------------------------------------------------------------------------------------


def read_task(connection: KlingConnection, kling_task_id: str, type: str) -> Operation[KlingTask]:
    """Read one task.

    :param type: the kind of request that made it; used where the host's reads are bound to a path.
    :raises KlingTaskNotFound: where the host does not know the id.
    """
    task: KlingTask = yield ReadCall(
        _make_read_call(connection, type, kling_task_id),
        lambda answer: parse_one(connection, answer, kling_task_id),
    )
    return task


def read_tasks(
    connection: KlingConnection, kling_task_ids: Sequence[str], type: str
) -> Operation[dict[str, KlingTask]]:
    """Read many tasks, 20 per call where the host can; ids that it does not know are missing from the result."""
    found: dict[str, KlingTask] = {}
    alone = check_words(kling_task_ids, "kling_task_ids")
    if find_tasks_path(connection, _check_type(type)) is not None:
        batches, alone = _split_batches(alone), []
        for batch in batches:
            part, complete = yield from read_batch(connection, batch, type)
            found |= part
            alone += [] if complete else [one for one in batch if one not in part]
    known: list[KlingTask | None] = yield ReadCalls(
        [
            ReadCall(
                _make_read_call(connection, type, one), partial(parse_known, connection, kling_task_id=one)
            )
            for one in alone
        ]
    )
    return found | {one: task for one, task in zip(alone, known, strict=True) if task is not None}


def read_batch(
    connection: KlingConnection, kling_task_ids: Sequence[str], type: str
) -> Operation[tuple[dict[str, KlingTask], bool]]:
    """Read up to 20 tasks in one call, and find out whether missing ones are unknown.

    :param type: a type of the requests that made them.
    :raises KlingRequestError: for more ids, and where the host reads one task per call.
    """
    path = find_tasks_path(connection, _check_type(type))
    if path is None:
        raise KlingRequestError(f"{connection.host} reads one task per call.")
    batch = check_words(kling_task_ids, "kling_task_ids")
    if len(batch) > standard.MAX_IDS:
        raise KlingRequestError(
            f"kling_task_ids must be at most {standard.MAX_IDS} for one call; found {len(batch)}. Nothing was sent."
        )
    doing = f"read {len(batch)} tasks at {connection.host}"
    result: tuple[dict[str, KlingTask], bool] = yield ReadCall(
        standard.read_tasks(batch, path),
        partial(parse_batch, connection, kling_task_ids=batch, doing=doing),
        is_large=len(batch) > _FEW,
    )
    return result


def find_tasks(
    connection: KlingConnection, external_task_ids: Sequence[str], type: str
) -> Operation[dict[str, list[KlingTask]]]:
    """Find the tasks under each external id; ids that the host does not know are missing from the result.

    :raises KlingRequestError: where the host cannot look external ids up.
    """
    check_able(connection, connection.profile.can_find_by_external_id, "finds no tasks by external id")
    ids = check_words(external_task_ids, "external_task_ids")
    found: dict[str, list[KlingTask]] = {}
    for batch in _split_batches(ids) if find_tasks_path(connection, type) else [[one] for one in ids]:
        more = " …" if len(batch) > 2 else ""
        doing = f"look up {', '.join(batch[:2])}{more} at {connection.host}"
        found |= yield ReadCall(
            _make_find_call(connection, type, batch),
            partial(parse_found, connection, external_task_ids=batch, doing=doing),
        )
    return found


def list_tasks(
    connection: KlingConnection,
    since: datetime | None,
    until: datetime | None,
    *,
    statuses: Sequence[str],
    product_types: Sequence[str],
    max_pages: int | None,
    type: str = DEFAULT_TYPE,
) -> Operation[list[KlingTask]]:
    """List the account's tasks, 500 per call.

    :param type: any type of the list that is meant: the solutions have one of their own.

    A host that repeats a cursor, or always has another one, has no end: that is an error, or (with ``max_pages``) the end.

    :raises KlingRequestError: where the host or the credential has no list.
    :raises KlingServerError: where the list does not end.
    """
    check_pages(max_pages)
    make_call = _make_list_call(connection, since, until, statuses, product_types, type)
    tasks: list[KlingTask] = yield from read_cursor_pages(
        connection,
        make_call,
        parse_page,
        what="tasks",
        max_pages=max_pages,
    )
    # A list that shifts meanwhile shows a task twice.
    return list({task.kling_task_id: task for task in tasks}.values())


def list_page(
    connection: KlingConnection,
    since: datetime | None,
    until: datetime | None,
    *,
    statuses: Sequence[str],
    cursor: str | None,
    type: str = DEFAULT_TYPE,
) -> Operation[tuple[list[KlingTask], str | None]]:
    """List up to 500 of the account's tasks in one call, and return the cursor of the next page, ``None`` at the end.

    :param cursor: of the page before, with the same filters; ``None`` for the first one.
    :param type: any type of the list that is meant: the solutions have one of their own.
    :raises KlingRequestError: where the host or the credential has no list.
    """
    make_call = _make_list_call(connection, since, until, statuses, (), type)
    page: tuple[list[KlingTask], str | None] = yield read_page(
        connection, make_call(cursor), parse_page, what="tasks"
    )
    return page


def list_tasks_of_type(
    connection: KlingConnection, type: str, *, max_pages: int | None
) -> Operation[list[KlingTask]]:
    """List the tasks of a type at its own path of the legacy API, 500 per call.

    :raises KlingRequestError: where the host has no lists, and for a type without such a path.
    :raises KlingServerError: where the list does not end.
    """
    able = connection.profile.can_find_by_external_id
    check_able(connection, able, "lists no tasks of a type")
    spec = find_spec(_check_type(type))
    path = None if spec is None or spec.is_answered_at_once else spec.paths.get("legacy")
    if path is None:
        raise KlingRequestError(
            f"type must be one with tasks at a path of the legacy API; found {type!r}. Nothing was sent."
        )
    tasks: list[KlingTask] = yield from read_numbered_pages(
        connection,
        partial(legacy.list_page, path),
        partial(_parse_tasks_of_page, connection),
        what=f"tasks of type {type}",
        find_key=lambda task: task.kling_task_id,
        max_pages=max_pages,
    )
    return tasks


def read_account(connection: KlingConnection) -> Operation[tuple[Pack, ...]]:
    """Read the account's resource packs.

    Kling allows one such read a second for the whole account (1302). It is for information: no outage is waited out.

    :raises KlingRequestError: where the host does not tell.
    """
    check_able(connection, connection.profile.account, "does not tell what the account has")
    now = datetime.now(UTC)
    packs: tuple[Pack, ...] = yield ReadCall(
        standard.account_costs(now - timedelta(days=365), now + timedelta(days=1)),
        partial(parse_packs, connection),
        retry_after=(KlingRateLimitError,),
    )
    return packs


def check_host(connection: KlingConnection) -> Operation[str]:
    """Make a free call, and describe what answered.

    :raises KlingError: where the host does not answer, or does not accept the key.
    """
    host = f"{connection.host} ({connection.api} API, profile {connection.profile.name})"

    def parse_any(answer: ApiResponse) -> None:
        if not answer.ok and not (answer.is_not_found and answer.code is not None):
            raise build_response_error(answer, f"read from {host}")

    # A person waits for it: tried once.
    yield ReadCall(_make_read_call(connection, "text_to_video", "0"), parse_any, retry_after=())
    if not connection.profile.account:
        return f"{host} answers and accepts the key."
    left = units_left((yield from read_account(connection)))
    more = f" and {format_amount(left['image'])} image units" if left["image"] else ""
    return f"{host} accepts the key; the account has {format_amount(left['video'])} video units{more} left."


def find_tasks_path(connection: KlingConnection, type: str) -> str | None:
    """Return the path at which many tasks of a type are read in one call; ``None`` where the host reads them one by one."""
    spec = find_spec(type)
    return spec.tasks_path if spec is not None and connection.profile.task_reads else None


def _parse_tasks_of_page(connection: KlingConnection, data: Any) -> tuple[list[KlingTask], int]:
    """Parse the tasks of a numbered page, and count its entries."""
    tasks, unreadable = parse_tasks(
        data, accepts_gateway_statuses=connection.profile.accepts_gateway_statuses
    )
    return tasks, len(tasks) + unreadable


# -- calls and arguments ---------------------------------------------------------------------------------------


def _make_read_call(connection: KlingConnection, type: str, kling_task_id: str) -> ApiRequest:
    """Return the call that reads one task.

    ``/tasks`` knows the tasks of both API designs and needs no ``type``, so it is used where the host has it.
    """
    kind = _check_type(type)
    if (path := find_tasks_path(connection, kind)) is not None:
        return standard.read_tasks([kling_task_id], path)
    return _find_read_dialect(connection, kind).read(kind, kling_task_id)


def _make_list_call(
    connection: KlingConnection,
    since: datetime | None,
    until: datetime | None,
    statuses: Sequence[str],
    product_types: Sequence[str],
    type: str,
) -> Callable[[str | None], ApiRequest]:
    """Return what makes the call for a page of the list from its cursor.

    :raises KlingRequestError: where the host or the credential has no list.
    """
    check_able(
        connection, connection.profile.task_reads, "lists no tasks (a list needs Kling itself and an API key)"
    )
    statuses = check_words(statuses, "statuses", _STATUS_WORDS)
    product_types = check_words(product_types, "product_types", _PRODUCT_TYPES)
    path = find_tasks_path(connection, _check_type(type)) or standard.TASKS
    if path != standard.TASKS:
        # This list has no such filter, and one of its types calls a success by the legacy word (documented).
        product_types = []
        statuses += ["succeed"] if "succeeded" in statuses else []
    return lambda cursor: standard.list_tasks(
        since, until, statuses=statuses, product_types=product_types, cursor=cursor, path=path
    )


def _make_find_call(connection: KlingConnection, type: str, external_task_ids: Sequence[str]) -> ApiRequest:
    """Return the call that finds the tasks of external ids.

    Legacy reads accept either id in the same place, one at a time.
    """
    kind = _check_type(type)
    if (path := find_tasks_path(connection, kind)) is not None:
        return standard.find_tasks(external_task_ids, path)
    return _find_read_dialect(connection, kind).read(kind, external_task_ids[0])


def _split_batches(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + standard.MAX_IDS] for start in range(0, len(ids), standard.MAX_IDS)]


def _check_type(type: Any) -> str:
    """Check the type of a request: legacy reads are bound to it.

    :raises KlingRequestError: for an unknown one.
    """
    if isinstance(type, str) and type in request_types():
        spec = find_spec(type)
        if spec is not None and spec.is_answered_at_once:
            raise KlingRequestError(
                f"type must be one that Kling makes a task for; found {type!r}, which Kling answers at once: there is no task to "
                "read. The answer is the result: take the XCom of KlingGenerateOperator, or what KlingHook.submit returned."
            )
        return type
    raise KlingRequestError(f"type {explain_type(type)}; found {type!r}. Nothing was sent.")


def _find_read_dialect(connection: KlingConnection, type: str) -> Dialect:
    spec = find_spec(type)
    return connection.read_dialect if spec is None else find_dialect(connection.read_dialect, spec)
