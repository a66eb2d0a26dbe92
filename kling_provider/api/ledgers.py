# SPDX-License-Identifier: Apache-2.0
"""The account's two ledgers: what was deducted from packs, in units, and from the balance, in money."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from kling_provider.api.calls import ApiRequest
from kling_provider.api.dialects.fields import read_decimal, read_id, read_text, read_time
from kling_provider.api.dialects.reading import UnreadableTask

#: Entries of one page, the most that Kling allows.
_PAGE_SIZE = 500
#: More entries than any page has.
_MOST = 2000
_SECONDS = re.compile(r"\s*(\d+(?:\.\d+)?)\s*s?\s*")

#: Our words for kinds of packs, and Kling's in this ledger.
PRODUCT_TYPES: Mapping[str, str] = {"video": "video", "image": "image", "try_on": "try-on"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deduction:
    """What both ledgers tell of one task. ``None`` where they do not."""

    kling_task_id: str | None
    api_key_name: str | None
    product_function: str | None
    model: str | None
    resolution: str | None
    duration: Decimal | None
    refer_video_input: str | None
    video_sound: str | None
    voice_control: str | None
    deducted_at: datetime | None
    amount: Decimal
    before: Decimal | None
    after: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitDeduction(Deduction):
    """Units that were taken from a resource pack for one task. ``None`` where Kling does not tell.

    :param kling_task_id: the task that was paid for.
    :param api_key_name: the API key that asked for it, by its name in Kling's console.
    :param product_function: what was made, in Kling's words.
    :param model: the model that made it.
    :param resolution: that of what was made.
    :param duration: seconds.
    :param refer_video_input: whether a video went in, in Kling's words.
    :param video_sound: whether there is sound, in Kling's words.
    :param voice_control: whether a stored voice speaks, in Kling's words.
    :param deducted_at: when it was taken, in UTC.
    :param amount: units.
    :param before: units that were left in the pack before it.
    :param after: units that were left in the pack after it.
    :param package_id: the pack.
    :param product_type: the type of the pack: ``video``, ``image`` or ``try_on``.
    """

    package_id: str | None
    product_type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceDeduction(Deduction):
    """Money that was taken from the balance for one task. ``None`` where Kling does not tell.

    :param kling_task_id: the task that was paid for.
    :param api_key_name: the API key that asked for it, by its name in Kling's console.
    :param product_function: what was made, in Kling's words.
    :param model: the model that made it.
    :param resolution: that of what was made.
    :param duration: seconds.
    :param refer_video_input: whether a video went in, in Kling's words.
    :param video_sound: whether there is sound, in Kling's words.
    :param voice_control: whether a stored voice speaks, in Kling's words.
    :param deducted_at: when it was taken, in UTC.
    :param amount: money in ``currency``.
    :param before: the balance before it.
    :param after: the balance after it.
    :param cash_type: ``balance``, or ``test_balance``.
    :param list_price: what it costs without a discount.
    :param currency: ``CNY`` or ``USD``.
    """

    cash_type: str | None
    list_price: Decimal | None
    currency: str | None


Row = TypeVar("Row", UnitDeduction, BalanceDeduction)


@dataclass(frozen=True, slots=True)
class Ledger(Generic[Row]):
    """One of the ledgers.

    :param path: where it is read.
    :param read: makes a row of an entry; ``None`` of one without an amount.
    """

    path: str
    read: Callable[[Mapping[str, Any]], Row | None]

    def list_page(
        self,
        since: datetime,
        until: datetime,
        *,
        filters: Mapping[str, Sequence[str]],
        cursor: str | None = None,
    ) -> ApiRequest:
        """Return the call that lists one page; a cursor replaces the times.

        :param filters: the values of each key; keys without values are left out.
        """
        body: dict[str, Any] = {"limit": _PAGE_SIZE}
        if cursor is None:
            body["start_time"] = int(since.timestamp() * 1000)
            body["end_time"] = int(until.timestamp() * 1000)
        else:
            body["cursor"] = cursor
        if chosen := [{"key": key, "values": list(values)} for key, values in filters.items() if values]:
            body["filters"] = chosen
        return ApiRequest("POST", self.path, json=body)

    def parse_page(self, data: Any) -> tuple[list[Row], str | None]:
        """Parse one page and the next cursor; an entry without an amount is no deduction.

        :raises UnreadableTask: where the data are no such page.
        """
        if not isinstance(data, Mapping) or not {"result", "has_more", "count"} & data.keys():
            raise UnreadableTask("the response holds no page of deductions")
        result = data.get("result") or {}
        entries = (result.get("detail") or []) if isinstance(result, Mapping) else None
        if not isinstance(entries, list) or len(entries) > _MOST:
            raise UnreadableTask("the response holds no list of deductions")
        rows = [self.read(entry) for entry in entries if isinstance(entry, Mapping)]
        cursor = read_text(data.get("next_cursor"), 16_384) if data.get("has_more") else None
        if data.get("has_more") and cursor is None:
            raise UnreadableTask(
                "the response says that there are more deductions, and has no cursor to read them"
            )
        return [row for row in rows if row is not None], cursor


def _read_units(entry: Mapping[str, Any]) -> UnitDeduction | None:
    if (common := _read_common(entry, "unit")) is None:
        return None
    ours = {theirs: word for word, theirs in PRODUCT_TYPES.items()}
    kind = read_text(entry.get("product_type"))
    return UnitDeduction(
        **common,
        package_id=read_id(entry.get("package_id")),
        product_type=ours.get(kind or "", kind),
    )


def _read_money(entry: Mapping[str, Any]) -> BalanceDeduction | None:
    if (common := _read_common(entry, "balance")) is None:
        return None
    return BalanceDeduction(
        **common,
        cash_type=read_text(entry.get("cash_type")),
        list_price=read_decimal(entry.get("list_price")),
        currency=read_text(entry.get("currency")),
    )


def _read_common(entry: Mapping[str, Any], of: str) -> dict[str, Any] | None:
    amount = read_decimal(entry.get("deduction_amount"))
    if amount is None:
        return None
    seconds = _SECONDS.fullmatch(str(entry.get("duration")))
    return {
        "kling_task_id": read_id(entry.get("task_id")),
        "api_key_name": read_text(entry.get("api_key_name")),
        "product_function": read_text(entry.get("product_function")),
        "model": read_text(entry.get("model_name")),
        "resolution": read_text(entry.get("resolution")),
        "duration": None if seconds is None else read_decimal(seconds[1]),
        "refer_video_input": _read_word(entry.get("refer_video_input")),
        "video_sound": _read_word(entry.get("video_sound")),
        "voice_control": _read_word(entry.get("voice_control")),
        "deducted_at": read_time(entry.get("deduction_time")),
        "amount": amount,
        "before": read_decimal(entry.get(f"{of}_before_deduction")),
        "after": read_decimal(entry.get(f"{of}_after_deduction")),
    }


def _read_word(value: Any) -> str | None:
    return read_text(str(value).lower() if isinstance(value, bool) else value)


UNITS: Ledger[UnitDeduction] = Ledger("/account/billing/package", _read_units)
BALANCE: Ledger[BalanceDeduction] = Ledger("/account/billing/balance", _read_money)
