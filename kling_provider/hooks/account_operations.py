# SPDX-License-Identifier: Apache-2.0
"""Operations on what the account keeps: its library of voices and elements, and its ledgers of deductions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from kling_provider.api.codes import TaskState
from kling_provider.api.ledgers import BALANCE, PRODUCT_TYPES, UNITS
from kling_provider.api.library import ELEMENTS, OLD_ELEMENTS, VOICES, says_gone
from kling_provider.exceptions import KlingRequestError
from kling_provider.hooks.argument_checks import check_able, check_words
from kling_provider.hooks.paging import read_cursor_pages, read_numbered_pages
from kling_provider.hooks.response_errors import build_response_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_provider.api.codes import ApiResponse
    from kling_provider.api.ledgers import BalanceDeduction, Ledger, UnitDeduction
    from kling_provider.api.library import LibraryElement, LibraryVoice
    from kling_provider.hooks.connection import KlingConnection
    from kling_provider.hooks.drivers import Operation

_NO_LIBRARY = "has no library of voices and elements (that is Kling's own)"
_NO_LEDGERS = "has no ledgers of deductions (those are Kling's own)"


# -- library ---------------------------------------------------------------------------------------------------


def check_library(connection: KlingConnection) -> None:
    """Check that the host has a library.

    :raises KlingRequestError: where it has none.
    """
    check_able(connection, connection.profile.is_kling, _NO_LIBRARY)


def list_voices(
    connection: KlingConnection, *, presets: bool, max_pages: int | None
) -> Operation[list[LibraryVoice]]:
    """List the voices of the library.

    :raises KlingRequestError: where the host has none.
    """
    check_library(connection)
    voices: list[LibraryVoice] = yield from read_numbered_pages(
        connection,
        partial(VOICES.list_page, presets=presets),
        VOICES.parse_page,
        what=VOICES.what,
        find_key=lambda voice: voice.id,
        max_pages=max_pages,
    )
    return voices


def list_elements(
    connection: KlingConnection, *, presets: bool, old: bool, max_pages: int | None
) -> Operation[list[LibraryElement]]:
    """List the elements of the library, or of the older one.

    :raises KlingRequestError: where the host has none.
    """
    check_library(connection)
    shelf = OLD_ELEMENTS if old else ELEMENTS
    elements: list[LibraryElement] = yield from read_numbered_pages(
        connection,
        partial(shelf.list_page, presets=presets),
        shelf.parse_page,
        what=shelf.what,
        find_key=lambda element: element.id,
        max_pages=max_pages,
    )
    return elements


def parse_deleted(connection: KlingConnection, answer: ApiResponse, *, what: str) -> bool:
    """Tell whether this call deleted it; ``False`` where it was deleted before.

    :param what: for messages: ``"voice 7"``.
    :raises KlingError: for any other answer; its text says whether it may be deleted all the same.
    """
    if answer.ok:
        return True
    if says_gone(answer):
        return False
    error = build_response_error(answer, f"delete {what} at {connection.host}")
    if answer.task_state is TaskState.NONE:
        raise error.with_context(suffix=" Nothing was deleted.")
    raise error.with_context(
        suffix=" It may be deleted all the same: list what is there. The call is not repeated."
    )


# -- ledgers ---------------------------------------------------------------------------------------------------


def list_unit_deductions(
    connection: KlingConnection,
    since: datetime,
    until: datetime | None,
    *,
    api_key_names: Sequence[str],
    product_types: Sequence[str],
    package_names: Sequence[str],
    package_ids: Sequence[str],
    max_pages: int | None,
) -> Operation[list[UnitDeduction]]:
    """List what was taken from packs.

    :raises KlingRequestError: where the host does not tell, and for filters that exclude one another.
    """
    if package_names and package_ids:
        raise KlingRequestError(
            "package_ids must be left out beside package_names: Kling accepts only one of them. Nothing was sent."
        )
    words = check_words(product_types, "product_types", PRODUCT_TYPES)
    filters = {
        "api_key_name": check_words(api_key_names, "api_key_names"),
        "product_type": [PRODUCT_TYPES[word] for word in words],
        "package_name": check_words(package_names, "package_names"),
        "package_id": check_words(package_ids, "package_ids"),
    }
    rows: list[UnitDeduction] = yield from _list_deductions(
        connection, UNITS, since, until, filters, max_pages
    )
    return rows


def list_balance_deductions(
    connection: KlingConnection,
    since: datetime,
    until: datetime | None,
    *,
    api_key_names: Sequence[str],
    max_pages: int | None,
) -> Operation[list[BalanceDeduction]]:
    """List what was taken from the balance.

    :raises KlingRequestError: where the host does not tell.
    """
    filters = {"api_key_name": check_words(api_key_names, "api_key_names")}
    rows: list[BalanceDeduction] = yield from _list_deductions(
        connection, BALANCE, since, until, filters, max_pages
    )
    return rows


def _list_deductions(
    connection: KlingConnection,
    ledger: Ledger[Any],
    since: datetime,
    until: datetime | None,
    filters: Mapping[str, Sequence[str]],
    max_pages: int | None,
) -> Operation[list[Any]]:
    check_able(connection, connection.profile.account, _NO_LEDGERS)
    end = datetime.now(UTC) if until is None else until
    if since.timestamp() >= end.timestamp():
        raise KlingRequestError(
            f"until must be later than since; found {since.isoformat()} to {end.isoformat()}. Nothing was sent."
        )
    rows: list[Any] = yield from read_cursor_pages(
        connection,
        lambda cursor: ledger.list_page(since, end, filters=filters, cursor=cursor),
        ledger.parse_page,
        what="deductions",
        max_pages=max_pages,
    )
    return rows
