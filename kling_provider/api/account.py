# SPDX-License-Identifier: Apache-2.0
"""The answer of ``/account/costs`` -> the account's packs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from kling_provider.api.billing import Package

#: ``Trial-Video-100Units-5Con-1Months``: 5 tasks in flight (seen live). The page's own example has no such part.
_CONCURRENCY = re.compile(r"(?<![0-9A-Za-z])(\d{1,4})Con(?![a-z])")

#: More packs than any account has.
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Pack:
    """One resource pack. Quantities are units of its own kind (:attr:`package`); what remains may lag by hours."""

    name: str
    status: str
    total: Decimal | None = None
    remaining: Decimal | None = None

    @property
    def package(self) -> Package:
        """Return of which kind the pack is. Kling says that in its name alone; one without such a word is of videos."""
        return "image" if "image" in self.name.lower() else "video"

    @property
    def concurrency(self) -> int | None:
        """Return the tasks in flight per model that the pack's name allows; ``None`` for an image pack."""
        found = None if self.package == "image" else _CONCURRENCY.search(self.name)
        return int(found[1]) or None if found else None


def parse_account(data: Any) -> tuple[Pack, ...]:
    """Parse the packs of an account; an account without packs has none (Kling then leaves the key out)."""
    infos = data.get("resource_pack_subscribe_infos") if isinstance(data, Mapping) else None
    return tuple(
        Pack(
            name=str(info.get("resource_pack_name") or ""),
            status=str(info.get("status") or ""),
            total=_parse_number(info.get("total_quantity")),
            remaining=_parse_number(info.get("remaining_quantity")),
        )
        for info in (infos[:_MOST] if isinstance(infos, list) else ())
        if isinstance(info, Mapping)
    )


def concurrency_of(packs: Iterable[Pack]) -> int | None:
    """Find the account's limit per model: the highest of its active packs, not their sum (Kling's concurrency page)."""
    return max(
        (pack.concurrency for pack in packs if pack.status == "online" and pack.concurrency), default=None
    )


def units_left(packs: Iterable[Pack]) -> dict[Package, Decimal]:
    """Sum up the units that remain in all active packs, by kind of pack."""
    left: dict[Package, Decimal] = {"video": Decimal(0), "image": Decimal(0)}
    for pack in packs:
        if pack.status == "online" and pack.remaining is not None:
            left[pack.package] += pack.remaining
    return left


def _parse_number(value: Any) -> Decimal | None:
    """Parse a finite number; return ``None`` for anything else."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
