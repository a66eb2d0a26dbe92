# SPDX-License-Identifier: Apache-2.0
"""The account's ledgers: what was taken from packs, and from the balance.

The shape is documented (account pages, since 2026-07-06); the types of most values are not, and nobody has recorded
one. Chosen here: amounts and lengths are texts as everywhere on Kling's wire, times are milliseconds, what a kind of
request does not have is an empty text or false.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

from kling_provider.sandbox.endpoints.base import Endpoint
from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.http.messages import Response, build_success, format_amount
from kling_provider.sandbox.state.ledger import Deduction

_MOST = 500
_NOTHING = {
    "resolution": "",
    "duration": "",
    "refer_video_input": False,
    "video_sound": False,
    "voice_control": False,
}
_PRODUCT_TYPES = ("video", "image", "try-on")

Filters = dict[str, list[str]]


class Ledger(Endpoint):
    """One page of a ledger, newest first (the order is a choice)."""

    operation = "account"
    filter_keys: ClassVar[tuple[str, ...]]

    def list_rows(self, account_name: str) -> Sequence[dict[str, Any]]:
        """Return all rows of the ledger, oldest first; rows are only ever added at the end."""
        raise NotImplementedError

    def run_operation(self) -> Response:
        """Return one page.

        :raises ApiError: window, limit, filter or cursor is invalid (1201).
        """
        account, fields = self.authenticate_caller(), Fields(self.request.parse_json())
        cursor = fields.read_text("cursor")
        wanted = self._read_query(fields) if cursor is None else _parse_cursor(cursor)
        found = [
            (position, row)
            for position, row in enumerate(self.list_rows(account.name))
            if position < wanted["before"] and _is_wanted(row, wanted)
        ][::-1]
        page = found[: wanted["limit"]]
        data: dict[str, Any] = {
            "result": {"detail": [_drop_hidden(row) for _, row in page], "count": len(page)},
            "has_more": len(found) > len(page),
        }
        if data["has_more"]:
            data["next_cursor"] = _build_cursor({**wanted, "before": page[-1][0]})
        return build_success(data)

    def _read_query(self, fields: Fields) -> dict[str, Any]:
        start, end = fields.read_integer("start_time"), fields.read_integer("end_time")
        if start is None or end is None:
            raise InvalidParameter("start_time and end_time are required without cursor")
        if start > end:
            raise InvalidParameter("start_time must be before end_time")
        limit = fields.read_integer("limit")
        limit = _MOST if limit is None else limit
        if not 1 <= limit <= _MOST:
            raise InvalidParameter(f"limit must be between 1 and {_MOST}")
        return {
            "since": start,
            "until": end,
            "limit": limit,
            "before": sys.maxsize,
            "filters": self._read_filters(fields),
        }

    def _read_filters(self, fields: Fields) -> Filters:
        filters: Filters = {}
        for index, entry in enumerate(fields.read_list("filters")):
            one = Fields(entry, f"filters[{index}]")
            key = one.read_choice("key", self.filter_keys, "")
            values = one.read_list("values")
            if not key or not values or not all(isinstance(value, str) for value in values):
                raise InvalidParameter(f"{one.name_field('key')} and {one.name_field('values')} are required")
            if key == "product_type" and not set(values) <= set(_PRODUCT_TYPES):
                raise InvalidParameter(
                    f"{one.name_field('values')} must be some of {', '.join(_PRODUCT_TYPES)}"
                )
            filters.setdefault(key, []).extend(values)
        if {"package_name", "package_id"} <= set(filters):
            raise InvalidParameter("package_name and package_id cannot be used together")
        return filters


class PackageLedger(Ledger):
    """``POST /account/billing/package``: the units that packs gave."""

    filter_keys = ("api_key_name", "product_type", "package_name", "package_id")

    def list_rows(self, account_name: str) -> Sequence[dict[str, Any]]:
        """Return a row for each task and each pack that paid for it."""
        account = self.app.backend.get_account(account_name)
        return [self._build_row(one) for one in self.app.backend.list_deductions(account)]

    def _build_row(self, deduction: Deduction) -> dict[str, Any]:
        task = self.app.backend.get_task(deduction.task_id)
        assert task is not None, "nobody forgets a task without its deductions"
        product = self.app.get_product(task)
        return {
            "package_id": deduction.pack_id,
            "package_name": deduction.pack_name,
            "product_type": product.product_type.replace("_", "-"),
            "task_id": task.id,
            "api_key_name": deduction.account,
            "product_function": product.name,
            "model_name": task.request.model_name,
            **_NOTHING,
            **product.describe_usage(task.request),
            "deduction_time": deduction.moment,
            "unit_before_deduction": format_amount(deduction.units_before),
            "deduction_amount": format_amount(deduction.units),
            "unit_after_deduction": format_amount(deduction.units_after),
        }


class BalanceLedger(Ledger):
    """``POST /account/billing/balance``: the accounts of a sandbox pay with packs alone, so there is nothing in it."""

    filter_keys = ("api_key_name",)

    def list_rows(self, account_name: str) -> Sequence[dict[str, Any]]:
        """Return nothing."""
        return []


def _is_wanted(row: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Tell whether a row is in the window and fits: one value of each key, every key (as the page says)."""
    return wanted["since"] <= row["deduction_time"] <= wanted["until"] and all(
        row[key] in values for key, values in wanted["filters"].items()
    )


def _drop_hidden(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row without the name of its pack, by which only filters know it."""
    return {name: value for name, value in row.items() if name != "package_name"}


def _build_cursor(query: dict[str, Any]) -> str:
    """Pack a whole query and what of it was seen into the text that asks for the next page."""
    return base64.urlsafe_b64encode(json.dumps(query).encode()).decode()


def _parse_cursor(cursor: str) -> dict[str, Any]:
    """Unpack a cursor.

    :raises InvalidParameter: it is none of ours.
    """
    try:
        query: dict[str, Any] = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        numbers = [query[name] for name in ("since", "until", "limit", "before")]
        if all(type(number) is int for number in numbers) and isinstance(query["filters"], dict):
            return query
    except (ValueError, TypeError, KeyError):
        pass
    raise InvalidParameter("cursor is invalid")
