# SPDX-License-Identifier: Apache-2.0
"""Accounts, their keys, and the packs of units they bought."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from kling_provider.sandbox.http.messages import format_amount
from kling_provider.sandbox.options import Options
from kling_provider.sandbox.state.tasks import Package

_PACK_DAYS = 30
_DAY_MS = 86_400_000
_LARGEST_IMAGE_TASK = 9


@dataclass
class UnitPack:
    """One purchased pack of units. Its name states the number of tasks it allows at once."""

    total: Decimal
    concurrency: int
    bought_ms: int
    package: Package = "video"
    named: bool = True
    """False: a pack whose name says nothing about the limit, as in the documentation's example."""
    used: Decimal = Decimal(0)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def wire_name(self) -> str:
        """Return the name of the pack, which states units and limit unless the pack has another name."""
        if self.named:
            return (
                f"Trial-{self.package.title()}-{format_amount(self.total)}Units-{self.concurrency}Con-1Months"
            )
        return f"{self.package.title()} Generation - 10,000 entries"

    @property
    def remaining_units(self) -> Decimal:
        """Return the units that are left, never below 0."""
        return max(Decimal(0), self.total - self.used)

    @property
    def invalid_ms(self) -> int:
        """Return when the pack expires (epoch milliseconds)."""
        return self.bought_ms + _PACK_DAYS * _DAY_MS

    def is_active(self, now_ms: int) -> bool:
        """Tell whether the pack is still valid and has units left."""
        return now_ms < self.invalid_ms and self.remaining_units > 0

    def to_wire(self, now_ms: int) -> dict[str, Any]:
        """Build the entry of ``resource_pack_subscribe_infos`` (Kling docs, account usage page)."""
        if now_ms >= self.invalid_ms:
            status = "expired"
        else:
            status = "online" if self.remaining_units > 0 else "runOut"
        return {
            "resource_pack_name": self.wire_name,
            "resource_pack_id": self.id,
            "resource_pack_type": "decreasing_total",
            "total_quantity": float(self.total),
            "remaining_quantity": float(self.remaining_units),
            "purchase_time": self.bought_ms,
            "effective_time": self.bought_ms,
            "invalid_time": self.invalid_ms,
            "status": status,
        }


@dataclass
class SandboxAccount:
    """One customer: keys, region, packs. Tasks and external ids of different accounts never meet."""

    name: str
    region: str
    api_key: str
    access_key: str
    secret_key: str
    packs: list[UnitPack] = field(default_factory=list)
    spent: dict[Package, Decimal] = field(default_factory=dict)

    def get_remaining_units(self, package: Package, now_ms: int) -> Decimal:
        """Return the units left in all active packs of a kind."""
        return sum((pack.remaining_units for pack in self._list_active(package, now_ms)), Decimal(0))

    def _list_active(self, package: Package, now_ms: int) -> list[UnitPack]:
        return [pack for pack in self.packs if pack.package == package and pack.is_active(now_ms)]

    def get_limit(self, package: Package, now_ms: int) -> int:
        """Return how many tasks may run at once: the highest of the active packs, not their sum (concurrency page)."""
        return max((pack.concurrency for pack in self._list_active(package, now_ms)), default=0)

    def charge_units(self, units: Decimal, package: Package, now_ms: int) -> list[tuple[UnitPack, Decimal]]:
        """Take units from the packs, oldest first; return how many each pack gave.

        A task that was accepted is finished even if the packs run out meanwhile: the last one goes to zero.
        """
        given = []
        self.spent[package] = self.spent.get(package, Decimal(0)) + units
        for pack in self._list_active(package, now_ms):
            part = min(units, pack.remaining_units)
            pack.used += part
            units -= part
            if part:
                given.append((pack, part))
        return given


def get_concurrency(package: Package, concurrency: int) -> int:
    """Return how many tasks a pack allows at once that is bought with ``concurrency``.

    Each image of a task takes a place, so a pack of image units has room for the nine that one task can make (nine
    were reported of the vendor's own image packs).
    """
    return max(concurrency, _LARGEST_IMAGE_TASK) if package == "image" else concurrency


def open_accounts(options: Options, now_ms: int) -> list[SandboxAccount]:
    """Open the accounts of a fresh sandbox: ``default``, a ``second`` one, and one of the ``other-region``.

    All have the same packs; the last one's key is good for telling what a key of the wrong region meets.
    """

    def buy_packs() -> list[UnitPack]:
        if options.pack == "none":
            return []
        bought: dict[Package, float] = {"video": options.units, "image": options.image_units}
        return [
            UnitPack(
                total=Decimal(str(units)),
                concurrency=get_concurrency(package, options.concurrency),
                bought_ms=now_ms,
                package=package,
                named=options.pack == "trial",
            )
            for package, units in bought.items()
            if package == "video" or units
        ]

    elsewhere = "china" if options.region == "global" else "global"
    rows = (
        ("default", options.region, "", ""),
        ("second", options.region, "-2", "-2"),
        ("other-region", elsewhere, f"-{elsewhere}", "-3"),
    )
    return [
        SandboxAccount(
            name=name,
            region=region,
            api_key=options.first_key + suffix,
            access_key=options.access_key + key_suffix,
            secret_key=options.secret_key + key_suffix,
            packs=buy_packs(),
        )
        for name, region, suffix, key_suffix in rows
    ]
