# SPDX-License-Identifier: Apache-2.0
"""Read a list to its end: by numbered pages, as the legacy API has them, or by cursors. Either may have no end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from kling_provider.api.dialects.legacy import PAGE_SIZE
from kling_provider.api.dialects.reading import UnreadableTask
from kling_provider.exceptions import KlingServerError
from kling_provider.hooks.argument_checks import check_pages
from kling_provider.hooks.drivers import Operation, ReadCall
from kling_provider.hooks.response_errors import build_response_error

if TYPE_CHECKING:
    from kling_provider.api.calls import ApiRequest
    from kling_provider.api.codes import ApiResponse
    from kling_provider.hooks.connection import KlingConnection

#: Pages of 500 entries, after which a list is taken to have no end.
_MOST_PAGES = 200

Row = TypeVar("Row")


def read_numbered_pages(
    connection: KlingConnection,
    make_call: Callable[[int], ApiRequest],
    parse: Callable[[Any], tuple[list[Row], int]],
    *,
    what: str,
    find_key: Callable[[Row], str],
    max_pages: int | None,
) -> Operation[list[Row]]:
    """Read pages until one is not full. A list that shifts meanwhile shows a row twice, which counts once.

    :param make_call: makes the call for a page, from 1.
    :param parse: makes the rows of an answer's data, and counts its entries, of which some may have no row.
    :param what: what is listed, for messages: ``"voices"``.
    :param find_key: returns the id of a row.
    :param max_pages: the number of calls to stop after.
    :raises KlingServerError: where the list does not end.
    """
    check_pages(max_pages)
    found: dict[str, Row] = {}
    page = 1
    while True:
        rows, entries = yield read_page(connection, make_call(page), parse, what=what)
        before = len(found)
        found |= {find_key(row): row for row in rows}
        if entries < PAGE_SIZE or page == max_pages:
            break
        repeated = bool(rows) and len(found) == before
        if repeated or page >= _MOST_PAGES:
            if max_pages is not None:
                break
            raise _make_endless_error(connection, what)
        page += 1
    return list(found.values())


def read_cursor_pages(
    connection: KlingConnection,
    make_call: Callable[[str | None], ApiRequest],
    parse: Callable[[Any], tuple[list[Row], str | None]],
    *,
    what: str,
    max_pages: int | None,
) -> Operation[list[Row]]:
    """Read pages until one has no cursor of a next one.

    :param make_call: makes the call for a cursor, ``None`` for the first page.
    :param parse: makes the rows of an answer's data, and the cursor of the next page.
    :param what: what is listed, for messages: ``"deductions"``.
    :param max_pages: the number of calls to stop after.
    :raises KlingServerError: where a cursor comes twice, or there is always another one.
    """
    check_pages(max_pages)
    found: list[Row] = []
    seen: set[str] = set()
    cursor: str | None = None
    pages = 0
    while True:
        rows, cursor = yield read_page(connection, make_call(cursor), parse, what=what)
        found += rows
        pages += 1
        if cursor is None or pages == max_pages:
            break
        if cursor in seen or pages >= _MOST_PAGES:
            if max_pages is not None:
                break
            raise _make_endless_error(connection, what)
        seen.add(cursor)
    return found


def read_page(
    connection: KlingConnection, call: ApiRequest, parse: Callable[[Any], Any], *, what: str
) -> ReadCall:
    """Return the read of one page.

    :param call: reads the page.
    :param parse: makes what is wanted of the answer's data.
    :param what: what is listed, for messages: ``"voices"``.
    """
    doing = f"list {what} at {connection.host}"

    def parse_answer(answer: ApiResponse) -> Any:
        if not answer.ok:
            raise build_response_error(answer, doing)
        try:
            return parse(answer.data)
        except UnreadableTask as why:
            raise KlingServerError(
                f"Could not {doing}: {why}.", request_id=answer.request_id, http_status=answer.http_status
            ) from None

    return ReadCall(call, parse_answer, is_large=True)


def _make_endless_error(connection: KlingConnection, what: str) -> KlingServerError:
    return KlingServerError(f"Could not list {what} at {connection.host}: the list does not end.")
